"""A team talks with its bots: what is asked, what is kept, what it costs."""

import asyncio
import json

import pytest
from django.urls import reverse

from evaluation.models import Conversation, Turn, TurnStatus
from evaluation.services import answering, chat, live_answers
from teams.models import BudgetAccount, Confidence, Hold, LedgerEntry, Method, Price
from teams.services.money import BudgetRefused
from tests.evaluation.conftest import in_this_thread, make_prices, make_run
from training.services.calls import client

pytestmark = pytest.mark.usefixtures("answers_at_once")


@pytest.fixture
def talk(run, member, model_server):
    return chat.open_conversation(run=run, person=member)


@pytest.fixture
def paid_talk(paid_run, member, model_server):
    return chat.open_conversation(run=paid_run, person=member)


def ask(talk, member, question="What happens to water when it gets very cold?"):
    turn = chat.ask(conversation=talk, question=question, person=member)
    turn.refresh_from_db()
    return turn


def test_an_answer_is_kept_with_what_the_provider_counted(talk, member, model_server):
    turn = ask(talk, member)
    assert (turn.status, turn.answer) == (TurnStatus.DONE, "It turns into ice!")
    assert (turn.input_tokens, turn.output_tokens) == (20, 5)
    assert turn.first_token_ms is not None
    assert model_server.last_messages == [
        {"role": "system", "content": "You are a second-grade student."},
        {"role": "user", "content": "What happens to water when it gets very cold?"},
    ]


def test_the_bot_is_told_what_was_said_before(talk, member, model_server):
    ask(talk, member)
    ask(talk, member, "And then?")
    assert [message["content"] for message in model_server.last_messages[1:]] == [
        "What happens to water when it gets very cold?",
        "It turns into ice!",
        "And then?",
    ]


@pytest.mark.parametrize("method", list(Method))
def test_every_method_is_talked_to_in_the_same_way(method, team, member, model_server):
    make_prices(team)
    run = make_run(team, method)
    turn = ask(chat.open_conversation(run=run, person=member), member)
    assert turn.answer == "It turns into ice!"
    assert model_server.asked[-1]["model"] == run.result_model
    assert model_server.asked[-1]["stream_options"] == {"include_usage": True}


def test_a_paid_answer_is_held_before_and_charged_once_exactly(paid_talk, member, team):
    turn = ask(paid_talk, member)
    entry = LedgerEntry.objects.get()
    assert (entry.delta, entry.confidence, entry.person) == (20 + 2 * 5, Confidence.EXACT, member)
    assert (entry.subject_kind, entry.subject_id) == ("turn", str(turn.key))
    account = BudgetAccount.objects.get(team=team)
    assert (account.spent, account.held) == (30, 0)


def test_a_question_beyond_the_budget_is_refused_and_leaves_nothing(paid_talk, member, team, model_server):
    BudgetAccount.objects.filter(team=team).update(limit=10)
    with pytest.raises(BudgetRefused):
        ask(paid_talk, member)
    assert not Turn.objects.exists() and not Hold.objects.exists() and not model_server.asked


@pytest.mark.parametrize(
    ("status", "says"), [(429, "Wait half a minute"), (401, "instructor"), (500, "problem of its own")]
)
def test_a_refusing_provider_is_a_sentence_and_costs_nothing(status, says, paid_talk, member, team, model_server):
    model_server.status = status
    turn = ask(paid_talk, member)
    assert turn.status == TurnStatus.FAILED
    assert says in turn.error_message and "Nothing was charged" in turn.error_message
    assert "secret" not in turn.error_message
    account = BudgetAccount.objects.get(team=team)
    assert (account.spent, account.held) == (0, 0)
    assert len(model_server.asked) == 1


def test_a_dead_provider_is_a_sentence_and_costs_nothing(paid_talk, member, team, settings):
    settings.OPENAI_BASE_URL = "http://127.0.0.1:9/v1"
    turn = ask(paid_talk, member)
    assert turn.status == TurnStatus.FAILED and "does not answer" in turn.error_message
    assert BudgetAccount.objects.get(team=team).held == 0


