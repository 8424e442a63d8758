"""One prompt to several bots: asked and paid like any answer, judged blind, ranked over all votes."""

import pytest
from django.urls import reverse

from evaluation.models import Comparison, Conversation, Turn, TurnStatus, Vote
from evaluation.services import answering, chat, comparing
from evaluation.services.comparing import CompareRefused
from teams.models import BudgetAccount, Hold, LedgerEntry, Method
from tests import factories
from tests.evaluation.conftest import make_prices, make_run

pytestmark = pytest.mark.usefixtures("answers_at_once")
QUESTION = "What happens to water when it gets very cold?"


@pytest.fixture
def bots(team, model_server):
    """Two local runs and the base model that both began from."""
    make_run(team, name="shy")
    make_run(team, name="bold")
    return ["run-1", "run-2", f"base-{team.runs.first().base_model_id}"]


def compared(team, member, bots, question=QUESTION):
    return comparing.compare(team=team, question=question, values=bots, person=member)


def side_of(comparison, value):
    return next(one for one in comparing.contenders_of(comparison) if comparing._value(one.conversation) == value)


def page(comparison):
    return reverse("comparison_detail", args=[comparison.team_id, comparison.key])


def test_every_bot_is_asked_the_same_and_answers_on_its_side(team, member, bots, model_server):
    comparison = compared(team, member, bots)
    sides = comparing.contenders_of(comparison)
    assert [one.side for one in sides] == ["A", "B", "C"]
    assert [one.turn.answer for one in sides] == ["It turns into ice!"] * 3
    models = {run.result_model for run in team.runs.all()} | {"tiny-student"}
    assert {asked["model"] for asked in model_server.asked} == models
    assert all(asked["messages"][-1]["content"] == QUESTION for asked in model_server.asked)


def test_the_base_model_is_asked_without_what_training_gave_it(team, member, bots, model_server):
    compared(team, member, bots)
    roles = {asked["model"]: [said["role"] for said in asked["messages"]] for asked in model_server.asked}
    assert roles.pop("tiny-student") == ["user"]
    assert all(said == ["system", "user"] for said in roles.values())


def test_each_answer_is_held_and_charged_once_at_its_own_price(team, member, model_server):
    make_prices(team)
    run = make_run(team, Method.OPENAI)
    comparison = compared(team, member, ["run-1", f"base-{run.base_model_id}"])
    entries = LedgerEntry.objects.order_by("pk")
    assert {entry.subject_id for entry in entries} == {str(one.turn.key) for one in comparing.contenders_of(comparison)}
    assert sorted(entry.model for entry in entries) == sorted([run.result_model, "gpt-test"])
    assert [entry.delta for entry in entries] == [30, 30]
    account = BudgetAccount.objects.get(team=team)
    assert (account.spent, account.held) == (60, 0)


