from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from courseplatform.operations.backup import manifest


class Command(BaseCommand):
    help = "Look whether a backup is whole: every table and file by its hash. Changes nothing and asks no database."

    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("folder", type=Path)

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            found = manifest.read(options["folder"])
            troubles = manifest.troubles(options["folder"], found)
        except manifest.BackupRefused as error:
            raise CommandError(str(error)) from error
        for trouble in troubles:
            self.stderr.write(trouble)
        if troubles:
            raise CommandError(
                f"The backup is damaged in {len(troubles)} places. Use another one."
            )
        self.stdout.write(
            f"Whole: {found.rows} rows, {len(found.files)} files, version {found.version}, {found.made_at}."
        )
