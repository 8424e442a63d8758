"""`manage.py check_dataset FILE…`: the upload page's report for teams' own scripts. Needs no database."""

import json
import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand

from datasets.checks import FileReport, check_file

_MOST_SHOWN = 50


class Command(BaseCommand):
    help = "Checks dataset files line by line. Exit 0: clean; 1: a file has errors; 2: a file could not be read at all."
    requires_system_checks = ()
    requires_migrations_checks = False

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("files", nargs="+", metavar="FILE")
        parser.add_argument(
            "--shape", default="auto", choices=["auto", "dialogue", "messages", "instruction", "preference"]
        )
        parser.add_argument("--json", action="store_true", dest="as_json", help="one JSON object a file, a line each")

    def handle(self, *args: Any, **options: Any) -> None:
        worst = 0
        for name in options["files"]:
            checked = check_file(Path(name), filename=name, shape=options["shape"])
            worst = max(worst, checked.exit_code())
            if options["as_json"]:
                self.stdout.write(json.dumps(checked.as_json(), ensure_ascii=True))
            else:
                self._tell(checked)
        if worst:
            sys.exit(worst)

    def _tell(self, checked: FileReport) -> None:
        self.stdout.write(f"{checked.file}: {checked.recognised or 'not readable'}")
        self.stdout.write(f"  {checked.good_rows:,} good rows of {checked.rows:,}")
        for problem in checked.problems[:_MOST_SHOWN]:
            place = f"line {problem.line}" if problem.line else "the file"
            place += f", column {problem.column}" if problem.column else ""
            place += f", {problem.field}" if problem.field else ""
            self.stdout.write(f"  {problem.severity}: {place}: {problem.message} {problem.mend} [{problem.code}]")
        if len(checked.problems) > _MOST_SHOWN:
            self.stdout.write(f"  … and {len(checked.problems) - _MOST_SHOWN:,} more; --json lists all of them")
        for finding in checked.privacy[:_MOST_SHOWN]:
            self.stdout.write(
                f"  private: line {finding['line']}, {finding['field']}: {finding['kind']} “{finding['excerpt']}”"
            )
        if checked.readable and checked.good_rows:
            language = checked.quality["language"]
            self.stdout.write(f"  Language: {language['sentence']} {_grades(language)}")
            for method in checked.quality["guideline"].values():
                self.stdout.write(f"  {method['sentence']}")


def _grades(language: dict[str, Any]) -> str:
    if language["spache"] is None:
        return str(language["reason"])
    return f"Spache {language['spache']}, Flesch–Kincaid {language['flesch_kincaid']}."
