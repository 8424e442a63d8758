"""The search of a DSPy run while it runs: what the engine tells, what is kept of it, what the page shows."""

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from teams.models import Method, Team, User
from tests.training.conftest import Launch
from training.models import RunEvent, TrainingRun
from training.services import live, search
from training.services.recorder import MOST_CANDIDATES, Recorder


def told(number: int, **more: Any) -> dict[str, Any]:
    first = {
        "number": number,
        "parent": number - 1 or None,
        "score": 0.1 * number,
        "of": 8,
        "demos": 2,
        "calls": 10 * number,
    }
    return (
        first | {"instructions": f"Answer as a child. Rule {number}.", "cost_microdollars": 1_000, "best": True} | more
    )


def kept(run: TrainingRun, *candidates: dict[str, Any]) -> None:
    RunEvent.objects.bulk_create([RunEvent(run=run, kind="candidate", data=data) for data in candidates])


def test_each_candidate_stands_beside_its_parent_newest_first(start: Launch) -> None:
    run = start(Method.DSPY)
    kept(run, told(1), told(2), told(3, score=0.15, parent=1))
    found = search.search_of(run)
    assert [one.number for one in found.shown] == [3, 2, 1] and found.tried == 3
    assert [one.best for one in found.shown] == [False, True, False]
    changes = [(piece.change, piece.text) for piece in found.shown[0].pieces]
    assert changes == [("same", "Answer as a child. Rule"), ("gone", "1."), ("added", "3.")]
    assert not found.shown[2].changed


def test_a_run_that_starts_again_shows_its_last_attempt(start: Launch) -> None:
    run = start(Method.DSPY)
    kept(run, told(1), told(2), told(3), told(1), told(2))
    assert [one.number for one in search.search_of(run).shown] == [2, 1]


@pytest.mark.parametrize(
    "junk",
    [{}, {"number": "x"}, {"number": 2, "parent": [1], "score": "high", "of": None, "instructions": None},
     {"number": 2, "parent": 2, "score": float(10**9), "cost_microdollars": -5, "demos": {}}],
)  # fmt: skip
def test_what_an_engine_says_wrongly_breaks_no_page(start: Launch, junk: dict[str, Any]) -> None:
    run = start(Method.DSPY)
    kept(run, told(1), junk)
    assert search.search_of(run).tried >= 1


def test_a_page_shows_so_many_and_a_run_keeps_so_many(start: Launch) -> None:
    run = start(Method.DSPY)
    recorder = Recorder(run, "", bill_seconds=False)
    for number in range(1, MOST_CANDIDATES + 50):
        recorder.take({"event": "candidate", **told(number, instructions="word " * 5_000)})
    assert len(recorder._waiting) == MOST_CANDIDATES
    assert max(len(event.data["instructions"]) for event in recorder._waiting) <= 4_000
    RunEvent.objects.bulk_create(recorder._waiting)
    found = search.search_of(run)
    assert len(found.shown) == search.MOST_SHOWN and found.tried == MOST_CANDIDATES


def test_the_page_shows_the_search_and_hears_of_it(client: Client, start: Launch, team: Team, member: User) -> None:
    run = start(Method.DSPY)
    kept(run, told(1), told(2, instructions="Answer as a <script>child</script>."))
    client.force_login(member)
    page = client.get(reverse("run_detail", args=[team.pk, run.number])).content.decode()
    assert "Changed from no. 1" in page and "<ins>" in page and "&lt;script&gt;" in page
    assert "<script>child" not in page
    assert live.SHOWN_IN["candidate"] == {"run-search"} and "run-search" in live.FRAGMENTS
