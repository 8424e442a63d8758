"""A run on pairs of answers, from its form to its archive: priced, trained by the real engine, charged, shown."""

import io
import json
import zipfile
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from courseplatform import deleting_runs
from courseplatform.deleting_runs import DeletionRefused
from datasets.models import DatasetVersion
from datasets.services import pairs as pair_rows
from datasets.services import versions
from teams.models import Course, LedgerEntry, Method, Team, User
from teams.services import money
from tests import factories
from training import jobs
from training.forms import FORMS
from training.models import BaseModel, RunStatus, TrainingRun
from training.services import bundle, estimate, launch, lora_memory, preference, spec
from training.services.launch import LaunchRefused

Launch = Callable[..., TrainingRun]
WORK_TOLERANCE = 0.05


def pair(number: int, **changes: Any) -> dict[str, Any]:
    """A sum with a child's answer and a book's; the odd ones from a blind vote."""
    asked = [{"role": "user", "content": f"What is {number} + {number + 1}?"}]
    chosen = [{"role": "assistant", "content": f"Um, I think it is {2 * number + 1}!"}]
    rejected = [{"role": "assistant", "content": f"The sum of these two numbers is {2 * number + 1}."}]
    labels = {"source": pair_rows.VOTE} if number % 2 else {}
    made = {"messages": asked + chosen, "preferred_output": chosen, "non_preferred_output": rejected}
    return made | {"shape": "preference", "labels": labels} | changes


def preferences(team: Team, rows: list[dict[str, Any]] | None = None, name: str = "Pairs") -> DatasetVersion:
    return versions.create_version(
        dataset=versions.create_dataset(team=team, name=name, person=None),
        rows=[pair(number) for number in range(1, 25)] if rows is None else rows,
        shape="preference",
        person=None,
        note="",
        source_name="pairs.jsonl",
    )


@pytest.fixture
def pairs(team: Team) -> DatasetVersion:
    return preferences(team)


@pytest.fixture
def supervised(start: Launch) -> TrainingRun:
    """A finished run of the real engine, with what it was told before it spoke."""
    run = start(Method.LORA, settings={"epochs": 1, "batch_size": 8}, name="our child")
    jobs.execute_run(run.pk)
    run.refresh_from_db()
    assert run.status == RunStatus.SUCCEEDED, run.error_message
    run.result["system_prompt"] = "You are in second grade."
    run.save()
    return run


def filled(team: Team, version: DatasetVersion, **changes: Any) -> Any:
    form = FORMS["dpo"](team)
    values = {name: form.get_initial_for_field(field, name) for name, field in form.fields.items()}
    values |= {"dataset_version": version.pk}
    return FORMS["dpo"](team, {name: value for name, value in (values | changes).items() if value is not None})


def launched(team: Team, member: User, form: Any) -> TrainingRun:
    assert form.is_valid(), form.errors
    chosen = form.cleaned_data
    return launch.launch(
        team=team,
        person=member,
        method=form.method,
        base_model=chosen["base_model"],
        dataset_version=chosen["dataset_version"],
        settings=form.settings(),
        seed=chosen["seed"],
        name=chosen["name"],
        starts_from=chosen["starts_from"],
    )


def finished(run: TrainingRun) -> TrainingRun:
    jobs.execute_run(run.pk)
    run.refresh_from_db()
    assert run.status == RunStatus.SUCCEEDED, run.error_message
    return run


