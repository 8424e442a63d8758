"""Before a run starts: size, privacy, price and budget are looked at, and the most it can cost is held."""

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest

from datasets.models import DatasetVersion
from teams.models import Hold, Method, Price, Team, User
from teams.services.money import BudgetRefused
from tests import factories
from tests.training.money import account
from training.models import BaseModel, TrainingRun
from training.services.launch import LaunchRefused

Launch = Callable[..., TrainingRun]


def test_a_launched_run_is_queued_numbered_and_held_for(
    start: Launch, team: Team, django_capture_on_commit_callbacks: Any
) -> None:
    import django_rq

    with django_capture_on_commit_callbacks(execute=True):
        first, second = start(), start(Method.DSPY)

    assert (first.number, second.number) == (1, 2)
    assert Hold.objects.get(key=second.hold_key).amount == second.most_cost == account(team).held > 0
    assert django_rq.get_queue("training").job_ids == [f"run-{first.pk}-a1", f"run-{second.pk}-a1"]


def test_a_run_that_could_pass_the_budget_is_refused_whole(start: Launch, team: Team) -> None:
    from teams.models import BudgetAccount

    BudgetAccount.objects.filter(team=team).update(limit=10)
    with pytest.raises(BudgetRefused, match="short"):
        start(Method.DSPY)
    assert not TrainingRun.objects.exists()
    assert account(team).held == 0


def test_free_local_work_is_not_blocked_by_an_empty_budget(start: Launch, team: Team) -> None:
    from teams.models import BudgetAccount

    BudgetAccount.objects.filter(team=team).update(limit=0)
    assert start(Method.LORA).most_cost == 0


def test_a_form_that_is_sent_twice_starts_one_run(start: Launch) -> None:
    key = uuid4()
    assert start(key=key).pk == start(key=key).pk
    assert TrainingRun.objects.count() == 1


def test_an_unknown_price_refuses_the_launch_and_never_counts_as_free(start: Launch) -> None:
    Price.objects.filter(kind="training").delete()
    with pytest.raises(LaunchRefused, match="No price is known for training tokens of gpt-4o-mini"):
        start(Method.OPENAI)


def test_openai_wants_ten_rows_after_some_are_kept_back(start: Launch, team: Team) -> None:
    eleven = factories.make_dataset_version(team, factories.child_rows(11), name="Eleven")
    with pytest.raises(LaunchRefused, match=r"at least 10 rows.*has 11, and 2 of them are kept back"):
        start(Method.OPENAI, dataset_version=eleven, settings={"validation_fraction": 0.2})
    assert start(Method.OPENAI, dataset_version=eleven, settings={"validation_fraction": 0}).pk


@pytest.mark.parametrize("method", [Method.DSPY, Method.OPENAI])
def test_rows_with_a_childs_data_may_be_trained_on_here_but_not_at_a_provider(
    start: Launch, version: DatasetVersion, method: Method
) -> None:
    version.open_privacy_findings = 2
    version.save()
    with pytest.raises(LaunchRefused, match="privacy"):
        start(method)
    assert start(Method.LORA).pk


def test_another_teams_dataset_cannot_be_used(start: Launch, other_team: Team) -> None:
    theirs = factories.make_dataset_version(other_team)
    with pytest.raises(LaunchRefused, match="another team"):
        start(dataset_version=theirs)


def test_a_base_model_of_another_method_or_kind_is_not_offered(start: Launch) -> None:
    with pytest.raises(LaunchRefused, match="not offered"):
        start(Method.LORA, base_model=BaseModel.objects.get(method=Method.DSPY, name="gpt-4o-mini-2024-07-18"))


def test_a_course_that_froze_spending_starts_only_free_runs(start: Launch, team: Team, member: User) -> None:
    team.course.spending_frozen = True
    team.course.save()
    with pytest.raises(BudgetRefused):
        start(Method.DSPY)
    assert start(Method.LORA).pk
