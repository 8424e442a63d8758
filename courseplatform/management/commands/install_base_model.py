from typing import Any

from django.core.management.base import BaseCommand

from training.services import bundled_bases


class Command(BaseCommand):
    help = "Make the base model ready that comes with the platform. Quick where it is; `start` does it by itself."

    def handle(self, *args: Any, **options: Any) -> None:
        """Never fails: without it everything but LoRA works, and the pages say what to do."""
        for base in bundled_bases.install_all(self._tell):
            self.stderr.write(f"{base.label}: {base.trouble}")

    def _tell(self, percent: int, doing: str) -> None:
        self.stdout.write(f"Base model: {doing} ({percent} %)")
        self.stdout.flush()
