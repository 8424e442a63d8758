"""TRL's SFTTrainer on the same rows, tuned as its manual advises for a small run: fp32, padded to the longest row of a batch,
assistant-only loss, no gradient checkpointing. Runs in its own environment: `.venv-bench/bin/python -P lora_trl.py spec.json`.
"""

import json
import sys
import time
from pathlib import Path

began = time.perf_counter()

import torch  # noqa: E402
from lora_measure import (  # noqa: E402
    collator,
    encode,
    lora_settings,
    read_rows,
    trainer_settings,
    validation_loss,
    write_result,
)
from peft import LoraConfig  # noqa: E402
from transformers import AutoModelForCausalLM, AutoTokenizer  # noqa: E402
from trl import SFTConfig, SFTTrainer  # noqa: E402

from datasets import Dataset  # noqa: E402


def main():
    order = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    settings = order["settings"]
    torch.set_num_threads(settings["threads"])
    torch.manual_seed(order["seed"])
    tokenizer = AutoTokenizer.from_pretrained(order["base_model"])
    model = AutoModelForCausalLM.from_pretrained(order["base_model"], dtype=torch.float32)
    train, validation = read_rows(order["train_file"]), read_rows(order["validation_file"])
    arguments = SFTConfig(
        max_length=512, assistant_only_loss=True, packing=False, **trainer_settings(order, len(train))
    )
    trainer = SFTTrainer(
        model=model,
        args=arguments,
        train_dataset=Dataset.from_list(train),
        eval_dataset=Dataset.from_list(validation),
        processing_class=tokenizer,
        peft_config=LoraConfig(**lora_settings(settings)),
    )
    started = time.perf_counter()
    trainer.train()
    train_seconds = time.perf_counter() - started
    trainer.model.save_pretrained("adapter")
    wall_seconds = time.perf_counter() - began
    # After the clock has stopped: the same measure for both sides.
    encoded = {name: encode(tokenizer, order[f"{name}_file"]) for name in ("train", "validation")}
    loss = validation_loss(trainer.model, encoded["validation"], collator(tokenizer.pad_token_id, None))
    write_result(order, encoded["train"], train_seconds, wall_seconds, loss)


if __name__ == "__main__":
    main()
