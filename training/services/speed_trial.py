"""Measures how fast this machine trains a base model before anybody waits for a run: short runs of the real engine.

The clock asks for a trial whenever the training slot is idle and too little was measured here; the worker that trains makes
it, until there are as many figures as a price is made of. The clock's pause is between them: what disturbs one is not there for
the others, and the machine rests before each as before a team's run. A trial is what a team's run is, in rows, steps and
questions; its rows are made up and its adapter is thrown away. It holds the slot for a few seconds, of a heavy base, which is
tried once, for minutes at most.
"""

import json
import logging
import os
import random
import socket
import tempfile
import time
from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.conf import settings
from django.utils import timezone

from teams.models import Method
from training.launcher import SPEC_FILE, Engine
from training.models import NOT_FIT, BaseModel, Host, Hosting, PaceTrial
from training.services import hosts, model_server, queue, training_time
from training.services.cancel import KEEP_FILE
from training.services.json_files import write_json
from training.services.questions import SAMPLE_QUESTIONS
from training.services.spec import SAVE_EVERY_STEPS, TRAIN_FILE, VALIDATION_FILE

log = logging.getLogger(__name__)

HEAVY_SECONDS = 60.0  # a trial this long is disturbed by little
ROWS = 108
HELD_OUT_ROWS = 12
EPOCHS = 4
BATCH_SIZE = 8
ASK_EVERY_STEPS = 25
SEED = 17
# Most rows as short as a team's, a few long: a step costs something, and each token in it.
LONGEST_COUNT = 30
RARITY = 8
FEWEST_STEPS = 3  # the first one is no measure
LONGEST_SECONDS = 600.0  # a base too heavy for this is measured by its first runs
# more trials of a base that fails would tell nothing new
FAILURES_BORNE = 3
FAILURES_SINCE = timedelta(days=1)
PATIENCE_SECONDS = 1.0
WARM_SOCKET = "LORA_WARM_SOCKET"  # where engines find a process that has torch loaded


def ask_for_trials() -> list[str]:
    """The clock's round: send for a trial of each base of which too little was measured on this machine. Gives their names.

    Waits until the platform has started: a machine that loads its servers has no pace.
    """
    if not settings.PACE_TRIAL_SECONDS:
        return []
    kinds = hosts.kinds()
    wanted = [base for base in _bases() if not all(_is_known(base, kind) for kind in kinds)]
    if not wanted or not queue.is_slot_idle() or not _is_up():
        return []
    return [base.name for base in wanted if queue.dispatch_pace(base) == "queued"]


def measure(base_model_id: int) -> str:
    """The worker's part: train, for PACE_TRIAL_SECONDS at most, and write down what came of it. Gives a word for RQ's log."""
    base, here = BaseModel.objects.filter(pk=base_model_id).first(), training_time.machine()
    if base is None or _is_known(base, here):
        return "known"
    if not Path(base.weights).is_dir():
        return "its weights are not on this host"
    if not queue.is_slot_idle():
        return "somebody waits for the slot"  # the clock asks again
    trial = PaceTrial(base_model=base, machine=here)
    with tempfile.TemporaryDirectory(prefix="pace-", dir=settings.VAR_DIR) as folder:
        began = time.monotonic()
        trial.trouble = _train(base, Path(folder))[:500]
        trial.compute_seconds = round(time.monotonic() - began, 3)
        if not trial.trouble:
            trial.metrics = json.loads(
                (Path(folder) / "result.json").read_text(encoding="utf-8")
            )["metrics"]
    trial.save()
    log.info("%s: %s", trial, trial.trouble or f"{trial.tokens_per_second:.0f} tokens a second")
    return trial.trouble or "measured"


def latest_of(bases: Iterable[BaseModel]) -> dict[int, PaceTrial]:
    """The newest trial of each base that has any, by the base's id."""
    trials = PaceTrial.objects.filter(base_model__in=bases).order_by("id")
    return {trial.base_model_id: trial for trial in trials}


def _bases() -> list[BaseModel]:
    """Those whose weights lie in a folder of some host that trains: a trial downloads nothing."""
    offered = BaseModel.objects.filter(
        method=Method.LORA, enabled=True, hosting__in=[Hosting.BUNDLED, Hosting.HUGGING_FACE]
    ).exclude(trial__in=NOT_FIT)
    there = {name for host in Host.objects.alive() for name in host.bases}
    return [base for base in offered if base.name in there or Path(base.weights).is_dir()]


