"""A DSPy run from its order to its artefacts, against a scripted endpoint."""

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest
from dspy_program import metric

from tests.engines.conftest import engine_environment
from tests.engines.dspy_endpoint import EndpointServer, ScriptedEndpoint, endpoint_server, listening, scripted_endpoint
from tests.engines.dspy_runs import PRICES, SERVICE_TOKEN, DspyRun, dialogue, dspy_run, program_server

pytestmark = pytest.mark.engine
OPTIMIZERS = ["LabeledFewShot", "BootstrapFewShotWithRandomSearch", "MIPROv2", "GEPA", "SIMBA"]
RELOAD = """
import json, sys
from pathlib import Path
import dspy
from dspy_program import program
saved = program.load(Path(sys.argv[1]))
chat = dspy.ChatAdapter()
predictor = saved.module.chain.predict
messages = chat.format(predictor.signature, predictor.demos, json.loads(sys.argv[2]))
print(json.dumps([[m["role"], m["content"]] for m in messages]))
"""
TRIPWIRE = """
import importlib.util, sys
import dspy_program.optimize, dspy_program.serve
found = importlib.util.find_spec("datasets")
print("django" in sys.modules, "litellm" in sys.modules, found.origin if found else "none")
"""


@pytest.fixture(scope="module")
def endpoints() -> Iterator[EndpointServer]:
    with endpoint_server() as server:
        yield server


@pytest.fixture
def endpoint(endpoints: EndpointServer) -> ScriptedEndpoint:
    return endpoints.new_endpoint()


class Finished(NamedTuple):
    """A run that is done, and what its endpoint had counted and heard by then."""

    run: DspyRun
    endpoint: ScriptedEndpoint
    totals: dict[str, int]
    requests: list[dict[str, Any]]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Finished]:
    with scripted_endpoint() as running:
        run = dspy_run(tmp_path_factory.mktemp("dspy") / "run", running).finish()
        yield Finished(run, running, dict(running.totals), list(running.requests))


