"""Builds the tiny base model: makes the text, learns the tokenizer, trains, measures, writes a Hugging Face folder.

Run from anywhere: `PYTHONPATH=training/engines python -P -m tiny_student.build --out training/base_models/tiny-student`.
The same seed, steps, size and threads on the same kind of machine give the same weights.
"""

import argparse
import json
import os
import shutil
import time
from pathlib import Path

import torch
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    GenerationConfig,
    LlamaForCausalLM,
    PreTrainedTokenizerFast,
)

from tiny_student.conversations import conversations
from tiny_student.measure import SAMPLE_QUESTIONS, addition_accuracy, answers, ask
from tiny_student.pretrain import SHAPES, Plan, new_model, pretrain
from tiny_student.tokens import train_tokenizer

TOKENIZER_TALKS = 12_000


def parse_arguments() -> argparse.Namespace:
    """Return the command line's choices."""
    parser = argparse.ArgumentParser(
        prog="tiny_student.build", description="Train the tiny base model from text it makes."
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--steps", type=int, default=1400)
    parser.add_argument("--size", choices=sorted(SHAPES), default="3M")
    parser.add_argument("--vocabulary", type=int, default=1536)
    parser.add_argument("--threads", type=int, default=max(1, (os.cpu_count() or 1)))
    parser.add_argument(
        "--rate",
        type=float,
        default=0.02,
        help="peak learning rate of the matrices; a fifth for the rest",
    )
    parser.add_argument(
        "--start-from", type=Path, help="folder of an earlier build to train further"
    )
    parser.add_argument("--out", type=Path, required=True)
    return parser.parse_args()


def print_progress(step: int, loss: float, rate: float) -> None:
    """Print one line of progress."""
    print(f"step {step}: loss {loss:.4f}, {rate:,.0f} tokens/s", flush=True)


def write_folder(
    folder: Path,
    model: LlamaForCausalLM,
    tokenizer: PreTrainedTokenizerFast,
    facts: dict[str, object],
) -> None:
    """Write model (fp16), tokenizer, template and build facts under a temporary name, then move the files to `folder`."""
    aside = folder.with_name(folder.name + ".new")
    shutil.rmtree(aside, ignore_errors=True)
    model.generation_config = GenerationConfig(
        do_sample=False,
        max_new_tokens=120,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    model.to(torch.float16).save_pretrained(aside)
    config = json.loads((aside / "config.json").read_text(encoding="utf-8"))
    config["dtype"] = (
        "float32"  # small on disk, exact and fast in memory: processors without fp16 arithmetic load it as fp32
    )
    (aside / "config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
    (aside / "model.safetensors").chmod(0o644)
    tokenizer.save_pretrained(aside)
    (aside / "build.json").write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
    folder.mkdir(parents=True, exist_ok=True)
    for file in aside.iterdir():
        file.replace(folder / file.name)
    aside.rmdir()


def starting_point(
    chosen: argparse.Namespace,
) -> tuple[PreTrainedTokenizerFast, LlamaForCausalLM]:
    """Return tokenizer and model to train: new ones, or those of an earlier build that is to be trained further."""
    if chosen.start_from:
        tokenizer = AutoTokenizer.from_pretrained(chosen.start_from)
        return tokenizer, AutoModelForCausalLM.from_pretrained(
            chosen.start_from, dtype=torch.float32
        )
    talks = conversations(chosen.seed + 77, TOKENIZER_TALKS)
    tokenizer = train_tokenizer(
        (message["content"] for talk in talks for message in talk), chosen.vocabulary
    )
    return tokenizer, new_model(SHAPES[chosen.size], tokenizer)


def main() -> None:
    """Build the model and print what it can do."""
    chosen = parse_arguments()
    torch.set_num_threads(chosen.threads)
    began = time.perf_counter()
    torch.manual_seed(chosen.seed)
    tokenizer, model = starting_point(chosen)
    plan = Plan(chosen.steps, chosen.seed, matrix_rate=chosen.rate, other_rate=chosen.rate / 5)
    model = pretrain(tokenizer, model, plan, print_progress)
    seconds = time.perf_counter() - began
    accuracy = addition_accuracy(model, tokenizer)
    facts: dict[str, object] = {
        "seed": chosen.seed,
        "steps": chosen.steps,
        "rate": chosen.rate,
        "size": chosen.size,
        "threads": chosen.threads,
        "parameters": sum(p.numel() for p in model.parameters()),
        "seconds": round(seconds),
        "held_out_addition": round(accuracy, 3),
        "torch": torch.__version__,
    }
    print(json.dumps(facts), flush=True)
    for question, said in zip(
        SAMPLE_QUESTIONS,
        answers(model, tokenizer, [ask(q) for q in SAMPLE_QUESTIONS]),
        strict=True,
    ):
        print(f"  {question} -> {said}", flush=True)
    write_folder(chosen.out, model, tokenizer, facts)


if __name__ == "__main__":
    main()
