"""The training loop, in the order in which things happen."""

import math
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

import torch
from peft import PeftModel

from lora.base_model import Hardware
from lora.batches import epoch_order, length_order
from lora.checkpoint import Progress, State, load_checkpoint, save_checkpoint
from lora.events import EngineError, Events, Interrupted, PeerLost, StopSignal
from lora.group import SingleProcess
from lora.objective import Lesson, Objective
from lora.spec import Settings
from lora.timings import Timings

Ending = Literal["finished", "stopped_early", "kept_early"]
IMPROVEMENT = 1e-4  # a validation loss counts as better when lower by more than this
# of the seconds of training; so many in any case
ASKING_SHARE = 0.1
ASKING_SECONDS = 5.0
# of the tokens of training; so many rows in any case
VALIDATION_SHARE = 0.3
FEWEST_VALIDATION_ROWS = 100
KEEP_FILE = Path("stop_and_keep")
CHECKPOINT = Path("checkpoint") / "checkpoint.pt"


@dataclass(frozen=True)
class Plan:
    """What the loop is to do, fixed before it starts."""

    settings: Settings
    seed: int
    train: list[Lesson]
    validation: list[Lesson]
    pad_id: int
    max_length: int
    fingerprint: str

    @property
    def steps_per_epoch(self) -> int:
        batches = math.ceil(len(self.train) / self.settings.batch_size)
        return math.ceil(batches / self.settings.gradient_accumulation)

    @property
    def total_steps(self) -> int:
        return self.steps_per_epoch * self.settings.epochs

    def learning_rate(self, step: int) -> float:
        """Linear warm-up, then cosine to zero. `step` counts from 0."""
        warmup = round(self.total_steps * self.settings.warmup_ratio)
        if step < warmup:
            return self.settings.learning_rate * (step + 1) / warmup
        done = (step - warmup) / max(1, self.total_steps - warmup)
        return self.settings.learning_rate * 0.5 * (1 + math.cos(math.pi * done))

    @cached_property
    def weights(self) -> list[int]:
        """What each training row counts in the loss."""
        return [row.weight for row in self.train]

    @cached_property
    def lengths(self) -> list[int]:
        """Tokens of each training row."""
        return [len(row) for row in self.train]

    @property
    def validations(self) -> int:
        """How often a run that nobody stops measures: before its first step, and whenever it is due."""
        every = self.settings.evaluate_every or self.steps_per_epoch
        return 1 + math.ceil(self.total_steps / every)

    def order(self, epoch: int) -> list[list[int]]:
        """Row numbers of every batch of an epoch."""
        return epoch_order(self.lengths, self.settings.batch_size, self.seed, epoch)

    def is_due(self, every: int, step: int) -> bool:
        return step == self.total_steps or step % (every or self.steps_per_epoch) == 0


def measured_with(
    held_out: Sequence[Lesson], train: Sequence[Lesson], validations: int, epochs: int, seed: int
) -> list[Lesson]:
    """The held-out rows that all measurements of a run use: so many, drawn by the seed, that together they read no more than
    VALIDATION_SHARE of the tokens of training, about a sixth of its time; never fewer than FEWEST_VALIDATION_ROWS.

    By tokens and not by the clock: which adapter is the best must not hang on what else the machine does.
    """
    allowed = VALIDATION_SHARE * epochs * sum(len(row) for row in train) / validations
    order = list(range(len(held_out)))
    random.Random(f"{seed}:validation").shuffle(order)
    chosen: list[int] = []
    tokens = 0
    for number in order:
        tokens += len(held_out[number])
        if tokens > allowed and len(chosen) >= FEWEST_VALIDATION_ROWS:
            break
        chosen.append(number)
    return [held_out[number] for number in sorted(chosen)]