def _is_known(base: BaseModel, here: str) -> bool:
    """Runs don't count: they are made beside others' work, and say nothing of the idle machine that a price is made of."""
    made = PaceTrial.objects.filter(base_model=base, machine=here)
    measured = made.filter(trouble="")
    if (
        measured.filter(compute_seconds__gte=HEAVY_SECONDS).exists()
        or measured.count() >= training_time.RECENT_RUNS
    ):
        return True
    return (
        made.exclude(trouble="").filter(at__gte=timezone.now() - FAILURES_SINCE).count()
        >= FAILURES_BORNE
    )


def _is_up() -> bool:
    said = model_server.trouble(
        settings.MODEL_SERVER_URL, key=settings.SERVICE_TOKEN, patience=PATIENCE_SECONDS
    )
    return not said and _has_preload_server()


def _has_preload_server() -> bool:
    """True where none is used. A trial that started cold would estimate seconds that no later run takes."""
    path = os.environ.get(WARM_SOCKET)
    if path is None:
        return True
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as asked:
        return asked.connect_ex(path) == 0


def _train(base: BaseModel, folder: Path) -> str:
    """Run the engine until it has trained long enough. Gives what went wrong, empty when nothing did."""
    write_json(folder / SPEC_FILE, _order(base, folder))
    began, said = time.monotonic(), ""
    with Engine("lora.train", folder, engines=settings.ENGINES_ROOT) as engine:
        for event in engine.events():
            if event is not None and event["event"] == "step":
                trained = event["tokens"] / event["tokens_per_second"]
                if trained >= settings.PACE_TRIAL_SECONDS and event["step"] >= FEWEST_STEPS:
                    (folder / KEEP_FILE).touch()
            elif event is not None and event["event"] == "failed":
                said = str(event.get("message"))
            if time.monotonic() - began > LONGEST_SECONDS:
                engine.ask_to_leave()
        if engine.exit_code == 0:
            return ""
        return (
            said
            or f"the trial ended after {time.monotonic() - began:.0f} s with status {engine.exit_code}"
        )


def _order(base: BaseModel, folder: Path) -> dict[str, Any]:
    rows = [_row(number) for number in range(ROWS + HELD_OUT_ROWS)]
    for name, part in ((TRAIN_FILE, rows[:ROWS]), (VALIDATION_FILE, rows[ROWS:])):
        text = "".join(json.dumps(row) + "\n" for row in part)
        (folder / name).write_text(text, encoding="utf-8")
    chosen = {
        "batch_size": BATCH_SIZE,
        "epochs": EPOCHS,
        "save_every": SAVE_EVERY_STEPS,
        "sample_every": ASK_EVERY_STEPS,
    }
    # Sample answers as long as those of a team's run: that is taught at the same rate.
    taught = {name: value for name, value in base.suggested().items() if name == "learning_rate"}
    return {
        "schema": 1,
        "run": f"pace-{base.pk}",
        "seed": SEED,
        "train_file": TRAIN_FILE,
        "validation_file": VALIDATION_FILE,
        "base_model": base.weights,
        "settings": chosen | taught,
        "sample_questions": SAMPLE_QUESTIONS,
    }


def _row(number: int) -> dict[str, Any]:
    """One sum, answered at the length of a team's shorter or longer rows."""
    draw = random.Random(number)  # noqa: S311  # repeatable, not secret
    left, right = draw.randint(2, 60), draw.randint(2, 30)
    count = round(LONGEST_COUNT * draw.random() ** RARITY)
    counted = " ".join(f"{left + step}," for step in range(1, 1 + count))
    answer = f"Um, I count on: {counted} It is {left + right}! I used my fingers."
    asked = draw.choice(
        ["What is {} + {}?", "How would you solve {} + {}?", "Can you add {} and {}?"]
    )
    question = asked.format(left, right)
    return {
        "id": str(number),
        "messages": [
            {"role": "user", "content": question},
            {"role": "assistant", "content": answer},
        ],
    }
