# ruff: noqa: F811  (fixtures of the honest archive are imported by their names)
"""Findings 2 and 10: a run archive that anybody may have made, from the upload to the run or the sentence why not."""

import json
import struct
from datetime import timedelta

import django_rq
import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse
from django.utils import timezone
from rq import SimpleWorker

from teams import sandbox
from teams.models import ArchiveImport, ArchiveKind, ArchiveStatus, Method
from teams.services import archive_imports
from tests.security.archive_tools import arrived, hostile_zips, opened_here
from tests.training.conftest import *  # noqa: F403  (a run of each method, as the training services leave it)
from tests.training.test_import_bundle import (  # noqa: F401
    CONFIG,
    PROGRAM,
    as_bytes,
    finished,
    lora_shape,
    members_of,
    rewritten,
    weights,
    zipped,
)
from training.models import RunStatus, TrainingRun
from training.services import adapters, base_names, imported, program_size, training_time
from training.services.imported import ImportRefused, import_run

pytestmark = pytest.mark.usefixtures("lora_shape")


def bring(file, team, person):
    return import_run(import_=arrived(ArchiveKind.RUN, person, file, team), beat=lambda stage: None)


def files_of(settings):
    return sorted(str(path) for path in settings.RUNS_ROOT.rglob("*"))


def test_every_hostile_zip_is_refused_in_a_sentence_and_leaves_nothing(
    finished, other_team, other_member, settings, monkeypatch
):
    members = members_of(finished())
    before = (TrainingRun.objects.count(), other_team.datasets.count(), files_of(settings))
    monkeypatch.setattr(sandbox, "opened", opened_here)
    for wrong, file in hostile_zips(members).items():
        with pytest.raises((sandbox.Refused, ImportRefused)) as told:
            bring(file, other_team, other_member)
        assert str(told.value).endswith("."), (wrong, told.value)
        assert (TrainingRun.objects.count(), other_team.datasets.count(), files_of(settings)) == before, wrong
    assert not list(settings.VAR_DIR.parent.rglob("*escaped*"))


@pytest.mark.parametrize(
    ("state", "said"),
    [
        ({"config": {"n": 7}}, "config"),
        ({"model": "gpt-5-pro"}, "model"),
        ({"max_tokens": 100_000}, "max_tokens"),
        ({"lm": {"model": "openai/gpt-5-pro"}}, "lm"),
        ({"fields": {"n": 7}}, "fields"),
        ({"demos": [{"teacher_prompt": "?", "config": {"n": 7}}]}, "config"),
        ({"demos": [{"teacher_prompt": "<<CUSTOM-TYPE-START-IDENTIFIER>>[]<<CUSTOM-TYPE-END-IDENTIFIER>>"}]}, "custom"),
    ],
)
def test_a_program_can_bring_no_setting_of_its_own(finished, other_team, other_member, monkeypatch, state, said):
    monkeypatch.setattr(sandbox, "opened", opened_here)
    predictor = {"chain.predict": PROGRAM["state"]["chain.predict"] | state}
    forged = rewritten(members_of(finished(Method.DSPY)), {"program.json": as_bytes(PROGRAM | {"state": predictor})})
    with pytest.raises(sandbox.Refused, match=f"program.json.*{said}"):
        bring(zipped(forged).read(), other_team, other_member)


DEEP = b'{"a":' * 100_000 + b"1" + b"}" * 100_000


@pytest.mark.parametrize(
    "content", [DEEP, b'{"r": 1e999}', b'{"r": NaN}', b'{"r": "\xff"}', b"[]", b"9" * 100_000, b""]
)
@pytest.mark.parametrize("name", ["run.json", "adapter/adapter_config.json", "events.jsonl", "rows.jsonl"])
def test_json_of_every_hostile_kind_is_refused_by_its_name(
    finished, other_team, other_member, monkeypatch, name, content
):
    monkeypatch.setattr(sandbox, "opened", opened_here)
    members = members_of(finished())
    forged = {**members, name: content} if name == "run.json" else rewritten(members, {name: content})
    if name == "events.jsonl" and not content:
        assert bring(zipped(forged).read(), other_team, other_member)  # a run may have no curve
        return
    with pytest.raises(sandbox.Refused, match=name.replace(".", "[.]")):
        bring(zipped(forged).read(), other_team, other_member)


def not_finite(value):
    whole = bytearray(weights())
    whole[-4:] = struct.pack("<f", value)
    return bytes(whole)


def renamed(old, new):
    """The weights with other names of the same length."""
    return weights().replace(old, new)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (not_finite(float("nan")), "not a number"),
        (not_finite(float("inf")), "not a number"),
        (renamed(b"layers.0.", b"layers.7."), "another size"),
        (renamed(b"lora_B.weight", b"lora_A.weighu"), "LoRA matrix"),
        (renamed(b'"F32"', b'"I32"'), "safetensors"),
        (weights() + b"more", "cut off"),
    ],
)
def test_weights_hold_nothing_but_finite_numbers_of_the_bases_own_layers(
    finished, other_team, other_member, monkeypatch, content, said
):
    monkeypatch.setattr(sandbox, "opened", opened_here)
    forged = rewritten(members_of(finished()), {"adapter/adapter_model.safetensors": content})
    with pytest.raises((sandbox.Refused, ImportRefused), match=said):
        bring(zipped(forged).read(), other_team, other_member)


