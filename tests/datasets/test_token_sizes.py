"""Tokens of a version, counted as each model counts them, and what a run of each method would cost."""

from typing import Any

import pytest
from django.test import Client

from datasets.models import DatasetVersion
from datasets.services import measure, model_view, openai_tokens, token_sizes, versions
from datasets.services.reading import stored_rows
from teams.models import Method, Team, User

BASE = "tiny-student"


def row(answer: str) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": "What is 8 + 7?"}, {"role": "assistant", "content": answer}]}


def made(team: Team, member: User, *answers: str) -> DatasetVersion:
    return versions.create_version(
        dataset=versions.create_dataset(team=team, name="Sums", person=member),
        rows=map(row, answers),
        shape="messages",
        person=member,
        note="",
        source_name="",
    )


def test_the_local_models_figures_are_the_lengths_of_what_it_sees(team: Team, member: User) -> None:
    version = made(team, member, "Um… 15!", "I do not know. Is it 14?")
    local, cloud = version.report["token_sizes"]
    seen = [len(model_view.lora(row, BASE).tokens) for row in stored_rows(version)]
    assert (local["method"], local["model"], local["total"], local["largest"]) == ("lora", BASE, sum(seen), max(seen))
    assert local["mean"] == sum(seen) / 2 and local["over_count"] == 0 and not local["scaled"]
    assert cloud["method"] == "openai" and cloud["context"] == 65_536
    text = openai_tokens.encoding().encode("user" + "assistant")
    assert cloud["total"] > len(text)


def test_a_row_longer_than_the_model_reads_is_named(team: Team, member: User, browser: Client) -> None:
    version = made(team, member, "Um… 15!", "It is fifteen. " * 2_000)
    local = version.report["token_sizes"][0]
    assert local["over"] == [2] and local["over_count"] == 1
    page = browser.get(f"/teams/{team.pk}/datasets/{version.dataset_id}/versions/1/quality/").content.decode()
    assert f"{BASE} would not read all of 1 row" in page and "?row=2" in page


def test_a_sample_is_scaled_up_and_said_to_be_one(version: DatasetVersion) -> None:
    rows = list(enumerate(stored_rows(version), 1))
    whole, half = token_sizes.measure(rows, 12)[0], token_sizes.measure(rows[:6], 12)[0]
    assert half["scaled"] and not whole["scaled"]
    assert half["total"] == round(2 * sum(model_view.sizes((row for _, row in rows[:6]), BASE)))


def test_a_model_that_cannot_count_says_why_on_the_page(
    version: DatasetVersion, browser: Client, version_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing() -> None:
        raise openai_tokens.TokenTableMissing("No token tables here; install litellm again.")

    monkeypatch.setattr(openai_tokens, "encoding", missing)
    measure.measure(version)
    assert "No token tables here; install litellm again." in browser.get(f"{version_url}quality/").content.decode()


def test_a_version_measured_before_tokens_were_counted_offers_to_count_them(
    version: DatasetVersion, browser: Client, version_url: str
) -> None:
    del version.report["token_sizes"]
    version.save()
    assert "Count them with each model's own tokenizer" in browser.get(
        f"{version_url}quality/"
    ).content.decode().replace("&#x27;", "'")
    browser.post(f"{version_url}measure/")
    assert BASE in browser.get(f"{version_url}quality/").content.decode()


@pytest.mark.parametrize("method", Method.values)
def test_the_quality_page_fetches_what_a_run_with_the_usual_settings_costs(
    method: str, version: DatasetVersion, browser: Client, version_url: str, team: Team, settings: Any
) -> None:
    settings.HAS_PROVIDER = True
    address = f"/teams/{team.pk}/runs/new/{method}/?version={version.pk}"
    assert f'hx-get="{address}"' in browser.get(f"{version_url}quality/").content.decode()
    answer = browser.get(address, headers={"HX-Request": "true"}).content.decode()
    figures = answer[answer.index('id="advice"') :]
    assert '<dl class="figures">' in figures and "Expected" in figures and "$" in figures


def test_doubles_lead_to_their_rows(team: Team, member: User, browser: Client) -> None:
    version = made(team, member, "Um… 15!", "It is seven, I think.", "Um… 15!")
    address = f"/teams/{team.pk}/datasets/{version.dataset_id}/versions/1/"
    page = browser.get(f"{address}quality/").content.decode()
    assert f'<a href="{address}?row=1">1</a>, <a href="{address}?row=3">3</a> are the same' in page
