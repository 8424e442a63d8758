"""Reads and checks one file inside the sandbox, for `manage.py check_dataset`: the report goes to `report.json`."""

import mimetypes
from pathlib import Path
from typing import Any

import msgspec

from datasets import checks, formats
from teams import sandbox_child

REPORT = "report.json"


def main(request: dict[str, Any], tell: sandbox_child.Tell) -> dict[str, Any]:
    mimetypes.knownfiles = []  # openpyxl would read the system's, which are fenced off
    limits = msgspec.convert(request["limits"], formats.Limits)
    with sandbox_child.input_file("file") as file:
        report = checks.check_file(
            file, filename=request["filename"], limits=limits, shape=request["shape"]
        )
    Path(REPORT).write_bytes(msgspec.json.encode(report))
    return {}