def test_no_path_of_a_configuration_survives(finished, other_team, other_member, monkeypatch):
    monkeypatch.setattr(sandbox, "opened", opened_here)
    hostile = CONFIG | {"base_model_name_or_path": "/etc", "revision": "x", "loftq_config": {"a": 1}, "eva_config": "x"}
    forged = rewritten(members_of(finished()), {"adapter/adapter_config.json": as_bytes(hostile)})
    run = bring(zipped(forged).read(), other_team, other_member)
    kept = json.loads(run.file("adapter/adapter_config.json").read_text())
    assert kept["base_model_name_or_path"] == base_names.public_name(run.base_model)
    assert not kept.keys() & {"revision", "loftq_config", "eva_config"}


def test_a_run_from_elsewhere_teaches_nothing_about_this_machine(finished, team, member, monkeypatch):
    monkeypatch.setattr(sandbox, "opened", opened_here)
    for method in (Method.LORA, Method.DSPY):
        made = bring(zipped(members_of(finished(method))).read(), team, member)
        forged = {"attempt": 1, "training_tokens": 1, "compute_seconds": 9e9, "calls_used": 1, "output_tokens": 9**9}
        TrainingRun.objects.exclude(pk=made.pk).update(status=RunStatus.FAILED)
        TrainingRun.objects.filter(pk=made.pk).update(**forged)
        assert not training_time.worked_through(made.base_model, quantization="none").exists()
        if method == Method.DSPY:
            assert program_size._measured(made.base_model, made.settings["optimizer"]) is None


def test_an_adapter_larger_than_its_base_can_have_is_refused_by_its_names(finished):
    run = finished()
    tensors = {f"base_model.model.model.layers.{layer}.self_attn.q_proj.lora_A.weight": (8, 256) for layer in range(9)}
    with pytest.raises(adapters.AdapterRefused, match=r"layers\.1\."):
        adapters.check_fits(tensors, run.base_model)


def work():
    queue = django_rq.get_queue("files")
    SimpleWorker([queue], connection=queue.connection, serializer=queue.serializer).work(burst=True)


def upload(client, team, content):
    return client.post(reverse("run_import", args=[team.pk]), {"file": SimpleUploadedFile("run.zip", content)})


@pytest.mark.django_db(transaction=True)
def test_the_page_waits_and_the_worker_reads(finished, other_team, other_member, client_for):
    browser = client_for(other_member)
    waiting = upload(browser, other_team, zipped(members_of(finished())).read())
    assert TrainingRun.objects.filter(team=other_team).count() == 0, "a request must not read an archive"
    page = browser.get(waiting["Location"]).content.decode()
    assert "waits for a free worker" in page
    busy = upload(browser, other_team, b"another")
    assert busy.status_code == 422
    assert "Another archive of yours is being read" in busy.content.decode()
    work()
    import_ = ArchiveImport.objects.get()
    assert import_.status == ArchiveStatus.DONE
    assert not import_.folder.exists()
    done = browser.get(waiting["Location"], follow=True).content.decode()
    assert "Run 1 is imported. Nothing was charged." in done
    assert "Exported by this platform and unchanged." in done


@pytest.mark.django_db(transaction=True)
def test_the_page_says_why_not_and_offers_the_form_again(other_team, other_member, client_for):
    browser = client_for(other_member)
    waiting = upload(browser, other_team, b"no zip")
    work()
    page = browser.get(waiting["Location"]).content.decode()
    assert "run.zip was not imported" in page
    assert "This is not a zip file" in page
    assert 'type="file"' in page
    assert not ArchiveImport.objects.get().folder.exists()


@pytest.mark.django_db(transaction=True)
def test_an_archive_whose_worker_dies_is_read_again_and_refused_after_the_third_time(
    other_team, other_member, client_for, monkeypatch
):
    upload(client_for(other_member), other_team, b"x")

    def die(**_):
        raise SystemExit

    monkeypatch.setattr(imported, "import_run", die)
    for attempt in range(1, archive_imports.MOST_ATTEMPTS + 1):
        import_ = ArchiveImport.objects.get()
        with pytest.raises(SystemExit):
            imported.read_run_archive(import_id=import_.pk, attempt=attempt)
        assert imported.read_run_archive(import_id=import_.pk, attempt=attempt) == "not needed"
        ArchiveImport.objects.update(alive_at=timezone.now() - timedelta(minutes=5))
        archive_imports.sweep()
    import_ = ArchiveImport.objects.get()
    assert imported.read_run_archive(import_id=import_.pk, attempt=import_.attempt) == "given up"
    import_.refresh_from_db()
    assert import_.status == ArchiveStatus.REFUSED
    assert "broke down three times" in import_.refusal


def test_an_attempt_that_was_taken_for_dead_writes_nothing(finished, other_team, other_member, monkeypatch):
    monkeypatch.setattr(sandbox, "opened", opened_here)
    import_ = arrived(ArchiveKind.RUN, other_member, zipped(members_of(finished())).read(), other_team)
    ArchiveImport.objects.filter(pk=import_.pk).update(attempt=2)
    with pytest.raises(archive_imports.Superseded):
        import_run(import_=import_, beat=lambda stage: None)
    assert not TrainingRun.objects.filter(team=other_team).exists()
    assert not other_team.datasets.exists()
