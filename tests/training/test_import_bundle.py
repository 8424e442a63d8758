"""A run goes out as a zip and comes in elsewhere: the same answers, curves and rows, never a charge, never a program."""

import hashlib
import io
import json
import struct
import zipfile
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from datasets.models import Dataset
from teams import sandbox
from teams.models import ArchiveImport, ArchiveKind, ArchiveStatus, LedgerEntry, Method, Team, User
from training.archives.manifest import MANIFEST, SIGNATURE
from training.models import Artifact, Origin, RunEvent, RunStatus, TrainingRun
from training.services import finish
from training.services.bundle import write_bundle
from training.services.endpoints import endpoint_for
from training.services.imported import ImportRefused, import_run

Launch = Callable[..., TrainingRun]
Members = dict[str, bytes]
HIDDEN, RANK = 256, 8


def weights(rank: int = RANK, hidden: int = HIDDEN) -> bytes:
    """One pair of LoRA matrices as safetensors, written by hand."""
    name = "base_model.model.model.layers.0.self_attn.q_proj"
    size = rank * hidden * 4
    header = {
        f"{name}.lora_A.weight": {"dtype": "F32", "shape": [rank, hidden], "data_offsets": [0, size]},
        f"{name}.lora_B.weight": {"dtype": "F32", "shape": [hidden, rank], "data_offsets": [size, 2 * size]},
    }
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + bytes(2 * size)


CONFIG = {"peft_type": "LORA", "r": RANK, "lora_alpha": 32, "target_modules": ["q_proj"], "bias": "none",
          "base_model_name_or_path": "/somewhere/else/tiny-student"}  # fmt: skip
PROGRAM: dict[str, Any] = {"schema": 1, "dspy_version": "3", "persona": {"text": "", "place": "none"},
           "state": {"chain.predict": {"lm": None, "demos": [], "signature": {"instructions": "Be seven.", "fields": []}}},
           "serving": {"model": "evil", "base_url": "https://evil.example/v1", "temperature": 0.7, "max_tokens": 300}}  # fmt: skip
FILES: dict[Method, dict[str, Any]] = {
    Method.LORA: {"adapter/adapter_config.json": CONFIG, "adapter/adapter_model.safetensors": weights()},
    Method.DSPY: {"program.json": PROGRAM},
    Method.OPENAI: {"result.csv": b"step,train_loss\n1,2.0\n"},
}


def as_bytes(content: Any) -> bytes:
    return content if isinstance(content, bytes) else json.dumps(content).encode()


@pytest.fixture
def finished(start: Launch, settings: Any) -> Launch:
    def make(method: Method = Method.LORA) -> TrainingRun:
        run = start(method)
        lease = run.claim()
        assert lease
        for path, content in FILES[method].items():
            target = run.folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(as_bytes(content))
        RunEvent.objects.create(run=run, kind="step", step=1, data={"loss": 2.5})
        RunEvent.objects.create(run=run, kind="sample", step=1, data={"stage": "after", "question": "What is 15 + 8?",
                                                                     "answer": "It is 23!"})  # fmt: skip
        if method == Method.OPENAI:
            run.write(lease, provider_job="ftjob-1")
        model = "ft:model" if method == Method.OPENAI else f"run-{run.key}"
        result = {"system_prompt": "You are seven.", "metrics": {"tokens_per_second": 9e9}, "prompt_tokens": -5}
        finish.succeed(run, lease, result=result, result_model=model, train_loss=2.5, step=1)
        run.refresh_from_db()
        return run

    return make


@pytest.fixture
def lora_shape(monkeypatch: pytest.MonkeyPatch) -> None:
    """The base model as wide as the hand-written weights, however wide the committed one is."""
    from training.services import lora_memory

    shape = lora_memory.Shape(
        vocabulary=64, hidden=HIDDEN, layers=1, inner=HIDDEN, query=HIDDEN, value=HIDDEN, tied=True
    )
    monkeypatch.setattr(lora_memory, "shape_of", lambda weights: shape)


