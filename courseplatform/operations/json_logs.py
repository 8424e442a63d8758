"""LOG_FORMAT=json: one JSON object a line, for whatever collects logs, without secrets."""

import json
import logging
from datetime import UTC, datetime
from typing import Any

from courseplatform.redaction import redact
from courseplatform.version import VERSION

PLACES = ("host", "pid", "request", "run")


class JsonFormatter(logging.Formatter):
    """`time` (UTC, ISO 8601), `level`, `logger`, `message`, `version`; where known `host`, `pid`, `request`, `run`; of an
    error its `traceback`. Secrets are taken out before the line is written as JSON, which may write them differently."""

    def format(self, record: logging.LogRecord) -> str:
        said: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(
                timespec="milliseconds"
            ),
            "level": record.levelname,
            "logger": record.name,
            "message": redact(record.getMessage()),
            "version": VERSION,
        }
        for name in PLACES:
            value = getattr(record, name, None)
            if value not in (None, ""):
                said[name] = value
        if record.exc_info:
            said["traceback"] = redact(self.formatException(record.exc_info))
        if record.stack_info:
            said["stack"] = redact(self.formatStack(record.stack_info))
        return json.dumps(said, ensure_ascii=False)
