"""Try a base model before it is offered: `python -P -m lora.try_base spec.json`.

A model may load, train for an hour, and then answer nothing: its template prints a thought, its layers can't be batched, its
answers have no end. So all that a run needs is done here once, small: a conversation is written out, a row is trained on, the
adapter is written and read back, and two people are answered at the same time, one with the adapter and one without.

In: `spec.json` {base, name}. Out: `progress {percent, doing}`, then `done {facts}` or `failed {code, message, fix}`.
"""

import hashlib
import json
import math
import queue
import resource
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from peft import PeftModel
from torch import Tensor
from transformers import GenerationConfig, PreTrainedTokenizerBase
from transformers.utils import logging as transformers_logging

from lora.adapters import Adapter, read_adapter
from lora.base_model import (
    OTHER_BASE,
    Hardware,
    choose_hardware,
    context_length,
    load_base,
    load_tokenizer,
    stay_offline,
    threads_for,
)
from lora.batches import collate
from lora.decoding import Ask, Broken, Decoder, Finished, Token, Told
from lora.events import EngineError, Events
from lora.fresh_adapter import add_adapter
from lora.loss import fastest_right_loss
from lora.rows import check_as_asked, encode
from lora.settled import MARK
from lora.spec import Settings
from lora.targets import EVERY, names_of
from lora.templates import ChatTemplate, Message, end_of_turn, end_token_ids, template_of
from lora.train import NO_MEMORY, is_out_of_memory
from lora.weights import weights_sha256

TALK: list[Message] = [
    {"role": "system", "content": "You are in second grade."},
    {"role": "user", "content": "What is 2 plus 3?"},
    {"role": "assistant", "content": "Um, I count on my fingers! It is 5."},
    {"role": "user", "content": "And 5 plus 1?"},
    {"role": "assistant", "content": "That is 6! I know that one."},
]
STEPS = 4
ANSWER_TOKENS = 12
ROUNDING = 0.02  # a served token's score may lie below the best one's by this share of what that is above the mean
ANSWER_SECONDS = 300.0

Tell = Callable[[int, str], None]


@dataclass(frozen=True)
class Facts:
    """What was found. `layers`: names that an adapter may be put on; `template_sha256`: of the template as it is used;
    `settled`: it needed lines before it; `each_answer`: each answer is an example of its own; `peak_mb`: of this trial."""

    family: str
    parameters: int
    context: int | None
    layers: list[str]
    end_tokens: list[str]
    template_sha256: str
    weights_sha256: str
    settled: bool
    each_answer: bool
    loss_before: float
    loss_after: float
    answer: str
    peak_mb: float
    seconds: float


def try_base(base: str, work: Path, tell: Tell) -> Facts:
    """Raises EngineError with what does not work. `work`: an empty folder, for the adapter."""
    began = time.monotonic()
    tell(5, "Reading its tokenizer and chat template")
    tokenizer = load_tokenizer(base)
    template = template_of(tokenizer)
    each_answer = _check_template(tokenizer, template)
    tell(15, "Loading its weights")
    hardware = choose_hardware("auto")
    model = load_base(base, hardware)
    layers = names_of(model)
    tell(50, "Training on one row")
    peft_model = add_adapter(model, Settings(rank=4, dropout=0.0, target_modules=(EVERY,)))
    before, after = _train(peft_model, tokenizer, template, hardware)
    tell(70, "Writing the adapter and reading it back")
    peft_model.save_pretrained(str(work / "adapter"), save_embedding_layers=False)
    adapter = read_adapter(work / "adapter", hardware.device)
    tell(80, "Answering two people at once")
    configured = model.generation_config.eos_token_id if model.generation_config else None
    answer = _answer(
        peft_model, adapter, tokenizer, template, end_token_ids(tokenizer, template, configured)
    )
    return Facts(
        family=str(model.config.get_text_config().model_type),
        parameters=sum(
            weight.numel() for name, weight in model.named_parameters() if ".lora_" not in name
        ),
        context=context_length(model),
        layers=layers,
        end_tokens=tokenizer.convert_ids_to_tokens(end_of_turn(tokenizer, template)),
        template_sha256=hashlib.sha256(template.source.encode()).hexdigest(),
        weights_sha256=weights_sha256(base),
        settled=template.source.startswith(MARK),
        each_answer=each_answer,
        loss_before=before,
        loss_after=after,
        answer=answer,
        peak_mb=_peak_mb(),
        seconds=round(time.monotonic() - began, 1),
    )


def _check_template(tokenizer: PreTrainedTokenizerBase, template: ChatTemplate) -> bool:
    """That chat asks with what training showed before each answer, and that answers end. Whether each is an example."""
    examples = encode(TALK, tokenizer, template)
    check_as_asked(TALK, examples, tokenizer, template)
    shown = tokenizer.decode(examples[-1].ids)
    for message in TALK:
        if message["content"] not in shown:
            raise EngineError(
                "template_refuses",
                f"its chat template leaves out a message of a conversation ({message['role']}: {message['content']})",
                OTHER_BASE,
            )
    if not end_of_turn(tokenizer, template):
        raise EngineError(
            "base_model_unusable",
            "its chat template puts no end mark after an answer, so no answer of it would ever end",
            OTHER_BASE,
        )
    return len(examples) > 1


