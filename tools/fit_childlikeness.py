"""Fits the coefficients of `second_grade/childlikeness.py` and measures them on talk that they were not fitted on.

    python -m tools.fit_childlikeness ../shared/data/transcripts/bridge_train.json

Fitted on: half of the conversations of Bridge (MIT; students are real children, tutors are adults), and the texts named
`*_fit.txt` in `tests/second_grade/data/talk`. Each text is also read in lower case, without punctuation, and its sentences as one
run-on, with the same label, so that none of these decides. Logistic regression with an L2 penalty, by Newton's method.
"""

import argparse
import hashlib
import json
import random
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from second_grade import childlikeness, not_talk
from second_grade.words import words

ROOT = Path(__file__).resolve().parents[1]
TALK = ROOT / "tests" / "second_grade" / "data" / "talk"
TARGET = ROOT / "second_grade" / "data" / "childlikeness.json"
SEED = 15
PENALTY = 4.0
CHILD_WEIGHT = 0.56  # of all weight: a real child that is refused is worse than an adult that is let through
UNITS = {
    "words an answer": "words",
    "words beyond twelve": "an answer",
    "sentences an answer": "sentences",
    "exclamation marks": "an answer",
    "hedges": "an answer",
    "adult phrases": "an answer",
    "teacher's phrases": "an answer",
    "speaks to the other": "an answer",
    "commas and stops beyond two": "an answer",
    "says you": "in 100 words",
    "joined by and, then, so": "a run-on",
    "words beyond grade 2": "in 100 words",
    "lexical diversity": "% different of 30 in a row",
}
SIGNS = {"joined by and, then, so": 1}
"""Which way a part may count; -1 (more of it is less of a child) where nothing is said, so that no part helps by accident."""


@dataclass(frozen=True)
class Speaker:
    """All answers of one person, or of one made voice; `group`: where they are from."""

    group: str
    name: str
    answers: tuple[str, ...]


def bridge(file: Path) -> list[Speaker]:
    """The students and the tutors of Bridge, one speaker for each session and role."""
    said: dict[tuple[str, str], dict[int, str]] = {}
    for one in json.loads(file.read_text(encoding="utf-8")):
        session = one["c_id"].split("_")[0]
        for message in [*one["c_h"], *one["c_r"]]:
            if message["text"].strip():
                said.setdefault((message["user"], session), {})[message["id"]] = message["text"]
    return [Speaker(f"bridge {role}", session, tuple(texts.values())) for (role, session), texts in said.items()]


def talk(kind: str, part: str) -> list[Speaker]:
    """The voices of one file of `TALK`; none where the file is not there."""
    file = TALK / f"{kind}_{part}.txt"
    if not file.exists():
        return []
    voices = re.split(r"^## *(.*)$", file.read_text(encoding="utf-8"), flags=re.MULTILINE)
    named = zip(voices[1::2], voices[2::2], strict=True)
    return [Speaker(kind, name, tuple(line for line in body.splitlines() if line.strip())) for name, body in named]


def is_for_fit(session: str) -> bool:
    """Which half of Bridge a session belongs to: by a hash of its number."""
    return hashlib.sha256(session.encode()).digest()[0] % 2 == 0


def speakers(file: Path, part: str) -> tuple[list[Speaker], list[Speaker]]:
    """(children, others) of the part "fit" or "held"."""
    real = [one for one in bridge(file) if is_for_fit(one.name) == (part == "fit")]
    children = [one for one in real if one.group == "bridge student"] + talk("children", part)
    tutors = [one for one in real if one.group == "bridge tutor"]
    made = talk("llm_children", part) + talk("smollm2", part)
    return children, tutors + made + talk("adults", part)


def groups_of(answers: Sequence[str], size: int) -> list[list[str]]:
    """The answers cut into sets of a size; what is left over makes no set, unless there is no other."""
    cut = [list(answers[at : at + size]) for at in range(0, len(answers), size)]
    full = [one for one in cut if len(one) == size]
    return full or cut[:1]


