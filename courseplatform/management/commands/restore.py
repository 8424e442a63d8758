from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from courseplatform.operations.backup import restoring
from courseplatform.operations.backup.manifest import BackupRefused


class Command(BaseCommand):
    help = "Put a backup back, into either kind of database. Refuses a platform that is not empty, unless told --replace."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("folder", type=Path)
        parser.add_argument(
            "--replace",
            action="store_true",
            help="the platform's rows are lost, its files are moved aside",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            found = restoring.restore(options["folder"], replace=options["replace"])
        except (BackupRefused, OSError) as error:
            raise CommandError(str(error)) from error
        self.stdout.write(
            f"Restored {found.rows} rows and {len(found.files)} files of {found.made_at}. "
            "Start the platform: runs that were under way go on, and jobs at a provider are looked up again."
        )
