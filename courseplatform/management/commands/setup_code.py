from typing import Any

from django.core.management.base import BaseCommand

from teams.services import first_account


class Command(BaseCommand):
    help = "Print the code with which the first account is made in the browser. Prints nothing once there is one."

    def handle(self, *args: Any, **options: Any) -> None:
        if first_account.wanted():
            self.stdout.write(first_account.code())
