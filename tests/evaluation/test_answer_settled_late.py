"""The whole answer came, and the database cannot be written in that moment: it is written a little later, and paid once."""

import pytest
from django.db import InterfaceError, OperationalError

from evaluation.models import TurnStatus
from evaluation.services import answering, chat, closing
from evaluation.services.answering import SETTLE_WAITS
from teams.models import BudgetAccount, LedgerEntry

pytestmark = pytest.mark.usefixtures("answers_at_once")


@pytest.fixture
def talk(paid_run, member, model_server):
    return chat.open_conversation(run=paid_run, person=member)


def refuse(monkeypatch, times: int, error: type[Exception]) -> list[int]:
    """The next settlements fail; the list says how many were tried."""
    tried: list[int] = []
    real = closing.complete

    def complete(**what):
        tried.append(1)
        if len(tried) <= times:
            raise error("database or disk is full")
        real(**what)

    monkeypatch.setattr(closing, "complete", complete)
    monkeypatch.setattr(answering, "SETTLE_WAITS", (0.0,) * len(SETTLE_WAITS))
    return tried


@pytest.mark.parametrize("error", [OperationalError, InterfaceError])
def test_an_answer_that_came_while_the_disk_was_full_is_kept_and_charged_once(talk, member, team, monkeypatch, error):
    tried = refuse(monkeypatch, 3, error)
    turn = chat.ask(conversation=talk, question="What is 2 + 2?", person=member)
    turn.refresh_from_db()
    assert (turn.status, bool(turn.answer), len(tried)) == (TurnStatus.DONE, True, 4)
    assert LedgerEntry.objects.filter(key=turn.hold_key).count() == 1
    assert BudgetAccount.objects.get(team=team).held == 0


def test_a_database_that_stays_away_leaves_the_turn_to_the_sweeper(talk, member, team, monkeypatch):
    refuse(monkeypatch, 1000, OperationalError)
    with pytest.raises(OperationalError):
        chat.ask(conversation=talk, question="What is 2 + 2?", person=member)
    assert talk.turns.get().is_streaming


def test_the_tries_end_before_the_sweeper_takes_the_turn_for_left_behind():
    assert sum(SETTLE_WAITS) < chat.SILENT_FOR.total_seconds() * 0.6


def test_an_error_that_no_waiting_heals_is_not_tried_again(talk, member, monkeypatch):
    tried = refuse(monkeypatch, 1, ValueError)
    with pytest.raises(ValueError, match="disk is full"):
        chat.ask(conversation=talk, question="What is 2 + 2?", person=member)
    assert len(tried) == 1
