"""Django's description of this app."""

from importlib import import_module

from django.apps import AppConfig


class TeamsConfig(AppConfig):
    name = "teams"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Django's own signals tell of each sign-in and sign-out, whichever way it went."""
        import_module("teams.second_step")
