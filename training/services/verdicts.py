"""The verdict on a run: its answers to fresh questions, measured by the rules of `second_grade` and stored by checkpoint.

The engine asks and keeps the better adapter (`lora/verdict.py`); here the same rules read the same answers for the page. A
run of a method that asks no fresh questions is read by what it has: the sample questions, before and after, and of a program
the held-out turns that both programs answered.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import second_grade
from second_grade import verdict
from training.launcher import SPEC_FILE
from training.models import RunVerdict, TrainingRun

MEASURE = f"{verdict.VERSION}/{second_grade.VERSION}"
OF_ENGINE = "verdicts"  # of an engine's result
MOST_QUESTIONS = 100
MOST_CANDIDATES = 10


def measured(run: TrainingRun, result: dict[str, Any]) -> list[RunVerdict]:
    """Rows to save with the run's end; takes the engine's answers out of `result`. Computes: call outside a transaction."""
    said = result.pop(OF_ENGINE, None)
    asked = _fresh_questions(run)
    if asked and isinstance(said, list) and said:
        return _of_candidates(
            run, asked, [one for one in said[:MOST_CANDIDATES] if isinstance(one, dict)]
        )
    return _of_samples(run, result)


def _fresh_questions(run: TrainingRun) -> list[verdict.Asked]:
    """As the platform wrote them into the engine's order."""
    try:
        spec = json.loads(run.file(SPEC_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return []
    drawn = spec.get("verdict_questions") or []
    return [verdict.Asked(one["question"], one.get("total")) for one in drawn[:MOST_QUESTIONS]]


def _of_candidates(
    run: TrainingRun, asked: list[verdict.Asked], said: list[dict[str, Any]]
) -> list[RunVerdict]:
    of_base = _texts(said[0].get("base_answers")) if said else []
    if len(of_base) != len(asked):
        return []
    rows = [_row(run, asked, of_base, [None] * len(asked), of=RunVerdict.Of.BASE)]
    for one in said:
        answers = _texts(one.get("answers"))
        if len(answers) != len(asked):
            continue
        loss = one.get("validation_loss")
        rows.append(
            _row(
                run,
                asked,
                answers,
                of_base,
                of=RunVerdict.Of.CHECKPOINT,
                step=_step(one.get("step")),
                kept=bool(one.get("kept")),
                validation_loss=loss if isinstance(loss, int | float) else None,
            )
        )
    return rows


def _texts(said: object) -> list[str]:
    return [str(answer) for answer in said] if isinstance(said, list) else []


def _step(said: object) -> int:
    return said if isinstance(said, int) and said >= 0 else 0


def _of_samples(run: TrainingRun, result: dict[str, Any]) -> list[RunVerdict]:
    """Of what was answered before and after; none where a half is missing."""
    said = _samples(run)
    for question, both in _held_out(result).items():
        said.setdefault(question, both)
    asked = [
        verdict.Asked(question, verdict.total_of(question))
        for question in list(said)[:MOST_QUESTIONS]
    ]
    if not asked:
        return []
    of_base = [said[one.question][0] for one in asked]
    answers = [said[one.question][1] for one in asked]
    base = _row(run, asked, of_base, [None] * len(asked), of=RunVerdict.Of.BASE, fresh=False)
    kept = _row(
        run,
        asked,
        answers,
        of_base,
        of=RunVerdict.Of.CHECKPOINT,
        step=run.step,
        kept=True,
        fresh=False,
    )
    return [base, kept]


def _samples(run: TrainingRun) -> dict[str, tuple[str, str]]:
    """The answers before and after, by sample question."""
    stages: dict[str, dict[str, str]] = {"before": {}, "after": {}}
    for data in run.events.filter(kind="sample").values_list("data", flat=True):
        if data.get("stage") in stages:
            stages[data["stage"]][str(data.get("question", ""))] = str(data.get("answer", ""))
    before, after = stages["before"], stages["after"]
    return {
        question: (before[question], after[question]) for question in after if question in before
    }


def _held_out(result: dict[str, Any]) -> dict[str, tuple[str, str]]:
    """The answers before and after to a program's held-out turns, by what the teacher says; without those that failed."""
    found = {}
    examples = result.get("examples")
    for one in examples if isinstance(examples, list) else []:
        told = (
            [one.get(name) for name in ("teacher_prompt", "before", "after")]
            if isinstance(one, dict)
            else []
        )
        if told and all(isinstance(text, str) and text for text in told):
            found[str(told[0])] = (str(told[1]), str(told[2]))
    return found


def _row(
    run: TrainingRun,
    asked: Sequence[verdict.Asked],
    answers: Sequence[str],
    of_base: Sequence[str | None],
    **fields: Any,
) -> RunVerdict:
    found = verdict.judge(asked, answers, of_base)
    told = [
        {"question": one.question, "answer": answer, **asdict(read)}
        for one, answer, read in zip(asked, answers, found.answers, strict=True)
    ]
    counts = {name: found.count(name) for name in ("language", "childlike", "repeats", "right")}
    changed = 0 if fields["of"] == RunVerdict.Of.BASE else found.count("changed")
    return RunVerdict(
        run=run,
        asked=len(asked),
        changed=changed,
        sums=found.sums,
        measure=MEASURE,
        answers=told,
        **counts,
        **fields,
    )
