"""Make one model of a base and a run's adapter, for whoever takes it home: `python -P -m lora.merge spec.json`.

In: `spec.json` {base, base_name, adapter, name, system, questions, target}. Out: `progress {percent, doing}`, then
`done {bytes, same, asked}` or `failed {code, message, fix}`. `target` is a zip: weights as safetensors in the precision of the
base's own file, tokenizer, chat template, a Modelfile for Ollama, a card. Nothing in it names a place on this machine.
"""

import json
import shutil
import sys
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import torch
from peft import PeftModel
from safetensors import safe_open
from transformers import (
    AutoTokenizer,
    GenerationConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)
from transformers.utils import logging as transformers_logging

from lora.base_model import choose_hardware, load_base, stay_offline, threads_for
from lora.events import EngineError, Events
from lora.gguf_file import can_write, write_gguf
from lora.modelfile import modelfile
from lora.templates import ChatTemplate, Message, end_of_turn, end_token_ids, template_of
from lora.train import NO_MEMORY, is_out_of_memory
from lora.weights import folder_of

MADE = Path("merged")
ANSWER_TOKENS = 40
LICENCES = ("LICENSE", "LICENSE.txt", "LICENSE.md", "NOTICE")
GGUF = "model.Q8_0.gguf"
WITH_GGUF = f"With llama.cpp or LM Studio: `{GGUF}`, in 8 bits.\n"
NO_GGUF = (
    "For llama.cpp: its own `convert_hf_to_gguf.py` reads this folder. The platform writes GGUF itself for Llama models with a "
    "byte-level BPE tokenizer only.\n"
)
CARD = """---
pipeline_tag: text-generation
tags: [second-grade-student]
---
# {name}

`{base}` and what a team taught it, in one model: it needs nothing else. It answers a teacher as a second-grade student.

```python
from transformers import AutoModelForCausalLM, AutoTokenizer

tokenizer = AutoTokenizer.from_pretrained(".")
model = {model}.from_pretrained(".")
talk = {talk}
asked = tokenizer.apply_chat_template(talk, add_generation_prompt=True, return_tensors="pt", return_dict=True)
said = model.generate(**asked, max_new_tokens=80)[0, asked["input_ids"].shape[1]:]
print(tokenizer.decode(said, skip_special_tokens=True))
```

With Ollama: `ollama create my-student -f Modelfile`, then `ollama run my-student`.
{gguf}
- Weights are in {precision}, as the base's own. {same} of {asked} test questions are answered word for word as in chat on the
  platform, where base and adapter are computed in full precision.
- The base's licence holds for this model too.
"""

Tell = Callable[[int, str], None]


class Order(msgspec.Struct, frozen=True):
    base: str
    base_name: str
    adapter: str
    name: str
    target: str
    system: str | None = None
    questions: tuple[str, ...] = ()


@dataclass(frozen=True)
class Merged:
    """Bytes of the zip, and how many of the questions asked are answered as before."""

    size: int
    same: int
    asked: int


def merge(order: Order, tell: Tell) -> Merged:
    """Raises EngineError `base_model_missing`, `base_model_unusable` or `adapter_unusable`."""
    tell(5, "Loading the base model")
    if Path(order.base).is_dir():
        stay_offline()
    model = load_base(order.base, choose_hardware("fp32"))
    tokenizer = AutoTokenizer.from_pretrained(order.adapter)
    template = template_of(tokenizer)
    ends = end_token_ids(
        tokenizer,
        template,
        model.generation_config.eos_token_id if model.generation_config else None,
    )
    tell(30, "Putting the adapter in")
    adapted = _adapted(model, order.adapter)
    talks = [_talk(order.system, question) for question in order.questions]
    before = [_answer(adapted, tokenizer, template, talk, ends) for talk in talks]
    merged: PreTrainedModel = adapted.merge_and_unload()
    dtype = _precision_of(order.base)
    merged.to(dtype)
    tell(60, "Asking it the same questions")
    after = [_answer(merged, tokenizer, template, talk, ends) for talk in talks]
    same = sum(one == other for one, other in zip(before, after, strict=True))
    tell(75, "Writing the files")
    _write(merged, tokenizer, ends)
    has_gguf = can_write(merged, tokenizer)
    if has_gguf:
        tell(80, "Writing it as GGUF")
        write_gguf(
            merged,
            tokenizer,
            template,
            end_of_turn(tokenizer, template)[0],
            order.name,
            MADE / GGUF,
        )
    end_tokens = tokenizer.convert_ids_to_tokens(ends)
    (MADE / "Modelfile").write_text(
        modelfile(template, end_tokens, order.system), encoding="utf-8"
    )
    _write_card(order, merged, same, dtype, gguf=has_gguf)
    _copy_licence(order.base)
    tell(90, "Packing")
    return Merged(_pack(Path(order.target)), same, len(talks))


