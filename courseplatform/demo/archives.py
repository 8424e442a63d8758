"""The archives of finished runs that come with the demo course: made by `make demo-archives`, brought in as any archive."""

from pathlib import Path

from django.conf import settings

FOLDER = settings.BASE_DIR / "courseplatform" / "demo_data" / "runs"
FILES = {"Theo": "lora.zip", "Theo by prompt": "dspy.zip"}


def file_of(name: str) -> Path:
    """Where the archive of the run called `name` lies, whether it is there or not."""
    return FOLDER / FILES[name]
