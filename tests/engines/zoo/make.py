"""Writes the zoo: `python -P make.py FOLDER NAME…` makes a folder for each animal, with random weights of two layers.

Runs in an interpreter of its own, where torch may be imported. All of them share one tokenizer of bytes and special tokens.
"""

import json
import sys
from pathlib import Path
from typing import Any

import chat_templates as templates  # type: ignore[import-not-found]  # beside this file, on this program's path
import torch
import transformers as hf
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

WORDS = ["What is plus? Um, I count on my fingers! It is", "You are in second grade.", "Why? I like dogs. Tell me!"]
SPECIAL = [
    "<pad>", "</s>", "<s>", "<|im_start|>", "<|im_end|>", "<|end|>", "<|eot_id|>", "<end_of_turn>", "<start_of_turn>",
    "<|im_sep|>", "[INST]", "[/INST]", "<|start_header_id|>", "<|end_header_id|>", "<|start_of_role|>", "<|end_of_role|>",
    "<|end_of_text|>", "<|Assistant|>", "<|User|>",
]  # fmt: skip
PLAIN_ADDED = ["<think>", "</think>"]  # in the vocabulary, and not special: as in Qwen3
SMALL: dict[str, Any] = {
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 1024,
    "head_dim": 8,
    "initializer_range": 0.2,  # louder than a real start, so that answers differ
}
VISION: dict[str, Any] = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}


def small(**changed: Any) -> dict[str, Any]:
    return {**SMALL, **changed}


def without(*names: str, **changed: Any) -> dict[str, Any]:
    return {name: value for name, value in {**SMALL, **changed}.items() if name not in names}


def gemma3_with_pictures(vocabulary: int) -> Any:
    text = hf.Gemma3TextConfig(vocab_size=vocabulary, **small(sliding_window=8, layer_types=HALF_SLIDING))
    vision = hf.SiglipVisionConfig(image_size=28, patch_size=14, **VISION)
    return hf.Gemma3Config(text_config=text, vision_config=vision, mm_tokens_per_image=4)


def mistral3_with_pictures(vocabulary: int) -> Any:
    text = hf.MistralConfig(vocab_size=vocabulary, **small())
    vision = hf.PixtralVisionConfig(image_size=28, patch_size=14, head_dim=8, **VISION)
    return hf.Mistral3Config(text_config=text, vision_config=vision)


def gpt2(vocabulary: int) -> Any:
    return hf.GPT2Config(vocab_size=vocabulary, n_embd=32, n_layer=2, n_head=4, n_positions=1024, initializer_range=0.2)


def falcon(vocabulary: int) -> Any:
    return hf.FalconConfig(
        vocab_size=vocabulary,
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        initializer_range=0.2,
        new_decoder_architecture=True,
        num_kv_heads=2,
    )


HALF_SLIDING = ["sliding_attention", "full_attention"]
HALF_CONV = ["conv", "full_attention"]
HALF_LINEAR = ["linear_attention", "full_attention"]
QWEN_NEXT = small(
    layer_types=HALF_LINEAR,
    linear_num_value_heads=4,
    linear_num_key_heads=2,
    linear_key_head_dim=8,
    linear_value_head_dim=8,
    partial_rotary_factor=0.5,
)
EXPERTS = {"num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 16}


def plain(kind: str, **shape: Any) -> Any:
    """A configuration class by name with this shape, once the vocabulary is known."""
    return lambda vocabulary: getattr(hf, kind)(vocab_size=vocabulary, **shape)


ANIMALS: dict[str, tuple[Any, str | None]] = {
    "llama": (plain("LlamaConfig", **small(tie_word_embeddings=True)), templates.LLAMA3),
    "qwen2": (plain("Qwen2Config", **without("head_dim")), templates.QWEN),
    "qwen3": (plain("Qwen3Config", **small()), templates.THINKING),
    "qwen3-next": (plain("Qwen3_5TextConfig", **QWEN_NEXT), templates.THINKING),
    "qwen3-moe": (plain("Qwen3MoeConfig", **small(**EXPERTS)), templates.THINKING),
    "gemma2": (plain("Gemma2Config", **small(sliding_window=8)), templates.GEMMA2),
    "gemma3": (plain("Gemma3TextConfig", **small(sliding_window=8, layer_types=HALF_SLIDING)), templates.GEMMA3),
    "gemma3-pictures": (gemma3_with_pictures, templates.GEMMA3),
    "phi3": (plain("Phi3Config", **without("head_dim", pad_token_id=0)), templates.PHI3),
    "phi4": (plain("Phi3Config", **without("head_dim", pad_token_id=0)), templates.PHI4),
    "mistral": (plain("MistralConfig", **small(sliding_window=16)), templates.MISTRAL),
    "mistral-pictures": (mistral3_with_pictures, templates.MISTRAL),
    "gpt2": (gpt2, None),
    "falcon": (falcon, templates.FALCON),
    "olmo2": (plain("Olmo2Config", **without("head_dim")), templates.OLMO),
    "granite": (plain("GraniteConfig", **without("head_dim", logits_scaling=2.0)), templates.DATED),
    "smollm3": (plain("SmolLM3Config", **without("head_dim")), templates.DATED_THINKING),
    "lfm2": (
        plain("Lfm2Config", layer_types=HALF_CONV, block_multiple_of=8, **without("head_dim")),
        templates.CHATML,
    ),
    "mixtral": (plain("MixtralConfig", **small(num_local_experts=4)), templates.GEMMA2),
    "always-thinks": (plain("LlamaConfig", **small()), templates.ALWAYS_THINKS),
}


def tokenizer() -> Any:
    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=340,
        special_tokens=SPECIAL,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    made.train_from_iterator(WORDS, trainer)
    made.add_tokens(PLAIN_ADDED)
    return hf.PreTrainedTokenizerFast(
        tokenizer_object=made, pad_token="<pad>", eos_token="</s>", bos_token="<s>", model_max_length=1024
    )


def make(folder: Path, name: str, words: Any) -> None:
    """One animal: weights, tokenizer, template."""
    configured, template = ANIMALS[name]
    torch.manual_seed(sum(name.encode()))
    config = configured(len(words))
    for part in {id(one): one for one in (config, config.get_text_config())}.values():
        part.pad_token_id, part.bos_token_id, part.eos_token_id = 0, 2, 1
    known = type(config) in hf.MODEL_FOR_CAUSAL_LM_MAPPING
    model = (hf.AutoModelForCausalLM if known else hf.AutoModelForImageTextToText).from_config(config)
    model.save_pretrained(folder)
    words.chat_template = template
    words.save_pretrained(folder)


def main() -> None:
    hf.utils.logging.set_verbosity_error()
    words = tokenizer()
    for name in sys.argv[2:] or ANIMALS:
        make(Path(sys.argv[1]) / name, name, words)
    print(json.dumps(list(ANIMALS)))


if __name__ == "__main__":
    main()
