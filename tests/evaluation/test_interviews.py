"""The standard interview: asked by a worker, paid once, resumed where it broke off, measured at the end."""

import socketserver
import threading
from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from evaluation.models import Grade, Interview, InterviewAnswer, InterviewQuestion, InterviewStatus, Wording
from evaluation.services import asking, interviews, submissions
from evaluation.services.interview_report import quality_points
from teams.models import BudgetAccount, Confidence, LedgerEntry, Price
from teams.services.money import BudgetRefused
from tests import factories
from tests.evaluation.conftest import make_prices, make_run, professor_of
from tests.evaluation.test_grading import committed, url_of
from training.models import TrainingRun
from training.services.calls import client


@pytest.fixture
def interview(short_script, paid_run, member, model_server, calls):
    return interviews.start(run=paid_run, person=member)


def test_a_course_with_a_script_of_its_own_uses_it(course, short_script, other_course):
    assert interviews.script_for(course) == short_script
    assert interviews.script_for(other_course).course is None


def test_an_interview_asks_every_wording_once_and_is_measured(interview, model_server):
    assert interviews.carry_out(interview.pk) == "done"
    interview.refresh_from_db()
    assert interview.status == InterviewStatus.DONE
    assert len(model_server.asked) == interview.answers.count() == 3 * 3
    assert interview.metrics["answers"] == 9 and interview.metrics["right_known"] == 0.5


def test_k_repeats_ask_everything_k_times_each_round_with_a_seed_of_its_own(
    short_script, paid_run, member, model_server, calls
):
    made = interviews.start(run=paid_run, person=member, repeats=3)
    interviews.carry_out(made.pk)
    assert len(model_server.asked) == made.answers.count() == 3 * 3 * 3
    assert sorted(asked["seed"] for asked in model_server.asked) == [1] * 9 + [2] * 9 + [3] * 9
    settings = {(asked["model"], asked["temperature"], asked["max_tokens"]) for asked in model_server.asked}
    assert len(settings) == 1, "fixed decoding"
    assert interviews.start(run=make_run(paid_run.team), person=member, repeats=99).repeats == interviews.MAX_REPEATS


def test_a_follow_up_follows_the_answer_to_the_question(interview, model_server):
    interviews.carry_out(interview.pk)
    follow_up = InterviewQuestion.objects.get(script=interview.script, position=11).follow_up
    messages = next(asked["messages"] for asked in model_server.asked if asked["messages"][-1]["content"] == follow_up)
    assert [message["role"] for message in messages] == ["system", "user", "assistant", "user"]


def test_an_interview_is_held_before_and_charged_once_for_what_was_used(interview, team, member):
    held = BudgetAccount.objects.get(team=team).held
    assert held > 0
    interviews.carry_out(interview.pk)
    entry = LedgerEntry.objects.get()
    assert entry.delta == 9 * (20 + 2 * 5) < held
    assert (entry.subject_kind, entry.subject_id, entry.person) == ("interview", str(interview.key), member)
    assert BudgetAccount.objects.get(team=team).held == 0
    assert interviews.carry_out(interview.pk) == "nothing to do"
    assert LedgerEntry.objects.count() == 1


def test_an_interview_beyond_the_budget_is_refused_and_leaves_nothing(short_script, paid_run, member, team, calls):
    BudgetAccount.objects.filter(team=team).update(limit=100)
    with pytest.raises(BudgetRefused):
        interviews.start(run=paid_run, person=member)
    assert not Interview.objects.exists() and not calls


def test_a_run_is_interviewed_once_at_a_time(interview, paid_run, member, calls):
    with pytest.raises(interviews.InterviewRefused, match="already"):
        interviews.start(run=paid_run, person=member)
    assert calls == [interview.pk]


def test_an_interview_taken_up_again_asks_only_what_is_missing(interview, model_server):
    question = interview.script.questions.get(position=1)
    InterviewAnswer.objects.create(interview=interview, question=question, wording=Wording.QUESTION, answer="It is 23!")
    interviews.carry_out(interview.pk)
    assert len(model_server.asked) == 8
    follow_up = next(a["messages"] for a in model_server.asked if a["messages"][-1]["content"] == question.follow_up)
    assert follow_up[-2]["content"] == "It is 23!"


def test_a_provider_that_fails_ends_the_interview_with_a_sentence_and_no_hold(
    interview, model_server, team, monkeypatch
):
    monkeypatch.setattr(client, "WAIT_SECONDS", 0)
    model_server.status = 500
    assert interviews.carry_out(interview.pk) == "failed"
    interview.refresh_from_db()
    assert interview.status == InterviewStatus.FAILED and "problem of its own" in interview.error_message
    account = BudgetAccount.objects.get(team=team)
    assert (account.held, account.spent) == (0, 0)


