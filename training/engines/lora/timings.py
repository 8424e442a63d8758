"""Where the time of a run goes, so that the next run's time can be foretold."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


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
        by_token = (self.steps * self.tokens_by_seconds - self.tokens * self.seconds) / spread if spread else 0.0
        by_token = min(max(0.0, by_token), self.seconds / self.tokens)
        return (self.seconds - by_token * self.tokens) / self.steps, by_token


@dataclass
class Timings:
    """Seconds of this process, and what they were spent on; a run that was resumed counts from there. Tokens are real ones,
    padding left out. The first step, in which torch chooses its kernels, is no part of `steps`."""

    loading: float = 0.0
    validating: float = 0.0
    validated_tokens: int = 0
    answering: float = 0.0
    answers: int = 0
    saving: float = 0.0
    saves: int = 0
    steps: StepTimes = field(default_factory=StepTimes)
    _stepped: bool = False

    def step(self, tokens: int, seconds: float) -> None:
        if self._stepped:
            self.steps.add(tokens, seconds)
        self._stepped = True

    @contextmanager
    def validation(self, tokens: int) -> Iterator[None]:
        began = time.perf_counter()
        yield
        self.validating += time.perf_counter() - began
        self.validated_tokens += tokens

    @contextmanager
    def answer(self) -> Iterator[None]:
        began = time.perf_counter()
        yield
        self.answering += time.perf_counter() - began
        self.answers += 1

    @contextmanager
    def save(self) -> Iterator[None]:
        began = time.perf_counter()
        yield
        self.saving += time.perf_counter() - began
        self.saves += 1

    def metrics(self) -> dict[str, object]:
        """For `result.json`."""
        by_step, by_token = self.steps.fit()
        return {
            "seconds_per_step": round(by_step, 6),
            "seconds_per_token": round(by_token, 9),
            "load_seconds": round(self.loading, 3),
            "validation_seconds": round(self.validating, 3),
            "validation_tokens": self.validated_tokens,
            "sample_seconds": round(self.answering, 3),
            "sample_answers": self.answers,
            "save_seconds": round(self.saving, 3),
            "saves": self.saves,
        }
