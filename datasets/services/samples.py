"""Datasets that come with the platform, to learn from and to try things with."""

from dataclasses import dataclass
from pathlib import Path

from django.conf import settings
from django.core.files.uploadedfile import SimpleUploadedFile

PROPER = {"dspy": "DSPy", "openai": "OpenAI", "lora": "LoRA"}


@dataclass(frozen=True)
class Sample:
    name: str
    path: Path

    @property
    def title(self) -> str:
        words = [PROPER.get(word, word) for word in self.path.stem.split("_")]
        return " ".join([words[0][:1].upper() + words[0][1:], *words[1:]])

    def as_upload(self) -> SimpleUploadedFile:
        return SimpleUploadedFile(self.path.name, self.path.read_bytes())


def available() -> list[Sample]:
    """The samples by name; none where the folder is not installed."""
    folder = Path(settings.BASE_DIR) / "courseplatform" / "demo_data"
    return [Sample(path.stem, path) for path in sorted(folder.glob("*.jsonl"))]


def find(name: str) -> Sample | None:
    return next((sample for sample in available() if sample.name == name), None)