def test_a_half_answer_that_broke_off_is_booked_at_its_most_as_unknown_and_is_not_remembered(
    paid_talk, member, team, model_server
):
    model_server.break_after = 2
    turn = ask(paid_talk, member)
    assert (turn.status, turn.answer) == (TurnStatus.FAILED, "It turns into ")
    assert "as unknown" in turn.error_message
    entry, held = LedgerEntry.objects.get(), Hold.objects.get()
    assert (entry.confidence, entry.delta, entry.subject_id) == (Confidence.UNKNOWN, held.amount, str(turn.key))
    account = BudgetAccount.objects.get(team=team)
    assert (account.spent, account.held) == (held.amount, 0)
    model_server.break_after = None
    ask(paid_talk, member, "Again?")
    assert "It turns" not in json.dumps(model_server.last_messages)


@pytest.mark.parametrize("nonsense", [5, ["a"], {"text": "a"}])
def test_a_piece_that_is_no_text_ends_the_turn_as_broken_off(nonsense, paid_talk, member, model_server):
    model_server.pieces = ["It turns", nonsense]
    turn = ask(paid_talk, member)
    assert turn.status == TurnStatus.FAILED and "broke off" in turn.error_message
    assert not Hold.objects.filter(state="open").exists()


def test_a_provider_that_takes_too_long_may_have_billed_and_is_booked_as_unknown(
    paid_talk, member, team, model_server, monkeypatch, client_for
):
    monkeypatch.setattr(client, "SILENCE_SECONDS", 0.3)
    model_server.hold_after = 0
    turn = ask(paid_talk, member)
    model_server.go_on.set()
    assert turn.status == TurnStatus.FAILED and "took too long" in turn.error_message
    entry = LedgerEntry.objects.get()
    assert (entry.confidence, entry.delta) == (Confidence.UNKNOWN, Hold.objects.get().amount)
    assert entry.input_tokens > 0 and "no answer came" in entry.price_note
    page = client_for(member).get(f"/teams/{team.pk}/costs/").content.decode()
    assert ">unknown<" in page and "no answer came" in page


def test_an_unanswered_question_to_a_free_bot_costs_nothing(talk, member, team, model_server):
    model_server.break_after = 1
    assert ask(talk, member).status == TurnStatus.FAILED
    assert not LedgerEntry.objects.exists()
    assert BudgetAccount.objects.get(team=team).held == 0


def test_an_empty_answer_is_said_and_costs_what_the_provider_counted(paid_talk, member, team, model_server):
    model_server.pieces = ["", "  "]
    turn = ask(paid_talk, member)
    assert turn.status == TurnStatus.FAILED and "said nothing" in turn.error_message
    assert (LedgerEntry.objects.get().delta, LedgerEntry.objects.get().confidence) == (20 + 2 * 5, Confidence.EXACT)
    assert BudgetAccount.objects.get(team=team).held == 0


def test_without_usage_the_charge_is_estimated_and_says_so(paid_talk, member, model_server):
    model_server.usage = None
    ask(paid_talk, member)
    entry = LedgerEntry.objects.get()
    assert entry.confidence == Confidence.ESTIMATED and entry.delta > 0


def test_stop_keeps_the_part_that_came_and_charges_it_once(paid_talk, member, team, model_server, monkeypatch):
    monkeypatch.setattr(answering, "PROGRESS_SECONDS", 0.02)
    model_server.hold_after = 2

    async def stop_when_asked(function, *args):
        """Someone presses Stop, in another process, once two pieces are there."""
        turn = Turn.objects.filter(status=TurnStatus.STREAMING)
        if function is answering.keep_going and list(args[0].values()) == ["It turns into "]:
            await in_this_thread(lambda: turn.get().finish(TurnStatus.STOPPED))
        return await in_this_thread(function, *args)

    monkeypatch.setattr("tests.evaluation.conftest.in_this_thread", stop_when_asked)
    turn = ask(paid_talk, member)
    assert (turn.status, turn.answer) == (TurnStatus.STOPPED, "It turns into ")
    entry = LedgerEntry.objects.get()
    assert entry.confidence == Confidence.ESTIMATED and entry.delta > 0
    account = BudgetAccount.objects.get(team=team)
    assert (account.held, account.spent) == (0, entry.delta)


