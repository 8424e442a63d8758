"""The guide's way: transformers.Trainer and PEFT, plainly. `python -P lora_trainer.py spec.json` in a clean interpreter.

Writes `peer.json`: seconds of training, tokens a second, and the validation loss measured token by token, as ours is.
With `batches` in the order (lists of row numbers), the Trainer reads exactly these, in this order: then its loss and ours
must be the same number, and whoever's is lower computes something else.
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
    trainer_settings,
    validation_loss,
    write_result,
)
from peft import LoraConfig, get_peft_model  # noqa: E402
from transformers import AutoModelForCausalLM, AutoTokenizer, Trainer, TrainingArguments  # noqa: E402


class GivenOrder(Trainer):
    """Reads the rows in the order of `batches`, epoch after epoch."""

    def get_train_dataloader(self):
        epochs, rows, collate = iter(self.batches), self.train_dataset, self.data_collator

        class Loader:
            def __len__(self):
                return self.length

            def __iter__(self):
                return iter([collate([rows[number] for number in batch]) for batch in next(epochs)])

        loader = Loader()
        loader.length = len(self.batches[0])
        return loader


def main():
    order = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    settings = order["settings"]
    torch.set_num_threads(settings["threads"])
    tokenizer = AutoTokenizer.from_pretrained(order["base_model"])
    train, validation = encode(tokenizer, order["train_file"]), encode(tokenizer, order["validation_file"])
    collate = collator(tokenizer.pad_token_id, order["pad_to"])
    torch.manual_seed(order["seed"])
    model = AutoModelForCausalLM.from_pretrained(order["base_model"], dtype=torch.float32)
    model = get_peft_model(model, LoraConfig(**lora_settings(settings)))
    arguments = TrainingArguments(remove_unused_columns=False, **trainer_settings(order, len(train)))
    kind = GivenOrder if order["batches"] else Trainer
    trainer = kind(model=model, args=arguments, train_dataset=train, eval_dataset=validation, data_collator=collate)
    trainer.batches = order["batches"]
    started = time.perf_counter()
    trainer.train()
    train_seconds = time.perf_counter() - started
    model.save_pretrained("adapter")
    wall_seconds = time.perf_counter() - began
    # After the clock has stopped: the same measure for both sides.
    write_result(order, train, train_seconds, wall_seconds, validation_loss(model, validation, collate))


if __name__ == "__main__":
    main()
