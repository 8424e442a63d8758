"""The same run on half and a quarter of its rows says whether more rows would help."""

import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from teams.models import Method, Team, User
from training.models import RunStatus, TrainingRun
from training.services import finish, spec
from training.services.estimate import training_share
from training.services.launch import LaunchRefused
from training.services.learning_curve import advice, learning_curve, start_part

Launch = Callable[..., TrainingRun]


def ids(run: TrainingRun, name: str = "train.jsonl") -> list[str]:
    spec.write_rows(run)
    return [json.loads(line)["id"] for line in (run.folder / name).read_text().splitlines()]


def done(run: TrainingRun, loss: float) -> TrainingRun:
    lease = run.claim()
    assert lease
    finish.succeed(run, lease, result={}, result_model=f"run-{run.key}", validation_loss=loss)
    return TrainingRun.objects.with_related().get(pk=run.pk)


def test_a_quarter_lies_within_the_half_and_all_are_measured_with_the_same_rows(start: Launch) -> None:
    whole, half, quarter = (start(settings={"rows_share": share}) for share in (1.0, 0.5, 0.25))
    assert [len(ids(run)) for run in (whole, half, quarter)] == [16, 8, 4]
    assert set(ids(quarter)) < set(ids(half)) < set(ids(whole))
    assert ids(half) == [row for row in ids(whole) if row in set(ids(half))], "in the order of the dataset"
    assert ids(whole, "validation.jsonl") == ids(quarter, "validation.jsonl")
    assert set(ids(half)) != set(ids(start(seed=18, settings={"rows_share": 0.5}))), "the seed draws them"


def test_the_engine_hears_nothing_of_the_share_and_the_estimate_does(start: Launch) -> None:
    half = start(settings={"rows_share": 0.5})
    order = spec.write_order(half)
    assert "rows_share" not in json.loads((order.folder / "spec.json").read_text())["settings"]
    assert training_share(half.dataset_version, half.settings) == 8


def test_the_curve_grows_with_the_runs_and_gives_advice(start: Launch, member: User) -> None:
    whole = done(start(), 1.0)
    assert learning_curve(whole).chart is None
    half = start_part(run=whole, person=member, share=0.5)
    assert half.settings == whole.settings | {"rows_share": 0.5}
    assert (half.seed, half.dataset_version, half.base_model) == (whole.seed, whole.dataset_version, whole.base_model)
    assert start_part(run=whole, person=member, share=0.5) == half, "pressed twice: one run"
    half = done(half, 1.4)
    curve = learning_curve(whole)
    assert [(part.rows, part.value) for part in curve.parts] == [(4, None), (8, 1.4), (16, 1.0)]
    assert curve.chart is not None
    assert "1.400 with 8 rows; 1.000 with 16 rows" in curve.chart.says
    assert "will very probably help again" in curve.advice
    assert learning_curve(half).parts[2].run == whole, "the half shows the same picture"


def test_a_second_try_at_work_does_not_hide_the_first_ones_figure(start: Launch) -> None:
    whole = done(start(), 1.0)
    start()
    assert learning_curve(whole).parts[2].run == whole


def test_a_failed_half_can_be_started_again(start: Launch, member: User) -> None:
    whole = done(start(), 1.0)
    half = start_part(run=whole, person=member, share=0.5)
    finish.fail(half, half.claim(), finish.Failure("x", "It failed.", "Try again."))
    again = start_part(run=whole, person=member, share=0.5)
    assert again.pk != half.pk
    assert again.status == RunStatus.QUEUED


def test_other_settings_are_not_in_the_picture(start: Launch) -> None:
    whole = done(start(), 1.0)
    done(start(settings={"rows_share": 0.5, "epochs": 9}), 1.4)
    assert learning_curve(whole).chart is None


def test_without_rows_kept_back_there_is_nothing_to_compare(start: Launch, member: User) -> None:
    whole = done(start(settings={"validation_fraction": 0}), 1.0)
    with pytest.raises(LaunchRefused, match="No rows were kept back"):
        start_part(run=whole, person=member, share=0.5)


@pytest.mark.parametrize(
    ("half", "whole", "higher", "said"),
    [
        (2.0, 1.5, False, "More rows helped"),
        (2.0, 1.99, False, "will hardly help"),
        (2.0, 2.2, False, "got worse"),
        (0.5, 0.6, True, "More rows helped"),
        (0.5, 0.5, True, "will hardly help"),
        (0.6, 0.5, True, "got worse"),
    ],
)
def test_the_advice_follows_the_figures(half: float, whole: float, higher: bool, said: str) -> None:
    assert said in advice([(100, half), (200, whole)], higher=higher)
    assert advice([(100, half)], higher=higher) == ""


@pytest.mark.parametrize("method", list(Method))
def test_from_the_page_of_a_finished_run(
    start: Launch, method: Method, client_for: Callable[[User | None], Client], member: User, team: Team
) -> None:
    browser, run = client_for(member), start(method, settings={"validation_fraction": 0.2})
    address = reverse("run_rows", args=[team.pk, run.number])
    assert browser.get(address).status_code == 404, "it has not finished"
    done(run, 1.0)
    assert f'href="{address}"' in browser.get(reverse("run_detail", args=[team.pk, run.number])).content.decode()
    page: Any = browser.get(address).content.decode()
    assert re.findall(r'name="share" value="([^"]+)"', page) == ["0.25", "0.5"]
    browser.post(address, {"share": "0.5"})
    made = TrainingRun.objects.exclude(pk=run.pk).filter(team=team)
    if method == Method.OPENAI:
        assert not made.exists(), "OpenAI wants 10 rows; half of 16 are 8"
    else:
        assert made.get().settings["rows_share"] == 0.5
