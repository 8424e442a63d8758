"""Measures how much planted personal data is found and how often clean talk is accused: `make privacy-recall`.

    python -m tests.privacy.measure [--model]      writes datasets/checks/data/privacy_recall.json

With `--model` the names that presidio and spaCy find count too, which takes minutes.
"""

import argparse
import datetime
import json
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from datasets.checks.privacy import RULES_VERSION, Found, find_in
from tests.privacy.clean import bridge_talk, course_talk, own_talk
from tests.privacy.plants import Plant, plants

FIGURES = Path(__file__).parents[2] / "datasets" / "checks" / "data" / "privacy_recall.json"
SEEDS = (101, 102, 103)
Finder = Callable[[Sequence[str]], list[list[Found]]]


def by_rules(texts: Sequence[str]) -> list[list[Found]]:
    return [find_in(text) for text in texts]


def is_hit(plant: Plant, found: Sequence[Found]) -> bool:
    return any(start < plant.end and end > plant.start for _, start, end, _, _ in found)


def recall(planted: Sequence[Plant], find: Finder) -> dict[str, dict[str, list[int]]]:
    """part (all, kind, culture, way) -> value -> [found, planted]"""
    counts: dict[str, dict[str, list[int]]] = defaultdict(lambda: defaultdict(lambda: [0, 0]))
    for plant, found in zip(planted, find([plant.text for plant in planted]), strict=True):
        hit = is_hit(plant, found)
        for part, value in (("all", "all"), ("kind", plant.kind), ("culture", plant.culture), ("way", plant.way)):
            if value:
                counts[part][value][0] += hit
                counts[part][value][1] += 1
    return counts


def false_alarms(talk: Sequence[str], find: Finder) -> int:
    return sum(map(len, find(talk)))


def _shares(counts: dict[str, list[int]]) -> dict[str, Any]:
    return {value: {"recall": round(found / of, 4), "n": of} for value, (found, of) in sorted(counts.items())}


def figures(find: Finder, looked_by: str) -> dict[str, Any]:
    """What the page shows: recall as shares with the numbers they are of, false alarms per 1,000 clean utterances."""
    talk = own_talk()
    unseen = [plant for seed in SEEDS for plant in plants(seed=seed, of_each=4, talk=talk)]
    every = [plant for plant in plants(seed=7, of_each=4, unseen=False, talk=talk) if plant.kind == "name"]
    counts = recall(unseen, find)
    clean = [*talk, *course_talk(), *bridge_talk()]
    alarms = false_alarms(clean, find)
    found, of = recall(every, find)["all"]["all"]
    return {
        "measured_on": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "rules_version": RULES_VERSION,
        "looked_by": looked_by,
        "all": _shares(counts["all"])["all"],
        "kinds": _shares(counts["kind"]),
        "cultures": _shares(counts["culture"]),
        "ways": _shares(counts["way"]),
        "listed_names_too": {"recall": round(found / of, 4), "n": of},
        "clean": {"n": len(clean), "alarms": alarms, "per_1000": round(1000 * alarms / len(clean), 2)},
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", action="store_true")
    asked = parser.parse_args()
    told = json.loads(FIGURES.read_text()) if FIGURES.exists() else {}
    told["rules"] = figures(by_rules, "rules")
    if asked.model:
        from tests.privacy.with_model import by_rules_and_model

        told["rules_and_model"] = figures(by_rules_and_model, "rules and name model")
    FIGURES.write_text(json.dumps(told, indent=1, sort_keys=True) + "\n")
    for name, shown in told.items():
        print(name, shown["all"], shown["clean"])


if __name__ == "__main__":
    main()
