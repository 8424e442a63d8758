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

from dspy_program import examples, metric
from dspy_program.engine import MeteredEngine, ProviderHealth, router_config
from dspy_program.evaluate import Measured, Outcome, answer_turns, asker, summarise
from dspy_program.events import Events
from dspy_program.examples import NO_HISTORY, Data, Turn
from dspy_program.failure import EngineFailure, disk_failure, provider_failure
from dspy_program.meter import MILLION, STOPPED_AT_BUDGET, Meter
from dspy_program.model_needs import fitting
from dspy_program.optimizers import WRITERS, Job, longest_answer, optimise
from dspy_program.pinned import pin
from dspy_program.program import Serving, StudentSimulationModel, adapter, dump, make_lm, save, write_json
from dspy_program.report import report, versions
from dspy_program.scoring import Judge, Scorer
from dspy_program.search import Candidate, Search, as_event
from dspy_program.spec import Spec, read_spec

RETRIES = 4
CACHE_BYTES = 200_000_000
MOST_SAMPLES = 5
CHARACTERS_A_TOKEN, FRAME_TOKENS = 4, 70  # of a text, and around one demonstration with its reasoning
FOUND_TOKENS = 250  # by which an instruction that an optimiser wrote is usually longer
FEWEST_MEASURED = 0.5  # of the held-out turns: with fewer a score after says nothing beside the one before


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
            other_prices=spec.other_prices,
            journal=Path("usage.jsonl"),
            on_change=self.report_calls,
        )
        self.calls_before_start = self.meter.usage().calls
        self.health = ProviderHealth(patience=max(8, 3 * self.settings.num_threads))
        pin(spec.base_url, spec.addresses)
        config = router_config(api_key=api_key, base_url=spec.base_url, timeout_seconds=self.settings.timeout_seconds)
        longest = longest_answer(spec.model, self.settings.max_tokens)
        self.engine = MeteredEngine(
            self.meter, self.health, config, model=spec.model, max_tokens=longest, by_bytes=spec.local
        )
        temperature, max_tokens = fitting(spec.model, self.settings.temperature, self.settings.max_tokens)
        self.serving = Serving(spec.model, spec.base_url, temperature, max_tokens, spec.local)
        self.lm = make_lm(self.serving, self.engine, cache=True, num_retries=RETRIES)
        self.reflection = self.reflecting(config)
        self.scorer = Scorer(
            spec.weights, Judge(self.lm) if self.settings.judge == "model" else None, self.settings.phrases
        )
        self.cache = RunCache(Path("cache"))
        self.search = Search(tell=self.report_candidate, spent=self.spent, turns=self.settings.selection_limit)
        dspy.cache = self.cache
        dspy.configure(lm=self.lm, adapter=adapter(spec.design), callbacks=[self.search], disable_history=True)

    def reflecting(self, config: Any) -> Any:
        """The LM that GEPA reflects with, where it is another model than the run's own; else None."""
        spec = self.spec
        if spec.reflection_model is None or self.settings.optimizer != "GEPA":
            return None
        longest = longest_answer(spec.reflection_model, self.settings.max_tokens)
        engine = MeteredEngine(
            self.meter,
            self.health,
            config,
            model=spec.reflection_model,
            max_tokens=longest,
            billed_as=spec.reflection_model,
        )
        return make_lm(
            Serving(spec.reflection_model, spec.base_url, 1.0, longest), engine, cache=True, num_retries=RETRIES
        )

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
        student = StudentSimulationModel(data.persona, self.spec.design)
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
        return self.spec.design.calls + (self.scorer.judge is not None)

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
            persona_field=self.spec.design.names_persona,
        )
        for message in data.notes:
            self.note(message)
        return data

    def measure(self, module: Any, data: Data, stage: str) -> Measured:
        """Score `module` on the held-out turns and let it answer the sample questions."""
        ask = asker(module, self.lm, adapter(self.spec.design))
        outcomes = answer_turns(ask, data.heldout, self.scorer, self.settings.num_threads)
        self.check_provider()
        asked = [one for one in outcomes if not (one.error and STOPPED_AT_BUDGET in one.error)]
        if len(asked) < len(outcomes):
            left = "so the score is of the others" if self.is_enough(asked, outcomes, stage) else "so no score"
            self.note(
                f"The budget ended while measuring ({stage}): {len(outcomes) - len(asked)} of {len(outcomes)} held-out turns "
                f"were not asked, {left}."
            )
        if not self.is_enough(asked, outcomes, stage):
            return Measured(outcomes, None)
        try:
            summary = summarise(asked, self.spec.seed)
        except EngineFailure as failure:
            raise self.in_its_place(self.health.last) or failure from failure
        self.events.send("score", stage=stage, measure=metric.MEASURE, **asdict(summary))
        self.sample(ask, stage, data.persona.text)
        return Measured(outcomes, summary)

    def is_enough(self, asked: list[Outcome], wanted: list[Outcome], stage: str) -> bool:
        """Whether the turns that could be asked make a score: before, only all of them."""
        fewest = len(wanted) if stage == "before" else FEWEST_MEASURED * len(wanted)
        return len(asked) >= fewest

    def sample(self, ask: Callable[[Turn], str], stage: str, persona: str) -> None:
        """Answer the first sample questions."""
        for question in self.spec.sample_questions[:MOST_SAMPLES]:
            try:
                answer = ask(Turn(NO_HISTORY, question, "", "", persona))
            except Exception as error:  # noqa: BLE001  # a sample is worth no run; the person learns of it
                self.note(f'The question "{question}" got no answer: {type(error).__name__}.')
                traceback.print_exc()
            else:
                self.events.send("sample", stage=stage, step=0, question=question, answer=answer)

    def optimise(self, student: Any, data: Data) -> Any:
        """The optimised program; where the cap broke the optimiser off, the best one it had evaluated."""
        with self.meter.keep_back(**self.second_measurement(data)):
            settings, spec, calls = self.settings, self.spec, self.meter.calls_left() or 0
            job = Job(
                student=student,
                train=data.train,
                selection=data.selection,
                settings=settings,
                scorer=self.scorer,
                lm=self.lm,
                seed=spec.seed,
                calls=calls,
                search=self.search,
                model=spec.model,
                reflection=self.reflection,
            )
            try:
                module = optimise(job)
            except Exception as error:
                self.check_provider()
                if self.meter.tripped is None:
                    raise self.optimizer_failed(error) from error
                traceback.print_exc()
                module = self.search.best or student
                kept = (
                    "the best program it had tried" if self.search.best else "the plain program, with nothing learned"
                )
                self.note(f"The optimiser broke off at the budget; kept is {kept}.")
        self.check_provider()
        self.tell_how_it_ended()
        return module

    def second_measurement(self, data: Data) -> dict[str, int]:
        """What to keep back from the optimiser so that its program can be measured."""
        asked = len(data.heldout) * self.calls_an_answer + len(self.spec.sample_questions[:MOST_SAMPLES])
        calls = -(-6 * asked // 5)  # a fifth more: an answer out of format is asked for twice
        used = self.meter.usage()
        answered = max(used.calls - used.failed_calls, 1)
        read = used.input_tokens // answered + self.longer_prompt(data)
        written = used.output_tokens // answered
        prices = self.spec.price_list
        # Each as the calls before it, with a half more of answer; and the last one reserves the most that it could cost.
        usual = prices.of(read, 0, min(written * 3 // 2, self.serving.max_tokens))
        last = prices.of(2 * read, 0, self.serving.max_tokens)
        return {"calls": calls, "cost_microdollars": -(-(calls * usual + last) // MILLION)}

    def longer_prompt(self, data: Data) -> int:
        """Tokens by which an optimised program's prompt is longer than the plain one's."""
        settings = self.settings
        shown = max(settings.max_bootstrapped_demos, settings.max_labeled_demos)
        said = [len(turn.conversation_history) + len(turn.teacher_prompt) for turn in data.train]
        own = [len(turn.student_response) for turn in data.train]
        each = (sum(said) + sum(own)) // len(data.train) // CHARACTERS_A_TOKEN + FRAME_TOKENS
        return self.spec.design.calls * shown * each + FOUND_TOKENS * (settings.optimizer in WRITERS)

    def tell_how_it_ended(self) -> None:
        """Say where the budget stopped the optimiser, and how many of its tries failed."""
        if self.meter.tripped:
            money = f"{self.spec.max_cost_microdollars} micro-dollars"
            cap = {"calls": f"{self.spec.calls_allowed} calls", "money": money}[self.meter.tripped]
            self.note(
                f"Stopped at budget: the optimiser wanted more than this run's {cap} allow. The program is the best it "
                "had found by then; what was kept back pays for measuring it."
            )
        elif self.search.failed_examples:
            self.note(f"{self.search.failed_examples} of the optimiser's tries failed and counted as 0 in its search.")

    def leave(self, module: Any, data: Data, before: Measured, after: Measured) -> None:
        """Write `program.json` and `result.json`."""
        document = dump(module, data.persona, self.serving)
        save(document, Path())
        result = report(self.spec, data, document, before, after)
        result["failed_examples"] = self.search.failed_examples
        result["usage"] = {
            **asdict(self.meter.usage()),
            "cached_calls": self.cache.hits,
            "cost_microdollars": self.meter.cost_microdollars(),
            "busy_seconds": round(self.engine.busy_seconds, 3),
            "calls_before_restart": self.calls_before_start,
        }
        result["stopped"] = "budget" if self.meter.tripped else None
        result["stopped_by"] = self.meter.tripped
        result["notes"] = self.notes
        write_json(Path("result.json"), result)

    def check_provider(self) -> None:
        """Raise the provider's refusal, if it gave one that ends the run."""
        if (failure := self.in_its_place(self.health.failure)) is not None:
            raise failure

    def in_its_place(self, failure: EngineFailure | None) -> EngineFailure | None:
        """`failure` of this machine's own model server, where it is one, in words that fit."""
        if failure is None or not self.spec.local:
            return failure
        said = f"The model server on this machine did not answer as it should. {failure.message}"
        return EngineFailure(
            failure.code, said, "Start the run again in a minute. If it fails again, tell your instructor."
        )

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

    def report_candidate(self, candidate: Candidate) -> None:
        """Send a `candidate` event."""
        self.events.send("candidate", **as_event(candidate))

    def spent(self) -> tuple[int, int]:
        """Calls and micro-dollars of the run by now."""
        return self.meter.usage().calls, self.meter.cost_microdollars()

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
