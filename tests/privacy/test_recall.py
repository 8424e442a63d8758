"""What is planted is found, in every kind, culture and spelling, and clean talk is left alone.

Who wrote what: names and sentences of the plants were written down before the rules that find them, by the same hand; the names
that the rules' lists hold are left out, so that every name counted here is one that they have never seen.
"""

import json
from functools import cache

import pytest

from datasets.checks.privacy import KINDS, RULES_VERSION, vocabulary
from tests.privacy.clean import bridge_talk, own_talk
from tests.privacy.measure import FIGURES, by_rules, false_alarms, recall
from tests.privacy.names import PEOPLE, held_out
from tests.privacy.plants import WAYS, plants

LEAST, LEAST_OF_A_PART, MOST_ALARMS = 0.95, 0.90, 2.0


@cache
def measured():
    return recall(list(plants(seed=2024, of_each=5, talk=own_talk())), by_rules)


def share(part, value):
    found, planted = measured()[part][value]
    return found / planted


def test_nearly_all_that_is_planted_is_found():
    assert share("all", "all") >= LEAST


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_is_found(kind):
    assert share("kind", kind) >= LEAST_OF_A_PART


@pytest.mark.parametrize("culture", PEOPLE)
def test_names_of_each_culture_are_found(culture):
    assert share("culture", culture) >= LEAST_OF_A_PART


@pytest.mark.parametrize("way", WAYS)
def test_each_way_of_writing_is_found(way):
    assert share("way", way) >= LEAST_OF_A_PART


def test_names_that_the_lists_hold_are_found_too():
    planted = [plant for plant in plants(seed=5, of_each=3, unseen=False) if plant.kind == "name"]
    found, of = recall(planted, by_rules)["all"]["all"]
    assert found / of >= LEAST


def test_the_names_measured_with_are_of_no_list():
    """Only where fewer than three of a side are unknown is the side taken whole."""
    unseen = [name for culture in PEOPLE for side in held_out(culture) for name in side]
    known = [name for name in unseen if any(map(vocabulary.is_listed, vocabulary.folded(name).split("-")))]
    assert len(PEOPLE) >= 12 and len(unseen) > 250 and len(known) <= len(unseen) / 50


@pytest.mark.parametrize("talk", [own_talk, bridge_talk])
def test_clean_talk_is_left_alone(talk):
    said = talk()
    if not said:
        pytest.skip("this talk is not on this machine")
    assert len(said) > 500
    assert 1000 * false_alarms(said, by_rules) / len(said) <= MOST_ALARMS


def test_the_figures_that_the_page_shows_are_those_of_today():
    kept = json.loads(FIGURES.read_text())["rules"]
    assert kept["rules_version"] == RULES_VERSION, "run `make privacy-recall`"
    assert abs(kept["all"]["recall"] - share("all", "all")) < 0.02, "run `make privacy-recall`"
