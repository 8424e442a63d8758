"""Continuous batching: one thread per base model decodes for everybody at once, whatever adapter each one uses.

People join between two steps (their prompt is read alone, then their cache is padded into the batch) and leave between
two steps. A step for eight costs about as much as a step for one. Between two steps at most `chunk` tokens of prompts are
read, so a long prompt is read in pieces: those who are being answered hear on, and a short question does not wait for it.
"""

import logging
import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor
from transformers import DynamicCache, PreTrainedModel

from lora.adapters import Adapter, AdapterMixer
from lora.caches import fresh_cache, join, keep, pad

log = logging.getLogger(__name__)
FinishReason = Literal["stop", "length"]
CHUNK = 256  # tokens of prompts read between two steps: SmolLM2 on one core reads them in about half a second
SMALLEST_PIECE = 16  # a piece costs something beside its tokens


@dataclass(frozen=True)
class Token:
    """One token the model said."""

    id: int


@dataclass(frozen=True)
class Finished:
    """Nothing more comes. `stop`: the model ended its answer; `length`: it was cut off."""

    reason: FinishReason


@dataclass(frozen=True)
class Broken:
    """The computation failed; the reason is in the server's log."""

    message: str


Told = Token | Finished | Broken


@dataclass(eq=False)
class Ask:
    """One answer being made. `tell` is called from the decoding thread and must not block."""

    prompt: list[int]
    adapter: Adapter | None
    max_tokens: int
    temperature: float
    top_p: float
    seed: int | None
    tell: Callable[[Told], None]
    said: list[int] = field(default_factory=list)
    cancelled: bool = False
    generator: torch.Generator | None = None

    def cancel(self) -> None:
        """Nobody listens any more. Takes effect before the next step."""
        self.cancelled = True


class Closed(Exception):
    """This decoder has been put away with its base. Open the base again."""


@dataclass(eq=False)
class _Reading:
    """A prompt that is being read: `done` of its tokens are in `cache`."""

    ask: Ask
    cache: DynamicCache
    done: int = 0

    @property
    def left(self) -> int:
        return len(self.ask.prompt) - self.done


