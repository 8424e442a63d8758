"""A base of 30 M random weights in Llama shape, with the tiny student's tokenizer: `python -P lora_random_base.py FROM TO`."""

import shutil
import sys
from pathlib import Path

import torch
from transformers import LlamaConfig, LlamaForCausalLM

SHAPE = {
    "hidden_size": 512,
    "num_hidden_layers": 9,
    "intermediate_size": 1408,
    "num_attention_heads": 8,
    "head_dim": 64,
}


def main():
    source, target = Path(sys.argv[1]), Path(sys.argv[2])
    torch.manual_seed(1)
    config = LlamaConfig.from_pretrained(source)
    config.update(SHAPE | {"num_key_value_heads": 8})
    LlamaForCausalLM(config).save_pretrained(target)
    for name in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
        shutil.copy(source / name, target / name)


if __name__ == "__main__":
    main()