def micro_dollars(totals: dict[str, int]) -> int:
    fresh = totals["input"] - totals["cached"]
    exact = fresh * PRICES["input"] + totals["cached"] * PRICES["cached_input"] + totals["output"] * PRICES["output"]
    return -(-exact // 1_000_000)


def assert_usage_equals_the_servers_count(usage: dict[str, int], totals: dict[str, int]) -> None:
    assert usage["calls"] == totals["calls"]
    assert usage["failed_calls"] == totals["failed"]
    assert usage["input_tokens"] == totals["input"]
    assert usage["cached_input_tokens"] == totals["cached"]
    assert usage["output_tokens"] == totals["output"]
    assert usage["cost_microdollars"] == micro_dollars(totals)


def test_what_one_test_leaves_under_way_counts_for_no_other(endpoints: EndpointServer) -> None:
    earlier = endpoints.new_endpoint()
    earlier.hold = threading.Event()
    question = {"model": "m", "messages": [{"role": "user", "content": "What is ice?"}]}
    headers = {"authorization": f"Bearer {earlier.key}"}
    asking = threading.Thread(
        target=httpx.post,
        args=[f"{earlier.url}/chat/completions"],
        kwargs={"json": question, "headers": headers, "timeout": 60},
    )
    asking.start()
    assert earlier.holding.wait(60)
    later = endpoints.new_endpoint()
    earlier.hold.set()
    asking.join(60)
    assert (earlier.totals["input"], later.totals["input"]) == (3, 0)


def test_the_score_rises_on_turns_the_program_never_saw(finished: Finished) -> None:
    run = finished.run
    assert run.code == 0, run.log
    before, after = run.named("score")
    assert (before["stage"], after["stage"]) == ("before", "after")
    assert before["n"] == after["n"] == 6
    assert before["low"] <= before["score"] <= before["high"] < after["low"] <= after["score"] <= after["high"]
    learned = json.dumps(run.result["demos"])
    assert not any(f"({number})" in learned for number in (9, 10, 11))


def test_the_events_follow_the_contract(finished: Finished) -> None:
    run = finished.run
    assert [run.events[0]["event"], run.events[-1]["event"]] == ["started", "done"]
    assert run.events[0]["total_steps"] == 120 and run.events[0]["versions"]["dspy"]
    last = run.named("calls")[-1]
    assert (last["used"], last["allowed"]) == (finished.totals["calls"], 120)
    samples = [(one["stage"], one["question"]) for one in run.named("sample")]
    assert samples == [("before", "What is ice?"), ("after", "What is ice?")]


def test_the_result_tells_what_was_found_and_what_it_cost(finished: Finished) -> None:
    run = finished.run
    result = run.result
    assert_usage_equals_the_servers_count(result["usage"], finished.totals)
    assert "Mia" in result["instructions"] and len(result["demos"]) == 4
    assert result["stopped"] is None and len(result["data_sha256"]) == 64 and result["seed"] == 3
    assert result["metrics"]["after"]["score"] == run.named("score")[1]["score"]
    assert {result["metrics"]["measure"], *(one["measure"] for one in run.named("score"))} == {metric.MEASURE}
    for example in result["examples"]:
        assert example["score_after"] > example["score_before"]
        assert example["before"] != example["after"] and example["reference"] and example["teacher_prompt"]


def test_the_program_is_json_without_the_key(finished: Finished) -> None:
    run, endpoint = finished.run, finished.endpoint
    text = (run.folder / "program.json").read_text()
    document = json.loads(text)
    assert document["serving"] == {
        "model": "gpt-4o-mini", "base_url": endpoint.url, "temperature": 0.7, "max_tokens": 300, "local": False,
    }  # fmt: skip
    assert not list(run.folder.rglob("*.pkl"))
    for path in run.folder.rglob("*"):
        assert path.is_dir() or b"sk-scripted" not in path.read_bytes(), path


def test_the_program_asks_the_same_in_a_clean_process(finished: Finished) -> None:
    run = finished.run
    example = run.result["examples"][-1]
    inputs = {name: example[name] for name in ("conversation_history", "teacher_prompt")}
    command = [sys.executable, "-P", "-c", RELOAD, str(run.folder / "program.json"), json.dumps(inputs)]
    loaded = subprocess.run(command, env=engine_environment(), capture_output=True, text=True, check=True)
    asked = [[[m["role"], m["content"]] for m in request["messages"]] for request in finished.requests]
    assert json.loads(loaded.stdout) in asked[-8:]  # asked while measuring after the optimisation


def test_a_chat_asks_exactly_what_the_measured_program_asked(finished: Finished) -> None:
    run, endpoint = finished.run, finished.endpoint
    measured = finished.requests[-8:]
    example = run.result["examples"][1]  # the second turn of a dialogue: it has a history
    teacher, student = (line.split(": ", 1)[1] for line in example["conversation_history"].splitlines())
    said = [
        ("system", "You are Mia, seven."),
        ("user", teacher),
        ("assistant", student),
        ("user", example["teacher_prompt"]),
    ]
    messages = [{"role": role, "content": content} for role, content in said]
    with listening(program_server(run.folder.parent).app()) as address:
        headers = {"authorization": f"Bearer {SERVICE_TOKEN}"}
        answer = httpx.post(
            f"{address}/v1/chat/completions",
            json={"model": f"run-{run.folder.name}", "messages": messages},
            headers=headers,
            timeout=60,
        ).json()
    streamed = {name: value for name, value in endpoint.requests[-1].items() if not name.startswith("stream")}
    assert streamed in measured
    assert answer["choices"][0]["message"]["content"] == example["after"]


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_every_optimizer_runs_and_its_usage_is_the_servers_count(
    optimizer: str, endpoint: ScriptedEndpoint, tmp_path: Path
) -> None:
    run = dspy_run(tmp_path / "run", endpoint, settings={"optimizer": optimizer}).finish()
    result = run.result
    assert_usage_equals_the_servers_count(result["usage"], endpoint.totals)
    assert result["usage"]["calls"] <= 120
    assert result["metrics"]["after"]["score"] > result["metrics"]["before"]["score"]
    assert result["optimizer"] == optimizer and result["stopped"] is None
    assert_the_search_was_told(run, optimizer)


def assert_the_search_was_told(run: DspyRun, optimizer: str) -> None:
    told = run.named("candidate")
    assert [one["number"] for one in told] == list(range(1, len(told) + 1))
    assert all(one["parent"] is None if one["number"] == 1 else 0 < one["parent"] < one["number"] for one in told)
    assert all("second-grade student" in one["instructions"] or "Scripted" in one["instructions"] for one in told)
    spent = [(one["calls"], one["cost_microdollars"]) for one in told]
    assert spent == sorted(spent) and spent[-1][0] <= run.result["usage"]["calls"]
    if optimizer == "LabeledFewShot":
        assert [(one["score"], one["demos"]) for one in told] == [(None, 4)]
        return
    assert told and all(0 <= one["score"] <= 1 and one["of"] >= 4 for one in told)
    best = [one["score"] for one in told if one["best"]]
    assert best == sorted(set(best)) and best[-1] == max(one["score"] for one in told)
    if optimizer in ("MIPROv2", "GEPA"):
        assert len({one["instructions"] for one in told}) > 1


@pytest.mark.parametrize("optimizer", ["MIPROv2", "GEPA", "SIMBA"])
def test_the_cap_on_calls_stops_the_optimizer_and_leaves_room_to_measure(
    optimizer: str, endpoint: ScriptedEndpoint, tmp_path: Path
) -> None:
    run = dspy_run(tmp_path / "run", endpoint, settings={"optimizer": optimizer}, max_calls=30).finish()
    result = run.result
    assert endpoint.totals["calls"] <= 30
    assert (result["stopped"], result["stopped_by"]) == ("budget", "calls")
    assert "Stopped at budget" in run.notes
    assert result["metrics"]["after"]["n"] == 6
    assert_usage_equals_the_servers_count(result["usage"], endpoint.totals)


def test_the_cap_on_money_stops_the_optimizer(endpoint: ScriptedEndpoint, tmp_path: Path) -> None:
    run = dspy_run(tmp_path / "run", endpoint, settings={"optimizer": "SIMBA"}, max_cost_microdollars=4_000).finish()
    result = run.result
    assert (result["stopped"], result["stopped_by"]) == ("budget", "money")
    assert micro_dollars(endpoint.totals) <= 4_000
    assert_usage_equals_the_servers_count(result["usage"], endpoint.totals)


def test_too_little_money_to_measure_is_a_failure_that_costs_nothing(
    endpoint: ScriptedEndpoint, tmp_path: Path
) -> None:
    run = dspy_run(tmp_path / "run", endpoint, max_cost_microdollars=100).finish()
    assert run.failed["code"] == "budget_too_small"
    assert endpoint.totals["calls"] == 0


@pytest.mark.parametrize(
    ("status", "code"), [(401, "provider_auth"), (403, "provider_forbidden"), (404, "model_not_found")]
)
def test_a_provider_that_refuses_ends_the_run_at_once(
    status: int, code: str, endpoint: ScriptedEndpoint, tmp_path: Path
) -> None:
    endpoint.status = status
    run = dspy_run(tmp_path / "run", endpoint).finish()
    assert run.failed["code"] == code
    assert "scripted refusal" in run.failed["message"] and run.failed["fix"]
    assert endpoint.totals["calls"] <= 4  # one a thread
    assert not (run.folder / "program.json").exists()


def test_an_account_without_credit_is_told_from_a_busy_provider(endpoint: ScriptedEndpoint, tmp_path: Path) -> None:
    endpoint.status, endpoint.error = 429, {"message": "You exceeded your quota.", "code": "insufficient_quota"}
    assert dspy_run(tmp_path / "run", endpoint).finish().failed["code"] == "quota_exhausted"
    assert endpoint.totals["calls"] <= 4


def test_a_provider_that_stays_busy_ends_the_run_after_patience(endpoint: ScriptedEndpoint, tmp_path: Path) -> None:
    endpoint.status, endpoint.retry_after = 429, "0"
    run = dspy_run(tmp_path / "run", endpoint).finish()
    assert run.failed["code"] == "rate_limited"
    assert run.named("calls")[-1]["used"] == endpoint.totals["calls"]


def test_a_provider_nobody_hears_is_named(tmp_path: Path, endpoint: ScriptedEndpoint) -> None:
    run = dspy_run(tmp_path / "run", endpoint, base_url="http://127.0.0.1:9/v1").finish()
    assert run.failed["code"] == "provider_unreachable"
    assert "127.0.0.1:9" in run.failed["message"]


def test_a_provider_that_hangs_ends_the_run_and_may_have_billed(endpoint: ScriptedEndpoint, tmp_path: Path) -> None:
    endpoint.hold = threading.Event()
    run = dspy_run(tmp_path / "run", endpoint, settings={"timeout_seconds": 0.5, "num_threads": 6}).finish()
    endpoint.hold.set()
    assert run.failed["code"] == "provider_timeout"
    journal = [json.loads(line) for line in (run.folder / "usage.jsonl").read_text().splitlines()]
    assert sum(bool(entry.get("unreported")) for entry in journal) == run.named("calls")[-1]["used"] >= 6


def test_a_models_judgement_counts_and_is_paid_for(endpoint: ScriptedEndpoint, tmp_path: Path) -> None:
    settings = {"judge": "model", "metric_weights": {"judge": 1.5}, "optimizer": "BootstrapFewShotWithRandomSearch"}
    run = dspy_run(tmp_path / "run", endpoint, settings=settings).finish()
    result = run.result
    assert_usage_equals_the_servers_count(result["usage"], endpoint.totals)
    assert result["metrics"]["judge"] == "gpt-4o-mini" and "judges its own answers" in run.notes
    for example in result["examples"]:
        assert (example["parts_before"]["judge"], example["parts_after"]["judge"]) == (0.1, 0.9)
    assert result["metrics"]["after"]["score"] > 2 * result["metrics"]["before"]["score"] > 0


@pytest.mark.parametrize("model", ["gpt-5-mini", "o3-mini"])
def test_a_model_that_thinks_first_is_asked_as_it_wants(model: str, endpoint: ScriptedEndpoint, tmp_path: Path) -> None:
    run = dspy_run(tmp_path / "run", endpoint, model=model, settings={"optimizer": "LabeledFewShot"}).finish()
    assert run.result["metrics"]["after"]["n"] == 6
    for asked in endpoint.requests:
        assert (asked["temperature"], asked["max_completion_tokens"]) == (1.0, 16_000) and "max_tokens" not in asked
    serving = json.loads((run.folder / "program.json").read_text())["serving"]
    assert (serving["temperature"], serving["max_tokens"]) == (1.0, 16_000)


@pytest.mark.parametrize("optimizer", ["LabeledFewShot", "MIPROv2"])
def test_a_cap_that_can_pay_for_it_never_drops_the_last_measurement(
    optimizer: str, endpoint: ScriptedEndpoint, tmp_path: Path
) -> None:
    """Eight calls at once reserve far more than they cost: the cap has room for both measurements, but not for that."""
    settings = {"optimizer": optimizer, "num_threads": 8, "max_tokens": 300}
    both = dspy_run(tmp_path / "free", endpoint, settings=settings | {"optimizer": "LabeledFewShot"}).finish()
    cost = both.result["usage"]["cost_microdollars"]
    longest = max(sum(len(one["content"]) for one in asked["messages"]) for asked in endpoint.requests)
    one_call = (longest * PRICES["input"] + 300 * PRICES["output"]) // 1_000_000
    run = dspy_run(tmp_path / "run", endpoint, settings=settings, max_cost_microdollars=cost + one_call).finish()
    assert run.result["metrics"]["after"]["n"] == 6
    assert run.result["usage"]["cost_microdollars"] <= cost + one_call


def test_rows_of_many_personas_are_learned_with_their_own(endpoint: ScriptedEndpoint, tmp_path: Path) -> None:
    run = dspy_run(tmp_path / "run", endpoint, settings={"optimizer": "LabeledFewShot"})
    rows = [dialogue(number) for number in range(9)]
    for number, row in enumerate(rows):
        row["messages"][0]["content"] = f"You are child {number}."
    (run.folder / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    result = run.finish().result
    assert "You are" not in result["instructions"]
    assert all("About the student: You are child" in demo["conversation_history"] for demo in result["demos"])
    assert json.loads((run.folder / "program.json").read_text())["persona"]["place"] == "history"


def test_now_and_then_a_failure_is_tried_again_and_counted(endpoint: ScriptedEndpoint, tmp_path: Path) -> None:
    endpoint.fail_when, endpoint.retry_after = lambda number: number % 5 == 0, "0"
    run = dspy_run(tmp_path / "run", endpoint).finish()
    assert run.result["usage"]["failed_calls"] > 0
    assert_usage_equals_the_servers_count(run.result["usage"], endpoint.totals)
    assert run.result["metrics"]["after"]["failed"] == 0


def test_answers_out_of_format_refuse_a_score(endpoint: ScriptedEndpoint, tmp_path: Path) -> None:
    endpoint.garbage = True
    run = dspy_run(tmp_path / "run", endpoint).finish()
    assert run.failed["code"] == "evaluation_failed"
    assert "6 of 6" in run.failed["message"] and run.named("score") == []


def test_a_run_ended_by_sigterm_leaves_at_once_and_does_not_pay_twice(
    endpoint: ScriptedEndpoint, tmp_path: Path
) -> None:
    run = dspy_run(tmp_path / "run", endpoint, settings={"num_threads": 1})
    hold = threading.Event()
    endpoint.hold_from, endpoint.hold = 5, hold
    with run.start() as process:
        assert endpoint.holding.wait(60)
        process.terminate()
        assert process.wait(60) == 143
    hold.set()
    endpoint.hold = None
    answered = endpoint.totals["calls"] - 1
    again = run.finish()
    assert again.result["usage"]["calls_before_restart"] == answered + 1
    assert again.result["usage"]["cached_calls"] >= answered
    assert again.result["usage"]["calls"] == endpoint.totals["calls"]
    assert "Started again" in again.notes
    asked = [json.dumps(request["messages"]) for request in endpoint.requests[:answered]]
    assert not set(asked) & {json.dumps(request["messages"]) for request in endpoint.requests[answered + 1 :]}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"settings": {"optimizer": "Magic"}}, "optimizer"),
        ({"settings": {"metric_weights": {"charm": 1}}}, "charm"),
        ({"max_calls": 3}, "max_calls is 3"),
        ({"train_file": "absent.jsonl"}, "absent.jsonl"),
    ],
)
def test_a_wrong_order_is_named_and_costs_nothing(
    change: dict[str, Any], said: str, endpoint: ScriptedEndpoint, tmp_path: Path
) -> None:
    run = dspy_run(tmp_path / "run", endpoint, **change).finish()
    assert run.failed["code"] in {"bad_spec", "bad_data"} and said in run.failed["message"]
    assert endpoint.totals["calls"] == 0


def test_a_full_disk_is_named(endpoint: ScriptedEndpoint, tmp_path: Path) -> None:
    run = dspy_run(tmp_path / "run", endpoint)
    (run.folder / "program.json.tmp").symlink_to("/dev/full")
    assert run.finish().failed["code"] == "disk_full"


def test_settings_of_another_engine_are_named_not_obeyed(endpoint: ScriptedEndpoint, tmp_path: Path) -> None:
    run = dspy_run(tmp_path / "run", endpoint, settings={"optimizer": "LabeledFewShot", "epochs": 3}).finish()
    assert run.code == 0 and "epochs" in run.notes


def test_our_datasets_app_and_django_stay_outside_the_engine() -> None:
    command = [sys.executable, "-P", "-c", TRIPWIRE]
    said = subprocess.run(command, env=engine_environment(), capture_output=True, text=True, check=True).stdout.split()
    assert said[:2] == ["False", "False"]
    assert "/datasets/__init__.py" not in said[2] or "site-packages" in said[2]