@pytest.mark.engine
def test_a_run_goes_on_from_a_supervised_one_and_is_all_that_a_lora_run_is(
    course: Course,
    team: Team,
    member: User,
    supervised: TrainingRun,
    pairs: DatasetVersion,
    client_for: Callable[[User], Client],
) -> None:
    Course.objects.filter(pk=course.pk).update(compute_rate=1_200_000)
    team.course.refresh_from_db()
    run = finished(launched(team, member, filled(team, pairs, start="run-1", epochs=2, name="kinder")))
    order = json.loads((run.folder / "spec.json").read_text())
    assert order["start_adapter"] == str(supervised.folder / "adapter")
    assert order["system_prompt"] == run.result["system_prompt"] == "You are in second grade."
    assert json.loads((run.folder / "train.jsonl").read_text().splitlines()[0]).keys() >= {"input", "preferred_output"}
    entry = LedgerEntry.objects.get(key=run.hold_key)
    assert entry.delta == pytest.approx(run.expected_cost, rel=WORK_TOLERANCE)
    assert run.training_tokens == pytest.approx(_priced_tokens(run), rel=WORK_TOLERANCE)
    page = client_for(member).get(reverse("run_detail", args=[team.pk, run.number])).content.decode()
    for part in (
        "Preference training (DPO)",
        "goes on from",
        "our child",
        "Reward margin",
        "kept back",
        "Chat with it",
    ):
        assert part in page, part
    archive = zipfile.ZipFile(bundle.write_bundle(run))
    manifest = json.loads(archive.read("run.json"))
    assert manifest["settings"]["starts_from"] == "Run 1 · our child"
    assert "adapter/adapter_model.safetensors" in archive.namelist()
    assert '"reward_margin"' in archive.read("events.jsonl").decode()
    again = client_for(member).get(f"{reverse('run_new', args=[team.pk, 'dpo'])}?from={run.number}").content.decode()
    assert '<option value="run-1" selected>' in again


def _priced_tokens(run: TrainingRun) -> int:
    return estimate.estimate(
        course=run.team.course,
        method=Method.LORA,
        base_model=run.base_model,
        dataset_version=run.dataset_version,
        settings=run.settings,
    ).training_tokens


@pytest.mark.engine
def test_an_archive_of_it_comes_back_with_its_curve(
    team: Team, member: User, supervised: TrainingRun, pairs: DatasetVersion
) -> None:
    from teams.models import ArchiveKind
    from tests.security.archive_tools import arrived
    from training.services.imported import import_run

    run = finished(launched(team, member, filled(team, pairs, start="run-1", epochs=1)))
    upload = arrived(ArchiveKind.RUN, member, bundle.write_bundle(run).read(), team)
    back = import_run(import_=upload, beat=lambda stage: None)
    assert back.settings["starts_from"] == "Run 1 · our child"
    assert back.starts_from is None
    said = [event.data.get("reward_margin") for event in back.events.filter(kind="validation")]
    assert any(said)


# Before it starts


@pytest.fixture
def adapter(team: Team, start: Launch) -> TrainingRun:
    """A run that stands as finished, with a file where its adapter would be."""
    run = start(Method.LORA, name="our child")
    folder = run.folder / "adapter"
    folder.mkdir(parents=True)
    (folder / "adapter_model.safetensors").write_bytes(b"weights")
    money.release(key=run.hold_key)
    TrainingRun.objects.filter(pk=run.pk).update(
        status=RunStatus.SUCCEEDED, result={"system_prompt": "You are in second grade."}
    )
    run.refresh_from_db()
    return run


def test_the_form_says_what_it_does_and_counts_pairs_by_where_they_are_from(
    team: Team, member: User, adapter: TrainingRun, pairs: DatasetVersion, client_for: Callable[[User], Client]
) -> None:
    page = client_for(member).get(reverse("run_new", args=[team.pk, "dpo"])).content.decode()
    assert "of two answers, rather this one than that" in " ".join(page.split())
    assert "When to use it, and when not" in page
    assert "24 pairs: 12 from blind votes, 12 uploaded." in page
    assert "Sums" not in page, "only datasets of pairs are offered"
    assert '<option value="run-1" selected>' in page, "the newest run, not the base"


def test_without_pairs_it_says_where_they_come_from(
    team: Team, member: User, version: DatasetVersion, client_for: Callable[[User], Client]
) -> None:
    page = client_for(member).get(reverse("run_new", args=[team.pk, "dpo"])).content.decode()
    assert "your team has no dataset of them yet" in " ".join(page.split())
    assert reverse("pair_list", args=[team.pk]) in page


