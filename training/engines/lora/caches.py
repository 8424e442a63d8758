"""What a model remembers of the conversations that it is answering: rows that join and leave a batch between two steps.

Layers of attention keep keys and values of every token: (rows, heads, tokens, head size), padded on the left where a row is
shorter. Layers of convolution or linear attention (LFM2, Qwen3.5) keep a state of one size for each row. A model may have both.
"""

import torch
from torch import Tensor
from transformers import DynamicCache, PreTrainedModel
from transformers.cache_utils import (
    DynamicLayer,
    DynamicSlidingWindowLayer,
    LinearAttentionAndFullAttentionLayer,
    LinearAttentionAndSlidingWindowAttentionLayer,
    LinearAttentionLayer,
)

from lora.events import EngineError


def fresh_cache(model: PreTrainedModel) -> DynamicCache:
    """An empty cache for this model. Raises EngineError `base_model_unusable` for a kind of layer that can't be batched."""
    cache = DynamicCache(config=model.config)
    cache.layers = [_whole(layer) for layer in cache.layers]
    return cache


def _whole(layer: object) -> object:
    """A layer that forgets what has left its window loses the place of a row's padding: it keeps all here, and the model
    takes its window from the mask that it makes itself."""
    if isinstance(layer, LinearAttentionAndSlidingWindowAttentionLayer):
        return LinearAttentionAndFullAttentionLayer(number_of_states=layer.number_of_states)
    if isinstance(layer, DynamicSlidingWindowLayer):
        return DynamicLayer()
    if type(layer) in (DynamicLayer, LinearAttentionLayer, LinearAttentionAndFullAttentionLayer):
        return layer
    raise EngineError(
        "base_model_unusable",
        f"the base model remembers a conversation in a way that is not served here ({type(layer).__name__})",
        "Choose another base model.",
    )


def join(cache: DynamicCache, new: DynamicCache, width: int) -> None:
    """Add the rows of `new` to `cache`, both padded to `width` tokens."""
    for old_layer, new_layer in zip(cache.layers, new.layers, strict=True):
        if isinstance(old_layer, DynamicLayer):
            old_layer.keys = _below(old_layer.keys, new_layer.keys, width)
            old_layer.values = _below(old_layer.values, new_layer.values, width)
        if isinstance(old_layer, LinearAttentionLayer):
            for states, added in _states(old_layer, new_layer):
                for place, state in states.items():
                    states[place] = None if state is None else torch.cat([state, added[place]])


def keep(cache: DynamicCache, rows: Tensor, first: int) -> None:
    """Only these rows, and of each only the columns from `first` on."""
    for layer in cache.layers:
        if isinstance(layer, DynamicLayer):
            layer.keys, layer.values = layer.keys[rows, :, first:], layer.values[rows, :, first:]
        if isinstance(layer, LinearAttentionLayer):
            for states, _ in _states(layer, layer):
                for place, state in states.items():
                    states[place] = None if state is None else state[rows]


def _states(
    layer: LinearAttentionLayer, other: LinearAttentionLayer
) -> list[tuple[dict[int, Tensor | None], dict[int, Tensor]]]:
    return [
        (layer.conv_states, other.conv_states),
        (layer.recurrent_states, other.recurrent_states),
    ]


def _below(old: Tensor, new: Tensor, width: int) -> Tensor:
    return torch.cat([pad(old, width, 2), pad(new, width, 2)])


def pad(tensor: Tensor, width: int, dimension: int) -> Tensor:
    """Zeros on the left of `dimension` up to `width`."""
    missing = width - tensor.shape[dimension]
    if not missing:
        return tensor
    shape = list(tensor.shape)
    shape[dimension] = missing
    return torch.cat([tensor.new_zeros(shape), tensor], dim=dimension)
