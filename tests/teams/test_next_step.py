"""The one next step of a team: the table of rules alone, and what the home page says of a real team."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.urls import reverse
from django.utils import timezone

from courseplatform import next_step
from courseplatform.next_step import Bot, Data, Facts, Heard
from datasets.services import drafts
from evaluation.models import Interview, InterviewAnswer, InterviewScript
from teams.models import Method, Milestone
from tests import factories
from tests.evaluation.conftest import make_run
from training.models import RunEvent, RunStatus, TrainingRun

DATA, BOT, OLD = Data(1, 2, "Sums v1", 40), Bot(3, "“Theo”"), Bot(2, "Run 2")
FAILED = Heard(9, 6, ("What is 52 - 38?", "26"))
BUILT = Facts(data=DATA, newest=BOT, heard=Heard(0, 0))
HANDED_IN = replace(BUILT, submitted=BOT)
SOON: dict[str, Any] = {"due_in": timedelta(days=3), "due_words": "Mon, Mar 1, 23:59"}
LATER: dict[str, Any] = {"due_in": timedelta(days=30), "due_words": "Mon, Mar 29, 23:59"}

CASES = [
    (Facts(), "upload"),
    (Facts(data=DATA), "first run"),
    (Facts(data=DATA, missing=("dspy", "DSPy")), "first run"),
    (Facts(data=DATA, active=BOT), "first run waits"),
    (Facts(data=DATA, failed=BOT, failed_why="Out of memory."), "run failed"),
    (Facts(data=DATA, failed=OLD, newest=BOT, heard=None), "interview"),
    (Facts(data=DATA, newest=BOT, asking=True), "interview runs"),
    (replace(BUILT, heard=FAILED), "fix answers"),
    (replace(BUILT, heard=Heard(9, 2)), "talk"),
    (replace(BUILT, heard=FAILED, edits=3, edits_next=2), "save edits"),
    (replace(BUILT, heard=FAILED, ahead=Data(1, 9, "Sums v2", 46)), "train again"),
    (replace(BUILT, heard=FAILED, active=Bot(4, "Run 4")), "run waits"),
    (replace(BUILT, heard=FAILED, older=OLD, compared=False), "compare"),
    (replace(BUILT, heard=FAILED, older=OLD, compared=True), "fix answers"),
    (replace(BUILT, heard=FAILED, **SOON), "due soon"),
    (replace(BUILT, heard=FAILED, practice=True, **SOON), "fix answers"),
    (replace(BUILT, heard=FAILED, **LATER), "fix answers"),
    (replace(BUILT, **LATER), "hand in"),
    (replace(BUILT, due_in=timedelta(days=-1), due_words="Mon"), "hand in"),
    (replace(BUILT, missing=("openai", "OpenAI")), "next method"),
    (replace(HANDED_IN, heard=FAILED, **SOON), "fix answers"),
    (replace(HANDED_IN, heard=FAILED, released=True), "result"),
    (replace(HANDED_IN, heard=FAILED, released=True, edits=2, edits_next=2), "save edits"),
    (BUILT, "talk"),
]


@pytest.mark.parametrize(("facts", "rule"), CASES)
def test_the_first_rule_that_fits_decides(facts, rule):
    name, step = next_step.next_step(facts)
    assert name == rule
    assert step.what and step.why.endswith((".", "”")) and step.label
    assert "None" not in step.what + step.why


def test_every_rule_is_reached_by_some_team():
    assert {rule.name for rule in next_step.RULES} == {rule for _, rule in CASES}


def test_what_failed_is_said_in_the_bots_own_words():
    _, step = next_step.next_step(replace(BUILT, heard=FAILED))
    assert step.what == "Teach “Theo” the 6 answers it failed" and "“26”" in step.why
    assert next_step.next_step(replace(BUILT, heard=Heard(9, 3)))[1].why.startswith("Write what")


def home(client_for, member, team):
    response = client_for(member).get(reverse("team_home", args=[team.pk]))
    assert response.status_code == 200
    return response


def test_a_team_is_led_from_its_first_rows_to_the_answers_that_failed(team, member, client_for, redis_server):
    assert home(client_for, member, team).context["step"].label == "Upload rows"
    version = factories.make_dataset_version(team, factories.child_rows(20))
    assert "new/" in home(client_for, member, team).context["step_link"]
    run = make_run(team, name="Theo")
    assert home(client_for, member, team).context["step"].what == "Interview “Theo”"
    script = InterviewScript.objects.filter(course=None).latest("number")
    made = Interview.objects.create(
        run=run, script=script, started_by=member, status="done", finished_at=timezone.now()
    )
    for question in script.questions.all()[:4]:
        InterviewAnswer.objects.create(
            interview=made, question=question, wording="question", answer="I am a language model."
        )
    page = home(client_for, member, team)
    assert page.context["step"].what == "Teach “Theo” the 4 answers it failed"
    assert page.context["step_link"] == reverse("run_improve", args=[team.pk, run.number])
    assert "I am a language model." in page.content.decode()
    drafts.remove_row(version=version, position=0, person=member)
    assert home(client_for, member, team).context["step"].what == "Save your 1 edit as version 2"
    drafts.publish(draft=version.dataset.draft, person=member, note="")
    again = home(client_for, member, team).context
    assert again["step"].label == "Train again" and f"from={run.number}&version=" in again["step_link"]
    TrainingRun.objects.create(
        team=team, number=99, method="lora", base_model=run.base_model, dataset_version=version, settings={},
        status=RunStatus.RUNNING,
    )  # fmt: skip
    assert home(client_for, member, team).context["step"].label == "See how far it is"


def test_the_page_says_the_goal_the_path_and_the_deadline_with_its_zone(team, member, client_for, settings):
    due = timezone.localdate() + timedelta(days=20)
    Milestone.objects.create(course=team.course, position=50, title="Submit one bot", goal="submission", due_on=due)
    page = home(client_for, member, team).content.decode()
    assert "a chatbot that a teacher takes for a second-grader" in page
    assert f"{due:%b} {due.day}, 23:59 UTC" in page and 'class="path"' in page
    settings.TIME_ZONE = "America/New_York"
    page = home(client_for, member, team).content.decode()
    zone = datetime(due.year, due.month, due.day, 23, 59, tzinfo=ZoneInfo("America/New_York")).tzname()
    assert zone in ("EST", "EDT")
    assert f"{due:%b} {due.day}, 23:59 {zone}" in page


def test_two_bots_answer_the_same_question_on_the_page(team, member, client_for):
    said = {Method.LORA: "ooh ooh! it's 23!", Method.DSPY: "I think it is 23."}
    for method, answer in said.items():
        run = make_run(team, method)
        data = {"stage": "after", "question": "What is 15 + 8?", "answer": answer}
        RunEvent.objects.create(run=run, kind="sample", data={**data, "stage": "before", "answer": "not this"})
        RunEvent.objects.create(run=run, kind="sample", data=data)
    page = home(client_for, member, team).content.decode()
    assert "ooh ooh! it&#x27;s 23!" in page and "I think it is 23." in page and "not this" not in page


def test_one_bot_alone_is_compared_with_nobody(team, member, client_for):
    run = make_run(team)
    RunEvent.objects.create(run=run, kind="sample", data={"stage": "after", "question": "Why?", "answer": "cuz"})
    assert home(client_for, member, team).context["voices"] is None


def test_what_graders_do_today_moves_no_step(team, member, client_for):
    """A grader's interview of today is not told, and neither is what it would change."""
    run = make_run(team)
    script = InterviewScript.objects.filter(course=None).latest("number")
    before = home(client_for, member, team).context["step"]
    made = Interview.objects.create(run=run, script=script, for_grading=True, status="done", finished_at=timezone.now())
    InterviewAnswer.objects.create(interview=made, question=script.questions.all()[0], wording="question", answer="")
    assert home(client_for, member, team).context["step"] == before
