"""What the model sees, the split page, and which method fits."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import settings
from django.test import Client

from datasets.models import DatasetVersion, FrozenSplit
from datasets.services import model_view, versions
from datasets.services.blocks import StoredRow
from datasets.services.reading import row_at
from teams.models import Team, User

BASE = "tiny-student"
ROW = StoredRow(
    id="r1",
    line=1,
    messages=[
        {"role": "system", "content": "You are in second grade."},
        {"role": "user", "content": "What is 8 + 7? 🙂"},
        {"role": "assistant", "content": "Um… 14.", "weight": 0},
        {"role": "user", "content": "Look again."},
        {"role": "assistant", "content": "Oh! It is 15! 🎉"},
    ],
)


def trained_text(seen: model_view.Seen) -> str:
    return "".join(token.text for token in seen.tokens if token.trained)


def test_lora_learns_the_students_words_and_where_to_stop() -> None:
    seen = model_view.lora(ROW, BASE)
    assert trained_text(seen) == "Oh! It is 15! 🎉<|end|>"
    whole = "".join(token.text for token in seen.tokens)
    assert whole.startswith("<|system|>You are in second grade.<|end|><|user|>What is 8 + 7? 🙂<|end|><|assistant|>Um…")


@pytest.mark.engine
def test_lora_sees_here_what_the_engine_trains_on(tmp_path: Path) -> None:
    """The oracle is the engine itself, in its own interpreter: same number of tokens, the same ones trained."""
    program = (
        "import json, sys; from transformers import AutoTokenizer; from lora.rows import encode; "
        "from lora.templates import template_of; t = AutoTokenizer.from_pretrained(sys.argv[1]); "
        "e = encode(json.loads(sys.argv[2]), t, template_of(t)); print(json.dumps(e[0].trained))"
    )
    folder = str(Path(settings.BASE_MODELS_ROOT) / BASE)
    answer = subprocess.run(
        [sys.executable, "-P", "-c", program, folder, json.dumps(ROW.messages)],
        env={"PYTHONPATH": str(settings.ENGINES_ROOT), "PATH": "/usr/bin", "HF_HUB_OFFLINE": "1"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    expected = json.loads(answer.stdout.splitlines()[-1])
    assert [token.trained for token in model_view.lora(ROW, BASE).tokens] == expected


def test_openai_learns_only_weighted_answers() -> None:
    seen = model_view.openai(ROW)
    assert trained_text(seen) == "Oh! It is 15! 🎉‹end›\n"


def test_dspy_shows_history_question_and_the_answer_to_compare_with() -> None:
    seen = model_view.dspy(ROW)
    assert trained_text(seen) == "Oh! It is 15! 🎉"
    assert "Student: Um… 14." in seen.tokens[0].text
    assert "[[ ## teacher_prompt ## ]]\nLook again." in seen.tokens[0].text


def test_a_row_longer_than_the_model_reads_is_told() -> None:
    long = StoredRow(
        id="r2",
        line=1,
        messages=[{"role": "user", "content": "Why? " * 400}, {"role": "assistant", "content": "Because."}],
    )
    assert model_view.lora(long, BASE).too_long


def test_only_base_models_of_this_machine_are_opened() -> None:
    with pytest.raises(model_view.CanNotShow):
        model_view.lora(ROW, "../../../etc")


def test_the_page_shows_hostile_rows_as_text(browser: Client, team: Team, member: User) -> None:
    hostile = "<img src=x onerror=alert(1)>"
    dataset = versions.create_dataset(team=team, name="Hostile", person=member)
    rows = [{"messages": [{"role": "user", "content": hostile}, {"role": "assistant", "content": hostile}]}]
    versions.create_version(
        dataset=dataset, rows=rows, shape="messages", person=member, note=hostile, source_name=hostile
    )
    for page in ("", "seen/", "quality/", "privacy/", "export/", "changes/", "split/", "advice/"):
        content = browser.get(f"/teams/{team.pk}/datasets/{dataset.pk}/versions/1/{page}").content.decode()
        assert "<img src=x" not in content, page


@pytest.mark.parametrize("row", ["", "0", "5", "999999", "-3", "abc", "99999999999999"])
def test_any_row_number_shows_some_row(browser: Client, version_url: str, row: str) -> None:
    assert browser.get(f"{version_url}seen/?row={row}").status_code == 200


def test_a_split_is_decided_on_its_page_and_shown(browser: Client, version: DatasetVersion, version_url: str) -> None:
    page = browser.post(f"{version_url}split/decide/", {"percent": 25, "seed": 17}, follow=True).content.decode()
    frozen = FrozenSplit.objects.get()
    kept_back = len(frozen.validation_ids)
    assert f"{12 - kept_back} rows to learn from, {kept_back} to measure with" in page
    first = next(row for row in versions.stored_rows(version) if row.id in frozen.validation_ids)
    assert first.prompt() in page


def test_a_senseless_split_is_refused_in_words(browser: Client, version_url: str) -> None:
    page = browser.post(f"{version_url}split/decide/", {"percent": 80, "seed": 1}, follow=True).content.decode()
    assert "1 to 50 percent" in page
    assert not FrozenSplit.objects.exists()


def test_looking_at_the_split_page_decides_nothing(browser: Client, version_url: str) -> None:
    assert "Nothing is decided yet" in browser.get(f"{version_url}split/").content.decode()
    assert not FrozenSplit.objects.exists()


def test_advice_follows_goal_time_and_data(browser: Client, version_url: str) -> None:
    quick = browser.get(f"{version_url}advice/?goal=quick_personality&time=quick").content.decode()
    assert "DSPy fits best" in quick
    assert "It runs, but LoRA wants 100+ rows; 88 more would help" in quick
    assert browser.get(f"{version_url}advice/?goal=nonsense").status_code == 200


def test_every_page_of_a_version_is_reached_by_its_tabs(browser: Client, version_url: str) -> None:
    page = browser.get(version_url).content.decode()
    for tab in ("quality", "privacy", "advice", "split", "seen", "changes", "export"):
        assert f'href="{version_url}{tab}/"' in page
        assert browser.get(f"{version_url}{tab}/").status_code == 200


def test_a_row_is_found_by_its_number(browser: Client, version: DatasetVersion, version_url: str) -> None:
    eighth = row_at(version, 7)
    assert eighth is not None
    items = browser.get(f"{version_url}?row=8").context["items"]
    assert items[0].row.id == eighth.id