def left_streaming(talk, member, monkeypatch, *, silent_for=3600):
    """A turn whose web process died right after it began."""
    monkeypatch.setattr(answering.desk, "start", lambda turn_id: None)
    turn = chat.ask(conversation=talk, question="Are you there?", person=member)
    from datetime import timedelta

    from django.utils import timezone

    Turn.objects.filter(pk=turn.pk).update(heartbeat_at=timezone.now() - timedelta(seconds=silent_for))
    return turn


def test_a_turn_left_by_a_dead_process_is_failed_and_its_hold_released(paid_talk, member, team, monkeypatch):
    turn = left_streaming(paid_talk, member, monkeypatch)
    assert BudgetAccount.objects.get(team=team).held > 0
    assert chat.sweep() == 1
    turn.refresh_from_db()
    assert turn.status == TurnStatus.FAILED and "restarted" in turn.error_message
    assert BudgetAccount.objects.get(team=team).held == 0
    assert chat.sweep() == 0


def test_the_sweeper_leaves_a_turn_alone_that_is_being_answered(paid_talk, member, monkeypatch):
    left_streaming(paid_talk, member, monkeypatch, silent_for=5)
    assert chat.sweep() == 0


def test_a_stopped_turn_whose_process_died_is_settled_by_the_sweeper_as_estimated(
    paid_talk, member, team, monkeypatch, client_for
):
    turn = left_streaming(paid_talk, member, monkeypatch)
    assert Turn.objects.keep_going({turn.pk: "It was"}) == {turn.pk}
    chat.stop(turn=turn)
    Turn.objects.update(heartbeat_at=turn.created_at.replace(year=2020))
    assert chat.sweep() == 1
    entry = LedgerEntry.objects.get()
    assert (entry.confidence, BudgetAccount.objects.get(team=team).held) == (Confidence.ESTIMATED, 0)
    assert 0 < entry.delta < Hold.objects.get().amount
    assert chat.sweep() == 0
    for page in (f"/teams/{team.pk}/costs/", f"/teams/{team.pk}/costs/entries/{entry.key}/"):
        assert "estimated" in client_for(member).get(page).content.decode().lower()


@pytest.mark.parametrize("how", ["stopped", "stopped elsewhere", "the process ends"])
def test_a_turn_that_ends_before_the_bot_was_asked_is_free_at_once(
    paid_talk, member, team, model_server, monkeypatch, how
):
    async def cancelled_while_it_loads(function, *args):
        if function is answering.load:
            (outlet,) = live_answers.here().values()
            outlet.left_behind = how == "the process ends"
            if how == "stopped elsewhere":
                await in_this_thread(lambda: Turn.objects.get().finish(TurnStatus.STOPPED))
            raise asyncio.CancelledError
        return await in_this_thread(function, *args)

    monkeypatch.setattr("tests.evaluation.conftest.in_this_thread", cancelled_while_it_loads)
    turn = ask(paid_talk, member)
    assert turn.status == (TurnStatus.FAILED if how == "the process ends" else TurnStatus.STOPPED)
    assert ("Nothing was charged" in turn.error_message) == (how == "the process ends")
    assert BudgetAccount.objects.get(team=team).held == 0
    assert not LedgerEntry.objects.exists() and not model_server.asked


def test_turns_left_behind_whose_price_is_gone_are_booked_at_their_most(paid_run, member, team, monkeypatch):
    failed, stopped = (
        left_streaming(chat.open_conversation(run=paid_run, person=member), member, monkeypatch) for _ in range(2)
    )
    chat.stop(turn=stopped)
    most = {hold.key: hold.amount for hold in Hold.objects.all()}
    Price.objects.all().delete()
    assert chat.sweep() == 2
    for turn in (failed, stopped):
        entry = LedgerEntry.objects.get(key=turn.hold_key)
        assert (entry.delta, entry.confidence) == (most[turn.hold_key], Confidence.UNKNOWN)
        assert "No price is known" in entry.price_note
    assert BudgetAccount.objects.get(team=team).held == 0


def test_a_second_question_waits_until_the_first_is_answered(talk, member, monkeypatch):
    left_streaming(talk, member, monkeypatch)
    with pytest.raises(chat.ChatRefused, match="still answering"):
        chat.ask(conversation=talk, question="And you?", person=member)
    assert talk.turns.count() == 1


