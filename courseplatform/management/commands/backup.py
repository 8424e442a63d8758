from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from courseplatform.operations.backup import making
from courseplatform.operations.backup.manifest import BackupRefused


class Command(BaseCommand):
    help = "Write database and files into a new folder, while everything goes on. Secrets are not in it: keep SECRET_KEY apart."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("folder", type=Path, help="a folder that does not exist yet")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            made = making.make(options["folder"])
        except (BackupRefused, OSError) as error:
            raise CommandError(str(error)) from error
        for name in made.changing:
            self.stderr.write(f"Not in it, because it changed all the while: {name}")
        self.stdout.write(
            f"{options['folder']}: {made.rows} rows, {len(made.files)} files ({made.size / 1e6:.1f} MB), "
            f"version {made.version}. It holds personal data, and needs SECRET_KEY to open providers' keys."
        )
