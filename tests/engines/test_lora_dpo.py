"""Preference training: TRL's loss and gradients, the reference asked once, and a run that goes on as if nothing had been."""

import json
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.engines import dpo_batch
from tests.engines.conftest import EngineProcess, LoraRun, engine_environment, row, write_rows

pytest.importorskip("torch")
CLOSE = 1e-5
TRL: dict[str, Any] = json.loads(dpo_batch.FROZEN.read_text(encoding="utf-8"))


class Batch:
    """The batch of `dpo_batch` in our engine: the reference asked as a run asks it, then the policy moved."""

    def __init__(self, folder: Path, base: Path, *, start: bool) -> None:
        import torch
        from lora.base_model import choose_hardware, load_base, load_tokenizer
        from lora.batches import collate
        from lora.fresh_adapter import add_adapter
        from lora.group import SingleProcess
        from lora.loss import fastest_right_loss
        from lora.preference_loss import Preference
        from lora.preference_rows import read_pairs
        from lora.reference import Reference
        from lora.spec import Settings
        from lora.start_adapter import go_on_from
        from lora.templates import template_of
        from safetensors.torch import load_file

        dpo_batch.write_all(folder, base)
        settings = Settings(
            rank=dpo_batch.RANK,
            alpha=dpo_batch.ALPHA,
            target_modules=dpo_batch.MODULES,
            dropout=0.0,
            training="dpo",
            beta=dpo_batch.BETA,
        )
        hardware, tokenizer = choose_hardware("fp32"), load_tokenizer(str(base))
        self.model = load_base(str(base), hardware)
        self.peft = (
            go_on_from(self.model, folder / "start", str(base), settings)
            if start
            else add_adapter(self.model, settings)
        )
        self.pairs = read_pairs(folder / "pairs.jsonl", tokenizer, template_of(tokenizer), 512).pairs
        loss, self.selective = fastest_right_loss(self.peft, collate([self.pairs[0].chosen], 0, 512))
        self.objective = Preference(loss, settings.beta, pad_id=0, max_length=512, device=torch.device("cpu"))
        reference = Reference(self.peft, self.objective, hardware, fresh=not start)
        reference.measure(self.pairs, [], rows=2, fingerprint="test", group=SingleProcess(), stop=never())
        parameters = dict(self.peft.named_parameters())
        for name, tensor in load_file(folder / "moved" / "adapter_model.safetensors").items():
            parameters[name.replace(".weight", ".default.weight")].data.copy_(tensor)

    def loss(self) -> float:
        """With the gradients left in the model."""
        batch = self.objective.collate(self.pairs)
        mean = self.objective.loss_sum(batch) / batch.weight
        mean.backward()
        return mean.item()

    def gradients(self) -> dict[str, list[float]]:
        return {
            name.replace(".default.", "."): parameter.grad.flatten().tolist()
            for name, parameter in self.peft.named_parameters()
            if parameter.grad is not None
        }


def never() -> Any:
    """A stop signal that nobody gives, and that leaves this process's signals alone."""
    from lora.events import StopSignal

    class Never(StopSignal):
        def __init__(self) -> None:
            self.requested = False

    return Never()


def written_out(batch: Batch, start: Path | None) -> Any:
    """TRL's formula, written out over whole logits: -log sigmoid(beta * (chosen log-ratio - rejected log-ratio)), the mean
    over the pairs; log-probabilities summed over the tokens of an answer."""
    import torch
    import torch.nn.functional as F

    def log_prob(example: Any) -> Any:
        ids = torch.tensor([example.ids])
        spoken = F.log_softmax(batch.peft(input_ids=ids).logits[0, :-1], dim=-1)
        each = spoken.gather(1, ids[0, 1:, None])[:, 0]
        return each[torch.tensor(example.trained[1:])].sum()

    def log_probs() -> Any:
        return torch.stack([torch.stack([log_prob(pair.chosen), log_prob(pair.rejected)]) for pair in batch.pairs])

    with torch.no_grad():
        reference = _with_weights(batch, start, log_probs) if start else _without_adapter(batch, log_probs)
    ratios = log_probs() - reference
    return -F.logsigmoid(dpo_batch.BETA * (ratios[:, 0] - ratios[:, 1])).mean()


def _without_adapter(batch: Batch, ask: Any) -> Any:
    with batch.peft.disable_adapter():
        return ask()


