"""Optimises a student program: `python -P -m dspy_program.optimize spec.json` in the run's folder.

Measures the plain program on held-out turns, lets the optimiser work on the others under a hard cap on calls and money,
measures again, and leaves `program.json` and `result.json`. Killed and started again it starts over; answers already
paid for come from the run's own cache (`cache/`), and the journal (`usage.jsonl`) goes on counting against the cap.
"""

import os
import signal
import sys
import traceback
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from types import FrameType
from typing import Any

# DSPy resolves its default cache from the environment: keep every file of a run in the run's folder.
os.environ["DSPY_CACHEDIR"] = str(Path("cache").resolve())

import dspy
from dspy.clients.cache import Cache

from dspy_program import examples
from dspy_program.engine import MeteredEngine, ProviderHealth, router_config
from dspy_program.evaluate import Measured, answer_turns, asker, summarise
from dspy_program.events import Events
from dspy_program.examples import NO_HISTORY, Data, Turn
from dspy_program.failure import EngineFailure, disk_failure, provider_failure
from dspy_program.meter import STOPPED_AT_BUDGET, Meter
from dspy_program.optimizers import Job, Watch, longest_answer, optimise
from dspy_program.program import Serving, StudentSimulationModel, adapter, dump, make_lm, save, write_json
from dspy_program.report import report, versions
from dspy_program.scoring import Judge, Scorer
from dspy_program.spec import Spec, read_spec

RETRIES = 4
CACHE_BYTES = 200_000_000
MOST_SAMPLES = 5


class RunCache(Cache):  # type: ignore[misc]  # DSPy ships no types
    """DSPy's cache in the run's folder (its restricted reader: plain data only), counting what it spared."""

    def __init__(self, folder: Path) -> None:
        super().__init__(
            enable_disk_cache=True,
            enable_memory_cache=True,
            disk_cache_dir=str(folder),
            disk_size_limit_bytes=CACHE_BYTES,
            restrict_pickle=True,
        )
        self.hits = 0

    def get(self, request: dict[str, Any], ignored_args_for_cache_key: list[str] | None = None) -> Any:
        """The kept answer, or None."""
        found = super().get(request, ignored_args_for_cache_key)
        with self._lock:
            self.hits += found is not None
        return found


