"""Several runs at once: one price, all holds or none, other teams' turns between them, ranked at the end."""

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from django.test import Client
from django.urls import reverse

from datasets.models import DatasetVersion
from teams.models import BudgetAccount, Course, Hold, HoldState, Method, Team, User
from teams.services.money import dollars
from tests import factories
from tests.training.money import account
from training.forms import SweepForm
from training.models import BaseModel, RunStatus, Sweep, TrainingRun
from training.services import launch, queue, sweeps
from training.services.launch import LaunchRefused, Wanted

Launch = Callable[..., TrainingRun]
RATES, RANKS = [3e-4, 1e-3, 3e-3], [8, 16]
COMPUTE_RATE = 1_200_000  # micro-dollars an hour


@pytest.fixture(autouse=True)
def dear(course: Course) -> None:
    Course.objects.filter(pk=course.pk).update(compute_rate=COMPUTE_RATE)


def wanted(version: DatasetVersion, **changes: Any) -> Wanted:
    base = BaseModel.objects.filter(method=Method.LORA).earliest("id")
    settings = {"validation_fraction": 0.2, "epochs": 2, "batch_size": 4} | changes
    return Wanted(Method.LORA, base, version, settings, 17, "try")


@pytest.fixture
def six(version: DatasetVersion) -> list[Wanted]:
    return sweeps.variants(wanted(version), RATES, RANKS)


def started(team: Team, member: User, runs: list[Wanted], **changes: Any) -> Sweep:
    team = Team.objects.get(pk=team.pk)
    chosen: dict[str, Any] = {"priced": sweeps.price(team, runs), "name": "rates", "key": uuid4()} | changes
    return sweeps.start(team=team, person=member, **chosen)


def test_three_rates_by_two_ranks_are_six_runs_with_one_price_and_a_hold_each(
    team: Team, member: User, six: list[Wanted]
) -> None:
    team = Team.objects.get(pk=team.pk)
    price = sweeps.price(team, six)
    sweep = started(team, member, six)
    runs = list(sweep.runs.order_by("id"))
    assert [(run.settings["learning_rate"], run.settings["rank"]) for run in runs] == [
        (rate, rank) for rate in RATES for rank in RANKS
    ]
    assert [run.number for run in runs] == [1, 2, 3, 4, 5, 6]
    assert runs[0].name == "try · rate 0.0003, rank 8"
    holds = Hold.objects.filter(key__in=[run.hold_key for run in runs], state=HoldState.OPEN)
    assert holds.count() == 6
    assert sum(hold.amount for hold in holds) == price.most == account(team).held > 0


def test_what_fits_one_by_one_but_not_together_starts_nothing(team: Team, member: User, six: list[Wanted]) -> None:
    most = sweeps.price(Team.objects.get(pk=team.pk), six).most
    BudgetAccount.objects.filter(team=team).update(limit=most - 1)
    with pytest.raises(LaunchRefused, match="can cost together is"):
        started(team, member, six)
    assert not TrainingRun.objects.exists()


def test_money_that_goes_between_price_and_start_leaves_no_part_of_a_sweep(
    team: Team, member: User, six: list[Wanted]
) -> None:
    from teams.services.money import BudgetRefused

    price = sweeps.price(Team.objects.get(pk=team.pk), six)
    BudgetAccount.objects.filter(team=team).update(limit=price.most - 1)
    with pytest.raises(BudgetRefused):
        sweeps.start(team=team, person=member, priced=price, name="", key=uuid4())
    assert (TrainingRun.objects.count(), Sweep.objects.count(), account(team).held) == (0, 0, 0)


def test_a_form_that_is_sent_twice_starts_one_sweep(team: Team, member: User, six: list[Wanted]) -> None:
    key = uuid4()
    assert started(team, member, six, key=key).pk == started(team, member, six, key=key).pk
    assert TrainingRun.objects.count() == 6


def test_another_teams_run_takes_its_turn_between_them(
    course: Course, team: Team, member: User, six: list[Wanted], version: DatasetVersion
) -> None:
    sweep = started(team, member, six)
    other = factories.make_team(course, "Oak", factories.make_person())
    theirs = factories.make_dataset_version(other, factories.child_rows(20))
    late = launch.launch(
        team=Team.objects.get(pk=other.pk), person=member, method=Method.LORA, base_model=six[0].base_model,
        dataset_version=theirs, settings=six[0].settings, seed=1, name="late",
    )  # fmt: skip
    order = queue.waiting_in_order()
    assert order[:2] == [sweep.runs.earliest("id"), late], "one run of each team before anybody's second"


def test_the_whole_sweep_is_cancelled_and_what_ended_stays(
    team: Team, member: User, six: list[Wanted], client_for: Callable[[User], Client]
) -> None:
    sweep = started(team, member, six)
    first, second, *_ = sweep.runs.order_by("id")
    lease = first.claim()
    assert lease is not None
    first.move_to(RunStatus.SUCCEEDED, fence=lease, result={"metrics": {"validation_loss_after": 1.5}})
    assert second.claim() is not None
    client_for(member).post(reverse("sweep_cancel", args=[team.pk, sweep.key]))
    found = dict(sweep.runs.order_by("id").values_list("number", "status"))
    assert found == {1: "succeeded", 2: "cancelling", 3: "cancelled", 4: "cancelled", 5: "cancelled", 6: "cancelled"}
    open_holds = Hold.objects.filter(state=HoldState.OPEN, key__startswith="run-").count()
    assert open_holds == 2, "of the one that ended, which its own end settles, and of the one that is stopping"