def _train(
    model: PeftModel,
    tokenizer: PreTrainedTokenizerBase,
    template: ChatTemplate,
    hardware: Hardware,
) -> tuple[float, float]:
    """A few steps on the one conversation; its loss before and after. Raises EngineError where nothing is learnt."""
    examples = encode(TALK, tokenizer, template)
    pad_id = (
        tokenizer.pad_token_id
        if tokenizer.pad_token_id is not None
        else tokenizer.eos_token_id or 0
    )
    batch = collate(examples, int(pad_id), max(len(one) for one in examples)).to(hardware.device)
    loss_sum, _ = fastest_right_loss(model, batch)
    trained = [weight for weight in model.parameters() if weight.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=1e-3)
    losses = []
    model.train()
    for _ in range(STEPS):
        with hardware.autocast(hardware.steps):
            loss = loss_sum(batch) / batch.weight
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        losses.append(loss.item())
    if not all(math.isfinite(loss) for loss in losses) or losses[-1] >= losses[0]:
        said = ", ".join(f"{loss:.3f}" for loss in losses)
        raise EngineError(
            "base_model_unusable",
            f"it does not learn: its loss on one row went {said}",
            OTHER_BASE,
        )
    return losses[0], losses[-1]


def _answer(
    model: PeftModel,
    adapter: Adapter,
    tokenizer: PreTrainedTokenizerBase,
    template: ChatTemplate,
    ends: list[int],
) -> str:
    """What the adapter says, served beside somebody who asks the bare base. Raises EngineError where either answer is
    another than the one that the model itself gives."""
    short, long = (
        tokenizer(
            template.render(TALK[:turns], add_generation_prompt=True), add_special_tokens=False
        )["input_ids"]
        for turns in (2, 4)
    )
    model.eval()
    adapted = _plain_answer(model, long, ends)
    with model.disable_adapter():
        bare = _plain_answer(model, short, ends)
    decoder = Decoder(model.unload(), ends, max_batch=2, chunk=max(1, len(long) // 2))
    decoder.mixer.check(adapter)
    told = [_ask(decoder, long, adapter), _ask(decoder, short, None)]
    said = [_heard(one) for one in told]
    for served, plain in zip(said, (adapted, bare), strict=True):
        _compare(served, *plain)
    return str(tokenizer.decode(said[0], skip_special_tokens=True)).strip()


@torch.no_grad()
def _plain_answer(
    model: PeftModel, prompt: list[int], ends: list[int]
) -> tuple[list[int], list[Tensor]]:
    """The tokens that plain `generate` gives, and the logits that each was chosen from."""
    ids = torch.tensor([prompt], device=model.device)
    how = GenerationConfig(
        max_new_tokens=ANSWER_TOKENS, do_sample=False, eos_token_id=ends, pad_token_id=ends[0]
    )
    out = model.generate(
        input_ids=ids,
        attention_mask=torch.ones_like(ids),
        generation_config=how,
        output_logits=True,
        return_dict_in_generate=True,
    )
    return out.sequences[0, len(prompt) :].tolist(), [logits[0].float() for logits in out.logits]


def _ask(
    decoder: Decoder, prompt: list[int], adapter: Adapter | None
) -> "queue.SimpleQueue[Told]":
    told: queue.SimpleQueue[Told] = queue.SimpleQueue()
    decoder.ask(
        Ask(prompt, adapter, ANSWER_TOKENS, temperature=0.0, top_p=1.0, seed=None, tell=told.put)
    )
    return told


def _heard(told: "queue.SimpleQueue[Told]") -> list[int]:
    said: list[int] = []
    while True:
        try:
            one = told.get(timeout=ANSWER_SECONDS)
        except queue.Empty as silent:
            raise EngineError(
                "base_model_unusable", "it did not answer within five minutes", OTHER_BASE
            ) from silent
        if isinstance(one, Token):
            said.append(one.id)
        elif isinstance(one, Finished):
            return said
        elif isinstance(one, Broken):
            raise EngineError(
                "base_model_unusable", f"it can't be served: {one.message}", OTHER_BASE
            )


def _compare(served: list[int], plain: list[int], logits: list[Tensor]) -> None:
    """Token by token, to the first where two were about as likely as each other: rounding decides there."""
    for place, (token, scores) in enumerate(zip(plain, logits, strict=True)):
        if place < len(served) and served[place] == token:
            continue
        if place == len(served):
            return  # an end token, which the server does not pass on
        near = ROUNDING * (scores.max() - scores.mean())
        if scores[served[place]] >= scores.max() - near:
            return
        raise EngineError(
            "base_model_unusable",
            f"it says something else in chat than it learnt: token {place + 1} of its answer differs",
            OTHER_BASE,
        )


def _peak_mb() -> float:
    """Most memory that this trial held where it computed, in MiB."""
    if torch.cuda.is_available():
        return round(torch.cuda.max_memory_allocated() / 2**20, 1)
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10, 1)  # KiB on Linux


def main(spec_file: str) -> int:
    """The program. Exit code 0: `done` says the facts; 1: `failed` says what does not work."""
    transformers_logging.disable_progress_bar()
    events = Events()
    try:
        order = json.loads(Path(spec_file).read_text(encoding="utf-8"))
        if Path(order["base"]).is_dir():
            stay_offline()
        torch.set_num_threads(threads_for(0))
        facts = try_base(order["base"], Path.cwd(), events.progress)
    except EngineError as wrong:
        events.failed(wrong)
        return 1
    except Exception as wrong:  # noqa: BLE001 - a model of a kind that nobody tried: whatever goes wrong is the finding
        traceback.print_exc()
        events.failed(NO_MEMORY if is_out_of_memory(wrong) else _unknown(wrong))
        return 1
    events.emit("done", facts=asdict(facts))
    return 0


def _unknown(wrong: Exception) -> EngineError:
    said = " ".join(str(wrong).split())[:300]
    return EngineError(
        "base_model_unusable",
        f"it fails in this engine: {type(wrong).__name__}: {said}",
        OTHER_BASE,
    )


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