class Run:
    """One optimisation from spec to result."""

    def __init__(self, spec: Spec, events: Events, api_key: str) -> None:
        self.spec, self.events, self.settings = spec, events, spec.settings
        self.notes: list[str] = []
        self.meter = Meter(
            max_calls=spec.calls_allowed,
            max_cost_microdollars=spec.max_cost_microdollars,
            prices=spec.price_list,
            journal=Path("usage.jsonl"),
            on_change=self.report_calls,
        )
        self.calls_before_start = self.meter.usage().calls
        self.health = ProviderHealth(patience=max(8, 3 * self.settings.num_threads))
        config = router_config(api_key=api_key, base_url=spec.base_url, timeout_seconds=self.settings.timeout_seconds)
        longest = longest_answer(self.settings.max_tokens)
        engine = MeteredEngine(self.meter, self.health, config, model=spec.model, max_tokens=longest)
        self.serving = Serving(spec.model, spec.base_url, self.settings.temperature, self.settings.max_tokens)
        self.lm = make_lm(self.serving, engine, cache=True, num_retries=RETRIES)
        self.scorer = Scorer(spec.weights, Judge(self.lm) if self.settings.judge == "model" else None)
        self.cache = RunCache(Path("cache"))
        self.watch = Watch()
        dspy.cache = self.cache
        dspy.configure(lm=self.lm, adapter=adapter(), callbacks=[self.watch], disable_history=True)

    def go(self) -> None:
        """Do all of it. Raises EngineFailure."""
        self.events.send("started", total_steps=self.spec.calls_allowed, versions=versions())
        if self.calls_before_start:
            self.note(
                f"Started again after {self.calls_before_start} calls: it starts over, but answers already paid for "
                "are taken from this run's own cache, and those calls still count."
            )
        if len(self.spec.sample_questions) > MOST_SAMPLES:
            self.note(f"Only the first {MOST_SAMPLES} sample questions are asked: each costs two calls.")
        if self.scorer.judge is not None:
            self.note(
                f"{self.spec.model} judges its own answers as a part of the score; such a judge favours its style."
            )
        data = self.load_data()
        student = StudentSimulationModel(data.persona)
        before = self.measure(student, data, "before")
        if before.summary is None:
            raise self.budget_too_small()
        module = self.optimise(student, data)
        after = self.measure(module, data, "after")
        if after.summary and after.summary.score < before.summary.score:
            self.note(
                "The optimised program scored lower on the held-out turns than the plain one: add better examples."
            )
        self.leave(module, data, before, after)
        self.report_calls(now=True)
        self.events.send("done")

    @property
    def calls_an_answer(self) -> int:
        """LM calls that a scored answer takes when all goes well."""
        return 1 if self.scorer.judge is None else 2

    def load_data(self) -> Data:
        """The turns, with every note about them said."""
        data = examples.load(
            Path(self.spec.train_file),
            Path(self.spec.validation_file) if self.spec.validation_file else None,
            seed=self.spec.seed,
            # Measuring twice must leave most calls to the optimiser.
            heldout_limit=max(
                1, min(self.settings.heldout_limit, self.spec.calls_allowed // 5 // self.calls_an_answer)
            ),
            selection_limit=self.settings.selection_limit,
        )
        for message in data.notes:
            self.note(message)
        return data

    def measure(self, module: Any, data: Data, stage: str) -> Measured:
        """Score `module` on the held-out turns and let it answer the sample questions."""
        ask = asker(module, self.lm, adapter())
        outcomes = answer_turns(ask, data.heldout, self.scorer, self.settings.num_threads)
        self.check_provider()
        if any(outcome.error and STOPPED_AT_BUDGET in outcome.error for outcome in outcomes):
            self.note(f"The budget ended while measuring ({stage}): some held-out turns were not asked, so no score.")
            return Measured(outcomes, None)
        try:
            summary = summarise(outcomes, self.spec.seed)
        except EngineFailure as failure:
            raise self.health.last or failure from failure
        self.events.send("score", stage=stage, **asdict(summary))
        self.sample(ask, stage)
        return Measured(outcomes, summary)

    def sample(self, ask: Callable[[Turn], str], stage: str) -> None:
        """Answer the first sample questions."""
        for question in self.spec.sample_questions[:MOST_SAMPLES]:
            try:
                answer = ask(Turn(NO_HISTORY, question, "", ""))
            except Exception as error:  # noqa: BLE001  # a sample is worth no run; the person learns of it
                self.note(f'The question "{question}" got no answer: {type(error).__name__}.')
                traceback.print_exc()
            else:
                self.events.send("sample", stage=stage, step=0, question=question, answer=answer)

    def optimise(self, student: Any, data: Data) -> Any:
        """The optimised program; where the cap broke the optimiser off, the best one it had evaluated."""
        with self.meter.keep_back(**self.second_measurement(data)):
            settings, spec, calls = self.settings, self.spec, self.meter.calls_left() or 0
            job = Job(student, data.train, data.selection, settings, self.scorer, self.lm, spec.seed, calls)
            try:
                module = optimise(job)
            except Exception as error:
                self.check_provider()
                if self.meter.tripped is None:
                    raise self.optimizer_failed(error) from error
                traceback.print_exc()
                module = self.watch.best or student
                kept = "the best program it had tried" if self.watch.best else "the plain program, with nothing learned"
                self.note(f"The optimiser broke off at the budget; kept is {kept}.")
        self.check_provider()
        self.tell_how_it_ended()
        return module

    def second_measurement(self, data: Data) -> dict[str, int]:
        """What to keep back from the optimiser so that its program can be measured."""
        asked = len(data.heldout) * self.calls_an_answer + len(self.spec.sample_questions[:MOST_SAMPLES])
        calls = -(-6 * asked // 5)  # a fifth more: an answer out of format is asked for twice
        per_call = -(-self.meter.cost_microdollars() // max(self.meter.usage().calls, 1))
        most = (self.spec.max_cost_microdollars or 0) * 2 // 5
        return {"calls": calls, "cost_microdollars": min(calls * per_call * 3, most)}  # 3: demonstrations cost tokens

    def tell_how_it_ended(self) -> None:
        """Say where the budget stopped the optimiser, and how many of its tries failed."""
        if self.meter.tripped:
            money = f"{self.spec.max_cost_microdollars} micro-dollars"
            cap = {"calls": f"{self.spec.calls_allowed} calls", "money": money}[self.meter.tripped]
            self.note(
                f"Stopped at budget: the optimiser wanted more than this run's {cap} allow. The program is the best it "
                "had found by then; what was kept back pays for measuring it."
            )
        elif self.watch.failed_examples:
            self.note(f"{self.watch.failed_examples} of the optimiser's tries failed and counted as 0 in its search.")

    def leave(self, module: Any, data: Data, before: Measured, after: Measured) -> None:
        """Write `program.json` and `result.json`."""
        document = dump(module, data.persona, self.serving)
        save(document, Path())
        result = report(self.spec, data, document, before, after)
        result["failed_examples"] = self.watch.failed_examples
        result["usage"] = {
            **asdict(self.meter.usage()),
            "cached_calls": self.cache.hits,
            "cost_microdollars": self.meter.cost_microdollars(),
            "calls_before_restart": self.calls_before_start,
        }
        result["stopped"] = "budget" if self.meter.tripped else None
        result["stopped_by"] = self.meter.tripped
        result["notes"] = self.notes
        write_json(Path("result.json"), result)

    def check_provider(self) -> None:
        """Raise the provider's refusal, if it gave one that ends the run."""
        if self.health.failure is not None:
            raise self.health.failure

    def optimizer_failed(self, error: Exception) -> EngineFailure:
        """What to say where the optimiser itself broke."""
        return (
            disk_failure(error)
            or provider_failure(error)
            or EngineFailure(
                "optimizer_failed",
                f"{self.settings.optimizer} stopped: {type(error).__name__}: {error}"[:500],
                "Try another optimiser (BootstrapFewShot is the sturdiest) or more examples; the log has the details.",
            )
        )

    def budget_too_small(self) -> EngineFailure:
        """What to say where not even the first measurement fits the budget."""
        return EngineFailure(
            "budget_too_small",
            f"The budget ended before the plain program was measured ({self.meter.usage().calls} calls made).",
            "Allow more calls or money, or choose a cheaper model.",
        )

    def note(self, message: str) -> None:
        """Say it now and keep it for the result."""
        self.notes.append(message)
        self.events.note(message)

    def report_calls(self, *, now: bool = False) -> None:
        """Send a `calls` event (at most one a second unless `now`)."""
        usage = self.meter.usage()
        self.events.calls(
            now=now,
            used=usage.calls,
            allowed=self.spec.calls_allowed,
            input_tokens=usage.input_tokens,
            cached_input_tokens=usage.cached_input_tokens,
            output_tokens=usage.output_tokens,
        )


def _leave_at_once(signum: int, frame: FrameType | None) -> None:
    # Journal and cache are written call by call: nothing is left to save, and threads in a call can't be waited for.
    os._exit(143)


def start(spec_file: Path, events: Events) -> None:
    """Read the spec and the key, and run. Raises EngineFailure."""
    spec, unknown = read_spec(spec_file)
    if unknown:
        events.note(f"These settings mean nothing to this engine and were not used: {', '.join(unknown)}.")
    key = os.environ.pop("ENGINE_API_KEY", "")
    if not key:
        raise EngineFailure("provider_auth", "No API key was given (ENGINE_API_KEY).", "Ask the instructor to set one.")
    run = Run(spec, events, key)
    try:
        run.go()
    except EngineFailure:
        run.report_calls(now=True)
        raise


def main(arguments: list[str]) -> int:
    """Run the engine; returns its exit code."""
    signal.signal(signal.SIGTERM, _leave_at_once)
    events = Events()
    try:
        start(Path(arguments[0]), events)
    except EngineFailure as failure:
        events.failed(failure)
        return 1
    except Exception as error:  # noqa: BLE001  # the last line of defence: the person learns that it is our fault
        traceback.print_exc()
        said = f"The DSPy engine broke: {type(error).__name__}: {error}"[:500]
        ours = EngineFailure("engine_error", said, "This is a fault of the platform: tell the instructor.")
        events.failed(disk_failure(error) or provider_failure(error) or ours)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
