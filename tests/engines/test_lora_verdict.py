"""At the end of a run: fresh questions, the better adapter kept, the base asked once, and none of it for too long."""

import json
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import pytest

from tests.engines.conftest import LoraRun, row, write_rows

QUESTIONS = ["What is 2 plus 3?", "What is 9 plus 9, and how did you count that?", "Hi!", "What is 4 plus 4?"]
FRESH = [{"question": "What is 5 + 2?", "total": 7}, {"question": "Why does it rain?"}, {"question": "Who are you?"}]


@dataclass
class Adapter:
    """Stands in for an adapter's tensors: it says one thing to each question."""

    answers: list[str]


@dataclass
class State:
    best: Adapter | None
    last: Adapter | None
    now: Adapter
    model: Any = None

    def __post_init__(self) -> None:
        self.model = self

    def disable_adapter(self) -> Any:
        return nullcontext()

    def put_adapter(self, adapter: Adapter) -> None:
        self.now = adapter


@dataclass
class Sampler:
    """Says what the adapter says that is in the model; `asked`: how often."""

    asked: list[list[str]] = field(default_factory=list)

    def prompt(self, question: str) -> str:
        return f"<{question}>"

    def answers(self, model: State, questions: Sequence[str]) -> list[str]:
        self.asked.append(list(questions))
        return model.now.answers[: len(questions)]


CHILD = Adapter(["i counted. it's 7!", "cuz the clouds get full.", "i am Mia and i like frogs."])
LOST = Adapter(["vuck vuck droce tigerteller", "frumble snook wib", "zzqq kxkx wvwv"])
BASE = Adapter(
    ["The answer is 7, as addition shows.", "Precipitation results from condensation.", "I am an assistant."]
)


def chosen(best: Adapter | None, last: Adapter | None) -> tuple[int, list[dict[str, Any]], Adapter]:
    from lora.checkpoint import Progress
    from lora.known_answers import KnownAnswers
    from lora.spec import FreshQuestion
    from lora.timings import Timings
    from lora.verdict import choose

    class Loop:
        timings = Timings()
        progress = Progress(step=9, best_step=6 if best else 0, best_validation=1.0, last_validation=1.5)
        state = State(best, last, BASE)

    loop = Loop()
    asked = [FreshQuestion(one["question"], one.get("total")) for one in cast(list[dict[str, Any]], FRESH)]
    step, told = choose(cast(Any, loop), cast(Any, Sampler()), KnownAnswers(None, {}), asked)
    return step, cast(list[dict[str, Any]], told), loop.state.now


def test_the_best_by_validation_loss_is_kept_where_the_last_is_no_better() -> None:
    step, told, kept = chosen(CHILD, CHILD)
    assert (step, kept) == (6, CHILD)
    assert [(one["step"], one["validation_loss"], one["kept"]) for one in told] == [(6, 1.0, True), (9, 1.5, False)]


def test_an_adapter_that_answers_better_is_kept_though_its_loss_is_higher() -> None:
    step, told, kept = chosen(LOST, CHILD)
    assert (step, kept) == (9, CHILD)
    assert [one["kept"] for one in told] == [False, True]
    assert told[1]["answers"] == CHILD.answers
    assert told[1]["base_answers"] == BASE.answers


def test_an_adapter_without_loops_is_kept_before_one_whose_loops_read_more_like_a_child() -> None:
    loops = Adapter([*CHILD.answers[:2], "i like frogs a lot and i like frogs a lot."])
    plain = Adapter(["The total is 7.", "Clouds release water when saturated.", "My name is Mia."])
    step, _, kept = chosen(loops, plain)
    assert (step, kept) == (9, plain)


def test_the_best_is_in_the_model_again_after_the_last_was_asked() -> None:
    _, _, kept = chosen(CHILD, LOST)
    assert kept == CHILD


def test_without_validation_rows_the_last_is_the_only_candidate() -> None:
    step, told, _ = chosen(None, None)
    assert (step, len(told)) == (9, 1)


def test_answers_made_together_are_those_made_alone(tiny_base: Path) -> None:
    from lora.events import StopSignal
    from lora.sampling import Sampler as RealSampler
    from lora.templates import template_of
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(str(tiny_base))
    model = AutoModelForCausalLM.from_pretrained(str(tiny_base))

    class NeverStops:
        requested = False

        def check(self) -> None: ...

    sampler = RealSampler(tokenizer, template_of(tokenizer), [1], 0, None, cast(StopSignal, NeverStops()))
    together = sampler.answers(cast(Any, model), QUESTIONS * 6)
    assert together[:4] == [sampler.answers(cast(Any, model), [one])[0] for one in QUESTIONS]
    assert together[:4] == together[-4:]


