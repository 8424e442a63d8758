"""TRL's own DPOTrainer on one batch: its loss and its gradients. In its own environment: `… -P dpo_trl.py spec.json`.

Twice: the reference is the base (a new adapter, the adapter off), and the adapter that training goes on from. In both the
policy is then the `moved` adapter, so that loss and gradients are not those of a first step. Writes peer.json.
"""

import json
import sys
from pathlib import Path

import torch
from peft import LoraConfig, PeftModel
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer
from trl import DPOConfig, DPOTrainer

from datasets import Dataset

DEFAULT = ".default."


def trainer_of(order, *, start):
    tokenizer = AutoTokenizer.from_pretrained(order["base_model"])
    model = AutoModelForCausalLM.from_pretrained(order["base_model"], dtype=torch.float32)
    more = {}
    if start:
        model = PeftModel.from_pretrained(model, order["start"], is_trainable=True)
    else:
        more["peft_config"] = LoraConfig(
            r=order["rank"], lora_alpha=order["alpha"], target_modules=order["modules"], task_type="CAUSAL_LM"
        )
    lines = Path(order["pairs"]).read_text(encoding="utf-8").splitlines()
    pairs = [
        {"prompt": row["input"]["messages"], "chosen": row["preferred_output"], "rejected": row["non_preferred_output"]}
        for row in map(json.loads, lines)
    ]
    arguments = DPOConfig(
        output_dir="trainer",
        beta=order["beta"],
        per_device_train_batch_size=len(pairs),
        bf16=False,
        gradient_checkpointing=False,
        use_cpu=True,
        report_to=[],
    )
    return DPOTrainer(
        model=model, args=arguments, train_dataset=Dataset.from_list(pairs), processing_class=tokenizer, **more
    )


def put(model, folder):
    """The adapter's weights in place of those of `default`."""
    weights = load_file(Path(folder) / "adapter_model.safetensors")
    parameters = dict(model.named_parameters())
    for name, tensor in weights.items():
        parameters[name.replace(".weight", f"{DEFAULT}weight")].data.copy_(tensor)


def measured(order, *, start):
    trainer = trainer_of(order, start=start)
    put(trainer.model, order["moved"])
    # In the order of the file, whatever its sampler would draw.
    examples = [trainer.train_dataset[number] for number in range(len(trainer.train_dataset))]
    batch = trainer._prepare_inputs(trainer.data_collator(examples))
    trainer.model.train()
    loss = trainer.compute_loss(trainer.model, batch)
    loss.backward()
    gradients = {
        name.replace(DEFAULT, "."): parameter.grad.flatten().tolist()
        for name, parameter in trainer.model.named_parameters()
        if parameter.requires_grad and DEFAULT in name
    }
    metrics = {name: values[-1] for name, values in trainer._metrics["train"].items() if name.startswith("rewards/")}
    return {"loss": loss.item(), "gradients": gradients, "rewards": metrics}, examples


def main():
    order = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    torch.set_num_threads(1)
    base, examples = measured(order, start=False)
    start, _ = measured(order, start=True)
    tokens = [[one["prompt_ids"], one["chosen_ids"], one["rejected_ids"]] for one in examples]
    content = {"tokens": tokens, "base": base, "start": start}
    Path("peer.json").write_text(json.dumps(content), encoding="utf-8")


if __name__ == "__main__":
    main()
