"""What a run will cost, said before it starts, calculated by hand here."""

import json
from pathlib import Path
from typing import Any

import pytest

from datasets.models import DatasetVersion
from teams.models import Course, Method
from tests.training.conftest import SETTINGS
from training.models import BaseModel, RunStatus, TrainingRun
from training.services import estimate, tokens, training_time
from training.services.charges import samples_estimate, token_prices


def base(method: Method) -> BaseModel:
    return BaseModel.objects.filter(method=method, rehearsal=False).earliest("id")


def estimate_of(course: Course, version: DatasetVersion, model: BaseModel, **changes: Any) -> estimate.Estimate:
    method = Method(model.method)
    return estimate.estimate(
        course=course, method=method, base_model=model, dataset_version=version, settings=SETTINGS[method] | changes
    )


def test_tokens_are_counted_as_openai_counts_them_without_a_network(monkeypatch: pytest.MonkeyPatch) -> None:
    import socket

    def no_network(*_: object, **__: object) -> None:
        raise OSError("no network in this test")

    monkeypatch.setattr(socket, "getaddrinfo", no_network)
    assert tokens.count_text("tiktoken is great!") == 6
    # The reply's frame, the message's frame, its role, its two words.
    assert tokens.count_messages([{"role": "user", "content": "hello world"}]) == 3 + 3 + 1 + 2


def test_a_training_file_counts_its_rows_without_the_frame_of_a_reply(tmp_path: Path) -> None:
    rows = tmp_path / "rows.jsonl"
    row = {"messages": [{"role": "user", "content": "hello world"}]}
    rows.write_text((json.dumps(row) + "\n") * 3)
    assert tokens.count_training_file(rows) == 3 * 6


def test_an_openai_run_is_priced_by_its_counted_tokens_and_epochs(course: Course, version: DatasetVersion) -> None:
    counted = estimate.size_of(version).tokens
    found = estimate_of(course, version, base(Method.OPENAI), validation_fraction=0, n_epochs=4)

    assert found.training_tokens == counted * 4
    usual, most = samples_estimate(course=course, base=base(Method.OPENAI), questions=5)
    trained = -(-counted * 4 * 3_000_000 // 1_000_000)
    assert found.expected == trained + usual
    assert found.expected < found.most <= trained * 1.11 + 3 + most


@pytest.mark.parametrize(("rows", "epochs"), [(10, 10), (20, 5), (33, 4), (34, 3), (1000, 3)])
def test_auto_epochs_follow_the_published_rule(rows: int, epochs: int) -> None:
    assert estimate.expected_epochs(rows) == epochs


def test_auto_epochs_cost_what_as_many_epochs_cost_because_that_is_asked_for(
    course: Course, version: DatasetVersion
) -> None:
    model = base(Method.OPENAI)
    auto, chosen = (estimate_of(course, version, model, validation_fraction=0, n_epochs=asked) for asked in ("auto", 5))
    assert (auto.expected, auto.most) == (chosen.expected, chosen.most)


def test_the_most_a_dspy_run_can_cost_grows_with_its_calls(course: Course, version: DatasetVersion) -> None:
    model = base(Method.DSPY)
    few, many = (estimate_of(course, version, model, max_calls=calls) for calls in (50, 500))
    assert 9 * few.most < many.most < 11 * few.most
    assert many.expected < many.most
    prices = token_prices(course=course, model=model.name, provider="openai")
    assert few.prices == {"input": prices.input.per_million, "cached_input": 75_000, "output": 600_000}


def test_lora_is_free_unless_the_course_has_a_rate(course: Course, version: DatasetVersion) -> None:
    model = base(Method.LORA)
    assert estimate_of(course, version, model).most == 0
    course.compute_rate = 36_000_000
    found = estimate_of(course, version, model)
    settings = SETTINGS[Method.LORA]
    work = training_time.work_of(
        model,
        version,
        settings,
        rows=estimate.training_share(version, settings),
        held_out=estimate.held_out_rows(version, settings),
    )
    guess = training_time.guessed(model)
    free = work.verdict_answers * guess.by_verdict_answer + work.free_answers * guess.by_answer
    assert work.verdict_answers > 0
    assert found.expected == pytest.approx((found.seconds - free) * 10_000, abs=1), "the verdict and the base are free"
    assert found.most > found.expected


def test_training_time_is_estimated_from_what_this_machine_did_before(
    course: Course, version: DatasetVersion, start: Any
) -> None:
    model = base(Method.LORA)
    before = estimate_of(course, version, model, epochs=100)
    run = start()
    metrics = {"tokens": 300, "seconds_per_token": 1 / 30, "validation_seconds": 1.0, "validation_tokens": 90}
    worked = {"training_tokens": 300, "compute_seconds": 13.0, "attempt": 1, "result": {"metrics": metrics}}
    TrainingRun.objects.filter(pk=run.pk).update(status=RunStatus.SUCCEEDED, **worked)
    after = estimate_of(course, version, model, epochs=100)

    assert "guess" in before.because[0]
    assert "measured" in after.because[0]
    assert after.seconds >= 2 + after.training_tokens / 30
    assert after.seconds > before.seconds * 10