def as_written_otherwise(answers: Sequence[str]) -> list[list[str]]:
    """The same answers in lower case, without punctuation, and as one run-on sentence each."""
    lower = [answer.lower() for answer in answers]
    bare = [re.sub(r"[.,!?…]+(?=\s|$)", "", answer) for answer in lower]
    joined = [re.sub(r"[.!?…]+\s+", " and ", answer.strip(".!?… ")) for answer in lower]
    return [bare, joined]


def run_ons(speaker: Speaker) -> list[list[str]]:
    """Longer answers made of a child's own short ones, as children of this age write when nobody interrupts."""
    longer = [answer for answer in speaker.answers if len(answer.split()) >= 3]
    bare = [re.sub(r"[.,!?…;:]+(?=\s|$)", "", answer).lower() for answer in longer]
    return [[" and then ".join(bare[at : at + 4])] for at in range(0, len(bare) - 3, 2)]


def samples(found: Iterable[Speaker], are_children: bool) -> list[tuple[list[str], float]]:
    """(answers, weight) to fit on; each group of speakers weighs the same, however much it said."""
    rows: list[tuple[str, list[str]]] = []
    for speaker in found:
        for size in (1, 4, 12):
            for answers in groups_of(speaker.answers, size):
                rows.append((speaker.group, answers))
                if size < 12:
                    otherwise = as_written_otherwise(answers)
                    kept = otherwise if are_children else otherwise[:1] if speaker.group == "adults" else []
                    rows.extend((speaker.group, other) for other in kept)
        if are_children:
            rows.extend((f"{speaker.group} run-on", answers) for answers in run_ons(speaker))
    counts: dict[str, int] = {}
    for group, _ in rows:
        counts[group] = counts.get(group, 0) + 1
    share = CHILD_WEIGHT if are_children else 1 - CHILD_WEIGHT
    return [(answers, share / len(counts) / counts[group]) for group, answers in rows]


def matrix(rows: Sequence[list[str]], names: Sequence[str]) -> np.ndarray:
    """One line of parts for each set of answers."""
    return np.array([[childlikeness.measure(answers)[name] for name in names] for answers in rows])


def fit(values: np.ndarray, labels: np.ndarray, weights: np.ndarray, signs: np.ndarray) -> np.ndarray:
    """Coefficients, intercept first; a part that would count the wrong way is left at zero."""
    active = np.ones(values.shape[1], dtype=bool)
    while True:
        with_one = np.hstack([np.ones((len(values), 1)), values * active])
        found = _newton(with_one, labels, weights)
        wrong = active & (found[1:] * signs < 0)
        if not wrong.any():
            kept: np.ndarray = found * np.concatenate([[1], active])
            return kept
        active &= ~wrong


def _newton(values: np.ndarray, labels: np.ndarray, weights: np.ndarray) -> np.ndarray:
    found = np.zeros(values.shape[1])
    ridge = np.diag([1e-6, *[PENALTY / 1000] * (values.shape[1] - 1)])
    for _ in range(60):
        expected = 1 / (1 + np.exp(-values @ found))
        slope = values.T @ (weights * (labels - expected)) - ridge @ found
        curve = values.T @ (values * (weights * expected * (1 - expected))[:, None]) + ridge
        step = np.linalg.solve(curve, slope)
        found = found + step
        if np.abs(step).max() < 1e-9:
            break
    return found


def lift(children: Sequence[Speaker], others: Sequence[Speaker]) -> float:
    """What to add to the intercept so that 0.5 lies midway between the written voices of children and those of others.

    Bridge is chat of one or two words; without this, a child that speaks in whole sentences would be refused. Sets of four
    answers of the texts to fit on; the third lowest in a hundred of the children, the third highest of the others.
    """
    low = np.quantile(_odds_of_sets([one for one in children if one.group == "children"]), 0.03)
    high = np.quantile(_odds_of_sets([one for one in others if not one.group.startswith("bridge")]), 0.97)
    return max(0.0, -float(low + high) / 2)


