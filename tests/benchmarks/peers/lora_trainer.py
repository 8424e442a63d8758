"""The guide's way: transformers.Trainer and PEFT, plainly. Run in a clean interpreter: `python -P lora_trainer.py order.json`.

Writes `peer.json`: seconds of training, tokens a second, and the validation loss measured token by token, as ours is.
"""

import json
import sys
import time
from pathlib import Path

began = time.perf_counter()

import torch  # noqa: E402
from peft import LoraConfig, get_peft_model  # noqa: E402
from transformers import AutoModelForCausalLM, AutoTokenizer, Trainer, TrainingArguments  # noqa: E402


def encode(tokenizer, path):
    rows = []
    for line in Path(path).read_text(encoding="utf-8").splitlines():
        row = tokenizer.apply_chat_template(
            json.loads(line)["messages"], return_dict=True, return_assistant_tokens_mask=True, tokenize=True
        )
        labels = [token if said else -100 for token, said in zip(row["input_ids"], row["assistant_masks"], strict=True)]
        rows.append({"input_ids": row["input_ids"], "labels": labels})
    return rows


def collator(pad_id, pad_to):
    def collate(rows):
        length = pad_to or max(len(row["input_ids"]) for row in rows)

        def padded(name, filler):
            return torch.tensor([row[name] + [filler] * (length - len(row[name])) for row in rows])

        ids = padded("input_ids", pad_id)
        lengths = torch.tensor([[len(row["input_ids"])] for row in rows])
        mask = (torch.arange(length)[None] < lengths).long()
        return {"input_ids": ids, "attention_mask": mask, "labels": padded("labels", -100)}

    return collate


@torch.no_grad()
def validation_loss(model, rows, collate):
    model.eval()
    total = tokens = 0
    for start in range(0, len(rows), 16):
        batch = collate(rows[start : start + 16])
        logits = model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).logits[:, :-1]
        labels = batch["labels"][:, 1:]
        loss = torch.nn.functional.cross_entropy(logits.transpose(1, 2), labels, ignore_index=-100, reduction="sum")
        total, tokens = total + loss.item(), tokens + int((labels != -100).sum())
    return total / tokens


def main():
    order = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    settings = order["settings"]
    torch.set_num_threads(settings["threads"])
    torch.manual_seed(order["seed"])
    tokenizer = AutoTokenizer.from_pretrained(order["base_model"])
    train, validation = encode(tokenizer, order["train_file"]), encode(tokenizer, order["validation_file"])
    collate = collator(tokenizer.pad_token_id, order["pad_to"])
    model = AutoModelForCausalLM.from_pretrained(order["base_model"], dtype=torch.float32)
    lora = LoraConfig(
        r=8, lora_alpha=32, lora_dropout=0.05, target_modules=["q_proj", "v_proj"], bias="none", task_type="CAUSAL_LM"
    )
    model = get_peft_model(model, lora)
    arguments = TrainingArguments(
        output_dir="trainer",
        num_train_epochs=settings["epochs"],
        per_device_train_batch_size=settings["batch_size"],
        per_device_eval_batch_size=settings["batch_size"],
        learning_rate=settings["learning_rate"],
        lr_scheduler_type="cosine",
        weight_decay=0.0,
        max_grad_norm=1.0,
        eval_strategy="epoch",
        save_strategy="no",
        logging_strategy="steps",
        logging_steps=1,
        report_to=[],
        seed=order["seed"],
        remove_unused_columns=False,
        disable_tqdm=True,
        use_cpu=True,
    )
    trainer = Trainer(model=model, args=arguments, train_dataset=train, eval_dataset=validation, data_collator=collate)
    started = time.perf_counter()
    trainer.train()
    seconds = time.perf_counter() - started
    model.save_pretrained("adapter")
    tokens = settings["epochs"] * sum(len(row["input_ids"]) for row in train)
    measured = {
        "train_seconds": seconds,
        "tokens_per_second": tokens / seconds,
        "wall_seconds": time.perf_counter() - began,
        # After the clock has stopped: the same measure for both sides.
        "validation_loss": validation_loss(model, validation, collate),
    }
    Path("peer.json").write_text(json.dumps(measured), encoding="utf-8")


if __name__ == "__main__":
    main()