class Loop:
    """One run from its first step to its last. Construct, `resume()` if there is a checkpoint, `run()`."""

    def __init__(
        self,
        plan: Plan,
        model: PeftModel,
        objective: Objective,
        hardware: Hardware,
        events: Events,
        stop: StopSignal,
        sample: Callable[[int], None],
        group: SingleProcess,
    ) -> None:
        self.plan, self.objective, self.hardware, self.group = plan, objective, hardware, group
        self.events, self.stop, self.sample = events, stop, sample
        self.trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
        settings = plan.settings
        optimizer = torch.optim.AdamW(
            self.trained,
            lr=settings.learning_rate,
            weight_decay=settings.weight_decay,
            fused=True,
        )
        scaler = torch.amp.GradScaler(
            hardware.device.type, enabled=hardware.steps is torch.float16
        )
        self.state = State(model, optimizer, scaler, Progress())
        self.timings = Timings()
        self._epoch, self._order = -1, [[0]]
        self._last_round = 0.0  # seconds of the latest sample answers

    @property
    def progress(self) -> Progress:
        return self.state.progress

    def resume(self) -> bool:
        """Go on from the checkpoint in the run's folder; False where there is none."""
        if not CHECKPOINT.exists():
            return False
        load_checkpoint(self.state, CHECKPOINT, self.plan.fingerprint)
        return True

    def save(self) -> None:
        """Write the checkpoint from which `resume` goes on."""
        if self.group.leads:
            with self.timings.save():
                save_checkpoint(self.state, CHECKPOINT, self.plan.fingerprint)

    def run(self) -> Ending:
        """Train to the end and leave the best adapter in the model; checkpoint at the end, so that only what follows is
        repeated after a crash. Raises Interrupted, after saving a checkpoint, when asked to leave."""
        self.group.sync_parameters(self.trained)
        try:
            ending = self._steps()
        except (Interrupted, PeerLost):  # a peer is only lost between steps' updates
            self.save()
            raise
        self.save()
        self.progress.saves += (
            1  # after saving: an attempt that begins again at the end saves, and counts, once
        )
        if self.state.best is not None:
            if self.progress.best_step != self.progress.step:
                self.state.last = self.state.adapter()
            self.state.put_adapter(self.state.best)
        return ending

    def _steps(self) -> Ending:
        plan, settings, progress = self.plan, self.plan.settings, self.progress
        while True:
            if progress.step == 0 or plan.is_due(settings.evaluate_every, progress.step):
                self._validate()
            if (
                settings.early_stopping_patience
                and progress.worse_in_a_row >= settings.early_stopping_patience
            ):
                return "stopped_early"
            if progress.step == plan.total_steps:
                return "finished"
            if progress.step and self.group.broadcast(KEEP_FILE.exists()):
                self._validate()
                return "kept_early"
            self._sample_if_due()
            self.group.check(self.stop)
            self._train_step()
            if settings.save_every and progress.step % settings.save_every == 0:
                progress.saves += 1
                self.save()

    def _train_step(self) -> None:
        progress, began = self.progress, time.perf_counter()
        if not self.state.model.training:
            self.state.model.train()
        self.group.seed_step(self.plan.seed, progress.step)
        whole = self._rows_of_step(progress.step)
        weight = sum(self.plan.weights[row] for rows in whole for row in rows)
        shares = [
            share for rows in whole if (share := self.group.share(rows, self.plan.lengths))
        ]
        batches = [
            self.objective.collate([self.plan.train[row] for row in rows]) for rows in shares
        ]
        loss = torch.zeros((), device=self.hardware.device)
        for batch in batches:
            with self.hardware.autocast(self.hardware.steps):
                # Divided by the weight of ALL accumulated batches, in every process: the same gradient as one big batch.
                part = self.objective.loss_sum(batch) / weight
            self.state.scaler.scale(part).backward()  # type: ignore[no-untyped-call]
            loss += part.detach()
        loss = self.group.sum_step(self.trained, loss)
        self._update(self.plan.learning_rate(progress.step))
        tokens, seconds = (
            sum(self.plan.lengths[row] for rows in whole for row in rows),
            time.perf_counter() - began,
        )
        progress.step += 1
        progress.tokens += tokens
        progress.seconds += seconds
        self.timings.step(tokens, seconds)
        self._report(self._finite(loss.item()))

    def _rows_of_step(self, step: int) -> list[list[int]]:
        epoch, place = divmod(step, self.plan.steps_per_epoch)
        if epoch != self._epoch:
            self._epoch, self._order = epoch, self.plan.order(epoch)
        first = place * self.plan.settings.gradient_accumulation
        return self._order[first : first + self.plan.settings.gradient_accumulation]

    def _update(self, learning_rate: float) -> None:
        optimizer, scaler = self.state.optimizer, self.state.scaler
        for group in optimizer.param_groups:
            group["lr"] = learning_rate
        scaler.unscale_(optimizer)
        torch.nn.utils.clip_grad_norm_(self.trained, self.plan.settings.max_grad_norm)
        scaler.step(optimizer)
        scaler.update()
        optimizer.zero_grad(set_to_none=True)

    def _report(self, loss: float) -> None:
        progress = self.progress
        progress.first_loss = loss if progress.first_loss is None else progress.first_loss
        progress.last_loss = loss
        progress.lowest_loss = (
            loss if progress.lowest_loss is None else min(loss, progress.lowest_loss)
        )
        self.events.emit(
            "step",
            step=progress.step,
            total_steps=self.plan.total_steps,
            loss=loss,
            learning_rate=self.plan.learning_rate(progress.step - 1),
            tokens=progress.tokens,
            tokens_per_second=round(progress.tokens / progress.seconds, 1),
            work=progress.work(),
            **self._figures(),
        )

    def _figures(self) -> dict[str, float]:
        """What the objective says of this step beside its loss. Kept as the run's own where nothing is held out."""
        figures = self.objective.figures(self.group)
        if not self.plan.validation:
            self.progress.figures = figures
        return figures

    def _validate(self) -> None:
        progress = self.progress
        if not self.plan.validation or progress.validated_step == progress.step:
            return
        tokens = sum(len(row) for row in self.plan.validation)
        with self.timings.validation(tokens):
            loss = self.validation_loss()
        progress.validated_tokens += tokens
        progress.validated_step, progress.last_validation = progress.step, loss
        figures = self.objective.figures(self.group)
        if progress.first_validation is None:
            progress.first_validation = loss
        if progress.step and (
            progress.best_validation is None or loss < progress.best_validation - IMPROVEMENT
        ):
            progress.best_validation, progress.best_step, progress.worse_in_a_row = (
                loss,
                progress.step,
                0,
            )
            self.state.best, progress.figures = self.state.adapter(), figures
        elif progress.step:
            progress.worse_in_a_row += 1
        self.events.emit(
            "validation", step=progress.step, loss=loss, work=progress.work(), **figures
        )

    @torch.no_grad()
    def validation_loss(self) -> float:
        """Mean loss of the validation rows, by their weights, with the adapter as it is now."""
        self.state.model.eval()
        total, tokens = 0.0, 0
        rows = self.plan.validation
        lengths = [len(row) for row in rows]
        for numbers in length_order(lengths, 2 * self.plan.settings.batch_size):
            self.group.check(self.stop)
            if share := self.group.share(numbers, lengths):
                batch = self.objective.collate([rows[number] for number in share])
                with self.hardware.autocast(self.hardware.dtype):
                    total += self.objective.loss_sum(batch).item()
                tokens += batch.weight
        return self._finite(self.group.total(total) / self.group.total(tokens))

    def _sample_if_due(self) -> None:
        every, progress = self.plan.settings.sample_every, self.progress
        if (
            every
            and progress.step
            and progress.step % every == 0
            and progress.sampled_step != progress.step
        ):
            self.group.on_leader(self._sample_if_there_is_time)
            progress.sampled_step = progress.step

    def _sample_if_there_is_time(self) -> None:
        """Answers on the way are for those who watch: they may take a tenth of the time of training and no more."""
        progress, began = self.progress, time.perf_counter()
        allowed = max(ASKING_SECONDS, ASKING_SHARE * progress.seconds)
        if progress.asking_seconds + self._last_round > allowed:
            return
        answers = progress.answers
        try:
            self.sample(progress.step)
        except Interrupted:
            progress.answers = answers  # the next attempt asks all of them again
            raise
        self._last_round = time.perf_counter() - began
        progress.asking_seconds += self._last_round

    def _finite(self, loss: float) -> float:
        if math.isfinite(loss):
            return loss
        raise EngineError(
            "diverged",
            f"the loss became {loss} at step {self.progress.step}: the model has lost its way",
            f"Lower learning_rate (now {self.plan.settings.learning_rate:g}) to a third of it and start again.",
        )