def _with_weights(batch: Batch, folder: Path, ask: Any) -> Any:
    from peft import get_peft_model_state_dict, set_peft_model_state_dict
    from safetensors.torch import load_file

    moved = {name: tensor.clone() for name, tensor in get_peft_model_state_dict(batch.peft).items()}
    set_peft_model_state_dict(batch.peft, load_file(folder / "adapter_model.safetensors"))
    asked = ask()
    set_peft_model_state_dict(batch.peft, moved)
    return asked


@pytest.fixture(params=["base", "start"])
def case(request: pytest.FixtureRequest) -> str:
    """What the reference is: the base, or the adapter that training goes on from."""
    return str(request.param)


@pytest.fixture
def batch(case: str, tiny_base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Batch:
    monkeypatch.chdir(tmp_path)  # where the reference is kept
    return Batch(tmp_path, tiny_base, start=case == "start")


def test_the_tokens_are_those_that_trl_trains_on(batch: Batch) -> None:
    ours = []
    for pair in batch.pairs:
        prompt = pair.chosen.trained.index(True)
        assert pair.chosen.ids[:prompt] == pair.rejected.ids[:prompt]
        ours.append([pair.chosen.ids[:prompt], pair.chosen.ids[prompt:], pair.rejected.ids[prompt:]])
    assert ours == TRL["tokens"]


def test_loss_and_gradients_are_trls(batch: Batch, case: str) -> None:
    assert batch.loss() == pytest.approx(TRL[case]["loss"], abs=CLOSE)
    ours = batch.gradients()
    assert ours.keys() == TRL[case]["gradients"].keys()
    for name, theirs in TRL[case]["gradients"].items():
        assert ours[name] == pytest.approx(theirs, abs=CLOSE), name
    largest = max(abs(one) for theirs in TRL[case]["gradients"].values() for one in theirs)
    assert largest > 1000 * CLOSE, "the comparison could see a difference"


def test_loss_and_gradients_are_the_formulas(batch: Batch, case: str, tmp_path: Path) -> None:
    ours, gradients = batch.loss(), batch.gradients()
    batch.peft.zero_grad()
    plain = written_out(batch, tmp_path / "start" if case == "start" else None)
    plain.backward()
    assert ours == pytest.approx(plain.item(), abs=CLOSE)
    for name, theirs in batch.gradients().items():
        assert gradients[name] == pytest.approx(theirs, abs=CLOSE), name


def test_rewards_are_trls(batch: Batch, case: str) -> None:
    from lora.group import SingleProcess

    batch.loss()
    said = batch.objective.figures(SingleProcess())
    theirs = TRL[case]["rewards"]
    names = {"accuracy": "accuracies", "margin": "margins", "chosen": "chosen", "rejected": "rejected"}
    for ours, trls in names.items():
        assert said[f"reward_{ours}"] == pytest.approx(theirs[f"rewards/{trls}"], abs=CLOSE), ours
    assert batch.objective.figures(SingleProcess()) == {}, "counted once"


# Whole runs


def pairs(count: int, first: int = 0) -> list[dict[str, Any]]:
    """Sums, answered by a child rather than by a book."""
    made = []
    for number in range(first, first + count):
        a, b = 1 + number % 9, 1 + number // 9 % 9
        good = f"Um, I count on my fingers! It is {a + b}."
        made.append(dpo_batch.row(f"What is {a} plus {b}?", good, f"The sum is {a + b}. " * (1 + number % 3)))
    return made


@pytest.fixture
def dpo_run(tmp_path: Path, tiny_base: Path, warm_lora: str) -> LoraRun:
    """24 pairs to train on, 6 held out, in batches of 4: 18 steps of three epochs."""
    return make_dpo_run(tmp_path, tiny_base, warm_lora)


def make_dpo_run(folder: Path, base: Path, warm_socket: str) -> LoraRun:
    write_rows(folder / "train.jsonl", pairs(24))
    write_rows(folder / "validation.jsonl", pairs(6, first=40))
    spec = {
        "schema": 1,
        "run": "a run on pairs",
        "seed": 5,
        "train_file": "train.jsonl",
        "validation_file": "validation.jsonl",
        "base_model": str(base),
        "sample_questions": ["What is 2 plus 3?"],
        "settings": {"training": "dpo", "learning_rate": 0.01, "batch_size": 4, "threads": 1, "dropout": 0},
    }
    return LoraRun(folder, spec, engine_environment(LORA_WARM_SOCKET=warm_socket))


@pytest.fixture(scope="module")
def unbroken(
    tmp_path_factory: pytest.TempPathFactory, tiny_base: Path, warm_lora: str
) -> tuple[LoraRun, EngineProcess]:
    run = make_dpo_run(tmp_path_factory.mktemp("pairs"), tiny_base, warm_lora)
    return run, run.run()


def test_a_run_learns_to_prefer(unbroken: tuple[LoraRun, EngineProcess]) -> None:
    run, engine = unbroken
    validations = engine.named("validation")
    assert validations[0]["loss"] == pytest.approx(0.6931, abs=1e-4), "before the first step nothing is preferred"
    assert validations[0]["reward_margin"] == pytest.approx(0, abs=1e-4)
    assert validations[-1]["loss"] < 0.4
    assert validations[-1]["reward_accuracy"] == 1
    first, *_, last = engine.named("step")
    assert last["reward_margin"] > first["reward_margin"] + 0.5
    assert run.result["metrics"]["reward_accuracy"] == 1
    assert run.result["training"] == "dpo"
    asked = {(event["stage"], event["answer"]) for event in engine.named("sample")}
    assert {stage for stage, _ in asked} == {"before", "after"}


def test_the_work_of_the_reference_is_counted_once(unbroken: tuple[LoraRun, EngineProcess]) -> None:
    run, engine = unbroken
    (started,) = engine.named("started")
    reference = started["work"]["validation_tokens"]
    held_out = (run.result["work"]["validation_tokens"] - reference) / len(engine.named("validation"))
    assert reference == run.result["metrics"]["tokens"] / 3 + held_out, "each pair once, those held out too"


@pytest.mark.parametrize("how", ["asked to leave", "killed"])
def test_a_broken_run_ends_like_an_unbroken_one(
    how: str, dpo_run: LoraRun, unbroken: tuple[LoraRun, EngineProcess]
) -> None:
    whole, told = unbroken
    dpo_run.spec["settings"]["save_every"] = 1 if how == "killed" else 0
    engine = dpo_run.start()
    engine.until_step(5)
    engine.process.send_signal(signal.SIGTERM if how == "asked to leave" else signal.SIGKILL)
    assert engine.finish() == (143 if how == "asked to leave" else -signal.SIGKILL)
    kept = (dpo_run.folder / "checkpoint" / "reference.json").read_bytes()
    again = dpo_run.start()
    again.until_step(7)
    assert (dpo_run.folder / "checkpoint" / "reference.json").read_bytes() == kept, "it was not asked again"
    assert again.finish() == 0, again.log.read_text()
    (started,) = again.named("started")
    assert started["from_step"] >= 4
    curve = {event["step"]: (event["loss"], event["reward_margin"]) for event in told.named("step")}
    for event in again.named("step"):
        assert (event["loss"], event["reward_margin"]) == curve[event["step"]]
    assert dpo_run.weights == whole.weights
    ours, theirs = dpo_run.result["work"], whole.result["work"]
    assert ours | {"saves": 0} == theirs | {"saves": 0}, "what it is charged for"


def test_it_goes_on_from_a_supervised_adapter(
    dpo_run: LoraRun, finished_run: tuple[LoraRun, EngineProcess], unbroken: tuple[LoraRun, EngineProcess]
) -> None:
    supervised, taught = finished_run
    dpo_run.spec |= {"start_adapter": str(supervised.folder / "adapter"), "system_prompt": "You are in second grade."}
    engine = dpo_run.run()
    before = [event["answer"] for event in engine.named("sample") if event["stage"] == "before"]
    after = [event["answer"] for event in taught.named("sample") if event["stage"] == "after"]
    assert engine.named("validation")[0]["loss"] == pytest.approx(0.6931, abs=1e-4), "the adapter is its own reference"
    assert dpo_run.result["start_adapter_sha256"]
    assert dpo_run.result["system_prompt"] == "You are in second grade."
    config = json.loads((dpo_run.folder / "adapter" / "adapter_config.json").read_text())
    start = json.loads((supervised.folder / "adapter" / "adapter_config.json").read_text())
    assert (config["r"], config["target_modules"]) == (start["r"], start["target_modules"])
    assert dpo_run.weights not in (supervised.weights, unbroken[0].weights)
    assert before
    assert after


def test_before_is_what_the_start_adapter_says(dpo_run: LoraRun, finished_run: tuple[LoraRun, EngineProcess]) -> None:
    supervised, taught = finished_run
    dpo_run.spec["start_adapter"] = str(supervised.folder / "adapter")
    engine = dpo_run.start()
    engine.until_step(1)
    engine.process.kill()
    engine.finish()
    before = [event["answer"] for event in engine.named("sample") if event["stage"] == "before"]
    assert before == [event["answer"] for event in taught.named("sample") if event["stage"] == "after"]


def test_two_processes_prefer_alike(dpo_run: LoraRun, unbroken: tuple[LoraRun, EngineProcess]) -> None:
    _, told = unbroken
    dpo_run.spec["settings"]["threads"] = 2
    engine = dpo_run.run()
    assert engine.named("started")[0]["processes"] == 2
    for ours, theirs in zip(engine.named("step")[:6], told.named("step")[:6], strict=True):
        for name in ("loss", "reward_margin", "reward_accuracy", "tokens"):
            assert ours[name] == pytest.approx(theirs[name], rel=1e-2, abs=1e-2), name


# Bad input


GOOD = dpo_batch.row("What is 1 plus 1?", "Um, it is 2!", "Two.")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            {"non_preferred_output": GOOD["preferred_output"]},
            "line 2: the preferred and the rejected answer are the same",
        ),
        (
            {"non_preferred_output": [{"role": "user", "content": "And 3?"}, {"role": "assistant", "content": "3."}]},
            "line 2: non_preferred_output holds more than the student's answer: both answers must follow the same prompt",
        ),
        ({"input": {"messages": []}}, 'line 2: needs "input.messages"'),
        (
            {"input": {"messages": row("Hello", "Hi")["messages"]}},
            "line 2: the prompt must end with what the teacher says",
        ),
        ({"preferred_output": []}, 'line 2: needs "preferred_output"'),
        (
            {"input": {"messages": [{"role": "user", "content": "so many words " * 300}]}},
            "line 2: the prompt alone fills",
        ),
    ],
)
def test_a_bad_pair_is_named_in_one_sentence(dpo_run: LoraRun, change: dict[str, Any], said: str) -> None:
    write_rows(dpo_run.folder / "train.jsonl", [GOOD, GOOD | change, *pairs(6)])
    engine = dpo_run.start()
    assert engine.finish() == 1
    (failed,) = engine.named("failed")
    assert failed["code"] == "rows_unusable"
    assert said in failed["message"]


