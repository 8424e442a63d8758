"""Where the base models lie that come with the platform: the ones installed into VAR_DIR, and the tiny one for tests."""

from pathlib import Path

from django.conf import settings

TINY = "tiny-student"
"""A model of 3 million parameters that lies in the repository: quick enough for tests, and too small to learn a team's rows."""


def installed_root() -> Path:
    """Folders that the platform made of installed packages (`manage.py install_base_model`)."""
    return Path(settings.VAR_DIR) / "base_models"


def base_folder(name: str) -> Path:
    """The folder of a base model that comes with the platform, whether it is there yet or not."""
    if name == TINY:
        return Path(settings.BASE_MODELS_ROOT) / name
    return installed_root() / name


def folders() -> list[Path]:
    """Those that are there and that a person may see, by name."""
    found = [path for path in installed_root().glob("[!.]*") if path.is_dir()]
    if settings.OFFER_TEST_MODEL:
        found.append(base_folder(TINY))
    return sorted(found, key=lambda path: path.name)
