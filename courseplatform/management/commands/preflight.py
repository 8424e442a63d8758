import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from courseplatform.operations import preflight


class Command(BaseCommand):
    help = "Before a start or an upgrade: one line for each check, with what to do. Ends with 1 where something must be fixed."

    requires_system_checks: list[str] = []  # they are among the lines

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="the same for programs")

    def handle(self, *args: Any, **options: Any) -> None:
        lines = preflight.lines()
        if options["json"]:
            told = [
                {"check": one.name, "state": one.word, "trouble": one.trouble, "fix": one.fix}
                for one in lines
            ]
            self.stdout.write(json.dumps(told, indent=2))
        else:
            for one in lines:
                self.stdout.write(str(one))
        wrong = sum(one.word == "FAIL" for one in lines)
        if wrong:
            raise CommandError(f"{wrong} of {len(lines)} checks failed.")
