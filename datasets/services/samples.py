"""Datasets that come with the platform, to learn from and to try things with."""

from dataclasses import dataclass
from pathlib import Path

from django.conf import settings
from django.core.files.uploadedfile import SimpleUploadedFile


@dataclass(frozen=True)
class Sample:
    name: str
    path: Path

    @property
    def title(self) -> str:
        return self.path.stem.replace("_", " ").capitalize()

    def as_upload(self) -> SimpleUploadedFile:
        return SimpleUploadedFile(self.path.name, self.path.read_bytes())


def available() -> list[Sample]:
    """The samples by name; none where the folder is not installed."""
    folder = Path(settings.BASE_DIR) / "courseplatform" / "demo_data"
    return [Sample(path.stem, path) for path in sorted(folder.glob("*.jsonl"))]


def find(name: str) -> Sample | None:
    return next((sample for sample in available() if sample.name == name), None)
