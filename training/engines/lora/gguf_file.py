"""A merged model as one GGUF file, for llama.cpp, LM Studio and their like: of Llama models with a byte-level BPE tokenizer.

Written by the package `gguf` (MIT, of llama.cpp's own authors) in 8 bits (Q8_0), which changes hardly a word. Other families
have layers of their own, for which llama.cpp's converter has a program each; no library writes them, so they get no GGUF here.
"""

import json
from pathlib import Path
from typing import Any

import gguf
import numpy
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from lora.templates import ChatTemplate

# How llama.cpp calls the ways to cut a text before BPE, by the steps in tokenizer.json. Under a wrong name it would read other
# tokens than the model learnt, so any other tokenizer gets no file.
CUTS = {("ByteLevel",): "gpt-2", ("Digits", "ByteLevel"): "smollm"}
# kinds of tokens in the file
NORMAL = 1
CONTROL = 3
USER_DEFINED = 4
UNUSED = 5
QUANTIZED = gguf.GGMLQuantizationType.Q8_0
BLOCK = 32  # numbers that share a scale in Q8_0: a matrix must be as wide, or a multiple


def can_write(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> bool:
    """Whether the model is of the kind that is written here."""
    config = model.config
    plain_rope = _rope(config).get("rope_type", "default") == "default"
    widths = (config.hidden_size, getattr(config, "intermediate_size", 1))
    biased = getattr(config, "attention_bias", False) or getattr(config, "mlp_bias", False)
    is_llama = config.model_type == "llama" and plain_rope and not biased
    return bool(
        is_llama and not any(width % BLOCK for width in widths) and _cut(tokenizer) is not None
    )


def write_gguf(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    template: ChatTemplate,
    end: int,
    name: str,
    path: Path,
) -> None:
    """Write the file. `end`: the token that ends an answer. Call where `can_write` says so."""
    writer = gguf.GGUFWriter(str(path), "llama")
    _write_sizes(writer, model.config, name)
    _write_tokenizer(writer, tokenizer, model.config.vocab_size, end)
    writer.add_chat_template(template.source)
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.LLAMA, model.config.num_hidden_layers)
    for key, weight in model.state_dict().items():
        if key == "lm_head.weight" and model.config.tie_word_embeddings:
            continue  # the same matrix as the embedding
        called = names.get_name(key, try_suffixes=(".weight",))
        assert called is not None, f"a Llama model has no {key}"
        values = _as_llama_cpp_has_it(key, weight.float().numpy(), model.config)
        if values.ndim == 1:
            writer.add_tensor(called, values)
        else:
            writer.add_tensor(
                called, gguf.quants.quantize(values, QUANTIZED), raw_dtype=QUANTIZED
            )
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _write_sizes(writer: Any, config: Any, name: str) -> None:
    heads = config.num_attention_heads
    writer.add_name(name)
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_Q8_0)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_rope_freq_base(float(_rope(config).get("rope_theta", 10_000.0)))
    writer.add_rope_dimension_count(
        getattr(config, "head_dim", None) or config.hidden_size // heads
    )
    writer.add_vocab_size(config.vocab_size)


def _write_tokenizer(
    writer: Any, tokenizer: PreTrainedTokenizerBase, size: int, end: int
) -> None:
    parts = json.loads(tokenizer.backend_tokenizer.to_str())
    tokens, kinds = [f"[PAD{number}]" for number in range(size)], [UNUSED] * size
    for text, number in parts["model"]["vocab"].items():
        tokens[number], kinds[number] = text, NORMAL
    for added in parts["added_tokens"]:
        tokens[added["id"]] = added["content"]
        kinds[added["id"]] = CONTROL if added["special"] else USER_DEFINED
    merges = [
        pair if isinstance(pair, str) else " ".join(pair) for pair in parts["model"]["merges"]
    ]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(_cut(tokenizer))
    writer.add_token_list(tokens)
    writer.add_token_types(kinds)
    writer.add_token_merges(merges)
    writer.add_eos_token_id(end)
    if tokenizer.bos_token_id is not None:
        writer.add_bos_token_id(tokenizer.bos_token_id)
    if tokenizer.pad_token_id is not None:
        writer.add_pad_token_id(tokenizer.pad_token_id)
    writer.add_add_bos_token(False)  # the chat template has it where the model wants it


def _cut(tokenizer: PreTrainedTokenizerBase) -> str | None:
    """llama.cpp's name for how this tokenizer cuts a text; None for a way that has none here."""
    parts = json.loads(tokenizer.backend_tokenizer.to_str())
    before = parts["pre_tokenizer"] or {}
    steps = before["pretokenizers"] if before.get("type") == "Sequence" else [before]
    plain = parts["model"]["type"] == "BPE" and parts["normalizer"] is None
    whole = all(
        step.get("individual_digits", True) and not step.get("add_prefix_space")
        for step in steps
    )
    return CUTS.get(tuple(step.get("type", "") for step in steps)) if plain and whole else None


def _rope(config: Any) -> dict[str, Any]:
    return dict(getattr(config, "rope_parameters", None) or {})


def _as_llama_cpp_has_it(key: str, values: Any, config: Any) -> Any:
    """It turns neighbouring numbers of a query or key by one angle, where transformers turns those half a head apart."""
    if not key.endswith(("q_proj.weight", "k_proj.weight")):
        return numpy.ascontiguousarray(values)
    heads = (
        config.num_attention_heads
        if key.endswith("q_proj.weight")
        else config.num_key_value_heads
    )
    halves = values.reshape(heads, 2, values.shape[0] // heads // 2, values.shape[1])
    return numpy.ascontiguousarray(halves.swapaxes(1, 2).reshape(values.shape))