pytestmark = pytest.mark.usefixtures("lora_shape")


def import_bundle(*, team: Team, person: User, file: io.BytesIO) -> TrainingRun:
    """As the worker does it, on this test's connection."""
    import_ = ArchiveImport.objects.create(
        kind=ArchiveKind.RUN, team=team, person=person, filename="run.zip", size=0, status=ArchiveStatus.READING
    )
    import_.folder.mkdir(parents=True)
    import_.file_path.write_bytes(file.read())
    try:
        return import_run(import_=import_, beat=lambda stage: None)
    finally:
        ArchiveImport.objects.filter(pk=import_.pk).update(status=ArchiveStatus.DONE)


def members_of(run: TrainingRun) -> Members:
    with zipfile.ZipFile(io.BytesIO(write_bundle(run).read())) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def zipped(members: Members) -> io.BytesIO:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    out.seek(0)
    return out


def rewritten(members: Members, changed: dict[str, bytes], **manifest: Any) -> Members:
    """As somebody would forge it: other contents under the right hashes, the old signature."""
    made = {**members, **changed}
    said = json.loads(made[MANIFEST]) | manifest
    said["files"] = [
        {"path": name, "sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
        for name, content in made.items()
        if name not in (MANIFEST, SIGNATURE)
    ]
    return {**made, MANIFEST: json.dumps(said).encode()}


@pytest.mark.parametrize("method", list(Method))
def test_another_team_gets_the_same_run_and_pays_nothing(
    finished: Launch, other_team: Team, other_member: User, method: Method
) -> None:
    run = finished(method)
    entries = LedgerEntry.objects.count()
    made = import_bundle(team=other_team, person=other_member, file=zipped(members_of(run)))
    made = TrainingRun.objects.with_related().get(pk=made.pk)

    assert (made.team, made.status, made.settings, made.seed) == (
        other_team,
        RunStatus.SUCCEEDED,
        run.settings,
        run.seed,
    )
    assert made.dataset_version.content_hash == run.dataset_version.content_hash
    assert made.dataset_version.dataset.team == other_team
    assert made.events.get(kind="sample").data["answer"] == "It is 23!"
    assert made.train_loss == 2.5
    assert LedgerEntry.objects.count() == entries
    assert made.key != run.key
    assert made.origin.signed
    assert "of team Maple" in made.origin.words
    assert endpoint_for(made).model == ("ft:model" if method == Method.OPENAI else f"run-{made.key}")
    assert {a.path for a in Artifact.objects.filter(run=made)} >= set(FILES[method])


def test_the_same_team_keeps_one_copy_of_its_rows(finished: Launch, team: Team, member: User) -> None:
    run = finished()
    made = import_bundle(team=team, person=member, file=zipped(members_of(run)))
    assert made.dataset_version == run.dataset_version
    assert Dataset.objects.for_team(team).count() == 1
    assert made.origin.source == run
    assert made.number == run.number + 1


def test_what_a_bundle_says_of_addresses_speeds_and_prompts_is_not_believed(
    finished: Launch, other_team: Team, other_member: User, settings: Any
) -> None:
    program = import_bundle(team=other_team, person=other_member, file=zipped(members_of(finished(Method.DSPY))))
    serving = json.loads((program.folder / "program.json").read_text())["serving"]
    assert (serving["base_url"], serving["model"]) == (settings.OPENAI_BASE_URL, program.base_model.name)
    assert program.result["prompt_tokens"] > 0
    adapter = import_bundle(team=other_team, person=other_member, file=zipped(members_of(finished())))
    config = json.loads((adapter.folder / "adapter" / "adapter_config.json").read_text())
    assert config["base_model_name_or_path"] == "tiny-student", "its name, and no place on this disk"
    assert "tokens_per_second" not in adapter.result["metrics"]


def test_tables_of_a_forged_result_cannot_break_the_page(
    finished: Launch, other_team: Team, other_member: User, client_for: Callable[[User | None], Client]
) -> None:
    odd = {"instructions": 5, "demos": 7, "examples": [1, {"before": {"x": []}}], "metrics": "fast"}
    forged = rewritten(members_of(finished(Method.DSPY)), {}, result=odd)
    made = import_bundle(team=other_team, person=other_member, file=zipped(forged))
    page = client_for(other_member).get(reverse("run_detail", args=[other_team.pk, made.number]))
    assert page.status_code == 200
    assert not made.origin.signed


def refused(members: Members | io.BytesIO, team: Team, person: User) -> str:
    file = members if isinstance(members, io.BytesIO) else zipped(members)
    before = (TrainingRun.objects.count(), Dataset.objects.count(), Origin.objects.count())
    with pytest.raises((ImportRefused, sandbox.Refused)) as told:
        import_bundle(team=team, person=person, file=file)
    assert before == (TrainingRun.objects.count(), Dataset.objects.count(), Origin.objects.count())
    return str(told.value)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("../../escape.json", "points outside"),
        ("/etc/passwd", "points outside"),
        ("adapter\\..\\x", "points outside"),
        ("C:/x.json", "points outside"),
        ("adapter/adapter_model.bin", "may hold a program"),
        ("optimizer.pt", "may hold a program"),
        ("program.pkl", "may hold a program"),
        ("adapter/modeling_evil.py", "does not belong"),
    ],
)
def test_a_file_that_has_no_place_in_a_bundle_is_refused(
    finished: Launch, other_team: Team, other_member: User, name: str, said: str
) -> None:
    members = members_of(finished())
    assert said in refused(rewritten(members, {name: b"x"}), other_team, other_member)