def _odds_of_sets(found: Sequence[Speaker], size: int = 4) -> list[float]:
    return [
        childlikeness.log_odds(childlikeness.measure(answers))
        for one in found
        for answers in groups_of(one.answers, size)
    ]


def auc(positive: Sequence[float], negative: Sequence[float]) -> float:
    """The chance that a positive one has the higher score; ties count half."""
    order = np.sort(np.array(negative))
    below = np.searchsorted(order, positive, side="left")
    up_to = np.searchsorted(order, positive, side="right")
    return float((below + up_to).mean() / 2 / len(order))


def scores(found: Iterable[Speaker], size: int) -> list[float]:
    """The score of each set of a size; of each single answer with size 1."""
    return [childlikeness.read(answers).score for one in found for answers in groups_of(one.answers, size)]


def measure(file: Path) -> dict[str, Any]:
    """How well the shipped coefficients do on the held-out half, for single answers and for sets."""
    children, others = speakers(file, "held")
    real = [one for one in children if one.group.startswith("bridge")]
    report: dict[str, Any] = {}
    for size in (1, 5, 20):
        accepted = scores(real, size)
        line: dict[str, Any] = {
            "real children": len(accepted),
            "accepted": round(float(np.mean([score >= childlikeness.CHILD_FROM for score in accepted])), 3),
        }
        for group in sorted({one.group for one in others}):
            refused = scores([one for one in others if one.group == group], size)
            line[group] = {
                "n": len(refused),
                "auc": round(auc(accepted, refused), 3),
                "refused": round(float(np.mean([score < childlikeness.CHILD_FROM for score in refused])), 3),
            }
        report[f"sets of {size}"] = line
    return report


def main() -> None:
    """Fits, writes the file, measures, and writes what was measured into it as well."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bridge", type=Path)
    file = parser.parse_args().bridge
    random.seed(SEED)
    children, others = speakers(file, "fit")
    rows = [(answers, weight, 1.0) for answers, weight in samples(children, True)]
    rows += [(answers, weight, 0.0) for answers, weight in samples(others, False)]
    readable = [row for row in rows if not_talk.problem(row[0]) is None and any(words(one) for one in row[0])]
    names = list(UNITS)
    raw = matrix([answers for answers, _, _ in readable], names)
    labels = np.array([label for _, _, label in readable])
    weights = np.array([weight for _, weight, _ in readable])
    mean = np.average(raw, axis=0, weights=weights)
    scale = np.sqrt(np.average((raw - mean) ** 2, axis=0, weights=weights)) + 1e-9
    signs = np.array([SIGNS.get(name, -1) for name in names])
    found = fit(np.clip((raw - mean) / scale, -3, 3), labels, weights, signs)
    usual = [np.median(raw[labels == label], axis=0) for label in (1.0, 0.0)]
    fitted = {
        "intercept": round(float(found[0]), 4),
        "parts": {
            name: {
                "weight": round(float(found[at + 1]), 4),
                "mean": round(float(mean[at]), 4),
                "scale": round(float(scale[at]), 4),
                "child": round(float(usual[0][at]), 1),
                "other": round(float(usual[1][at]), 1),
                "unit": UNITS[name],
            }
            for at, name in enumerate(names)
        },
        "fitted_on": {
            "children": sum(len(one.answers) for one in children),
            "others": sum(len(one.answers) for one in others),
        },
    }
    TARGET.write_text(json.dumps(fitted, indent=1) + "\n", encoding="utf-8")
    childlikeness.model.cache_clear()
    fitted["intercept"] = round(float(found[0]) + lift(children, others), 4)
    TARGET.write_text(json.dumps(fitted, indent=1) + "\n", encoding="utf-8")
    childlikeness.model.cache_clear()
    fitted["measured"] = measure(file)
    TARGET.write_text(json.dumps(fitted, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(fitted, indent=1))


if __name__ == "__main__":
    main()
