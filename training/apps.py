"""Django's description of this app: when all apps are there, the folders of the methods are loaded."""

from django.apps import AppConfig

from training import methods


class TrainingConfig(AppConfig):
    name = "training"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        methods.load()
