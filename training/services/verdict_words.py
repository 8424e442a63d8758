"""The verdict in one sentence, and the setting to try next: pure rules over a run's counts.

The worst thing is said first, because it explains the others: a loss above chance, no language, nothing changed, loops.
"""

import math
from dataclasses import dataclass
from typing import Any

from training.models import RunVerdict, TrainingRun
from training.services import lora_presets
from training.services.lora_presets import HIGHEST_RATE, LOWEST_RATE, MOST_EPOCHS_CHOSEN
from training.services.openai_api.wanted import AUTO_MULTIPLIER, MOST_EPOCHS_OF_JOBS
from training.services.spec import ASKED

FEW = 0.2  # of the answers: so many may be no language, or loop, before it is a fault; so many changed are next to none
HALF = 0.5
RATE_STEP = 3
GUIDES_LAYERS = frozenset(lora_presets.COURSE_GUIDE["target_modules"].split(","))


@dataclass(frozen=True)
class Change:
    """A setting to try. `key` names it in an address; `settings` are fields of the run form."""

    key: str
    label: str
    settings: dict[str, Any]


@dataclass(frozen=True)
class VerdictWords:
    """`warns`: something to change before anybody hands this bot in."""

    text: str
    warns: bool
    change: Change | None = None


def words_of(run: TrainingRun, rows: list[RunVerdict]) -> VerdictWords | None:
    """What to say of the adapter that was kept; None where nothing was asked."""
    kept = next((row for row in rows if row.kept), None)
    base = next((row for row in rows if row.of == RunVerdict.Of.BASE), None)
    if kept is None or not kept.asked:
        return None
    changes = changes_of(run)
    if (worse := _worse_than_chance(run, changes)) is not None:
        return worse
    asked, odd = kept.asked, kept.asked - kept.language
    if odd > FEW * asked:
        text = f"{odd} of {asked} answers are not language: the learning rate is too high for these rows."
        return VerdictWords(text, warns=True, change=changes.get("gentler"))
    if kept.changed <= FEW * asked:
        what = "Nothing changed" if not kept.changed else "Next to nothing changed"
        text = f"{what}: {asked - kept.changed} of {asked} answers are word for word the base's. It learned too little."
        return VerdictWords(text, warns=True, change=changes.get("stronger"))
    text = f"{kept.childlike} of {asked} {_verb(kept.childlike, 'reads', 'read')} like a second-grader{_but(kept)}."
    if kept.repeats > FEW * asked:
        return VerdictWords(
            f"{text} It learned its rows too well.", warns=True, change=changes.get("shorter")
        )
    if kept.childlike < HALF * asked:
        return VerdictWords(
            f"{text} It still talks like the base.", warns=True, change=changes.get("longer")
        )
    return VerdictWords(text + _sums(kept, base), warns=False)


def _worse_than_chance(run: TrainingRun, changes: dict[str, Change]) -> VerdictWords | None:
    metrics = run.result.get("metrics") or {}
    vocabulary, loss = metrics.get("vocabulary"), metrics.get("validation_loss_after")
    if not run.is_adapter or run.result.get("training", "supervised") != "supervised":
        return None  # the loss of pairs is no loss of words
    if not isinstance(vocabulary, int) or vocabulary < 2 or not isinstance(loss, int | float):
        return None
    chance = math.log(vocabulary)
    if loss <= chance:
        return None
    before = metrics.get("validation_loss_before")
    text = f"Worse than chance: the validation loss is {loss:.2f}, and guessing every word blindly gives {chance:.2f}."
    if isinstance(before, int | float) and before > chance:
        return VerdictWords(
            f"{text} So it was before training: take another base model.", warns=True
        )
    return VerdictWords(
        f"{text} The learning rate is far too high.", warns=True, change=changes.get("gentler")
    )


def _but(kept: RunVerdict) -> str:
    """What is wrong with single answers."""
    odd, same = kept.asked - kept.language, kept.asked - kept.changed
    parts = [
        f", {kept.repeats} {_verb(kept.repeats, 'repeats itself', 'repeat themselves')}"
        if kept.repeats
        else "",
        f", {odd} {_verb(odd, 'is', 'are')} not language" if odd else "",
        f", {same} {_verb(same, 'is', 'are')} as the base would say" if same else "",
    ]
    return "".join(parts)


def _sums(kept: RunVerdict, base: RunVerdict | None) -> str:
    if not kept.sums:
        return ""
    of_base = f" (the base: {base.right})" if base is not None else ""
    return f" Of {kept.sums} sum{'' if kept.sums == 1 else 's'}, {kept.right} {_verb(kept.right, 'is', 'are')} right{of_base}."


def _verb(count: int, one: str, many: str) -> str:
    return one if count == 1 else many


def changes_of(run: TrainingRun) -> dict[str, Change]:
    """What the run form can be opened with, by key: the run's settings with one of them changed."""
    if run.is_own_job:
        return _changes_of_job(run)
    if not run.trained_with.leaves_adapter:
        return {}
    rate, epochs = (
        float(run.settings.get("learning_rate", 2e-4)),
        int(run.settings.get("epochs", 3)),
    )
    higher, lower = (
        _rounded(min(HIGHEST_RATE, rate * RATE_STEP)),
        _rounded(max(LOWEST_RATE, rate / RATE_STEP)),
    )
    more, fewer = min(MOST_EPOCHS_CHOSEN, epochs * 2), max(1, epochs // 2)
    found = [
        Change("gentler", f"Try a learning rate of {lower:g}", {"learning_rate": lower}),
        _stronger(run, higher),
        Change("longer", f"Try {more} epochs", {"epochs": more}),
        Change("shorter", f"Try {fewer} epoch{'' if fewer == 1 else 's'}", {"epochs": fewer}),
    ]
    return {change.key: change for change in found}


def _changes_of_job(run: TrainingRun) -> dict[str, Change]:
    """In the OpenAI form's own fields."""
    asked, epochs = run.settings.get(ASKED, {}), int(run.settings.get("epochs", 3))
    now = asked.get("learning_rate_multiplier", "auto")
    multiplier = AUTO_MULTIPLIER if now == "auto" else float(now)
    more, fewer = min(MOST_EPOCHS_OF_JOBS, epochs * 2), max(1, epochs // 2)
    found = [
        _multiplied("gentler", multiplier / RATE_STEP),
        _multiplied("stronger", multiplier * RATE_STEP),
        Change("longer", f"Try {more} epochs", {"n_epochs": more}),
        Change("shorter", f"Try {fewer} epoch{'' if fewer == 1 else 's'}", {"n_epochs": fewer}),
    ]
    return {change.key: change for change in found}


def _multiplied(key: str, multiplier: float) -> Change:
    value = _rounded(multiplier)
    return Change(
        key, f"Try a learning rate multiplier of {value:g}", {"learning_rate_multiplier": value}
    )


def _stronger(run: TrainingRun, rate: float) -> Change:
    """Of a run that adapts the guide's two layers, what is recommended; else a higher learning rate."""
    if set(run.settings.get("target_modules", ())) == GUIDES_LAYERS:
        return Change(
            "stronger", "Try the recommended settings", {"preset": lora_presets.RECOMMENDED}
        )
    return Change("stronger", f"Try a learning rate of {rate:g}", {"learning_rate": rate})


def _rounded(rate: float) -> float:
    return float(f"{rate:.1e}")
