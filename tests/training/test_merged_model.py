"""The merged download: made by the worker when asked for, counted on the team's disk, kept for some days."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from courseplatform.deleting_runs import delete_run
from teams.models import DiskAccount, DiskUse, Method, Team, User
from tests.training.test_import_bundle import finished, lora_shape  # noqa: F401  (fixtures)
from training.models import MergedModel, MergeStatus, TrainingRun
from training.services import merging, run_disk, small_programs

Launch = Callable[..., TrainingRun]
ClientFor = Callable[[User | None], Client]
pytestmark = pytest.mark.usefixtures("stub_engines", "lora_shape")
ZIP_BYTES = 3_000  # as the stand-in writes


@pytest.fixture
def run(finished: Launch) -> TrainingRun:  # noqa: F811
    return finished(Method.LORA)


def used(run: TrainingRun) -> int:
    return DiskUse.objects.get(key=run.disk_key).size


def state(run: TrainingRun) -> MergedModel:
    return MergedModel.objects.get(run=run)


def test_a_member_has_it_made_watches_it_and_downloads_it(
    run: TrainingRun, member: User, client_for: ClientFor
) -> None:
    browser = client_for(member)
    page, part = (reverse(name, args=[run.team_id, run.number]) for name in ("run_detail", "run_merged"))
    file = reverse("run_merged_file", args=[run.team_id, run.number])
    assert "Make the model" in browser.get(page).content.decode()
    assert browser.get(file).status_code == 404
    browser.post(part)
    assert "Waits for a worker" in browser.get(page).content.decode()
    assert merging.make(state(run).pk) == "ready"
    shown = browser.get(part, headers={"HX-Request": "true"}).content.decode()
    assert "3 of 3 test questions" in shown and "hx-trigger" not in shown
    answer = browser.get(file)
    assert len(b"".join(answer)) == ZIP_BYTES
    assert f"run-{run.number}-model.zip" in answer["Content-Disposition"]
    assert merging.make(state(run).pk) == "not needed", "a second call makes no second one"


def test_its_bytes_are_reserved_first_and_then_those_that_lie_there(run: TrainingRun, member: User) -> None:
    before = used(run)
    merging.ask_for(run=run, person=member)
    assert used(run) > before + ZIP_BYTES, "as much as the base's weights"
    merging.make(state(run).pk)
    assert used(run) == before + ZIP_BYTES


def test_a_team_whose_disk_is_full_is_told_so_and_nothing_is_made(
    run: TrainingRun, member: User, client_for: ClientFor
) -> None:
    DiskAccount.objects.filter(team=run.team).update(limit=used(run) + ZIP_BYTES)
    address = reverse("run_merged", args=[run.team_id, run.number])
    page = client_for(member).post(address, follow=True).content.decode()
    assert "Nothing was kept" in page
    assert not MergedModel.objects.exists()


@pytest.mark.parametrize(
    ("stub", "said"),
    [("refuses", "does not fit its base model. Train the run again."), ("mute", "Making it ended with status 3")],
)
def test_what_fails_says_why_gives_the_room_back_and_may_be_tried_again(
    run: TrainingRun, member: User, client_for: ClientFor, stub: str, said: str
) -> None:
    (run.folder / "stub").write_text(stub)
    run_disk.count(run)
    before = used(run)
    merging.ask_for(run=run, person=member)
    assert said in merging.make(state(run).pk)
    assert used(run) == before
    page = client_for(member).get(reverse("run_detail", args=[run.team_id, run.number])).content.decode()
    assert said in page and "Try again" in page
    (run.folder / "stub").write_text("works")
    merging.ask_for(run=run, person=member)
    assert merging.make(state(run).pk) == "ready"


def test_after_some_days_it_is_deleted_and_may_be_made_again(run: TrainingRun, member: User, settings: Any) -> None:
    merging.ask_for(run=run, person=member)
    merging.make(state(run).pk)
    assert merging.prune() == 0
    MergedModel.objects.update(ready_at=timezone.now() - timedelta(days=settings.MERGED_KEPT_DAYS, minutes=1))
    assert merging.prune() == 1
    assert not (run.folder / merging.ZIP).exists() and not MergedModel.objects.exists()
    merging.ask_for(run=run, person=member)
    assert merging.make(state(run).pk) == "ready"


def test_one_whose_worker_died_is_made_by_another_and_given_up_after_the_third(run: TrainingRun, member: User) -> None:
    merging.ask_for(run=run, person=member)
    dead = {"status": MergeStatus.MAKING, "alive_at": timezone.now() - 2 * small_programs.SILENT}
    MergedModel.objects.update(attempts=1, **dead)
    assert merging.sweep() == 1
    assert state(run).status == MergeStatus.WAITING
    MergedModel.objects.update(attempts=3, **dead)
    assert merging.sweep() == 0
    assert (state(run).status, state(run).trouble) == (MergeStatus.FAILED, merging.BROKE_DOWN)


def test_a_run_that_is_deleted_meanwhile_leaves_no_file(
    run: TrainingRun, member: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    merging.ask_for(run=run, person=member)
    made = merging._made

    def made_while_it_is_deleted(merged: MergedModel, folder: Any) -> Any:
        answer = made(merged, folder)
        delete_run(run=run, person=member)
        return answer

    monkeypatch.setattr(merging, "_made", made_while_it_is_deleted)
    folder = run.folder
    merging.make(state(run).pk)
    assert not folder.exists() and not MergedModel.objects.exists()


def test_a_team_has_one_made_at_a_time_since_runs_wait_for_it(
    run: TrainingRun,
    finished: Launch,  # noqa: F811
    member: User,
) -> None:
    second = finished(Method.LORA)
    merging.ask_for(run=run, person=member)
    with pytest.raises(merging.CannotMerge, match="Another model of your team"):
        merging.ask_for(run=second, person=member)
    merging.make(state(run).pk)
    merging.ask_for(run=second, person=member)


@pytest.mark.parametrize("method", [Method.DSPY, Method.OPENAI])
def test_other_methods_have_no_model_to_merge(finished: Launch, member: User, method: Method) -> None:  # noqa: F811
    with pytest.raises(merging.CannotMerge, match="Only a finished LoRA run"):
        merging.ask_for(run=finished(method), person=member)


def test_a_link_in_its_place_is_not_followed(run: TrainingRun, member: User, client_for: ClientFor) -> None:
    merging.ask_for(run=run, person=member)
    merging.make(state(run).pk)
    (run.folder / merging.ZIP).unlink()
    (run.folder / merging.ZIP).symlink_to("/etc/passwd")
    answer = client_for(member).get(reverse("run_merged_file", args=[run.team_id, run.number]))
    assert answer.status_code == 503 and "root:" not in answer.content.decode()


def test_another_team_is_told_nothing_of_it(
    run: TrainingRun, member: User, other_team: Team, client_for: ClientFor
) -> None:
    merging.ask_for(run=run, person=member)
    merging.make(state(run).pk)
    stranger = client_for(None)
    assert stranger.get(reverse("run_merged_file", args=[run.team_id, run.number])).status_code in (302, 404)
    assert client_for(member).get(reverse("run_merged_file", args=[other_team.pk, run.number])).status_code in (
        403,
        404,
    )
