"""`manage.py bring_files`: brings runs' files from the storage to this host when its model or program server asks for them."""

import signal
import threading
from typing import Any

from django.core.management.base import BaseCommand

from training.services import bringing


class Command(BaseCommand):
    help = "Brings runs' files to this host for its servers of bots. Needed where STORAGE_URL is set."

    def handle(self, *args: Any, **options: Any) -> None:
        over = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: over.set())
        bringing.serve(over)