def test_a_zip_bomb_a_link_and_a_changed_file_are_refused(
    finished: Launch, other_team: Team, other_member: User
) -> None:
    members = members_of(finished())
    bomb = rewritten(members, {"adapter/README.md": bytes(40_000_000)})
    assert "times its size" in refused(bomb, other_team, other_member)
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        link = zipfile.ZipInfo("adapter/README.md")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "/etc/passwd")
    out.seek(0)
    assert "is a link" in refused(out, other_team, other_member)
    assert "size or hash differs" in refused(
        {**members, "adapter/adapter_model.safetensors": weights()[:-1] + b"\x01"}, other_team, other_member
    )
    assert "is missing" in refused(
        rewritten({k: v for k, v in members.items() if k != "rows.jsonl"}, {}), other_team, other_member
    )
    assert "not a zip file" in refused(io.BytesIO(b"<html>Sign in</html>"), other_team, other_member)
    assert "no run.json" in refused({"a.txt": b"x"}, other_team, other_member)


def test_a_signature_of_any_bytes_is_no_signature_and_none_is_read_without_end(
    finished: Launch, other_team: Team, other_member: User
) -> None:
    members = members_of(finished())
    odd = import_bundle(team=other_team, person=other_member, file=zipped({**members, SIGNATURE: b"\x80\xff"}))
    assert not odd.origin.signed
    assert "run.json.signature: It is bigger than 0.001 MB" in refused(
        {**members, SIGNATURE: b"0" * 1_001}, other_team, other_member
    )


def test_damage_inside_a_file_and_foreign_packing_are_told_not_raised(
    finished: Launch, other_team: Team, other_member: User
) -> None:
    members = members_of(finished())
    whole = bytearray(zipped(members).read())
    with zipfile.ZipFile(io.BytesIO(bytes(whole))) as archive:
        start = archive.getinfo(MANIFEST).header_offset + 30 + len(MANIFEST)
    whole[start] = 0xFF  # no kind of block that deflate knows
    assert "damaged" in refused(io.BytesIO(bytes(whole)), other_team, other_member)
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_LZMA) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    out.seek(0)
    assert "does not use" in refused(out, other_team, other_member)


