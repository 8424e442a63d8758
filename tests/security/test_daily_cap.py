"""A person's daily chat cap counts who asks: in whoever's conversation, side by side, and with keys that the person made."""

import json
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from evaluation.services import chat, comparing
from teams.models import Course, Hold, LedgerEntry, Method, Role, Team, User
from teams.services import money
from teams.services.money import BudgetRefused
from tests import factories
from tests.evaluation.conftest import make_prices
from tests.security.paid_bots import bot
from tests.security.recording_provider import Recorder
from tests.security.test_requests_match_holds import endpoint_of
from training.models import TrainingRun
from training.services import deployments

pytestmark = pytest.mark.django_db
QUESTION = "What is ice?"


@pytest.fixture
def run(team: Team, recorder: Recorder, answers_at_once: None) -> TrainingRun:
    """A paid bot whose answer is billed with all that is held for it, so that a cap is easily stated in answers."""
    make_prices(team)
    recorder.usage = {"prompt_tokens": 10**6, "completion_tokens": 1}
    return bot(team, Method.OPENAI)


@pytest.fixture
def mate(team: Team) -> User:
    person = factories.make_person("Max Mate")
    factories.enrol(team.course, person, Role.STUDENT, team)
    return person


def cap_at(course: Course, run: TrainingRun, person: User, *, answers: float) -> None:
    """A cap of so many answers, measured by one that somebody else pays for."""
    other = factories.make_person("Measurer")
    talk = chat.open_conversation(run=run, person=other)
    turn = chat.ask(conversation=talk, question=QUESTION, person=other)
    course.daily_chat_cap = round(Hold.objects.get(key=turn.hold_key).amount * answers)
    course.save()
    run.team.course.refresh_from_db()


def test_a_teammates_conversation_is_no_way_around_the_cap(
    course: Course, run: TrainingRun, member: User, mate: User
) -> None:
    cap_at(course, run, member, answers=1.5)
    theirs = [chat.open_conversation(run=run, person=mate) for _ in range(3)]
    chat.ask(conversation=theirs[0], question=QUESTION, person=member)
    for talk in theirs[1:]:
        with pytest.raises(BudgetRefused, match="today's chat limit"):
            chat.ask(conversation=talk, question=QUESTION, person=member)
    chat.ask(conversation=theirs[1], question=QUESTION, person=mate)  # the owner asked nothing before


def test_a_teammate_does_not_use_up_the_owners_cap(course: Course, run: TrainingRun, member: User, mate: User) -> None:
    cap_at(course, run, member, answers=1.5)
    mine = chat.open_conversation(run=run, person=member)
    chat.ask(conversation=mine, question=QUESTION, person=mate)
    chat.ask(conversation=mine, question=QUESTION, person=member)
    assert set(LedgerEntry.objects.values_list("person__name", flat=True)) >= {member.name, mate.name}


def test_asking_again_and_side_by_side_count_too(course: Course, run: TrainingRun, member: User) -> None:
    cap_at(course, run, member, answers=2.5)
    talk = chat.open_conversation(run=run, person=member)
    turn = chat.ask(conversation=talk, question=QUESTION, person=member)
    chat.retry(turn=turn, person=member)
    values = [comparing.bot_of(run, untrained=untrained).value for untrained in (False, True)]
    with pytest.raises(BudgetRefused, match="today's chat limit"):
        comparing.compare(team=run.team, question=QUESTION, values=values, person=member)
    assert not Hold.objects.filter(state="open").exists(), "all of them or none"


def test_calls_with_keys_count_for_the_person_who_made_them(
    course: Course, team: Team, run: TrainingRun, member: User, mate: User
) -> None:
    cap_at(course, run, member, answers=1.5)
    deployments.deploy(team=team, run=run, person=member)
    body = json.dumps({"model": f"run-{run.number}", "messages": [{"role": "user", "content": QUESTION}]})

    def status(maker: User) -> int:
        made = deployments.make_key(team=team, name="page", per_minute=60, daily_cap=10**9, person=maker)
        answer = Client().post(
            "/v1/chat/completions", body, "application/json", headers={"Authorization": f"Bearer {made[1]}"}
        )
        return answer.status_code

    assert status(member) == 200
    assert status(member) == 402, "another key of the same person is no way around it"
    assert status(mate) == 200
    with pytest.raises(BudgetRefused, match="endpoint keys included"):
        chat.ask(conversation=chat.open_conversation(run=run, person=member), question=QUESTION, person=member)


def test_the_cap_starts_again_at_midnight(course: Course, run: TrainingRun, member: User) -> None:
    cap_at(course, run, member, answers=1.5)
    chat.ask(conversation=chat.open_conversation(run=run, person=member), question=QUESTION, person=member)
    LedgerEntry.objects.update(at=timezone.now() - timedelta(days=1))
    chat.ask(conversation=chat.open_conversation(run=run, person=member), question=QUESTION, person=member)


def test_free_bots_answer_whatever_the_cap_and_keep_their_other_limits(
    course: Course, team: Team, recorder: Recorder, member: User, answers_at_once: None
) -> None:
    course.daily_chat_cap = 0
    course.save()
    run, ask = endpoint_of(team, member, Method.LORA)
    chat.ask(conversation=chat.open_conversation(run=run, person=member), question=QUESTION, person=member)
    assert ask({}).status_code == 200
    assert Hold.objects.filter(amount=0).count() == 2, "free answers stand in the ledger too"
    statuses = {ask({}).status_code for _ in range(61)}
    assert statuses == {200, 429}, "a free bot's key has its questions a minute all the same"


def test_grading_and_runs_are_not_chat(course: Course, team: Team, member: User) -> None:
    course.daily_chat_cap = 10
    course.save()
    for kind in (money.GRADING, "run", "interview", "judge"):
        money.hold(team=team, key=kind, amount=50, person=member, subject_kind=kind)


def test_pages_say_whom_the_cap_counts(
    course: Course, team: Team, member: User, instructor: User, client_for: Any
) -> None:
    course.daily_chat_cap = 250_000
    course.save()
    settings_page = client_for(instructor).get(reverse("course_edit", args=[course.pk])).content.decode()
    assert "calls with endpoint keys" in settings_page
    endpoint_page = client_for(member).get(reverse("team_endpoint", args=[team.pk])).content.decode()
    assert "$0.25" in endpoint_page and "person who made the key" in endpoint_page
