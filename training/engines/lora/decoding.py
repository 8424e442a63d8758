"""Continuous batching: one thread per base model decodes for everybody at once, whatever adapter each one uses.

People join between two steps (their prompt is read alone, then their cache is padded into the batch) and leave between
two steps. A step for eight costs about as much as a step for one.
"""

import logging
import queue
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor
from transformers import DynamicCache, PreTrainedModel

from lora.adapters import Adapter, AdapterMixer

log = logging.getLogger(__name__)
FinishReason = Literal["stop", "length"]


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


class Decoder:
    """Decodes for all asks on one base. `ask()` may be called from any thread."""

    def __init__(self, model: PreTrainedModel, end_ids: list[int], max_batch: int) -> None:
        self.model, self.mixer, self.max_batch = model.eval(), AdapterMixer(model), max_batch
        self._ends = frozenset(end_ids)
        self._waiting: queue.SimpleQueue[Ask] = queue.SimpleQueue()
        self._present: set[Ask] = set()
        self._asks: list[Ask] = []
        self._cache = DynamicCache()
        self._mask = torch.zeros(0, 0, dtype=torch.long)
        threading.Thread(target=self._work, name="decoder", daemon=True).start()

    @property
    def active(self) -> int:
        """People being answered or waiting."""
        return len(self._present)

    def ask(self, ask: Ask) -> None:
        self._present.add(ask)
        self._waiting.put(ask)

    @torch.inference_mode()
    def _work(self) -> None:
        while True:
            try:
                self._leave()
                self._admit()
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
            self._cache, self._mask = DynamicCache(), self._mask[:0, :0]
            return
        rows = torch.tensor(staying, device=self._mask.device)
        mask = self._mask[rows]
        first = int(mask.any(dim=0).nonzero()[0])
        self._mask = mask[:, first:]
        self._cache = _cache_of(
            (keys[rows, :, first:], values[rows, :, first:]) for keys, values in _layers(self._cache)
        )

    def _admit(self) -> None:
        """Read one newcomer's prompt a step, so that those who are being answered don't wait for all of them."""
        if len(self._asks) >= self.max_batch or (self._asks and self._waiting.empty()):
            return
        ask = self._waiting.get()
        try:
            if not ask.cancelled:
                self._prefill(ask)
        except Exception:
            log.exception("reading a prompt of %d tokens failed", len(ask.prompt))
            ask.tell(Broken("the prompt could not be read by the model"))
        if ask not in self._asks:
            self._present.discard(ask)

    def _prefill(self, ask: Ask) -> None:
        device = self.model.device
        if ask.temperature > 0:
            ask.generator = torch.Generator(device)
            ask.generator.seed() if ask.seed is None else ask.generator.manual_seed(ask.seed)
        cache = DynamicCache()
        self.mixer.use([ask.adapter])
        ids = torch.tensor([ask.prompt], device=device)
        logits = self.model(input_ids=ids, past_key_values=cache, use_cache=True, logits_to_keep=1).logits[0, -1]
        self._hear(ask, _choose(logits.float(), ask))
        if not ask.cancelled:
            self._join(ask, cache)

    def _join(self, ask: Ask, cache: DynamicCache) -> None:
        mask = torch.ones(1, len(ask.prompt), dtype=torch.long, device=self.model.device)
        if self._asks:
            width = max(self._mask.shape[1], mask.shape[1])
            pairs = zip(_layers(self._cache), _layers(cache), strict=True)
            cache = _cache_of((_below(old[0], new[0], width), _below(old[1], new[1], width)) for old, new in pairs)
            mask = torch.cat([_pad(self._mask, width, 1), _pad(mask, width, 1)])
        self._asks, self._cache, self._mask = [*self._asks, ask], cache, mask

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
        self._asks, self._cache, self._mask = [], DynamicCache(), self._mask[:0, :0]


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


def _layers(cache: DynamicCache) -> list[tuple[Tensor, Tensor]]:
    return [(layer.keys, layer.values) for layer in cache.layers]


def _cache_of(layers: Iterable[tuple[Tensor, Tensor]]) -> DynamicCache:
    """A cache of full layers: a sliding-window model gets its window from the mask it makes itself."""
    return DynamicCache(ddp_cache_data=layers)


def _below(old: Tensor, new: Tensor, width: int) -> Tensor:
    """The rows of both, (rows, heads, width, head size)."""
    return torch.cat([_pad(old, width, 2), _pad(new, width, 2)])


def _pad(tensor: Tensor, width: int, dimension: int) -> Tensor:
    """Zeros on the left of `dimension` up to `width`."""
    missing = width - tensor.shape[dimension]
    if not missing:
        return tensor
    shape = list(tensor.shape)
    shape[dimension] = missing
    return torch.cat([tensor.new_zeros(shape), tensor], dim=dimension)
