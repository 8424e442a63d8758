"""One training run from its order to its artefacts. Imports torch; `lora.train` has checked the order before."""

import json
import resource
import shutil
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from peft import PeftModel
from transformers import PreTrainedTokenizerBase
from transformers.utils import logging as transformers_logging

from lora.artefact import model_card, save_adapter
from lora.base_model import (
    Hardware,
    choose_hardware,
    context_length,
    load_base,
    load_tokenizer,
    stay_offline,
    threads_for,
    versions,
)
from lora.batches import collate
from lora.checkpoint import Progress
from lora.events import Events, PeerLost, StopSignal
from lora.forks import fork_group, wanted_forks
from lora.fresh_adapter import add_adapter
from lora.group import SingleProcess, launched_group
from lora.known_answers import KnownAnswers
from lora.lean_layers import use_lean_layers
from lora.loop import CHECKPOINT, Ending, Loop, Plan, measured_with
from lora.loss import LossSum, fastest_right_loss
from lora.objective import Objective, SayTheRows
from lora.preference_loss import Preference
from lora.preference_rows import Pair, read_pairs
from lora.reference import Reference
from lora.rows import RowSet, read_rows
from lora.sampling import MAX_NEW_TOKENS, Sampler
from lora.spec import Spec, fingerprint
from lora.start_adapter import go_on_from, sha256_of
from lora.templates import ChatTemplate, end_token_ids, template_of
from lora.verdict import choose

RESULT = Path("result.json")
NO_TEMPLATE = "The base model has no chat template; the engine's own (Teacher:/Student:) is used and saved."
NOT_SELECTIVE = "This architecture needs its full forward pass; training is slower than for plain decoders."
FEWER_MEASURED = (
    "Validation loss is measured with {measured:,} of the {held_out:,} rows that were kept back, the same each time, so that "
    "measuring does not take longer than learning."
)
EACH_ANSWER = (
    "The base's chat template shows an earlier answer otherwise than the newest one, so each answer is an example of its own: "
    "{examples} examples from {rows} rows."
)
NO_VALIDATION = "There are no validation rows: the last adapter is kept, and nobody can see overfitting."


@dataclass(frozen=True)
class Material:
    """What a run works on, loaded. `pairs`: of a preference run, those to train on and those held out; `train` and
    `validation` are then their preferred halves."""

    tokenizer: PreTrainedTokenizerBase
    template: ChatTemplate
    model: PeftModel
    hardware: Hardware
    train: RowSet
    validation: RowSet | None
    pad_id: int
    max_length: int
    group: SingleProcess
    pairs: tuple[list[Pair], list[Pair]] | None = None


def run_training(spec: Spec, events: Events, stop: StopSignal, began: float) -> None:
    """Train and leave `adapter/` and `result.json`. Raises EngineError, or Interrupted after saving a checkpoint."""
    transformers_logging.disable_progress_bar()
    group = join_group(spec, events)
    try:
        _train_in(group, spec, events, stop, began)
    except PeerLost as lost:
        group.explain(lost)
    finally:
        group.end()