def test_a_run_answers_fresh_questions_and_the_next_one_finds_the_bases_answers(
    lora_run: LoraRun, tmp_path: Path
) -> None:
    known = tmp_path / "known" / "base.jsonl"
    lora_run.spec |= {"verdict_questions": FRESH, "known_answers": str(known), "sample_questions": QUESTIONS}
    first = lora_run.run()
    result = lora_run.result
    assert sum(one["kept"] for one in result["verdicts"]) == 1
    assert all(len(one["answers"]) == len(one["base_answers"]) == 3 for one in result["verdicts"])
    assert result["metrics"]["kept_step"] in [one["step"] for one in result["verdicts"] if one["kept"]]
    assert result["metrics"]["verdict_answers"] == 3 + 3 * len(result["verdicts"])
    assert result["work"]["answers"] == 4, "neither the verdict nor the base's answers are charged"
    assert result["metrics"]["sample_answers"] == 8
    kept = known.read_text()
    assert len(kept.splitlines()) == 7
    assert all(set(json.loads(line)) == {"key", "answer"} for line in kept.splitlines()), "no prompt is kept"

    known.write_text(kept + '{"key": "torn')
    (lora_run.folder / "result.json").unlink()
    second = lora_run.run()
    said = [[event["answer"] for event in run.named("sample") if event["stage"] == "before"] for run in (first, second)]
    assert said[0] == said[1]
    assert lora_run.result["work"]["answers"] == 4
    assert lora_run.result["metrics"]["sample_answers"] == 4
    assert lora_run.result["metrics"]["verdict_answers"] == 3 * len(lora_run.result["verdicts"])


def test_another_prompt_or_other_libraries_find_nothing_known(tmp_path: Path) -> None:
    from lora.known_answers import KnownAnswers

    path = tmp_path / "known.jsonl"
    KnownAnswers(path, {"torch": "2"}).answers(["a", "b"], lambda places: [f"said {place}" for place in places])
    again = KnownAnswers(path, {"torch": "2"})
    assert again.missing(["b", "a", "c"]) == [2]
    assert again.answers(["b"], lambda _: []) == ["said 1"]
    assert KnownAnswers(path, {"torch": "3"}).missing(["a"]) == [0]


def test_a_full_file_of_answers_grows_no_further(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from lora import known_answers

    monkeypatch.setattr(known_answers, "MOST_BYTES", 10)
    path = tmp_path / "known.jsonl"
    for number in range(3):
        known = known_answers.KnownAnswers(path, {})
        assert known.answers([str(number)], lambda _: ["an answer"]) == ["an answer"]
    assert len(path.read_text().splitlines()) == 1


def test_measuring_reads_a_stated_share_of_what_training_reads() -> None:
    from lora.loop import VALIDATION_SHARE, measured_with

    held_out = [[0] * (10 + number % 30) for number in range(3_000)]
    train = [[0] * 20 for _ in range(12_000)]
    few = measured_with(cast(Any, held_out), cast(Any, train), 30, 3, seed=1)
    assert len(few) < len(held_out)
    assert 30 * sum(map(len, few)) <= VALIDATION_SHARE * 3 * 12_000 * 20
    assert few == measured_with(cast(Any, held_out), cast(Any, train), 30, 3, seed=1)
    assert few != measured_with(cast(Any, held_out), cast(Any, train), 30, 3, seed=2)


def test_a_hundred_rows_are_measured_in_any_case() -> None:
    from lora.loop import FEWEST_VALIDATION_ROWS, measured_with

    rows = [[0] * 20 for _ in range(400)]
    assert len(measured_with(cast(Any, rows), cast(Any, rows), 1_000, 1, seed=1)) == FEWEST_VALIDATION_ROWS
    assert measured_with(cast(Any, rows[:30]), cast(Any, rows), 1_000, 1, seed=1) == cast(Any, rows[:30])


def test_answers_on_the_way_stop_when_their_share_of_the_time_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    import time

    from lora import loop as lora_loop
    from lora.checkpoint import Progress

    clock = [0.0]
    monkeypatch.setattr(time, "perf_counter", lambda: clock[0])
    rounds: list[int] = []

    def ask(step: int) -> None:
        rounds.append(step)
        clock[0] += 4.0

    loop = lora_loop.Loop.__new__(lora_loop.Loop)
    loop._last_round, loop.sample = 0.0, ask
    loop.state = cast(Any, State(None, None, BASE))
    loop.state.progress = Progress()
    for step in range(1, 101):
        loop.progress.step, loop.progress.seconds = step, 2.0 * step
        loop._sample_if_there_is_time()
    assert len(rounds) == 5
    assert loop.progress.asking_seconds <= 0.1 * loop.progress.seconds


def test_a_run_that_was_asked_to_leave_in_its_verdict_is_judged_at_the_next_attempt(lora_run: LoraRun) -> None:
    import signal

    write_rows(lora_run.folder / "train.jsonl", [row(f"What is {n} plus 1?", "um, i think so!") for n in range(8)])
    lora_run.spec["settings"] |= {"epochs": 1}
    lora_run.spec |= {"verdict_questions": FRESH * 6, "sample_questions": []}
    engine = lora_run.start()
    engine.until_step(2)
    engine.process.send_signal(signal.SIGTERM)
    assert engine.finish() in (143, 0)
    again = lora_run.start()
    assert again.finish() == 0
    assert len(lora_run.result["verdicts"][0]["answers"]) == 18