class HangsUp(socketserver.StreamRequestHandler):
    """Reads the whole question and goes away."""

    def handle(self):
        self.request.settimeout(10)
        head = b""
        while b"\r\n\r\n" not in head:
            head += self.request.recv(65536)
        name, _, body = head.partition(b"\r\n\r\n")
        length = int(name.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
        while len(body) < length:
            body += self.request.recv(65536)


def test_tries_without_an_answer_may_be_billed_and_are_booked_as_unknown(
    interview, team, member, settings, monkeypatch
):
    monkeypatch.setattr(client, "WAIT_SECONDS", 0)
    monkeypatch.setattr(asking, "AT_ONCE", 1)
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), HangsUp) as server:
        threading.Thread(target=server.serve_forever, args=[0.01], daemon=True).start()
        settings.OPENAI_BASE_URL = f"http://127.0.0.1:{server.server_address[1]}/v1"
        assert interviews.carry_out(interview.pk) == "failed"
        server.shutdown()
    lost = LedgerEntry.objects.filter(confidence=Confidence.UNKNOWN)
    assert lost.count() >= asking.TRIES
    assert all(entry.delta > 0 and entry.subject_id == str(interview.key) for entry in lost)
    account = BudgetAccount.objects.get(team=team)
    assert (account.spent, account.held) == (sum(entry.delta for entry in lost), 0)


def test_an_interview_whose_price_went_while_it_was_asked_is_charged_with_all_that_was_held(
    interview, team, monkeypatch
):
    held, keep = BudgetAccount.objects.get(team=team).held, interviews.keep

    def keep_without_prices(*args):
        Price.objects.all().delete()
        return keep(*args)

    monkeypatch.setattr(interviews, "keep", keep_without_prices)
    assert interviews.carry_out(interview.pk) == "done"
    entry = LedgerEntry.objects.get()
    assert (entry.delta, entry.confidence) == (held, Confidence.UNKNOWN)
    assert BudgetAccount.objects.get(team=team).held == 0


def test_an_interview_whose_price_is_gone_before_it_is_asked_asks_nothing_and_costs_nothing(
    interview, team, model_server
):
    Price.objects.all().delete()
    assert interviews.carry_out(interview.pk) == "failed"
    interview.refresh_from_db()
    assert "No price is known" in interview.error_message
    account = BudgetAccount.objects.get(team=team)
    assert (account.held, account.spent, model_server.asked) == (0, 0, [])


def test_answers_that_came_while_another_question_failed_are_kept_and_paid(interview, model_server, team, monkeypatch):
    monkeypatch.setattr(client, "WAIT_SECONDS", 0)
    bad = interview.script.questions.get(position=1).paraphrase

    def says(body):
        if body["messages"][-1]["content"] == bad:
            raise ValueError("a model that breaks on one sentence")
        return "It is 23!"

    model_server.says = says
    assert interviews.carry_out(interview.pk) == "failed"
    answered = interview.answers.count()
    assert answered == 7, "the other two questions, and the first wording of this one"
    account = BudgetAccount.objects.get(team=team)
    assert (account.spent, account.held) == (answered * (20 + 2 * 5), 0)


def test_an_interview_that_cannot_be_measured_ends_and_is_paid(interview, team, monkeypatch):
    def gone(_):
        raise FileNotFoundError("the rows are gone")

    monkeypatch.setattr(interviews, "contaminated", gone)
    with pytest.raises(FileNotFoundError):
        interviews.carry_out(interview.pk)
    interview.refresh_from_db()
    assert interview.status == InterviewStatus.FAILED and "could not be measured" in interview.error_message
    account = BudgetAccount.objects.get(team=team)
    assert (account.spent, account.held) == (9 * (20 + 2 * 5), 0)


def test_a_bot_whose_prompt_leaves_no_room_is_refused_in_words(short_script, run, member, model_server, calls):
    TrainingRun.objects.filter(pk=run.pk).update(result={"system_prompt": "You are a child. " * 200})
    run.refresh_from_db()
    with pytest.raises(interviews.InterviewRefused, match="leaves no room"):
        interviews.start(run=run, person=member)
    assert not Interview.objects.exists() and not calls


def test_a_second_worker_finds_a_claimed_interview_taken(interview):
    assert interviews.claim(interview.pk) is not None
    assert interviews.claim(interview.pk) is None


def test_the_sweeper_sends_again_for_a_worker_that_fell_silent(interview, calls):
    interviews.claim(interview.pk)
    assert interviews.sweep() == 0
    Interview.objects.update(heartbeat_at=timezone.now() - timedelta(hours=1))
    assert interviews.sweep() == 1
    assert calls == [interview.pk, interview.pk]
    assert interviews.claim(interview.pk) is not None


def test_questions_that_stand_in_the_training_rows_are_counted(short_script, team, member, model_server, calls):
    rows = [
        {"messages": [{"role": "user", "content": "what is 15+8"}, {"role": "assistant", "content": "23"}]},
        *factories.child_rows(3),
    ]
    factories.make_dataset_version(team, rows, name="With a script question")
    make_prices(team)
    interview = interviews.start(run=make_run(team), person=member)
    interviews.carry_out(interview.pk)
    interview.refresh_from_db()
    assert interview.in_training == 1


