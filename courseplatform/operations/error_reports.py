"""SENTRY_DSN: errors are reported to a Sentry server, with neither secrets nor anything that people wrote.

An error's own text may quote a child's or a student's words, a row of a data set or an address. So what leaves is where
it happened and of what kind it was. The text stays in this platform's log, under the request's id.
"""

from typing import Any

from django.conf import settings

from courseplatform.redaction import redact
from courseplatform.version import VERSION
from teams import log_context

WITHHELD = "withheld: see the platform's log under this request"
KEPT_OF_A_FRAME = (
    "filename",
    "abs_path",
    "function",
    "module",
    "lineno",
    "in_app",
    "context_line",
)
OURS = ("teams", "datasets", "training", "evaluation", "courseplatform")
KEPT = (
    "event_id",
    "timestamp",
    "level",
    "platform",
    "logger",
    "release",
    "environment",
    "server_name",
    "sdk",
)


def begin(transport: Any = None) -> bool:
    """Report from now on. False where SENTRY_DSN is not set. `transport`: where reports go, for tests."""
    if not settings.SENTRY_DSN:
        return False
    import sentry_sdk
    from sentry_sdk.integrations.stdlib import StdlibIntegration

    sentry_sdk.init(
        dsn=settings.SENTRY_DSN,
        release=VERSION,
        server_name=settings.HOST_NAME,
        environment=settings.SENTRY_ENVIRONMENT,
        include_local_variables=False,
        max_request_body_size="never",
        max_breadcrumbs=0,
        traces_sample_rate=None,
        auto_session_tracking=False,
        trace_propagation_targets=[],  # providers are not told which report a request belongs to
        disabled_integrations=[StdlibIntegration()],  # it adds variables to every engine
        before_send=_scrubbed,
        transport=transport,
    )
    return True


def _scrubbed(event: Any, hint: dict[str, Any]) -> Any:
    """A new report made of what may leave. What Sentry adds in a later version is left out with all the rest."""
    report = {name: event[name] for name in KEPT if name in event}
    chained = (event.get("exception") or {}).get("values") or []
    if chained:
        report["exception"] = {"values": [_scrubbed_error(one) for one in chained]}
    template = (event.get("logentry") or {}).get("message")
    ours = str(event.get("logger", "")).partition(".")[0] in OURS
    if template and ours:  # with its places still open: what would fill them is not sent
        report["logentry"] = {"message": redact(str(template))}
    report["tags"] = {
        "request": log_context.REQUEST.get(),
        "run": str(log_context.RUN.get() or ""),
    }
    return report


def _scrubbed_error(error: dict[str, Any]) -> dict[str, Any]:
    frames = (error.get("stacktrace") or {}).get("frames") or []
    kept = [{name: frame[name] for name in KEPT_OF_A_FRAME if name in frame} for frame in frames]
    return {
        "type": error.get("type"),
        "module": error.get("module"),
        "value": WITHHELD,
        "stacktrace": {"frames": kept},
    }
