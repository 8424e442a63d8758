"""Where the time of a run goes, so that the next run's time can be estimated."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

SLOW_STEPS = 6  # a run's first


@dataclass
class StepTimes:
    """Seconds of training steps as a line over their tokens: every step costs something, and every token in it. Least squares
    from running sums; neither part is below 0."""

    steps: int = 0
    tokens: float = 0.0
    seconds: float = 0.0
    tokens_squared: float = 0.0
    tokens_by_seconds: float = 0.0

    def add(self, tokens: int, seconds: float) -> None:
        self.steps += 1
        self.tokens += tokens
        self.seconds += seconds
        self.tokens_squared += tokens * tokens
        self.tokens_by_seconds += tokens * seconds

    def fit(self) -> tuple[float, float]:
        """(seconds of a step, seconds of each token in it); (0, 0) before any step."""
        if not self.steps:
            return 0.0, 0.0
        spread = self.steps * self.tokens_squared - self.tokens**2
        by_token = (
            (self.steps * self.tokens_by_seconds - self.tokens * self.seconds) / spread
            if spread
            else 0.0
        )
        by_token = min(max(0.0, by_token), self.seconds / self.tokens)
        return (self.seconds - by_token * self.tokens) / self.steps, by_token


@dataclass
class Timings:
    """Seconds of this process, and what they were spent on; a run that was resumed counts from there. Tokens are real ones,
    padding left out.

    A run's first steps and its first answers are slower than the rest: torch chooses its kernels and memory comes from the
    system. They are no part of `steps` and of the seconds of an answer; a longer run has no more of them.
    """

    loading: float = 0.0
    validating: float = 0.0
    validated_tokens: int = 0
    answering: float = 0.0
    first_answer: float = 0.0
    answers: int = 0
    first_answers: int = 0
    judging: float = 0.0
    judged_answers: int = 0
    saving: float = 0.0
    saves: int = 0
    steps: StepTimes = field(default_factory=StepTimes)
    _first_steps: list[tuple[int, float]] = field(default_factory=list)

    def step(self, tokens: int, seconds: float) -> None:
        if len(self._first_steps) < SLOW_STEPS:
            self._first_steps.append((tokens, seconds))
        else:
            self.steps.add(tokens, seconds)

    @contextmanager
    def validation(self, tokens: int) -> Iterator[None]:
        began = time.perf_counter()
        yield
        self.validating += time.perf_counter() - began
        self.validated_tokens += tokens

    @contextmanager
    def answer(self, count: int = 1) -> Iterator[None]:
        """`count` sample answers, made together."""
        began = time.perf_counter()
        yield
        spent = time.perf_counter() - began
        self.answering += spent
        if not self.answers:
            self.first_answer, self.first_answers = spent, count
        self.answers += count

    @contextmanager
    def verdict(self, count: int) -> Iterator[None]:
        """`count` answers to fresh questions, made together and read."""
        began = time.perf_counter()
        yield
        self.judging += time.perf_counter() - began
        self.judged_answers += count

    @contextmanager
    def save(self) -> Iterator[None]:
        began = time.perf_counter()
        yield
        self.saving += time.perf_counter() - began
        self.saves += 1

    def metrics(self) -> dict[str, object]:
        """For `result.json`."""
        by_step, by_token = self._usual_steps().fit()
        later = self.answers - self.first_answers
        by_answer = (self.answering - self.first_answer) / later if later > 0 else 0.0
        return {
            "seconds_per_step": round(by_step, 6),
            "seconds_per_token": round(by_token, 9),
            "load_seconds": round(self.loading, 3),
            "validation_seconds": round(self.validating, 3),
            "validation_tokens": self.validated_tokens,
            "sample_seconds": round(self.answering, 3),
            "sample_answers": self.answers,
            "seconds_per_answer": round(by_answer, 6),
            "verdict_seconds": round(self.judging, 3),
            "verdict_answers": self.judged_answers,
            "save_seconds": round(self.saving, 3),
            "saves": self.saves,
        }

    def _usual_steps(self) -> StepTimes:
        """Of a run with few steps, the later half of them."""
        if self.steps.steps >= SLOW_STEPS:
            return self.steps
        few = replace(self.steps)
        done = few.steps + len(self._first_steps)
        for tokens, seconds in self._first_steps[done // 2 :]:
            few.add(tokens, seconds)
        return few