def test_runs_are_ranked_by_validation_loss_until_all_have_a_verdict(
    team: Team, member: User, six: list[Wanted], client_for: Callable[[User], Client]
) -> None:
    sweep = started(team, member, six)
    for number, loss in ((1, 2.0), (2, 1.0), (3, 1.5)):
        run = sweep.runs.get(number=number)
        metrics = {"metrics": {"validation_loss_after": loss}}
        TrainingRun.objects.filter(pk=run.pk).update(status=RunStatus.SUCCEEDED, result=metrics)
    found = sweeps.ranking(sweep)
    assert [line.run.number for line in found.lines] == [2, 3, 1, 4, 5, 6]
    assert [line.run.number for line in found.lines if line.best] == [2]
    assert found.by.startswith("Ranked by validation loss")
    page = client_for(member).get(reverse("sweep_detail", args=[team.pk, sweep.key])).content.decode()
    assert "Ranked by validation loss" in page
    assert "Cancel the whole sweep" in page


def test_a_verdict_outranks_the_loss(
    team: Team, member: User, six: list[Wanted], monkeypatch: pytest.MonkeyPatch
) -> None:
    sweep = started(team, member, six[:3])
    for number, loss in ((1, 1.0), (2, 2.0), (3, 3.0)):
        metrics = {"metrics": {"validation_loss_after": loss}}
        sweep.runs.filter(number=number).update(status=RunStatus.SUCCEEDED, result=metrics)
    counts = {1: (5, 0, 20), 2: (17, 3, 20), 3: (17, 1, 20)}
    monkeypatch.setattr(sweeps, "_verdicts", lambda runs: {run.pk: counts[run.number] for run in runs})
    found = sweeps.ranking(sweep)
    assert [line.run.number for line in found.lines] == [3, 2, 1]
    assert found.by.startswith("Ranked by verdict")


# The form


def sent(team: Team, version: DatasetVersion, **changes: Any) -> dict[str, Any]:
    form = SweepForm(team)
    values = {name: form.get_initial_for_field(field, name) for name, field in form.fields.items()}
    base = BaseModel.objects.filter(method=Method.LORA).earliest("id")
    values |= {"dataset_version": version.pk, "base_model": base.pk, "preset": "recommended"}
    return {name: value for name, value in (values | changes).items() if value is not None}


def test_the_page_shows_one_price_and_starts_all(
    team: Team, member: User, version: DatasetVersion, client_for: Callable[[User], Client]
) -> None:
    browser, address = client_for(member), reverse("sweep_new", args=[team.pk])
    page = browser.get(address).content.decode()
    assert "6 runs: learning rates" in page
    values = sent(team, version, rates="3e-4, 1e-3 3e-3", ranks="8;16")
    price = browser.get(address, values, headers={"HX-Request": "true"}).content.decode()
    assert "6 runs: learning rates 0.0003, 0.001, 0.003, each with ranks 8, 16." in price
    answer: Any = browser.post(address, values)
    sweep = Sweep.objects.get()
    assert answer.url == reverse("sweep_detail", args=[team.pk, sweep.key])
    held = sum(run.most_cost for run in sweep.runs.all())
    assert dollars(held) in price, "what was shown is what is held"
    assert {run.settings["alpha"] for run in sweep.runs.all()} and sweep.runs.count() == 6


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"rates": "a, b"}, "Write numbers with commas or spaces between them"),
        ({"rates": "nan 1e-3"}, "Write numbers with commas or spaces between them"),
        ({"rates": "2"}, "A learning rate lies between 1e-06 and 0.1."),
        ({"ranks": "8.5"}, "A rank is a whole number from 1 to 256."),
        ({"rates": "1e-3", "ranks": "8"}, "A sweep has 2 to 12 runs; these values make 1."),
        ({"rates": "1e-3 2e-3 3e-3 4e-3 5e-3", "ranks": "1 2 3 4"}, "these values make 20."),
        ({"rates": "1 2 3 4 5 6 7"}, "Write 1 to 6 values."),
    ],
)
def test_bad_values_are_named_in_a_sentence(
    team: Team, version: DatasetVersion, changes: dict[str, Any], said: str
) -> None:
    form = SweepForm(team, sent(team, version, **changes))
    assert not form.is_valid()
    assert said in " ".join(str(error) for errors in form.errors.values() for error in errors)


def test_another_teams_sweep_is_not_there(
    course: Course, team: Team, member: User, six: list[Wanted], client_for: Callable[[User], Client]
) -> None:
    sweep = started(team, member, six[:2])
    stranger = factories.make_person()
    other = factories.make_team(course, "Oak", stranger)
    for name in ("sweep_detail", "sweep_cancel"):
        address = reverse(name, args=[other.pk, sweep.key])
        browser = client_for(stranger)
        assert (browser.post if name == "sweep_cancel" else browser.get)(address).status_code == 404
    assert sweep.runs.active().count() == 2