def test_a_row_with_an_id_that_no_table_can_hold_is_refused(
    finished: Launch, other_team: Team, other_member: User
) -> None:
    members = members_of(finished())
    first, *others = members["rows.jsonl"].splitlines(keepends=True)
    longer = as_bytes(json.loads(first) | {"id": "x" * 41}) + b"\n"
    forged = rewritten(members, {"rows.jsonl": longer + b"".join(others)})
    assert "longer than 40" in refused(forged, other_team, other_member)


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"auto_mapping": {"parent_library": "os"}}, "auto_mapping"),
        ({"modules_to_save": ["lm_head"]}, "modules_to_save"),
        ({"peft_type": "IA3"}, "plain LoRA"),
        ({"r": 4}, "size that its rank"),
        ({"target_modules": "all-linear"}, "target_modules"),
    ],
)
def test_an_adapter_that_could_do_more_than_lora_is_refused(
    finished: Launch, other_team: Team, other_member: User, config: dict[str, Any], said: str
) -> None:
    members = members_of(finished())
    forged = rewritten(members, {"adapter/adapter_config.json": as_bytes(CONFIG | config)})
    assert said in refused(forged, other_team, other_member)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"\x80\x04\x95 pickle", "not a safetensors"),
        (weights()[:-4], "cut off"),
        (weights(hidden=64), "another size"),
        (struct.pack("<Q", 2**60) + b"{}", "not a safetensors"),
    ],
)
def test_weights_are_safetensors_of_the_bases_size_or_nothing(
    finished: Launch, other_team: Team, other_member: User, content: bytes, said: str
) -> None:
    forged = rewritten(members_of(finished()), {"adapter/adapter_model.safetensors": content})
    assert said in refused(forged, other_team, other_member)


def test_a_forged_bundle_brings_no_template_no_model_of_its_own_and_nobodys_cloud_model(
    finished: Launch, other_team: Team, other_member: User
) -> None:
    template = {
        "adapter/chat_template.jinja": b"{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}"
    }
    assert "chat template" in refused(rewritten(members_of(finished()), template), other_team, other_member)
    cloud = members_of(finished(Method.OPENAI))
    assert "provider's account" in refused(rewritten(cloud, {}, model="ft:of-somebody-else"), other_team, other_member)
    lm = {"chain.predict": PROGRAM["state"]["chain.predict"] | {"lm": {"api_base": "https://evil.example"}}}
    forged = rewritten(members_of(finished(Method.DSPY)), {"program.json": as_bytes(PROGRAM | {"state": lm})})
    assert "chain.predict.lm" in refused(forged, other_team, other_member)


def test_an_unknown_base_other_rows_and_another_schema_are_refused(
    finished: Launch, other_team: Team, other_member: User
) -> None:
    members = members_of(finished())
    assert "does not offer" in refused(rewritten(members, {}, base_model="gpt-9"), other_team, other_member)
    assert "another version" in refused(rewritten(members, {}, schema=1), other_team, other_member)
    first, *others = members["rows.jsonl"].splitlines(keepends=True)
    assert "hash of the dataset differs" in refused(
        rewritten(members, {"rows.jsonl": b"".join(others)}), other_team, other_member
    )
    broken = first.replace(b'"user"', b'"wizard"')
    assert "rows.jsonl, line 1" in refused(rewritten(members, {"rows.jsonl": broken}), other_team, other_member)
    assert "not an event" in refused(
        rewritten(members, {"events.jsonl": b'{"kind": "status"}\n'}), other_team, other_member
    )


def test_a_run_of_an_imported_one_can_be_compared_and_exported_again(
    finished: Launch, team: Team, member: User, other_team: Team, other_member: User
) -> None:
    made = import_bundle(team=other_team, person=other_member, file=zipped(members_of(finished())))
    again = import_bundle(team=other_team, person=other_member, file=zipped(members_of(made)))
    assert again.dataset_version == made.dataset_version
    from training.services.compare import compare

    both = list(TrainingRun.objects.with_related().filter(pk__in=[made.pk, again.pk]))
    assert all(line.same for line in compare(both).answers)
