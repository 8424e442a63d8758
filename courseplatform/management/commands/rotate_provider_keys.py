"""`manage.py rotate_provider_keys`: seal the keys of all providers with the newest secret, so that an old one can go."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from teams.services import providers
from teams.services.lti import keys
from training.services import model_servers


class Command(BaseCommand):
    help = (
        "Seals every provider's keys with the first of PROVIDER_KEY_SECRETS (or SECRET_KEY). Put the new secret in front, "
        "run this, then take the old one away."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        sealed, lost = providers.rotate()
        keys.seal_anew()
        sealed += model_servers.rotate()
        self.stdout.write(f"{sealed} keys are sealed with the newest secret.")
        if lost:
            names = ", ".join(f"{one.name} ({one.code})" for one in lost)
            raise CommandError(
                f"The keys of these cannot be opened with any secret that is set, and were left as they are: {names}. "
                "Set the secret that sealed them and run this again, or enter the keys once more in the browser."
            )