def _adapted(model: PreTrainedModel, folder: str) -> PeftModel:
    try:
        return PeftModel.from_pretrained(model, folder).eval()
    except (OSError, ValueError, RuntimeError, KeyError) as wrong:
        said = " ".join(str(wrong).split())[:300]
        raise EngineError(
            "adapter_unusable",
            f"the adapter does not fit its base model: {said}",
            "Train the run again.",
        ) from wrong


def _talk(system: str | None, question: str) -> list[Message]:
    first: list[Message] = [{"role": "system", "content": system}] if system else []
    return [*first, {"role": "user", "content": question}]


@torch.no_grad()
def _answer(
    model: Any,
    tokenizer: PreTrainedTokenizerBase,
    template: ChatTemplate,
    talk: list[Message],
    ends: list[int],
) -> str:
    text = template.render(talk, add_generation_prompt=True)
    prompt = tokenizer(text, add_special_tokens=False, return_tensors="pt").to(model.device)
    how = GenerationConfig(
        max_new_tokens=ANSWER_TOKENS, do_sample=False, eos_token_id=ends, pad_token_id=ends[0]
    )
    said = model.generate(**prompt, generation_config=how)[0, prompt["input_ids"].shape[1] :]
    return str(tokenizer.decode(said, skip_special_tokens=True))


def _precision_of(base: str) -> torch.dtype:
    """Of the biggest matrix in the base's own file: full precision for a base that is kept so."""
    folder = folder_of(base)
    names = {"F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}
    for file in sorted(folder.glob("*.safetensors")) if folder else []:
        with safe_open(file, framework="pt") as weights:
            slices = [weights.get_slice(name) for name in weights.keys()]  # noqa: SIM118 - no mapping
            biggest = max(
                slices, key=lambda one: torch.Size(one.get_shape()).numel(), default=None
            )
        if biggest is not None:
            return names.get(biggest.get_dtype(), torch.float32)
    return torch.float32


def _write(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, ends: list[int]) -> None:
    shutil.rmtree(MADE, ignore_errors=True)
    if model.generation_config is not None:
        model.generation_config.eos_token_id = (
            ends  # so that plain `generate` knows where an answer ends
        )
    model.config._name_or_path = ""
    model.save_pretrained(MADE, safe_serialization=True)
    tokenizer.save_pretrained(MADE)


def _write_card(
    order: Order, model: PreTrainedModel, same: int, dtype: torch.dtype, *, gguf: bool
) -> None:
    is_plain = type(model).__name__.endswith(("ForCausalLM", "LMHeadModel"))
    card = CARD.format(
        name=order.name,
        base=order.base_name,
        model="AutoModelForCausalLM" if is_plain else type(model).__name__,
        talk=json.dumps(
            _talk(order.system, "What did you do at recess today?"), ensure_ascii=False
        ),
        precision=str(dtype).removeprefix("torch."),
        same=same,
        asked=len(order.questions),
        gguf=WITH_GGUF if gguf else NO_GGUF,
    )
    (MADE / "README.md").write_text(card, encoding="utf-8")


def _copy_licence(base: str) -> None:
    folder = folder_of(base)
    for name in LICENCES:
        if folder is not None and (folder / name).is_file():
            shutil.copyfile(folder / name, MADE / name)


def _pack(target: Path) -> int:
    """Weights hardly shrink, so nothing is compressed: the zip is as quick to make as to copy."""
    target.parent.mkdir(parents=True, exist_ok=True)
    aside = target.with_suffix(".tmp")
    with zipfile.ZipFile(aside, "w", zipfile.ZIP_STORED) as archive:
        for file in sorted(MADE.rglob("*")):
            if file.is_file():
                archive.write(file, file.relative_to(MADE).as_posix())
    aside.rename(target)
    return target.stat().st_size


def main(spec_file: str) -> int:
    """The program. Exit code 0: the zip is there; 1: `failed` says why not."""
    transformers_logging.disable_progress_bar()
    events = Events()
    try:
        order = msgspec.json.decode(Path(spec_file).read_bytes(), type=Order)
        torch.set_num_threads(threads_for(0))
        made = merge(order, events.progress)
    except EngineError as wrong:
        events.failed(wrong)
        return 1
    except (MemoryError, RuntimeError) as wrong:
        if not is_out_of_memory(wrong):
            raise
        events.failed(NO_MEMORY)
        return 1
    events.emit("done", bytes=made.size, same=made.same, asked=made.asked)
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