def test_trying_again_replaces_the_turn_and_keeps_it_on_record(talk, member, model_server):
    model_server.status = 500
    failed = ask(talk, member)
    model_server.status = 200
    again = chat.retry(turn=failed, person=member)
    again.refresh_from_db()
    assert again.status == TurnStatus.DONE and again.question == failed.question
    assert list(talk.turns.current()) == [again]
    assert talk.turns.count() == 2


def test_only_the_last_question_can_be_changed(talk, member):
    first = ask(talk, member)
    ask(talk, member, "And then?")
    with pytest.raises(chat.ChatRefused, match="Only the last"):
        chat.retry(turn=first, person=member, question="Something else?")


def test_a_changed_question_is_asked_without_the_old_answer(talk, member, model_server):
    first = ask(talk, member)
    chat.retry(turn=first, person=member, question="What is steam?")
    assert [message["content"] for message in model_server.last_messages] == [
        "You are a second-grade student.",
        "What is steam?",
    ]


def test_a_long_talk_is_trimmed_from_its_beginning_and_says_so(talk, member, model_server):
    model_server.pieces = ["ice " * 60]
    ask(talk, member, "one " * 60)
    ask(talk, member, "two " * 60)
    last = ask(talk, member, "three")
    assert last.left_out >= 1
    assert "one" not in json.dumps(model_server.last_messages)
    assert model_server.last_messages[0]["role"] == "system"


def test_a_question_beyond_the_models_memory_is_refused_with_advice(talk, member):
    with pytest.raises(chat.ChatRefused, match="shorter"):
        ask(talk, member, "why " * 900)


def test_what_a_database_refuses_never_reaches_it(talk, member, model_server):
    model_server.pieces = ["a\x00b", "\ud800c", "\r\nd"]
    assert ask(talk, member, "x\x00y").answer == "abc\nd"
    assert Turn.objects.get().question == "xy"


def test_an_answer_without_end_is_cut(talk, member, model_server):
    model_server.pieces = ["word " * 500] * 10
    assert len(ask(talk, member).answer) == 8_000


def page(talk):
    return reverse("conversation_detail", kwargs={"team_id": talk.run.team_id, "key": talk.key})


def test_hostile_text_is_shown_as_text(talk, member, client_for, model_server):
    model_server.pieces = ["<script>alert(1)</script>", '<img src=x onerror="alert(1)">']
    ask(talk, member, "<b>bold</b>")
    html = client_for(member).get(page(talk)).content.decode()
    assert "<script>alert" not in html and "<img src=x" not in html and "<b>bold" not in html
    plain = html.replace('<span class="hard">', "").replace("</span>", "")
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in plain


def test_the_naughty_strings_go_through_a_talk_unharmed(talk, member, client_for, model_server, shared_data):
    strings = json.loads((shared_data / "strings" / "blns.json").read_text())
    model_server.pieces = ["ok"]
    text = "\n".join(strings)
    Turn.objects.create(
        conversation=talk, position=1, question="?", answer=text.replace("\x00", ""), status=TurnStatus.DONE
    )
    html = client_for(member).get(page(talk)).content.decode()
    assert "<script>alert" not in html and "<img src" not in html.replace("&lt;img src", "")


def test_asking_without_javascript_shows_the_answer_on_the_next_page(talk, member, client_for):
    response = client_for(member).post(page(talk), {"question": "What is ice?"}, follow=True)
    assert "It turns into ice!" in response.content.decode()


def test_asking_with_htmx_gives_the_talk_alone(talk, member, client_for):
    response = client_for(member).post(page(talk), {"question": "What is ice?"}, headers={"HX-Request": "true"})
    html = response.content.decode()
    assert html.strip().startswith('<div id="talk">') and "<html" not in html and "It turns into ice!" in html


def test_a_refused_question_comes_back_with_its_text(talk, member, client_for):
    response = client_for(member).post(page(talk), {"question": "why " * 900}, headers={"HX-Request": "true"})
    assert response.status_code == 422
    html = response.content.decode()
    assert "too long for the bot" in html and "why why why" in html


def test_the_first_question_opens_the_conversation(run, member, client_for, model_server):
    url = reverse("conversation_new", kwargs={"team_id": run.team_id}) + "?run=1"
    client = client_for(member)
    assert client.get(url).status_code == 200
    assert not Conversation.objects.exists()
    response = client.post(url, {"question": "What is ice?"}, follow=True)
    assert "It turns into ice!" in response.content.decode()
    assert Conversation.objects.get().title == "What is ice?"


