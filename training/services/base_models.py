"""Base models that an instructor adds for LoRA: looked at before they are offered, and told to the model server."""

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import IntegrityError, transaction

from datasets.services.base_folders import TINY
from teams.models import Course, Method, User
from teams.services import audit
from training.models import NOT_FIT, BaseModel, Hosting, Trial
from training.services import hub, queue
from training.services.json_files import write_json

LIST_FILE = "base_models.json"
HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}")
# The last one sees pictures too: its text part is trained and answers.
ANSWERING = ("ForCausalLM", "LMHeadModel", "ForConditionalGeneration")
WEIGHTS = ("model.safetensors", "model.safetensors.index.json")


class BaseModelRefused(Exception):
    """This model is not offered; the message says why and what to do."""


def folders_root() -> Path:
    """Where whoever runs the platform puts model folders that instructors may name."""
    return Path(settings.VAR_DIR) / "models"


def add_base_model(*, course: Course, person: User, name: str, label: str) -> BaseModel:
    """Look at the model and have it tried; it is offered to the course's teams once it was found fit (`base_trials`).

    Raises BaseModelRefused for what can be seen without loading it.
    """
    name, config = _looked_at(name.strip())
    _check_config(name, config)
    try:
        with transaction.atomic():
            base = BaseModel.objects.create(
                course=course,
                method=Method.LORA,
                name=name,
                label=label.strip() or name,
                hosting=Hosting.HUGGING_FACE,
                trial=Trial.WAITING,
            )
            audit.record(course=course, person=person, action="base model added", what=name)
            transaction.on_commit(lambda: queue.dispatch_trial(base))
    except IntegrityError as twice:
        raise BaseModelRefused(f"{name} is in this course's list already.") from twice
    return base


def is_known_here(name: str) -> bool:
    """Whether it may be loaded without being looked at anew: a folder that passes now, or what passed for another course."""
    if name.startswith(("/", "~", ".")) or "\\" in name:
        try:
            found, config = _of_folder(Path(name))
            _check_config(found, config)
        except (BaseModelRefused, OSError, ValueError):
            return False
        return found == name
    same = BaseModel.objects.filter(method=Method.LORA, hosting=Hosting.HUGGING_FACE, name=name)
    return HUB_ID.fullmatch(name) is not None and same.exists()


def switch_base_model(*, base: BaseModel, person: User) -> None:
    """Offered or not offered from now on. Runs that were made with it stay, and can be talked to.

    Raises BaseModelRefused for one that is known by name only: it came with an imported course.
    """
    if base.hosting == Hosting.ELSEWHERE:
        raise BaseModelRefused(
            f"{base.name} is on another platform, and only its name came with the course. Add it below under its name or folder."
        )
    with transaction.atomic():
        base.enabled = not base.enabled
        base.save(update_fields=["enabled"])
        action = "base model offered again" if base.enabled else "base model no longer offered"
        audit.record(course=base.course, person=person, action=action, what=base.name)


def write_list() -> Path:
    """The file that the model server reads when it is asked for a base that it does not know: {name: folder or id}."""
    path = Path(settings.VAR_DIR) / LIST_FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    added = (
        BaseModel.objects.filter(method=Method.LORA)
        .exclude(hosting=Hosting.PROVIDER)
        .exclude(name=TINY)
    )
    added = added.exclude(trial__in=NOT_FIT)
    served = (base for base in added if base.enabled or base.hosting == Hosting.HUGGING_FACE)
    write_json(path, {base.name: base.weights for base in served})
    return path


def _looked_at(name: str) -> tuple[str, dict[str, Any]]:
    """The one name that every process and every run's folder finds the model by, and its configuration."""
    if name.startswith(("/", "~", ".")) or "\\" in name:
        return _of_folder(Path(name))
    if not HUB_ID.fullmatch(name):
        raise BaseModelRefused(
            "Write a Hugging Face id such as HuggingFaceTB/SmolLM2-135M-Instruct, or the full path of a folder "
            f"under {folders_root()}."
        )
    try:
        found = hub.look_at(name)
    except hub.HubTrouble as trouble:
        raise BaseModelRefused(str(trouble)) from trouble
    _check_files(name, found.files)
    return name, found.config


def _of_folder(path: Path) -> tuple[str, dict[str, Any]]:
    """A folder that the operator put there: no instructor may point the platform at other places of the disk."""
    root, real = folders_root().resolve(), path.resolve()
    if not real.is_relative_to(root) or real == root:
        raise BaseModelRefused(
            f"Only folders under {root} can be used. Ask whoever runs the platform to put it there."
        )
    if not real.is_dir():
        raise BaseModelRefused(f"There is no folder {path}.")
    _check_files(str(path), [file.name for file in real.iterdir() if file.is_file()])
    try:
        config = json.loads((real / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as wrong:
        raise BaseModelRefused(f"{path}/config.json cannot be read: {wrong}.") from wrong
    return str(real), config if isinstance(config, dict) else {}


def _check_files(name: str, files: Sequence[str]) -> None:
    if "config.json" not in files:
        raise BaseModelRefused(f"{name} has no config.json, so it is not a transformers model.")
    if not any(weights in files for weights in WEIGHTS):
        raise BaseModelRefused(
            f"{name} has no safetensors weights. Weights as pickle (.bin) can hold programs and are never loaded: choose a "
            "model that comes as model.safetensors."
        )
    if "tokenizer.json" not in files:
        raise BaseModelRefused(
            f"{name} has no tokenizer.json (a fast tokenizer), which training needs."
        )


def _check_config(name: str, config: dict[str, Any]) -> None:
    if config.get("auto_map"):
        raise BaseModelRefused(
            f"{name} needs code of its author (auto_map), and foreign code is never run here."
        )
    kinds = config.get("architectures")
    kinds = kinds if isinstance(kinds, list) else []
    answers = any(str(kind).endswith(ANSWERING) for kind in kinds)
    if not answers or config.get("is_encoder_decoder"):
        raise BaseModelRefused(
            f"{name} is no text model that answers ({', '.join(map(str, kinds)) or 'no architecture'})."
        )
