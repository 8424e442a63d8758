"""`manage.py rotate_provider_keys`: seal all that is kept sealed with the newest secret, so that an old one can go."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from teams.services import providers, second_factor
from teams.services.lti import keys
from training.services import model_servers

SEAL_ANEW = (
    providers.seal_anew,
    model_servers.seal_anew,
    second_factor.seal_anew,
    keys.seal_anew,
)


class Command(BaseCommand):
    help = (
        "Seals the keys of providers, model servers and learning management systems, and the secrets of authenticator "
        "apps, with the first of PROVIDER_KEY_SECRETS (or SECRET_KEY). Put the new secret in front, run this, then take "
        "the old one away."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        done = [seal_anew() for seal_anew in SEAL_ANEW]
        sealed = sum(number for number, _ in done)
        self.stdout.write(f"{sealed} keys are sealed with the newest secret.")
        if names := ", ".join(str(row) for _, lost in done for row in lost):
            raise CommandError(
                f"The keys of these cannot be opened with any secret that is set, and were left as they are: {names}. "
                "Set the secret that sealed them and run this again, or enter the keys once more in the browser."
            )