class Decoder:
    """Decodes for all asks on one base. `ask()` may be called from any thread."""

    def __init__(
        self, model: PreTrainedModel, end_ids: list[int], max_batch: int, chunk: int = CHUNK
    ) -> None:
        """`chunk`: most tokens of prompts that are read between two steps."""
        self.model, self.mixer, self.max_batch = model.eval(), AdapterMixer(model), max_batch
        self.chunk, self._oldest_next = chunk, False
        self._ends = frozenset(end_ids)
        self._waiting: queue.SimpleQueue[Ask | None] = queue.SimpleQueue()
        self._present: set[Ask] = set()
        self._door, self._closed = threading.Lock(), False
        self._reading: list[_Reading] = []
        self._asks: list[Ask] = []
        self._cache = fresh_cache(model)
        self._mask = torch.zeros(0, 0, dtype=torch.long)
        threading.Thread(target=self._work, name="decoder", daemon=True).start()

    @property
    def active(self) -> int:
        """People being answered or waiting."""
        return len(self._present)

    def ask(self, ask: Ask) -> None:
        """Raises Closed."""
        with self._door:
            if self._closed:
                raise Closed
            self._present.add(ask)
            self._waiting.put(ask)

    def close(self) -> bool:
        """End the thread, unless somebody is being answered: then nothing happens, and the answer is False."""
        with self._door:
            if self._present:
                return False
            self._closed = True
            self._waiting.put(None)
            return True

    @torch.inference_mode()
    def _work(self) -> None:
        while True:
            try:
                self._leave()
                if not self._admit():
                    return
                self._read()
                if self._asks:
                    self._step()
            except Exception:
                log.exception("decoding failed; %d answers are given up", len(self._asks))
                self._give_up()

    def _leave(self) -> None:
        """Drop rows that are done, and columns that only they filled."""
        staying = [row for row, ask in enumerate(self._asks) if not ask.cancelled]
        if len(staying) == len(self._asks):
            return
        self._present.difference_update(ask for ask in self._asks if ask.cancelled)
        self._asks = [self._asks[row] for row in staying]
        if not self._asks:
            self._cache, self._mask = fresh_cache(self.model), self._mask[:0, :0]
            return
        rows = torch.tensor(staying, device=self._mask.device)
        mask = self._mask[rows]
        first = int(mask.any(dim=0).nonzero()[0])
        self._mask = mask[:, first:]
        keep(self._cache, rows, first)

    def _admit(self) -> bool:
        """Let newcomers begin to be read, as many as the batch has room for. Waits where there is nobody; False: closed."""
        while len(self._asks) + len(self._reading) < self.max_batch:
            at_work = bool(self._asks or self._reading)
            if at_work and self._waiting.empty():
                return True
            ask = self._waiting.get()
            if ask is None:
                return False
            self._reading.append(_Reading(ask, fresh_cache(self.model)))
        return True

    def _read(self) -> None:
        """Read on in the prompts, `chunk` tokens in all."""
        for reading in [one for one in self._reading if one.ask.cancelled]:
            self._drop(reading)
        left = self.chunk
        while self._reading and left >= min(SMALLEST_PIECE, self.chunk):
            reading = self._next_to_read()
            piece = min(left, reading.left)
            left -= piece
            try:
                self._read_piece(reading, piece)
            except Exception:
                log.exception("reading a prompt of %d tokens failed", len(reading.ask.prompt))
                reading.ask.tell(Broken("the prompt could not be read by the model"))
                self._drop(reading)

    def _next_to_read(self) -> _Reading:
        """By turns the one that is done soonest, so that a short question does not wait for a long one, and the one that
        came first, so that a long one does not wait for ever."""
        self._oldest_next = not self._oldest_next
        return (
            min(self._reading, key=lambda one: one.left)
            if self._oldest_next
            else self._reading[0]
        )

    def _drop(self, reading: _Reading) -> None:
        if reading in self._reading:
            self._reading.remove(reading)
        self._present.discard(reading.ask)

    def _read_piece(self, reading: _Reading, size: int) -> None:
        ask, device = reading.ask, self.model.device
        self.mixer.use([ask.adapter])
        ids = torch.tensor([ask.prompt[reading.done : reading.done + size]], device=device)
        out = self.model(
            input_ids=ids, past_key_values=reading.cache, use_cache=True, logits_to_keep=1
        )
        reading.done += size
        if reading.left:
            return
        if ask.temperature > 0:
            ask.generator = torch.Generator(device)
            ask.generator.seed() if ask.seed is None else ask.generator.manual_seed(ask.seed)
        self._reading.remove(reading)
        try:
            self._hear(ask, _choose(out.logits[0, -1].float(), ask))
            if not ask.cancelled:
                self._join(ask, reading.cache)
        finally:
            if ask not in self._asks:
                self._present.discard(ask)

    def _join(self, ask: Ask, cache: DynamicCache) -> None:
        mask = torch.ones(1, len(ask.prompt), dtype=torch.long, device=self.model.device)
        if self._asks:
            width = max(self._mask.shape[1], mask.shape[1])
            join(self._cache, cache, width)
            mask = torch.cat([pad(self._mask, width, 1), pad(mask, width, 1)])
        else:
            self._cache = cache
        self._asks, self._mask = [*self._asks, ask], mask

    def _step(self) -> None:
        asks = self._asks
        self.mixer.use([ask.adapter for ask in asks])
        self._mask = torch.cat([self._mask, self._mask.new_ones(len(asks), 1)], dim=1)
        last = torch.tensor([[ask.said[-1]] for ask in asks], device=self.model.device)
        logits = (
            self.model(
                input_ids=last,
                # A mask of ones says nothing, and without it the fast kernel stays.
                attention_mask=None if bool(self._mask.all()) else self._mask,
                position_ids=self._mask.sum(dim=1, keepdim=True) - 1,
                past_key_values=self._cache,
                use_cache=True,
            )
            .logits[:, -1]
            .float()
        )
        greedy = logits.argmax(dim=-1).tolist()
        for row, ask in enumerate(asks):
            self._hear(ask, _choose(logits[row], ask) if ask.temperature > 0 else greedy[row])

    def _hear(self, ask: Ask, token: int) -> None:
        """Tell the listener. An ask that is answered cancels itself, and so leaves before the next step."""
        if token in self._ends:
            ask.tell(Finished("stop"))
            ask.cancel()
            return
        ask.said.append(token)
        ask.tell(Token(token))
        if len(ask.said) >= ask.max_tokens:
            ask.tell(Finished("length"))
            ask.cancel()

    def _give_up(self) -> None:
        for ask in self._asks:
            if not ask.cancelled:
                ask.tell(Broken("the model could not be computed"))
        self._present.difference_update(self._asks)
        self._asks, self._cache, self._mask = [], fresh_cache(self.model), self._mask[:0, :0]


def _choose(logits: Tensor, ask: Ask) -> int:
    """The next token: the likeliest at temperature 0, else drawn from the smallest set that holds `top_p`."""
    if ask.temperature == 0:
        return int(logits.argmax())
    chances = torch.softmax(logits / ask.temperature, dim=-1)
    if ask.top_p < 1:
        ordered, order = chances.sort(descending=True)
        ordered[ordered.cumsum(dim=-1) - ordered > ask.top_p] = 0
        chances = torch.zeros_like(chances).scatter_(0, order, ordered)
    return int(torch.multinomial(chances, 1, generator=ask.generator))
