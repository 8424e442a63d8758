"""`manage.py storage move|verify|prune`: what is done with all that is kept. docs/storage.md has when and why."""

from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from teams.services import audit, disk
from teams.services.storage import health, moving, shelves

LEAST_HOURS = 1.0


class Command(BaseCommand):
    help = "Moves files to where STORAGE_URL says, proves them by their hashes, removes what nothing refers to."

    def add_arguments(self, parser: CommandParser) -> None:
        parsers = parser.add_subparsers(dest="what", required=True)
        parsers.add_parser(
            "move",
            help="bring everything to STORAGE_URL (empty: to VAR_DIR), from VAR_DIR and from what STORAGE_ALSO names",
        )
        parsers.add_parser("verify", help="read everything and compare it with its hash")
        prune = parsers.add_parser(
            "prune", help="remove stored files that no row names; a dry run without --yes"
        )
        prune.add_argument("--yes", action="store_true", help="remove them, not only list them")
        prune.add_argument("--older-than-hours", type=float, default=24.0)

    def handle(self, *args: Any, what: str, **options: Any) -> None:
        try:
            getattr(self, f"_{what}")(options)
        except shelves.StorageAway as away:
            raise CommandError(
                f"The storage does not answer or refuses: {away.__cause__ or away}. Look at STORAGE_URL, then try again."
            ) from away

    def _move(self, options: dict[str, Any]) -> None:
        counts = moving.move(self.stderr.write)
        self.stdout.write(f"{counts.done} files moved, {disk.told(counts.size)}.")
        if counts.lost or counts.away:
            raise CommandError(
                f"{counts.lost + counts.away} files were not moved; they stay where they are. Start it again to go on."
            )

    def _verify(self, options: dict[str, Any]) -> None:
        counts = moving.verify(self.stderr.write)
        bad = counts.lost + counts.away
        audit.record(
            course=None,
            person=None,
            action=health.VERIFIED,
            what=health.name(),
            after={"files": counts.done, "lost": counts.lost, "away": counts.away},
        )
        if bad:
            raise CommandError(
                f"{bad} of {bad + counts.done} stored files cannot be given; they are named above."
            )
        self.stdout.write(
            f"{counts.done} stored files are what they were, {disk.told(counts.size)}."
        )

    def _prune(self, options: dict[str, Any]) -> None:
        hours = float(options["older_than_hours"])
        if not hours >= LEAST_HOURS:
            raise CommandError(
                "--older-than-hours is at least 1: a file that is stored now has no row yet."
            )
        counts = moving.prune(
            self.stdout.write, grace=timedelta(hours=hours), dry_run=not options["yes"]
        )
        strange = (
            f" {counts.strange} objects are not of this platform and were left alone."
            if counts.strange
            else ""
        )
        done = "removed" if options["yes"] else "would be removed; add --yes to do it"
        self.stdout.write(f"{counts.done} files, {disk.told(counts.size)}, {done}.{strange}")
