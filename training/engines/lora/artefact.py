"""What a run leaves behind: a standard PEFT folder that anybody can load, proven to say what the trained model says."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path

import msgspec
import torch
from peft import PeftModel
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from lora.events import EngineError
from lora.rows import RowSet, encode
from lora.spec import Spec
from lora.templates import ChatTemplate, template_of

ADAPTER = Path("adapter")
WEIGHTS = """It was trained on weights of the base whose safetensors hash (sha256) is `{sha256}`. Others under
the same name may answer a little otherwise.

"""
IN_BITS = """- In training the base model was held in {bits} bits (bitsandbytes). Chat and the line below use the whole base model,
  so answers may differ a little from those given in training.
"""
CARD = """---
library_name: peft
base_model: {base}
pipeline_tag: text-generation
tags: [lora, second-grade-student]
---
# {title}

A LoRA adapter that makes `{base}` answer a teacher as a second-grade student. {ending}

- Rows: {rows} training ({tokens} tokens, sha256 `{train_sha}`), {validation}
- Validation loss: {before} before, {after} after; best at step {best_step} of {steps}
- Seed: {seed}
- System line to ask it with: {system}
{bits}- The exact chat template is `chat_template.jinja`; chat must use it.

{weights}Load it with `peft.AutoPeftModelForCausalLM.from_pretrained("<this folder>")`, or, with the base in a folder of yours, with
`peft.PeftModel.from_pretrained(<the base>, "<this folder>")`. The merged download of the run needs no base beside it.

## Settings

{settings}

## Versions

{versions}
"""


def save_adapter(
    model: PeftModel,
    tokenizer: PreTrainedTokenizerBase,
    template: ChatTemplate,
    rows: RowSet,
    card: str,
    base_name: str = "",
) -> None:
    """Write `adapter/` aside, test it, rename it. `base_name`: what the base is called in it, for whoever takes it home.

    Raises EngineError `self_test_failed`, and there is no `adapter/` then.
    """
    aside = ADAPTER.with_suffix(".tmp")
    shutil.rmtree(aside, ignore_errors=True)
    model.save_pretrained(str(aside), save_embedding_layers=False)
    tokenizer.chat_template = template.source
    tokenizer.save_pretrained(str(aside))
    (aside / "README.md").write_text(card, encoding="utf-8")
    if base_name:
        _name_base(aside / "adapter_config.json", base_name)
    self_test(model, tokenizer, template, rows, aside)
    if ADAPTER.exists():
        shutil.rmtree(ADAPTER)
    aside.rename(ADAPTER)


def _name_base(path: Path, name: str) -> None:
    """In place of the folder that it was loaded from, which is on this machine only."""
    config = json.loads(path.read_text(encoding="utf-8")) | {"base_model_name_or_path": name}
    path.write_text(json.dumps(config, indent=2), encoding="utf-8")


@torch.no_grad()
def self_test(
    model: PeftModel,
    tokenizer: PreTrainedTokenizerBase,
    template: ChatTemplate,
    rows: RowSet,
    folder: Path,
) -> None:
    """Reload what was written and ask both on up to five training conversations: same tokens, same logits."""
    reloaded = AutoTokenizer.from_pretrained(str(folder))
    reloaded_template = template_of(reloaded)
    model.eval()
    model.load_adapter(str(folder), adapter_name="reloaded")
    for number, conversation in enumerate(rows.first_conversations, start=1):
        examples, again = (
            encode(conversation, tokenizer, template),
            encode(conversation, reloaded, reloaded_template),
        )
        ids = torch.tensor([examples[-1].ids[: rows.max_length]], device=model.device)
        model.set_adapter("default")
        trained = model(input_ids=ids).logits
        model.set_adapter("reloaded")
        if examples != again or not torch.allclose(
            trained, model(input_ids=ids).logits, rtol=1e-3, atol=1e-3
        ):
            raise EngineError(
                "self_test_failed",
                f"the adapter read back from disk answers training row {number} differently",
                "Check the disk, then start the run again; it goes on from its checkpoint.",
            )
    model.set_adapter("default")
    model.delete_adapter("reloaded")


def model_card(
    spec: Spec,
    precision: str,
    train: RowSet,
    validation: RowSet | None,
    metrics: Mapping[str, object],
    ending: str,
    versions: Mapping[str, str],
) -> str:
    """README.md of the adapter: where it comes from, on what, how well."""
    settings = msgspec.to_builtins(spec.settings) | {"precision": precision}
    return CARD.format(
        base=spec.base_name or spec.base_model,
        weights=WEIGHTS.format(sha256=spec.base_sha256) if spec.base_sha256 else "",
        title=f"Run {spec.run}",
        ending="Its training was ended early by a person, who kept it."
        if ending == "kept_early"
        else "",
        rows=train.rows,
        tokens=train.tokens,
        train_sha=train.sha256,
        validation=f"{validation.rows} validation (sha256 `{validation.sha256}`)"
        if validation
        else "no validation",
        before=_rounded(metrics["validation_loss_before"]),
        after=_rounded(metrics["validation_loss_after"]),
        best_step=metrics["best_step"],
        steps=metrics["total_steps"],
        seed=spec.seed,
        system="none" if train.system_prompt is None else f"`{train.system_prompt}`",
        bits=_bits(spec.settings.quantization),
        settings="\n".join(f"- {name}: {value}" for name, value in settings.items()),
        versions="\n".join(f"- {name} {number}" for name, number in versions.items()),
    )


def _bits(quantization: str) -> str:
    return (
        "" if quantization == "none" else IN_BITS.format(bits=quantization.removesuffix("bit"))
    )


def _rounded(loss: object) -> str:
    return f"{loss:.4f}" if isinstance(loss, float) else "not measured"