def test_where_the_money_ends_at_the_second_bot_nobody_is_asked_and_nothing_is_held(
    team, member, model_server, client_for
):
    make_prices(team)
    run = make_run(team, Method.OPENAI)
    bots = ["run-1", f"base-{run.base_model_id}"]
    compared(team, member, bots)
    one_answer = Hold.objects.order_by("pk")[0].amount
    Comparison.objects.all().delete()
    Conversation.objects.all().delete()
    model_server.asked.clear()
    before = Hold.objects.count()
    spent = BudgetAccount.objects.get(team=team).spent
    BudgetAccount.objects.filter(team=team).update(limit=spent + one_answer + one_answer // 2)
    response = client_for(member).post(reverse("comparison_list", args=[team.pk]), {"question": QUESTION, "bot": bots})
    assert response.status_code == 422 and QUESTION in response.content.decode()
    assert not model_server.asked and Hold.objects.count() == before
    assert not Comparison.objects.exists() and not Conversation.objects.exists() and not Turn.objects.exists()


@pytest.mark.parametrize("picked", [[], ["run-1"], ["run-1", "run-1"], ["run-1", "run-9"], ["run-1", "nonsense"]])
def test_fewer_than_two_bots_are_refused_in_words(picked, team, member, bots, client_for):
    response = client_for(member).post(reverse("comparison_list", args=[team.pk]), {"question": "Why?", "bot": picked})
    assert response.status_code == 422
    assert "Choose two or three bots" in response.content.decode()
    assert not Comparison.objects.exists()


def test_four_bots_and_an_empty_question_are_refused(team, member, bots):
    make_run(team)
    with pytest.raises(CompareRefused, match="two or three"):
        compared(team, member, [*bots, "run-3"])
    with pytest.raises(chat.ChatRefused, match="Write a question"):
        compared(team, member, bots, question=" \x00 ")
    assert not Comparison.objects.exists() and not Conversation.objects.exists()


def test_another_teams_run_cannot_be_compared(team, other_team, member, bots):
    for _ in range(3):
        make_run(other_team)
    with pytest.raises(CompareRefused):
        compared(team, member, ["run-1", "run-3"])


def test_the_sides_are_drawn(team, member, bots, monkeypatch):
    monkeypatch.setattr(answering.desk, "start", lambda turn_id: None)
    firsts = {side_of(compared(team, member, bots), "run-1").side for _ in range(40)}
    assert firsts == {"A", "B", "C"}  # wrong once in 10 million times


def test_no_name_is_on_the_page_before_the_vote_and_all_are_after_it(team, member, bots, client_for):
    comparison, browser = compared(team, member, bots), client_for(member)
    addresses = [page(comparison), reverse("comparison_answer", args=[team.pk, comparison.key, 0])]
    for address in addresses:
        text = browser.get(address, headers={"HX-Request": "true"}).content.decode()
        assert "is better" in text
        assert not any(name in text for name in ("shy", "bold", "not trained", "/runs/1/", "/runs/2/"))
    browser.post(reverse("comparison_vote", args=[team.pk, comparison.key]), {"better": "A"})
    text = browser.get(page(comparison)).content.decode()
    assert "shy" in text and "bold" in text and "not trained" in text and "Your choice" in text


def test_each_person_votes_once_and_blind_whatever_the_others_voted(team, member, bots, client_for):
    mate = factories.make_person("Max Mate")
    factories.enrol(team.course, mate, team.memberships.get().role, team)
    comparison = compared(team, member, bots)
    comparing.vote(comparison=comparison, person=member, side="A")
    assert "shy" not in client_for(mate).get(page(comparison)).content.decode()
    comparing.vote(comparison=comparison, person=member, side="B")
    comparing.vote(comparison=comparison, person=mate, side="same")
    assert sorted(vote.better.side if vote.better else "same" for vote in Vote.objects.all()) == ["A", "same"]


@pytest.mark.parametrize("better", ["", "D", "run-1"])
def test_a_vote_for_nobody_is_refused_in_words(better, team, member, bots, client_for):
    comparison = compared(team, member, bots)
    address = reverse("comparison_vote", args=[team.pk, comparison.key])
    response = client_for(member).post(address, {"better": better}, follow=True)
    assert "Choose the better answer" in response.content.decode()
    assert not Vote.objects.exists()


def test_nobody_votes_while_one_still_answers(team, member, bots, monkeypatch, client_for):
    monkeypatch.setattr(answering.desk, "start", lambda turn_id: None)
    comparison = compared(team, member, bots)
    with pytest.raises(CompareRefused, match="Wait until all"):
        comparing.vote(comparison=comparison, person=member, side="A")
    text = client_for(member).get(page(comparison)).content.decode()
    assert text.count("sse-connect") == 3 and "is better" not in text


def test_a_bot_that_fails_says_so_costs_nothing_and_is_not_voted_on(team, member, bots, model_server, client_for):
    model_server.status = 500
    comparison = compared(team, member, bots)
    text = client_for(member).get(page(comparison)).content.decode()
    assert text.count("problem of its own") == 3 and "Ask once more" in text and "is better" not in text
    with pytest.raises(CompareRefused, match="Not every bot answered"):
        comparing.vote(comparison=comparison, person=member, side="A")
    assert BudgetAccount.objects.get(team=team).held == 0


def test_an_answer_can_be_stopped_and_its_hold_is_settled(team, member, model_server, monkeypatch, client_for):
    make_prices(team)
    run = make_run(team, Method.OPENAI)
    monkeypatch.setattr(answering.desk, "start", lambda turn_id: None)
    comparison = compared(team, member, ["run-1", f"base-{run.base_model_id}"])
    client_for(member).post(reverse("comparison_stop", args=[team.pk, comparison.key, 1]))
    assert [one.turn.status for one in comparing.contenders_of(comparison)] == [
        TurnStatus.STREAMING,
        TurnStatus.STOPPED,
    ]
    Turn.objects.update(heartbeat_at="2026-01-01T00:00:00Z")
    assert chat.sweep() == 2
    assert BudgetAccount.objects.get(team=team).held == 0


def test_a_comparison_is_no_conversation_of_the_chat_page(team, member, bots, client_for):
    comparison = compared(team, member, bots)
    talk = comparing.contenders_of(comparison)[0].conversation
    assert not Conversation.objects.for_team(team).exists()
    address = reverse("conversation_detail", args=[team.pk, talk.key])
    assert client_for(member).get(address).status_code == 404


def test_votes_add_up_to_a_ranking_with_the_same_bot_recognised_again(team, member, bots, client_for):
    for better in ("run-1", "run-1", "run-1", "run-2"):
        comparison = compared(team, member, bots[:2])
        comparing.vote(comparison=comparison, person=member, side=side_of(comparison, better).side)
    best, last = comparing.ranking_of(team).standings
    assert (best.bot, best.won, best.lost, last.bot) == ("run-1", 3, 1, "run-2")
    assert best.rate == pytest.approx(0.75, abs=1e-6)
    text = client_for(member).get(reverse("comparison_list", args=[team.pk])).content.decode()
    assert "75 %" in text and "not defined" not in text


def test_before_the_first_vote_the_ranking_says_what_to_do(team, member, bots, client_for):
    text = client_for(member).get(reverse("comparison_list", args=[team.pk])).content.decode()
    assert "Nothing has been voted on yet" in text


def test_the_list_takes_as_many_queries_with_many_comparisons(
    team, member, bots, client_for, django_assert_max_num_queries
):
    for _ in range(6):
        comparison = compared(team, member, bots)
        comparing.vote(comparison=comparison, person=member, side="A")
    browser = client_for(member)
    with django_assert_max_num_queries(20):
        browser.get(reverse("comparison_list", args=[team.pk]))
    with django_assert_max_num_queries(20):
        browser.get(page(comparison))


def test_an_instructor_sees_the_votes_and_has_none(
    team,
    member,
    instructor,
    bots,
    client_for,
):
    comparison = comparing.compare(team=team, question="Why?", values=bots, person=member)
    voter = client_for(member)
    assert "1 vote<" not in voter.get(page(comparison)).content.decode()
    best = side_of(comparison, "run-2")
    comparing.vote(comparison=comparison, person=member, side=best.side)
    comparing.vote(comparison=comparison, person=factories.make_person(), side="same")
    html = client_for(instructor).get(page(comparison)).content.decode()
    assert f"{best.side} 1" in html and "the same 1" in html and "bold" in html and "is better</button>" not in html
    url = reverse("comparison_vote", args=[team.pk, comparison.key])
    refused = client_for(instructor).post(url, {"better": best.side}, follow=True)
    assert "would not be blind" in refused.content.decode() and comparison.votes.count() == 2
    assert "1 vote<" in voter.get(page(comparison)).content.decode()


def test_who_has_not_voted_learns_nothing_of_the_votes(
    team,
    member,
    bots,
    client_for,
):
    asking = factories.make_person()
    comparison = comparing.compare(team=team, question="Why?", values=bots, person=asking)
    comparing.vote(comparison=comparison, person=asking, side="A")
    html = client_for(member).get(page(comparison)).content.decode()
    assert "vote<" not in html and "bold" not in html
