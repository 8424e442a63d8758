"""What ends at providers is shown where somebody decides, and a run can be done again somewhere else."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from datasets.models import DatasetVersion
from teams.models import Course, Method, Team, User
from tests.training.conftest import Launch
from training.forms import FORMS
from training.models import BaseModel, RunStatus, TrainingRun
from training.services import shutdowns

pytestmark = pytest.mark.django_db


@pytest.fixture
def openai(settings: Any) -> None:
    settings.HAS_PROVIDER, settings.OPENAI_BASE_URL = True, "https://api.openai.com/v1"


def test_the_form_says_until_when_before_a_run_starts(
    openai: None, version: DatasetVersion, team: Team, member: User, client_for: Any
) -> None:
    page = client_for(member).get(f"/teams/{team.pk}/runs/new/openai/").content.decode()
    assert "OpenAI takes no new fine-tuning jobs from 6 January 2027 on." in page
    day = timezone.localdate() + timedelta(days=45)
    assert f"off on {day.day} {day:%B %Y}; chats with it end then" in page


def test_the_instructors_home_and_the_guide_show_what_ends_with_its_source(
    openai: None, start: Launch, course: Course, instructor: User, member: User, client_for: Any
) -> None:
    run = start(Method.OPENAI)
    TrainingRun.objects.filter(pk=run.pk).update(status=RunStatus.SUCCEEDED)
    ending = next(one for one in shutdowns.of_course(course) if run.base_model.name in one.what)
    assert (ending.runs, ending.over) == (1, False) and "deprecations page" in ending.source
    home = client_for(instructor).get(f"/courses/{course.pk}/").content.decode()
    assert "OpenAI: no new fine-tuning jobs" in home and run.base_model.name in home
    guide = client_for(member).get("/guide/openai/").content.decode()
    assert "6 Jan 2027" in guide and f"{run.base_model.name} is switched off" in guide


def test_where_no_provider_is_there_nothing_ends(course: Course, settings: Any) -> None:
    settings.HAS_PROVIDER = False
    assert shutdowns.of_course(course) == []


def test_a_model_that_is_switched_off_is_offered_no_more(openai: None, course: Course) -> None:
    base = BaseModel.objects.filter(method=Method.OPENAI, provider__from_environment=True, rehearsal=False).earliest(
        "id"
    )
    assert base in BaseModel.objects.offered(course, Method.OPENAI)
    BaseModel.objects.filter(pk=base.pk).update(shutdown_on=timezone.localdate())
    assert base not in BaseModel.objects.offered(course, Method.OPENAI)


def test_a_run_can_be_done_again_elsewhere_with_the_same_rows_and_settings(
    start: Launch, team: Team, member: User, client_for: Any
) -> None:
    run = start(Method.OPENAI, settings={"n_epochs": 4})
    TrainingRun.objects.filter(pk=run.pk).update(status=RunStatus.FAILED)
    run = TrainingRun.objects.with_related().get(pk=run.pk)
    others = shutdowns.elsewhere(run)
    assert others and all(one.local for one in others), "the one other provider is this platform"
    page = client_for(member).get(f"/teams/{team.pk}/runs/{run.number}/").content.decode()
    link = f"/teams/{team.pk}/runs/new/openai/?from={run.number}&amp;base_model={others[0].pk}"
    assert "Run this elsewhere" in page and link in page
    form = client_for(member).get(link.replace("&amp;", "&")).context["form"]
    filled = FORMS[Method.OPENAI](team, initial=form.initial).untouched()
    assert (filled["base_model"], filled["dataset_version"], filled["n_epochs"]) == (
        others[0].pk,
        run.dataset_version_id,
        4,
    )