def test_a_start_adapter_that_is_gone_or_of_another_base_is_refused(
    dpo_run: LoraRun, tmp_path: Path, tiny_base: Path
) -> None:
    dpo_run.spec["start_adapter"] = str(tmp_path / "gone" / "adapter")
    engine = dpo_run.start()
    assert engine.finish() == 1
    assert engine.named("failed")[0]["code"] == "start_adapter_unusable"
    dpo_batch.write_adapter(tmp_path / "wide" / "adapter", tiny_base, seed=3)
    config = tmp_path / "wide" / "adapter" / "adapter_config.json"
    config.write_text(config.read_text().replace('"r": 2', '"r": 3'))
    dpo_run.spec["start_adapter"] = str(tmp_path / "wide" / "adapter")
    engine = dpo_run.start()
    assert engine.finish() == 1
    assert engine.named("failed")[0]["code"] == "start_adapter_unusable"


def test_a_setting_at_its_default_makes_no_other_order(tiny_base: Path) -> None:
    from lora.spec import Settings, Spec, fingerprint

    spec = Spec(schema=1, run="one", seed=1, train_file="rows", base_model=str(tiny_base))
    same = Spec(schema=1, run="one", seed=1, train_file="rows", base_model=str(tiny_base), settings=Settings(rank=8))
    other = Spec(schema=1, run="one", seed=1, train_file="rows", base_model=str(tiny_base), settings=Settings(rank=9))
    pairs = Spec(
        schema=1, run="one", seed=1, train_file="rows", base_model=str(tiny_base), settings=Settings(training="dpo")
    )
    assert fingerprint(spec, "a") == fingerprint(same, "a")
    assert len({fingerprint(one, "a") for one in (spec, other, pairs)} | {fingerprint(spec, "b")}) == 4
