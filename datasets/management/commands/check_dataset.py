"""`manage.py check_dataset FILE…`: the upload page's report for teams' own scripts. Needs no database."""

import json
import os
import re
import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand

from datasets.checks import FileReport
from datasets.services.checking import check_file

_MOST_SHOWN = 50
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


class Command(BaseCommand):
    help = "Checks dataset files line by line. Exit 0: clean; 1: a file has errors; 2: a file could not be read at all."
    requires_system_checks = ()
    requires_migrations_checks = False

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("files", nargs="+", metavar="FILE")
        parser.add_argument(
            "--shape",
            default="auto",
            choices=["auto", "dialogue", "messages", "instruction", "preference"],
        )
        parser.add_argument(
            "--json",
            action="store_true",
            dest="as_json",
            help="one JSON object a file, a line each",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        worst = 0
        for name in options["files"]:
            checked = check_file(Path(name), filename=name, shape=options["shape"])
            worst = max(worst, checked.exit_code())
            if options["as_json"]:
                self._say(json.dumps(checked.as_json(), ensure_ascii=True))
            else:
                self._tell(checked)
        if worst:
            sys.exit(worst)

    def _say(self, line: str) -> None:
        """One line, in what the terminal can show: file names and excerpts may hold anything."""
        encoding = getattr(self.stdout, "encoding", None) or "utf-8"
        shown = _CONTROLS.sub(lambda found: f"\\x{ord(found.group()):02x}", line)
        try:
            self.stdout.write(shown.encode(encoding, "backslashreplace").decode(encoding))
            self.stdout.flush()
        except BrokenPipeError:
            # The reader (head, less) has seen enough; the exit code still tells about all files.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())

    def _tell(self, checked: FileReport) -> None:
        self._say(f"{checked.file}: {checked.recognised or 'not readable'}")
        self._say(f"  {checked.good_rows:,} good rows of {checked.rows:,}")
        for problem in checked.problems[:_MOST_SHOWN]:
            place = f"line {problem.line}" if problem.line else "the file"
            place += f", column {problem.column}" if problem.column else ""
            place += f", {problem.field}" if problem.field else ""
            self._say(
                f"  {problem.severity}: {place}: {problem.message} {problem.fix} [{problem.code}]"
            )
        if len(checked.problems) > _MOST_SHOWN:
            self._say(
                f"  … and {len(checked.problems) - _MOST_SHOWN:,} more; --json lists all of them"
            )
        for finding in checked.privacy[:_MOST_SHOWN]:
            self._say(
                f"  private: line {finding['line']}, {finding['field']}: {finding['kind']} “{finding['excerpt']}”"
            )
        if checked.readable and checked.good_rows:
            language = checked.quality["language"]
            self._say(f"  Language: {language['sentence']} {_grades(language)}")
            for method in checked.quality["guideline"].values():
                self._say(f"  {method['sentence']}")


def _grades(language: dict[str, Any]) -> str:
    if language["spache"] is None:
        return str(language["reason"])
    return f"Spache {language['spache']}, Flesch–Kincaid {language['flesch_kincaid']}."
