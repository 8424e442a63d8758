"""Trying a base model before teams may start from it: a small run of the real engine, in a child process of the worker.

An instructor adds a model -> WAITING -> a worker of the training queue claims it (TRYING) -> FIT, with what was found, or UNFIT,
with why and what to do. The clock sends for those whose worker died or whose call was lost; after the third time it is UNFIT.
"""

import logging
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db.models import F, Q
from django.utils import timezone

from teams.models import Method
from training.launcher import SPEC_FILE, storable
from training.models import BaseModel, Trial
from training.services import base_models, lora_memory, queue, small_programs
from training.services.json_files import write_json
from training.services.small_programs import MOST_ATTEMPTS, SILENT

log = logging.getLogger(__name__)

LONGEST_SECONDS = 3_000.0  # a model of several GB is fetched first
SMALL_RUN = {"rank": 4, "batch_size": 2, "max_length": 128, "target_modules": ["all-linear"]}
ROW_TOKENS = 32
IN_FULL = 2  # half-precision weights are held in full on a processor
BROKE_DOWN = "Trying it broke down three times: most likely it is too big for this machine. Choose a smaller base model."


def ask_for_trials() -> int:
    """The clock's round: send again for the models that wait, and for those whose worker has fallen silent. How many."""
    silent = timezone.now() - SILENT
    lost = Q(trial=Trial.TRYING, trial_alive_at__lt=silent)
    BaseModel.objects.filter(lost, trial_attempts__gte=MOST_ATTEMPTS).update(
        trial=Trial.UNFIT, trouble=BROKE_DOWN
    )
    BaseModel.objects.filter(lost).update(trial=Trial.WAITING)
    waiting = BaseModel.objects.filter(trial=Trial.WAITING)
    for base in waiting:
        queue.dispatch_trial(base)
    return len(waiting)


def try_again(*, base: BaseModel) -> None:
    """Once more, after something on the machine was changed. Nothing happens for one that is at it already."""
    again = BaseModel.objects.filter(pk=base.pk).exclude(trial__in=[Trial.WAITING, Trial.TRYING])
    if again.update(trial=Trial.WAITING, trial_attempts=0, trial_stage="", trouble=""):
        queue.dispatch_trial(base)


def try_base(base_model_id: int) -> str:
    """The worker's part. Gives a word for RQ's log."""
    claimed = BaseModel.objects.filter(
        pk=base_model_id, method=Method.LORA, trial=Trial.WAITING
    ).update(
        trial=Trial.TRYING,
        trial_attempts=F("trial_attempts") + 1,
        trial_alive_at=timezone.now(),
        trial_stage="",
    )
    if not claimed:
        return "not needed"
    base = BaseModel.objects.get(pk=base_model_id)
    facts, trouble = _outcome(base)
    ours = BaseModel.objects.filter(
        pk=base.pk, trial=Trial.TRYING, trial_attempts=base.trial_attempts
    )
    found = {"trial_stage": "", "trouble": trouble[:500], "facts": facts}
    if facts:
        found |= {"weights_sha256": str(facts.get("weights_sha256", ""))[:64]}
    if not ours.update(trial=Trial.UNFIT if trouble else Trial.FIT, **found):
        return "superseded"
    base_models.write_list()
    return trouble or "fit"


def _outcome(base: BaseModel) -> tuple[dict[str, Any], str]:
    """What was found, or why it is unfit."""
    if trouble := _too_big(base):
        return {}, trouble
    with tempfile.TemporaryDirectory(prefix="trial-", dir=settings.VAR_DIR) as folder:
        return _tried(base, Path(folder))


def _tried(base: BaseModel, folder: Path) -> tuple[dict[str, Any], str]:
    write_json(folder / SPEC_FILE, {"base": base.weights})
    said = small_programs.run(
        "lora.try_base", folder, partial(_beat, base), longest=LONGEST_SECONDS
    )
    facts: dict[str, Any] = storable(said.done["facts"]) if said.done else {}
    if said.late:
        return (
            facts,
            f"It could not be tried within {LONGEST_SECONDS / 60:.0f} minutes. Choose a smaller base model.",
        )
    if said.failed:
        return facts, f"{_sentence(said.failed.get('message'))} {said.failed.get('fix', '')}"
    if not facts:
        return (
            facts,
            f"Trying it ended with status {said.exit_code}: too little memory, or a broken file.",
        )
    return facts, ""


def _beat(base: BaseModel, stage: str | None) -> None:
    told = {"trial_alive_at": timezone.now()} | (
        {} if stage is None else {"trial_stage": stage[:80]}
    )
    BaseModel.objects.filter(
        pk=base.pk, trial=Trial.TRYING, trial_attempts=base.trial_attempts
    ).update(**told)


def _sentence(message: object) -> str:
    said = str(message).strip()
    return said[:1].upper() + said[1:] + ("" if said.endswith(".") else ".")


def _too_big(base: BaseModel) -> str:
    """Before anything is loaded: from its configuration, or else from the size of its files. Empty where it fits."""
    room = lora_memory.room()
    if room is None:
        return ""
    needed = lora_memory.need_here(base.weights, SMALL_RUN, ROW_TOKENS, room)
    if needed is not None:
        return lora_memory.refusal(needed, room, alone=True) or ""
    folder = Path(base.weights)
    files = (
        sum(file.stat().st_size for file in folder.glob("*.safetensors"))
        if folder.is_dir()
        else 0
    )
    if IN_FULL * files <= room.free:
        return ""
    return (
        f"It needs about {lora_memory.in_words(IN_FULL * files)} of {room.kind}, and this machine has "
        f"{lora_memory.in_words(room.free)} free now. Choose a smaller base model."
    )