def test_the_settings_are_the_engines(team: Team, adapter: TrainingRun, pairs: DatasetVersion) -> None:
    from lora.spec import Settings

    form = filled(team, pairs, start="run-1", beta=0.2)
    assert form.is_valid(), form.errors
    chosen = form.settings()
    assert set(chosen) - spec.OURS <= set(Settings.__struct_fields__)
    assert (chosen["training"], chosen["beta"], chosen["dropout"]) == ("dpo", 0.2, 0.0)
    assert (chosen["rank"], chosen["starts_from"]) == (8, "Run 1 · our child"), "the adapter keeps its shape"
    from_base = filled(team, pairs, start=f"base-{adapter.base_model_id}")
    assert from_base.is_valid(), from_base.errors
    assert not {"starts_from", "system_prompt"} & set(from_base.settings())


def refusal(team: Team, version: DatasetVersion, start: TrainingRun | None = None, **changes: Any) -> str:
    base = BaseModel.objects.filter(method=Method.LORA).earliest("id")
    settings = {"training": "dpo", "validation_fraction": 0.0, "epochs": 1, "batch_size": 2} | changes
    with pytest.raises(LaunchRefused) as refused:
        launch.price(team, launch.Wanted(Method.LORA, base, version, settings, 1, "", starts_from=start))
    return str(refused.value)


def test_too_few_pairs_are_refused(team: Team) -> None:
    few = preferences(team, [pair(number) for number in range(1, 12)])
    said = refusal(team, few, validation_fraction=0.2)
    assert said == (
        "DPO needs at least 10 pairs to train on; Pairs v1 has 11, and 2 of them are kept back to measure with. Add pairs, or "
        "keep back fewer."
    )


def test_rows_without_pairs_are_refused(team: Team, version: DatasetVersion) -> None:
    assert "Sums v1 has none" in refusal(team, version)


def test_the_same_answer_twice_and_answers_to_different_prompts_are_refused_by_their_row(team: Team) -> None:
    rows = [pair(number) for number in range(1, 15)]
    same = pair(20)
    same["non_preferred_output"] = same["preferred_output"]
    said = refusal(team, preferences(team, [*rows, same], name="Same"))
    assert said.startswith("Row 15 of Same v1: The preferred and the rejected answer are the same")
    other = pair(21)
    other["non_preferred_output"] = [{"role": "user", "content": "And 5?"}, *other["non_preferred_output"]]
    said = refusal(team, preferences(team, [*rows[:3], other, *rows[3:]], name="Other"))
    assert said.startswith("Row 4 of Other v1: The two answers do not follow the same prompt")


def test_an_upload_names_such_rows_by_their_line(team: Team, member: User) -> None:
    from datasets import formats

    good = {"prompt": "What is 1 + 1?", "chosen": "Um, 2!", "rejected": "Two."}
    talk = [{"role": "user", "content": "What is 1 + 1?"}, {"role": "assistant", "content": "Um, 2!"}]
    other = [{"role": "user", "content": "What is 2 + 2?"}, {"role": "assistant", "content": "Four."}]
    lines = [good, good | {"rejected": " Um, 2! "}, {"chosen": talk, "rejected": other}]
    found = []
    for number, line in enumerate(lines, start=1):
        _, problems = formats.from_object(line, line=number)
        found.append([(one.line, one.code) for one in problems if one.severity == "error"])
    assert found == [[], [(2, "same_answers")], [(3, "prompts_differ")]]


def test_only_a_finished_run_of_the_team_on_the_same_base_can_be_gone_on_from(
    course: Course, team: Team, adapter: TrainingRun, pairs: DatasetVersion
) -> None:
    other = factories.make_team(course, "Oak")
    assert "another team" in refusal(other, preferences(other), adapter)
    TrainingRun.objects.filter(pk=adapter.pk).update(status=RunStatus.FAILED)
    adapter.refresh_from_db()
    assert "no finished LoRA adapter" in refusal(team, pairs, adapter)
    TrainingRun.objects.filter(pk=adapter.pk).update(status=RunStatus.SUCCEEDED)
    adapter.refresh_from_db()
    (adapter.folder / "adapter" / "adapter_model.safetensors").unlink()
    assert "no longer on this machine" in refusal(team, pairs, adapter)