def join_group(spec: Spec, events: Events) -> SingleProcess:
    """Who trains this run together: what a launcher started, else what is worth forking here. Sets torch's threads.

    Raises EngineError `processes_apart`. Call before torch computes anything.
    """
    threads = threads_for(spec.settings.threads)
    group = launched_group()
    if group.size == 1 and (forks := wanted_forks(spec, threads)) > 1:
        group = fork_group(forks, events)
    torch.set_num_threads(max(1, threads // group.size))
    return group


def _train_in(group: SingleProcess, spec: Spec, events: Events, stop: StopSignal, began: float) -> None:
    material = load_material(spec, events, stop, group)
    sampler = _sampler(material, stop)
    loop = _loop(spec, material, events, stop, sampler)
    _measure_reference(spec, material, loop, events)
    resumed = loop.resume()
    loop.timings.loading = time.perf_counter() - began
    events.emit(
        "started",
        total_steps=loop.plan.total_steps,
        versions=versions(),
        threads=group.size * torch.get_num_threads(),
        processes=group.size,
        from_step=loop.progress.step,
        work=loop.progress.work(),  # of earlier attempts: what their checkpoint kept
    )

    known = _known_answers(spec, material)

    def ask_before() -> None:
        _sample_before(spec, sampler, events, loop, known)

    def leave_all() -> None:
        step, verdicts = loop.progress.best_step or loop.progress.step, list[dict[str, object]]()
        if spec.verdict_questions:
            step, verdicts = choose(loop, sampler, known, spec.verdict_questions)
        _sample(spec, sampler, events, "after", loop.progress.step, loop)
        _leave_artefacts(spec, material, loop, ending, memory, began, kept_step=step, verdicts=verdicts)

    if not resumed:
        group.on_leader(ask_before)
    ending = loop.run()
    memory = group.total(_peak_memory_mb())
    group.on_leader(leave_all)


def _leave_artefacts(
    spec: Spec,
    material: Material,
    loop: Loop,
    ending: Ending,
    memory: float,
    began: float,
    *,
    kept_step: int,
    verdicts: list[dict[str, object]],
) -> None:
    metrics = _metrics(loop.progress, material, loop.plan.total_steps) | loop.timings.metrics()
    metrics |= {"peak_memory_mb": round(memory, 1), "kept_step": kept_step}
    metrics |= {"vocabulary": material.model.get_input_embeddings().num_embeddings}
    card = model_card(
        spec, material.hardware.precision, material.train, material.validation, metrics, ending, versions()
    )
    save_adapter(material.model, material.tokenizer, material.template, material.train, card, spec.base_name)
    metrics |= {"wall_seconds": round(time.perf_counter() - began, 3)}
    _write_result(spec, material, metrics, ending, loop.progress.work(), verdicts)
    shutil.rmtree(CHECKPOINT.parent)


def load_material(spec: Spec, events: Events, stop: StopSignal, group: SingleProcess | None = None) -> Material:
    """Rows first (cheap, and most often wrong), then weights. `group`: who trains together, else one process alone."""
    group = group or SingleProcess()
    base = spec.base_model
    if Path(base).is_dir():
        stay_offline()
        base = str(Path(base).resolve())  # what the adapter will name as its base
    hardware = choose_hardware(spec.settings.precision)
    tokenizer = load_tokenizer(base)
    template = template_of(tokenizer)
    if not tokenizer.chat_template:
        events.emit("note", message=NO_TEMPLATE)
    group.check(stop)
    torch.manual_seed(spec.seed)
    model = load_base(base, hardware, spec.settings.quantization)
    max_length = _max_length(spec, context_length(model), events)
    train, held_out, pairs = _read(spec, tokenizer, template, max_length)
    _note_rows(train, held_out, max_length, events)
    pad_id = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else tokenizer.eos_token_id or 0
    group.check(stop)
    if spec.start_adapter is None:
        peft_model = add_adapter(model, spec.settings)
    else:
        peft_model = go_on_from(model, Path(spec.start_adapter), base, spec.settings)
    if hardware.device.type == "cpu" and hardware.steps is torch.bfloat16:
        use_lean_layers(peft_model)
    return Material(tokenizer, template, peft_model, hardware, train, held_out, int(pad_id), max_length, group, pairs)


def _read(
    spec: Spec, tokenizer: PreTrainedTokenizerBase, template: ChatTemplate, max_length: int
) -> tuple[RowSet, RowSet | None, tuple[list[Pair], list[Pair]] | None]:
    """Rows to train on and to measure with; of a preference run their pairs too."""
    files = [Path(name) for name in (spec.train_file, spec.validation_file) if name]
    if spec.settings.training == "supervised":
        rows = [read_rows(file, tokenizer, template, max_length) for file in files]
        return rows[0], rows[1] if len(rows) > 1 else None, None
    sets = [read_pairs(file, tokenizer, template, max_length, spec.system_prompt) for file in files]
    if len(sets) == 1:
        return sets[0].preferred, None, (sets[0].pairs, [])
    return sets[0].preferred, sets[1].preferred, (sets[0].pairs, sets[1].pairs)


def _max_length(spec: Spec, context: int | None, events: Events) -> int:
    wanted = spec.settings.max_length
    if context is None or wanted <= context:
        return wanted
    events.emit(
        "note", message=f"The base model reads {context} tokens at most, so max_length {wanted} is lowered to that."
    )
    return context


def _note_rows(train: RowSet, validation: RowSet | None, max_length: int, events: Events) -> None:
    for name, rows in (("training", train), ("validation", validation)):
        if rows is not None and rows.truncated:
            cut = f"{rows.truncated} of {rows.rows}"
            events.emit("note", message=f"{cut} {name} rows were cut to {max_length} tokens.")
    if len(train.examples) > train.rows:
        events.emit("note", message=EACH_ANSWER.format(examples=len(train.examples), rows=train.rows))
    if validation is None:
        events.emit("note", message=NO_VALIDATION)


def _sampler(material: Material, stop: StopSignal) -> Sampler:
    generation = material.model.get_base_model().generation_config
    ends = end_token_ids(material.tokenizer, material.template, generation.eos_token_id if generation else None)
    return Sampler(material.tokenizer, material.template, ends, material.pad_id, material.train.system_prompt, stop)


def _loop(spec: Spec, material: Material, events: Events, stop: StopSignal, sampler: Sampler) -> Loop:
    validation = material.validation.examples if material.validation else []
    train, held_out = material.pairs or (material.train.examples, validation)
    hashes = [rows.sha256 for rows in (material.train, material.validation) if rows]
    if spec.start_adapter is not None:
        hashes.append(sha256_of(Path(spec.start_adapter)))
    plan = Plan(
        settings=spec.settings,
        seed=spec.seed,
        train=[*train],
        validation=[*held_out],
        pad_id=material.pad_id,
        max_length=material.max_length,
        fingerprint=fingerprint(spec, *hashes),
    )
    measured = measured_with(plan.validation, plan.train, plan.validations, plan.settings.epochs, plan.seed)
    if len(measured) < len(plan.validation):
        events.emit("note", message=FEWER_MEASURED.format(measured=len(measured), held_out=len(plan.validation)))
        plan = replace(plan, validation=measured)
    probe = collate(material.train.examples[:2], plan.pad_id, plan.max_length).to(material.hardware.device)
    loss_sum, selective = fastest_right_loss(material.model, probe)
    if not selective:
        events.emit("note", message=NOT_SELECTIVE)
    torch.manual_seed(spec.seed)

    def sample(step: int) -> None:
        _sample(spec, sampler, events, "during", step, loop)

    objective = _objective(spec, material, loss_sum)
    loop = Loop(plan, material.model, objective, material.hardware, events, stop, sample, material.group)
    return loop


def _objective(spec: Spec, material: Material, loss: LossSum) -> Objective:
    device = material.hardware.device
    if material.pairs is None:
        return SayTheRows(loss, material.pad_id, material.max_length, device)
    beta = spec.settings.beta
    return Preference(loss, beta, pad_id=material.pad_id, max_length=material.max_length, device=device)


def _measure_reference(spec: Spec, material: Material, loop: Loop, events: Events) -> None:
    """Of a preference run: ask the model as it is before the first step, or read what an earlier attempt asked."""
    if not isinstance(loop.objective, Preference):
        return
    plan = loop.plan
    tokens = sum(len(pair) for pair in (*plan.train, *plan.validation))
    reference = Reference(material.model, loop.objective, material.hardware, fresh=spec.start_adapter is None)
    with loop.timings.validation(tokens):
        reference.measure(
            plan.train,
            plan.validation,
            rows=spec.settings.batch_size,
            fingerprint=plan.fingerprint,
            group=material.group,
            stop=loop.stop,
        )
    loop.progress.validated_tokens += tokens  # a checkpoint that is put back after this counts it too


def _known_answers(spec: Spec, material: Material) -> KnownAnswers:
    """Of the base in all its bits: one in fewer bits says something else, and is asked."""
    path = Path(spec.known_answers) if spec.known_answers and spec.settings.quantization == "none" else None
    hardware = material.hardware
    how = {"tokens": MAX_NEW_TOKENS, "device": hardware.device.type, "dtype": str(hardware.dtype)} | versions()
    return KnownAnswers(path, how)


def _sample_before(spec: Spec, sampler: Sampler, events: Events, loop: Loop, known: KnownAnswers) -> None:
    """The sample questions, to the model as it is before its first step: the base, or the adapter that the run goes on from.

    The base's answers may be known; they are not counted as this run's work, so that the first to ask pays no more.
    """
    if spec.start_adapter is not None:
        _sample(spec, sampler, events, "before", 0, loop)
        return
    questions = spec.sample_questions

    def ask(places: list[int]) -> list[str]:
        with loop.state.model.disable_adapter():
            return _answers(sampler, loop, [questions[place] for place in places], counted=False)

    answers = known.answers([sampler.prompt(question) for question in questions], ask)
    _tell(events, loop, "before", 0, questions, answers)


def _sample(spec: Spec, sampler: Sampler, events: Events, stage: str, step: int, loop: Loop) -> None:
    _tell(events, loop, stage, step, spec.sample_questions, _answers(sampler, loop, spec.sample_questions))


def _answers(sampler: Sampler, loop: Loop, questions: Sequence[str], *, counted: bool = True) -> list[str]:
    if not questions:
        return []
    with loop.timings.answer(len(questions)):
        answers = sampler.answers(loop.state.model, questions)
    loop.progress.answers += len(questions) if counted else 0
    return answers


def _tell(events: Events, loop: Loop, stage: str, step: int, questions: Sequence[str], answers: Sequence[str]) -> None:
    work = loop.progress.work()
    for question, answer in zip(questions, answers, strict=True):
        events.emit("sample", stage=stage, step=step, question=question, answer=answer, work=work)


def _metrics(progress: Progress, material: Material, total_steps: int) -> dict[str, object]:
    return {
        "train_loss_first": progress.first_loss,
        "train_loss_last": progress.last_loss,
        "train_loss_best": progress.lowest_loss,
        "validation_loss_before": progress.first_validation,
        "validation_loss_after": progress.best_validation,
        "best_step": progress.best_step or progress.step,
        "steps": progress.step,
        "total_steps": total_steps,
        "tokens": progress.tokens,
        "tokens_per_second": round(progress.tokens / progress.seconds, 1),
        "train_seconds": round(progress.seconds, 3),
        "truncated_rows": material.train.truncated,
        "rows": material.train.rows,
        **progress.figures,
    }


def _peak_memory_mb() -> float:
    """Most memory this process held where it computes: on its GPU, else resident. ru_maxrss is in KiB, on macOS in bytes."""
    if torch.cuda.is_available():
        return round(torch.cuda.max_memory_allocated() / 2**20, 1)
    unit = 1 if sys.platform == "darwin" else 1024
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20, 1)


def _write_result(
    spec: Spec,
    material: Material,
    metrics: dict[str, object],
    ending: Ending,
    work: dict[str, int],
    verdicts: list[dict[str, object]],
) -> None:
    result = {
        "schema": 1,
        "run": spec.run,
        "versions": versions(),
        "seed": spec.seed,
        "data_sha256": material.train.sha256,
        "validation_sha256": material.validation.sha256 if material.validation else None,
        "base_model": spec.base_name or spec.base_model,
        "precision": material.hardware.precision,
        "quantization": spec.settings.quantization,
        "training": spec.settings.training,
        "start_adapter_sha256": sha256_of(Path(spec.start_adapter)) if spec.start_adapter else None,
        "system_prompt": material.train.system_prompt,
        "stopped": ending,
        "processes": material.group.size,
        "metrics": metrics,
        "work": work,
        "verdicts": verdicts,
    }
    aside = RESULT.with_suffix(".tmp")
    aside.write_text(json.dumps(result, indent=1, ensure_ascii=False), encoding="utf-8")
    aside.rename(RESULT)