@pytest.mark.parametrize("page", ["standard_list", "submission_detail"])
def test_a_run_whose_number_is_none_is_not_found(page, team, member, client_for):
    answer = client_for(member).post(reverse(page, args=[team.pk]), {"run": "²", "question": "What is ice?"})
    assert answer.status_code == 404


def test_a_refused_first_question_leaves_no_conversation(paid_run, member, team, client_for, model_server):
    BudgetAccount.objects.filter(team=team).update(limit=10)
    url = reverse("conversation_new", kwargs={"team_id": team.pk}) + "?run=1"
    response = client_for(member).post(url, {"question": "What is ice?"})
    assert response.status_code == 422 and "ask your instructor for more" in response.content.decode()
    assert not Conversation.objects.exists()


def test_a_deleted_conversation_can_be_brought_back(talk, member, team, client_for):
    ask(talk, member)
    client = client_for(member)
    response = client.post(reverse("conversation_delete", kwargs={"team_id": team.pk, "key": talk.key}), follow=True)
    assert "Undo" in response.content.decode()
    assert client.get(page(talk)).status_code == 404
    client.post(reverse("conversation_restore", kwargs={"team_id": team.pk, "key": talk.key}))
    assert client.get(page(talk)).status_code == 200


def test_exports_hold_the_talk(talk, member, team, client_for):
    ask(talk, member)
    urls = {"team_id": team.pk, "key": talk.key}
    row = json.loads(client_for(member).get(reverse("conversation_export_jsonl", kwargs=urls)).content)
    assert [message["role"] for message in row["messages"]] == ["user", "assistant"]
    text = client_for(member).get(reverse("conversation_export_text", kwargs=urls)).content.decode()
    assert "Teacher: What happens" in text and "Student: It turns into ice!" in text


def test_another_team_cannot_reach_a_talk_even_under_its_own_address(
    talk, member, other_team, other_member, client_for
):
    turn = ask(talk, member)
    client = client_for(other_member)
    for name, more in [
        ("conversation_detail", {}),
        ("conversation_export_text", {}),
        ("turn_detail", {"turn_key": turn.key}),
        ("turn_events", {"turn_key": turn.key}),
    ]:
        for team_id in (talk.run.team_id, other_team.pk):
            url = reverse(name, kwargs={"team_id": team_id, "key": talk.key, **more})
            assert client.get(url).status_code == 404, url


def test_the_list_of_conversations_takes_the_same_queries_for_one_and_for_fifty(
    run, member, team, client_for, django_assert_max_num_queries
):
    client, url = client_for(member), reverse("conversation_list", kwargs={"team_id": team.pk})
    for number in (1, 49):
        for _ in range(number):
            chat.open_conversation(run=run, person=member)
        with django_assert_max_num_queries(9):
            client.get(url)


def test_a_long_conversation_takes_few_queries(talk, member, client_for, django_assert_max_num_queries):
    Turn.objects.bulk_create(
        Turn(conversation=talk, position=n, question="?", answer="!", status=TurnStatus.DONE) for n in range(1, 51)
    )
    client = client_for(member)
    with django_assert_max_num_queries(9):
        client.get(page(talk))


def test_words_beyond_grade_two_are_marked_and_the_text_stays_whole(talk, member, client_for, model_server):
    model_server.pieces = ["Ice has a crystal lattice & I like ice."]
    ask(talk, member)
    html = client_for(member).get(page(talk)).content.decode()
    assert '<span class="hard">lattice</span> &amp; I like ice.' in html
    assert '<span class="hard">like' not in html


def test_the_reading_grade_is_pooled_and_waits_for_enough_words(talk, member, client_for, model_server):
    model_server.pieces = ["I see a dog. He is big. "]
    ask(talk, member)
    assert "too few for a reading grade" in client_for(member).get(page(talk)).content.decode()
    model_server.pieces = ["I see a dog. He is big and he ran to me. " * 12]
    ask(talk, member)
    html = client_for(member).get(page(talk)).content.decode()
    assert "Reading grade" in html and "as easy as a second-grader" in html
