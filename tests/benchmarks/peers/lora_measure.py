"""What the peers share: our rows as token ids, and one measure of loss for every side. No code of ours is imported."""

import json
from pathlib import Path

import torch

GUIDE = {"bias": "none", "task_type": "CAUSAL_LM"}
GUIDES_LAYERS = ["q_proj", "v_proj"]


def lora_settings(settings):
    """The guide's, where the order does not say otherwise."""
    layers = settings.get("target_modules", GUIDES_LAYERS)
    sizes = {"r": settings.get("rank", 8), "lora_alpha": settings.get("alpha", 32)}
    modules = "all-linear" if layers == ["all-linear"] else layers
    return GUIDE | sizes | {"target_modules": modules, "lora_dropout": settings["dropout"]}


def trainer_settings(order, rows):
    """What ours is told too: AdamW, warm-up and cosine, clipping at 1, a measurement each epoch."""
    settings = order["settings"]
    steps = settings["epochs"] * -(-rows // settings["batch_size"])
    return {
        "output_dir": "trainer",
        "num_train_epochs": settings["epochs"],
        "per_device_train_batch_size": settings["batch_size"],
        "per_device_eval_batch_size": 2 * settings["batch_size"],
        "learning_rate": settings["learning_rate"],
        "lr_scheduler_type": "cosine",
        "warmup_steps": round(steps * settings["warmup_ratio"]),
        "weight_decay": 0.0,
        "max_grad_norm": 1.0,
        "eval_strategy": "epoch",
        "save_strategy": "no",
        "logging_strategy": "steps",
        "logging_steps": 1,
        "report_to": [],
        "seed": order["seed"],
        "disable_tqdm": True,
        "use_cpu": True,
        "bf16": order.get("peer_bf16", False),
        "gradient_checkpointing": False,
    }


def read_rows(path):
    return [json.loads(line) for line in Path(path).read_text(encoding="utf-8").splitlines()]


def encode(tokenizer, path):
    rows = []
    for one in read_rows(path):
        row = tokenizer.apply_chat_template(
            one["messages"], return_dict=True, return_assistant_tokens_mask=True, tokenize=True
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
    """Mean over the assistant's tokens of all rows, token by token, as ours measures it."""
    model.eval()
    total = tokens = 0
    for start in range(0, len(rows), 16):
        batch = collate(rows[start : start + 16])
        logits = model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).logits[:, :-1]
        labels = batch["labels"][:, 1:]
        loss = torch.nn.functional.cross_entropy(logits.transpose(1, 2), labels, ignore_index=-100, reduction="sum")
        total, tokens = total + loss.item(), tokens + int((labels != -100).sum())
    return total / tokens


def write_result(order, rows, train_seconds, wall_seconds, loss):
    tokens = order["settings"]["epochs"] * sum(len(row["input_ids"]) for row in rows)
    measured = {
        "train_seconds": train_seconds,
        "tokens_per_second": tokens / train_seconds,
        "wall_seconds": wall_seconds,
        "validation_loss": loss,
    }
    Path("peer.json").write_text(json.dumps(measured), encoding="utf-8")
