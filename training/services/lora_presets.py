"""Settings that a team need not think about: what suits its rows and its base model, and what the course guide says.

Why these figures. "Even in small data settings attention-only underperforms" (Thinking Machines, LoRA primer, 2025), so every
linear layer gets an adapter; rank matters little, so it is small. A wider model wants a smaller learning rate, by the rule of
Tinker's cookbook (`hyperparams`): 10 x 5e-5 x (2000 / width) ** p, whatever the rank. A run needs some 60 steps before answers
change and about 100 before they settle, so few rows are read more often and in smaller batches.
"""

import json
import math
from pathlib import Path
from typing import Any

from training.models import BaseModel

RECOMMENDED = "recommended"
GUIDE = "guide"
OWN = "own"
LABELS = {
    RECOMMENDED: "Recommended for these rows and this base",
    GUIDE: "As in the course guide",
    OWN: "My own",
}

EVERY_LAYER = (
    "all-linear"  # whatever this base's family calls them: the engine reads them from the model
)
LLAMAS_LAYERS = "q_proj,k_proj,v_proj,o_proj,gate_proj,up_proj,down_proj"  # the same, as earlier runs have it
COURSE_GUIDE: dict[str, Any] = {
    "epochs": 3,
    "learning_rate": 2e-4,
    "rank": 8,
    "alpha": 32,
    "dropout": 0.05,
    "target_modules": "q_proj,v_proj",
    "batch_size": 8,
}
"""The guide's LoraConfig. It names no epochs, learning rate or batch: these are PEFT's and the Trainer's usual ones."""

RATE_AT_2000 = 5e-4
USUAL_WIDTH = 2_000
POWERS = {
    "llama": 0.781,
    "qwen": 0.0775,
}  # Tinker's cookbook: how the rate falls with the width, by family
USUAL_POWER = 0.5  # between the two, for a family that nobody measured
UNKNOWN_WIDTH = 2_000
LOWEST_RATE = 1e-6
HIGHEST_RATE = 0.1
"""What a person, a sweep, a program or the verdict's advice may choose."""
MOST_EPOCHS_CHOSEN = 100
HIGHEST_RANK = 256
WANTED_STEPS = 100
FEWEST_EPOCHS = 2
MOST_EPOCHS = 5
# up to these, batches of 4 and of 8
FEW_ROWS = 200
MANY_ROWS = 2_000
SMALL_BATCH = 4
BATCH = 8
BIG_BATCH = 16


def settings_of(preset: str, base: BaseModel, rows: int) -> dict[str, Any]:
    """The form's fields that a preset decides, and their values; empty for a person's own settings.

    `rows`: how many the run trains on.
    """
    if preset == RECOMMENDED:
        return recommended(base, rows)
    return dict(COURSE_GUIDE) if preset == GUIDE else {}


def recommended(base: BaseModel, rows: int) -> dict[str, Any]:
    """What suits this base and so many rows. What was measured for a base of ours counts more than the rules."""
    if measured := base.suggested():
        return COURSE_GUIDE | {
            name: value for name, value in measured.items() if name in COURSE_GUIDE
        }
    batch = SMALL_BATCH if rows <= FEW_ROWS else BATCH if rows <= MANY_ROWS else BIG_BATCH
    return {
        "epochs": _epochs(rows, batch),
        "learning_rate": learning_rate(base),
        "rank": 16,
        "alpha": 32,
        "dropout": 0.05,
        "target_modules": EVERY_LAYER,
        "batch_size": batch,
    }


def _epochs(rows: int, batch: int) -> int:
    steps = max(1, math.ceil(rows / batch))
    return min(MOST_EPOCHS, max(FEWEST_EPOCHS, math.ceil(WANTED_STEPS / steps)))


def learning_rate(base: BaseModel) -> float:
    """By the base's width, to two significant figures."""
    config = _config(base)
    config |= config.get("text_config") or {}
    width = config.get("hidden_size", config.get("n_embd"))
    if not isinstance(width, int) or width <= 0:
        width = UNKNOWN_WIDTH
    family = str(config.get("model_type", ""))
    power = next(
        (value for name, value in POWERS.items() if family.startswith(name)), USUAL_POWER
    )
    return float(f"{RATE_AT_2000 * (USUAL_WIDTH / width) ** power:.1e}")


def _config(base: BaseModel) -> dict[str, Any]:
    try:
        found = json.loads((Path(base.weights) / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def sentence(settings: dict[str, Any]) -> str:
    """The settings in one line, for the page."""
    every = settings["target_modules"] in (EVERY_LAYER, LLAMAS_LAYERS)
    layers = "every linear layer" if every else settings["target_modules"]
    epochs = f"{settings['epochs']} epoch{'' if settings['epochs'] == 1 else 's'}"
    return (
        f"Adapts {layers.replace(',', ', ')}; rank {settings['rank']}, alpha {settings['alpha']}, dropout "
        f"{settings['dropout']:g}; learning rate {settings['learning_rate']:g}, {epochs}, batches of "
        f"{settings['batch_size']}."
    )