def pages(client, team, interview):
    urls = [reverse("standard_list", kwargs={"team_id": team.pk})]
    urls.append(reverse("standard_detail", kwargs={"team_id": team.pk, "key": interview.key}))
    return [client.get(url) for url in urls]


def test_the_pages_show_progress_then_figures_and_answers(interview, team, member, client_for):
    client = client_for(member)
    _, waiting = pages(client, team, interview)
    assert "Waiting for a worker" in waiting.content.decode()
    interviews.carry_out(interview.pk)
    listed, done = (page.content.decode() for page in pages(client, team, interview))
    assert "Personality alignment" in done and "It turns into ice!" in done and "right</span>" in done
    assert "Cost and quality" in listed


def test_a_page_that_waits_is_loaded_anew_when_the_interview_is_done(interview, team, member, client_for):
    url = reverse("standard_detail", kwargs={"team_id": team.pk, "key": interview.key})
    client = client_for(member)
    waiting = client.get(url, headers={"HX-Request": "true"})
    assert 'id="progress"' in waiting.content.decode() and "HX-Refresh" not in waiting
    interviews.carry_out(interview.pk)
    assert client.get(url, headers={"HX-Request": "true"})["HX-Refresh"] == "true"


def test_another_team_does_not_see_an_interview(interview, team, other_team, other_member, client_for):
    for team_id in (team.pk, other_team.pk):
        url = reverse("standard_detail", kwargs={"team_id": team_id, "key": interview.key})
        assert client_for(other_member).get(url).status_code == 404


def test_starting_in_the_browser_holds_and_calls(short_script, paid_run, team, member, client_for, calls):
    url = reverse("standard_list", kwargs={"team_id": team.pk})
    response = client_for(member).post(url, {"run": paid_run.number, "repeats": "2"})
    made = Interview.objects.get()
    assert response["Location"].endswith(f"{made.key}/") and calls == [made.pk] and made.repeats == 2


def test_the_picture_has_the_newest_interview_of_each_run(interview, team, paid_run, member):
    interviews.carry_out(interview.pk)
    again = interviews.start(run=paid_run, person=member)
    interviews.carry_out(again.pk)
    assert [point.run for point in quality_points(team)] == [paid_run]


def test_the_list_takes_the_same_queries_for_one_and_for_twenty(
    paid_run, member, team, client_for, short_script, django_assert_max_num_queries
):
    client, url = client_for(member), reverse("standard_list", kwargs={"team_id": team.pk})
    for number in (1, 19):
        Interview.objects.bulk_create(
            Interview(run=paid_run, script=short_script, status="failed", started_by=member) for _ in range(number)
        )
        with django_assert_max_num_queries(13):
            client.get(url)


def test_a_grader_has_it_asked_blind_and_sees_the_figures_only_after_committing(
    short_script, paid_run, team, member, professor, client_for, model_server, calls
):
    professor_of(team, professor)
    paid_run.name = "Zanzibar final"
    paid_run.save()
    submission = submissions.submit(team=team, run=paid_run, person=member)
    grading = submission.gradings.select_related("grade", "grader__person", "submission__team").get()
    url, client = url_of(grading, "grading_standard"), client_for(professor)
    client.post(url)
    client.post(url)
    made = Interview.objects.get()
    waiting = client.get(url, headers={"HX-Request": "true"}).content.decode()
    interviews.carry_out(made.pk)
    answers = client.get(url).content.decode()
    assert "It turns into ice!" in answers
    assert "Personality alignment" not in answers and "right</span>" not in answers
    grade = committed(grading)
    assert "Personality alignment" not in client.get(url).content.decode(), "she could still take it back"
    Grade.objects.filter(pk=grade.pk).update(committed_at=timezone.now() - timedelta(minutes=1))
    figures = client.get(url).content.decode()
    assert "Personality alignment" in figures and "right</span>" in figures
    for html in (waiting, answers, figures):
        assert "Zanzibar" not in html and team.name not in html and f"/teams/{team.pk}" not in html and "$" not in html


def test_a_grader_is_told_nothing_of_money_when_spending_is_frozen(
    short_script, paid_run, team, member, professor, client_for, model_server, calls
):
    professor_of(team, professor)
    submission = submissions.submit(team=team, run=paid_run, person=member)
    team.course.spending_frozen = True
    team.course.save()
    response = client_for(professor).post(url_of(submission.gradings.get(), "grading_standard"))
    html = response.content.decode()
    assert response.status_code == 422 and "tell the instructor" in html and "$" not in html


def test_a_page_of_html_in_place_of_an_answer_ends_the_interview_in_words(
    short_script, run, member, model_server, calls
):
    interview = interviews.start(run=run, person=member)
    model_server.page = "<html>Please sign in to the network</html>"
    assert interviews.carry_out(interview.pk) == "failed"
    interview.refresh_from_db()
    assert interview.error_message == asking.NONSENSE and interview.status == "failed"
