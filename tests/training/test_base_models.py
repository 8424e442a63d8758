"""The instructor's own base models: looked at before they are offered, never a program, served without a restart."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from teams.models import Course, Method, Team, User
from tests import factories
from training.models import BaseModel, Hosting, Trial
from training.services import base_models, base_trials, hub, launch, lora_memory, small_programs, training_time
from training.services.base_models import BaseModelRefused, add_base_model
from training.services.hub import HubModel, HubTrouble

pytestmark = pytest.mark.usefixtures("stub_engines")
ClientFor = Callable[[User | None], Client]
CONFIG: dict[str, Any] = {"architectures": ["LlamaForCausalLM"]}
FILES = ["config.json", "model.safetensors", "tokenizer.json"]


@pytest.fixture
def folder(settings: Any) -> Path:
    """What an operator would put there."""
    path = base_models.folders_root() / "small"
    path.mkdir(parents=True)
    for name in FILES:
        (path / name).write_text(json.dumps(CONFIG))
    return path


def add_and_try(**asked: Any) -> BaseModel:
    """As an instructor adds it and the worker tries it."""
    base = add_base_model(**asked)
    base_trials.try_base(base.pk)
    base.refresh_from_db()
    return base


@pytest.fixture
def hugging_face(monkeypatch: pytest.MonkeyPatch) -> Callable[[HubModel | Exception], None]:
    def says(answer: HubModel | Exception) -> None:
        def look_at(name: str) -> HubModel:
            if isinstance(answer, Exception):
                raise answer
            return answer

        monkeypatch.setattr(hub, "look_at", look_at)

    return says


def test_a_folder_of_the_operators_is_offered_to_this_course_alone(
    course: Course, team: Team, other_course_team: Team, instructor: User, folder: Path
) -> None:
    base = add_base_model(course=course, person=instructor, name=str(folder), label="Small")
    assert base not in BaseModel.objects.offered(course, Method.LORA), "nobody starts from what was not tried"
    assert base_trials.try_base(base.pk) == "fit"
    assert base in BaseModel.objects.offered(course, Method.LORA)
    assert base not in BaseModel.objects.offered(other_course_team.course, Method.LORA)
    version = factories.make_dataset_version(team, factories.child_rows(20))
    asked: dict[str, Any] = {"team": team, "method": Method.LORA, "version": version, "settings": {}}
    assert launch.why_not(base_model=base, **asked) is None
    base_models.switch_base_model(base=base, person=instructor)
    assert "not offered" in str(launch.why_not(base_model=base, **asked))


def test_a_folder_has_one_name_however_it_was_written(
    course: Course, instructor: User, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder.parent.parent)  # a run's own process works elsewhere and would not find ./models
    base = add_base_model(course=course, person=instructor, name="./models/small", label="Small")
    assert base.weights == str(folder.resolve())
    with pytest.raises(BaseModelRefused, match="already"):
        add_base_model(course=course, person=instructor, name=f"{folder.parent}/../models/small/", label="Again")


def listed(settings: Any) -> Any:
    return json.loads((Path(settings.VAR_DIR) / base_models.LIST_FILE).read_text())


def test_the_model_server_hears_of_it_once_it_is_found_fit(
    course: Course, instructor: User, folder: Path, settings: Any
) -> None:
    base = add_base_model(course=course, person=instructor, name=str(folder), label="Small")
    base_models.write_list()
    assert listed(settings) == {}
    base_trials.try_base(base.pk)
    assert listed(settings) == {str(folder): str(folder)}


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("/etc", "Only folders under"),
        ("../../etc", "Only folders under"),
        ("~/models", "Only folders under"),
        ("just-a-name", "Write a Hugging Face id"),
        ("a/b/c", "Write a Hugging Face id"),
        ("https://huggingface.co/a/b", "Write a Hugging Face id"),
    ],
)
def test_a_name_that_is_no_model_is_refused(course: Course, instructor: User, name: str, said: str) -> None:
    with pytest.raises(BaseModelRefused, match=said):
        add_base_model(course=course, person=instructor, name=name, label="")


def test_a_link_out_of_the_models_folder_is_refused(
    course: Course, instructor: User, folder: Path, tmp_path: Path
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    link = folder.parent / "link"
    link.symlink_to(outside)
    with pytest.raises(BaseModelRefused, match="Only folders under"):
        add_base_model(course=course, person=instructor, name=str(link), label="")


@pytest.mark.parametrize(
    ("files", "config", "said"),
    [
        (["config.json", "pytorch_model.bin", "tokenizer.json"], CONFIG, "no safetensors"),
        (["config.json", "model.safetensors"], CONFIG, "tokenizer.json"),
        (["model.safetensors", "tokenizer.json"], CONFIG, "config.json"),
        (FILES, CONFIG | {"auto_map": {"AutoModel": "evil.Model"}}, "code of its author"),
        (FILES, {"architectures": ["BertModel"]}, "no text model"),
        (FILES, {"architectures": "x"}, "no text model"),
        (FILES, {"architectures": ["T5ForConditionalGeneration"], "is_encoder_decoder": True}, "no text model"),
    ],
)
def test_what_could_run_code_or_cannot_be_trained_is_refused(
    course: Course, instructor: User, hugging_face: Callable[[Any], None], files: list[str], config: Any, said: str
) -> None:
    hugging_face(HubModel(files, config))
    with pytest.raises(BaseModelRefused, match=said):
        add_base_model(course=course, person=instructor, name="org/model", label="")
    assert not BaseModel.objects.filter(hosting=Hosting.HUGGING_FACE).exists()


def test_offline_a_model_that_is_here_already_is_found_and_another_one_is_not(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    import huggingface_hub

    def away(*_: Any, **__: Any) -> None:
        raise httpx.ConnectError("no network")

    monkeypatch.setattr(huggingface_hub.HfApi, "model_info", away)
    monkeypatch.setattr(huggingface_hub, "try_to_load_from_cache", lambda *_: None)
    with pytest.raises(HubTrouble, match="cannot reach Hugging Face"):
        hub.look_at("org/model")
    for name in FILES:
        (tmp_path / name).write_text(json.dumps(CONFIG))
    monkeypatch.setattr(huggingface_hub, "try_to_load_from_cache", lambda *_: str(tmp_path / "config.json"))
    assert set(hub.look_at("org/model").files) >= set(FILES)


def test_a_big_base_is_guessed_slower(course: Course, instructor: User, folder: Path) -> None:
    base = add_base_model(course=course, person=instructor, name=str(folder), label="Big")
    sizes = {"vocab_size": 49_152, "hidden_size": 576, "num_attention_heads": 9, "num_key_value_heads": 3,
             "num_hidden_layers": 30, "intermediate_size": 1_536, "tie_word_embeddings": True}  # fmt: skip
    (folder / "config.json").write_text(json.dumps(CONFIG | sizes))
    bundled = BaseModel.objects.get(name="tiny-student")
    slow, usual = training_time.guessed(base), training_time.guessed(bundled)
    assert slow.by_token > usual.by_token * 5
    assert slow.by_answer > usual.by_answer * 5


def test_the_instructor_adds_takes_off_and_offers_again_in_the_browser(
    client_for: ClientFor, instructor: User, course: Course, folder: Path, hugging_face: Callable[[Any], None]
) -> None:
    browser, page = client_for(instructor), reverse("course_training", args=[course.pk])
    address = reverse("base_model_new", args=[course.pk])
    hugging_face(HubTrouble("Hugging Face has no model org/nothing."))
    refused = browser.post(address, {"name": "org/nothing", "label": ""})
    assert refused.status_code == 422
    assert "Hugging Face has no model org/nothing." in refused.content.decode()
    browser.post(address, {"name": str(folder), "label": "Our small one"})
    assert "Our small one" in browser.get(page).content.decode()
    twice = browser.post(address, {"name": str(folder), "label": "Again"})
    assert "already" in twice.content.decode()
    base = BaseModel.objects.get(label="Our small one")
    assert "Waits to be tried" in browser.get(page).content.decode()
    part = browser.get(page, headers={"HX-Request": "true"}).content.decode()
    assert 'hx-trigger="every 3s"' in part and "<h1>" not in part
    base_trials.try_base(base.pk)
    part = browser.get(page, headers={"HX-Request": "true"}).content.decode()
    assert "hx-trigger" not in part and "134,515 parameters" in part
    switch = reverse("base_model_switch", args=[course.pk, base.pk])
    browser.post(switch)
    assert "Offer again" in browser.get(page).content.decode()
    browser.post(switch)
    base.refresh_from_db()
    assert base.enabled


def test_another_courses_model_and_everybodys_cannot_be_switched(
    client_for: ClientFor, instructor: User, course: Course, other_course: Course, folder: Path
) -> None:
    theirs = add_base_model(course=other_course, person=instructor, name=str(folder), label="Theirs")
    bundled = BaseModel.objects.get(name="tiny-student")
    for base in (theirs, bundled):
        answer = client_for(instructor).post(reverse("base_model_switch", args=[course.pk, base.pk]))
        assert answer.status_code == 404
        base.refresh_from_db()
        assert base.enabled


@pytest.mark.parametrize(
    ("stub", "said"),
    [
        ("refuses", "Its chat template leaves out a message. Choose another base model"),
        ("mute", "Trying it ended with status 3"),
    ],
)
def test_what_fails_when_it_is_tried_is_not_offered_and_says_why(
    client_for: ClientFor, course: Course, instructor: User, folder: Path, stub: str, said: str
) -> None:
    (folder / "stub").write_text(stub)
    base = add_and_try(course=course, person=instructor, name=str(folder), label="Small")
    assert base.trial == Trial.UNFIT
    assert said in base.trouble
    assert base not in BaseModel.objects.offered(course, Method.LORA)
    page = client_for(instructor).get(reverse("course_training", args=[course.pk])).content.decode()
    assert said in page
    (folder / "stub").write_text("works")
    client_for(instructor).post(reverse("base_model_try", args=[course.pk, base.pk]))
    assert base_trials.try_base(base.pk) == "fit"
    base.refresh_from_db()
    assert (base.trouble, base.weights_sha256) == ("", "ab" * 32)


def test_what_is_too_big_for_this_machine_is_refused_before_it_is_loaded(
    course: Course, instructor: User, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lora_memory, "room", lambda: lora_memory.Room(free=10**9, total=10**9))
    with (folder / "model.safetensors").open("r+b") as file:
        file.truncate(4 * 10**9)  # sparse: nothing is written
    base = add_and_try(course=course, person=instructor, name=str(folder), label="Big")
    assert "needs about 8.0 GB of memory, and this machine has 1.0 GB free now" in base.trouble


def test_a_trial_whose_worker_died_is_made_again_and_given_up_after_the_third(
    course: Course, instructor: User, folder: Path
) -> None:
    base = add_base_model(course=course, person=instructor, name=str(folder), label="Small")
    long_ago = timezone.now() - 2 * small_programs.SILENT
    dead = {"trial": Trial.TRYING, "trial_alive_at": long_ago}
    BaseModel.objects.filter(pk=base.pk).update(trial_attempts=1, **dead)
    base_trials.ask_for_trials()
    base.refresh_from_db()
    assert base.trial == Trial.WAITING
    BaseModel.objects.filter(pk=base.pk).update(trial_attempts=3, **dead)
    base_trials.ask_for_trials()
    base.refresh_from_db()
    assert (base.trial, base.trouble) == (Trial.UNFIT, base_trials.BROKE_DOWN)
    assert base_trials.try_base(base.pk) == "not needed"


def test_a_second_worker_does_not_try_what_is_being_tried(course: Course, instructor: User, folder: Path) -> None:
    base = add_base_model(course=course, person=instructor, name=str(folder), label="Small")
    BaseModel.objects.filter(pk=base.pk).update(trial=Trial.TRYING, trial_alive_at=timezone.now())
    assert base_trials.try_base(base.pk) == "not needed"


@pytest.mark.parametrize(
    "config", [{"architectures": ["GPT2LMHeadModel"]}, {"architectures": ["Gemma3ForConditionalGeneration"]}]
)
def test_older_heads_and_models_that_see_pictures_are_tried_too(
    course: Course, instructor: User, folder: Path, config: dict[str, Any]
) -> None:
    (folder / "config.json").write_text(json.dumps(config))
    assert add_base_model(course=course, person=instructor, name=str(folder), label="").trial == Trial.WAITING