def test_another_teams_run_is_not_offered(
    course: Course, team: Team, adapter: TrainingRun, client_for: Callable[[User], Client]
) -> None:
    stranger = factories.make_person()
    other = factories.make_team(course, "Oak", stranger)
    version = preferences(other)
    form = filled(other, version, start="run-1")
    assert not form.is_valid()
    assert "start" in form.errors


def test_pairs_cost_twice_the_rows_and_a_pass_for_the_reference(
    team: Team, pairs: DatasetVersion, start: Launch
) -> None:
    from training.services import training_time

    base = BaseModel.objects.filter(method=Method.LORA).earliest("id")
    settings = {"epochs": 2, "batch_size": 4, "training": "dpo"}
    work = training_time.work_of(base, pairs, settings, rows=20, held_out=4)
    plain = training_time.work_of(base, pairs, settings | {"training": "supervised"}, rows=20, held_out=4)
    assert work.steps == plain.steps
    assert 1.8 * plain.trained_tokens < work.trained_tokens < 2.6 * plain.trained_tokens
    one_pass = work.trained_tokens / 2 * 24 / 20
    assert work.validated_tokens == pytest.approx(3 * one_pass * 4 / 24 + one_pass, rel=0.01)
    told = training_time.tokens_in_pairs(base, pairs, "You are in second grade.")
    assert told > training_time.tokens_in_pairs(base, pairs), "what it is told is read with every answer"
    shape = lora_memory.shape_of(base.weights)
    assert shape is not None
    small, big = (lora_memory.need(shape, {"training": kind, "batch_size": 4}, 40.0) for kind in ("supervised", "dpo"))
    assert big.activations == 2 * small.activations


def test_what_a_run_goes_on_from_is_not_deleted_under_it(
    team: Team, member: User, adapter: TrainingRun, pairs: DatasetVersion
) -> None:
    run = launched(team, member, filled(team, pairs, start="run-1"))
    with pytest.raises(DeletionRefused, match="goes on from Run 1"):
        deleting_runs.delete_run(run=adapter, person=member)
    run.move_to(RunStatus.CANCELLED)
    deleting_runs.delete_run(run=adapter, person=member)
    run.refresh_from_db()
    assert run.starts_from is None
    assert run.settings["starts_from"] == "Run 1 · our child"


def test_a_start_that_was_deleted_between_form_and_launch_is_refused(
    team: Team, member: User, adapter: TrainingRun, pairs: DatasetVersion
) -> None:
    form = filled(team, pairs, start="run-1")
    assert form.is_valid()
    wanted = launch.Wanted(
        Method.LORA, adapter.base_model, pairs, form.settings(), 1, "", starts_from=form.cleaned_data["starts_from"]
    )
    priced = launch.price(team, wanted)
    TrainingRun.objects.filter(pk=adapter.pk).delete()
    with pytest.raises(LaunchRefused, match="deleted a moment ago"):
        launch.create(team, member, priced)


def test_sizes_are_told(team: Team) -> None:
    assert "20 pairs to train on. From about 40 on" in preference.size_advice(20)
    assert "enough to hear a difference" in preference.size_advice(60)


def test_a_row_goes_through_storage_as_it_was(pairs: DatasetVersion) -> None:
    halves = list(pair_rows.halves(pairs, "Be six."))
    assert [one["content"] for one in halves[1].messages] == [
        "Be six.",
        "What is 1 + 2?",
        "The sum of these two numbers is 3.",
    ]
    assert io.BytesIO(b"".join(versions.export(pairs, "preference"))).readline()
