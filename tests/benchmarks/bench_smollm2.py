"""The base model that every course starts from, on this machine: how fast it learns a hundred rows, and how fast it answers.

`lora_smollm2_100_vs_limit`: the products of training (four operations for each weight of the layers and each token: forward,
and back to the inputs; the vocabulary for trained tokens only; the adapter's own left out) a second of training, beside what
bare bf16 products of a layer's shape reach with as many threads, measured right before and after. The ratio is the share of
that limit; 0.6 is wanted.
`lora_smollm2_100_vs_trl`: a whole run, from starting the process to the saved adapter, beside TRL's SFTTrainer in bf16, its
own default, on the same rows with the same adapter. 3 is wanted, at equal validation loss.
`serve_smollm2_*`: the model server's decoder with an adapter, beside `generate` of plain transformers and PEFT, in turn in one
process (`peers/serve_smollm2.py`). Wanted: twice as many tokens a second for one user, six times as many at eight, the first
token within 1 s alone and within 3 s (median) at 32, and a short question beside a long prompt as soon as alone and a second.

`SMOLLM2_THREADS=1` for a machine that is busy otherwise: there two threads wait for each other.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.benchmarks.bench_personas import recommended_here
from tests.benchmarks.lora_sides import ENGINES, PEERS, Measured, engine_environment, faster, make_order, ours, peer
from tests.benchmarks.lora_sides import preload_server as warm_parent_in

ROWS, HELD_OUT, EPOCHS, BATCH, RANK = 100, 20, 3, 8, 16
BENCH_PYTHON = Path(__file__).resolve().parents[2] / ".venv-bench" / "bin" / "python"
THREADS = int(os.environ.get("SMOLLM2_THREADS", len(os.sched_getaffinity(0))))
LIMIT_PROGRAM = """
import sys, time, torch
torch.set_num_threads(int(sys.argv[1]))
x, weight = torch.randn(400, 576).bfloat16(), torch.randn(1536, 576).bfloat16()
best = 0.0
with torch.inference_mode():
    for _ in range(40):
        began = time.perf_counter()
        for _ in range(20):
            torch.nn.functional.linear(x, weight)
        best = max(best, 20 * 2 * x.numel() * weight.shape[0] / (time.perf_counter() - began))
print(best / 1e9)
"""
# ChatML as the base has it, with the marks by which TRL finds what the assistant says.
TEMPLATE = """{%- for message in messages %}
{{- '<|im_start|>' + message['role'] + '\\n' }}
{%- if message['role'] == 'assistant' %}{% generation %}{{- message['content'] + '<|im_end|>' }}{% endgeneration %}
{%- else %}{{- message['content'] + '<|im_end|>' }}{%- endif %}
{{- '\\n' }}
{%- endfor %}
{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{%- endif %}"""


def measure() -> dict[str, Measured]:
    """The table's rows; ratio > 1 = ours better, but for the limit, where it is the share of it that is reached."""
    with tempfile.TemporaryDirectory(prefix="bench-smollm2-") as name:
        folder = Path(name)
        base, recommended = recommended_here(ROWS)
        marked = _with_marks(base, folder / "smollm2")
        settings: Measured = {"epochs": EPOCHS, "batch_size": BATCH, "rank": RANK, "alpha": 32, "threads": THREADS}
        settings |= {"learning_rate": recommended["learning_rate"], "target_modules": ["all-linear"]}
        order = make_order(folder, ROWS, HELD_OUT, base=marked, **settings) | {"peer_bf16": True}
        with warm_parent_in(folder) as warm:
            limit = [_limit()]
            run = ours(folder / "ours", {name: one for name, one in order.items() if name != "peer_bf16"}, **warm)
            limit.append(_limit())
        table = {"lora_smollm2_100_vs_limit": _share(run, marked, statistics.mean(limit))}
        if BENCH_PYTHON.exists():
            trl = peer("lora_trl.py", folder / "trl", order, python=str(BENCH_PYTHON))
            table["lora_smollm2_100_vs_trl"] = faster([run], [trl])
        else:
            print(f"{BENCH_PYTHON} is missing, so TRL is not measured. Run: make .venv-bench/.ready")
        return table | _serving(marked, folder / "ours" / "adapter", folder)


def _with_marks(base: Path, folder: Path) -> Path:
    folder.mkdir()
    for file in base.iterdir():
        (folder / file.name).symlink_to(file.resolve())
    for name in ("chat_template.jinja", "tokenizer_config.json"):
        (folder / name).unlink(missing_ok=True)
    configuration = json.loads((base / "tokenizer_config.json").read_text(encoding="utf-8"))
    configuration.pop("chat_template", None)
    (folder / "tokenizer_config.json").write_text(json.dumps(configuration), encoding="utf-8")
    (folder / "chat_template.jinja").write_text(TEMPLATE, encoding="utf-8")
    return folder


def _limit() -> float:
    """GFLOP/s of bare bf16 products."""
    command = [sys.executable, "-c", LIMIT_PROGRAM, str(THREADS)]
    return float(subprocess.run(command, capture_output=True, text=True, check=True, env=engine_environment()).stdout)


def _share(run: Measured, base: Path, limit: float) -> Measured:
    """What the steps of a run computed a second, beside the limit."""
    config = json.loads((base / "config.json").read_text(encoding="utf-8"))
    hidden, inner, layers = config["hidden_size"], config["intermediate_size"], config["num_hidden_layers"]
    heads, shared = config["num_attention_heads"], config["num_key_value_heads"]
    attention = hidden * hidden * (2 + 2 * shared / heads)
    weights = layers * (attention + 3 * hidden * inner)
    reached = 4 * weights * run["tokens_per_second"] / 1e9
    row = {"ours": round(reached), "peer": round(limit), "unit": "GFLOP/s", "ratio": round(reached / limit, 3)}
    return row | {"tokens_per_second": run["tokens_per_second"], "wall_seconds": round(run["wall_seconds"], 1)}


def _serving(base: Path, adapter: Path, folder: Path) -> dict[str, Measured]:
    order = {"base": str(base), "adapter": str(adapter), "threads": THREADS}
    said = subprocess.run(
        [sys.executable, "-P", str(PEERS / "serve_smollm2.py"), json.dumps(order)],
        cwd=folder,
        env=engine_environment(PYTHONPATH=str(ENGINES)),
        capture_output=True,
        text=True,
        check=False,
    )
    if said.returncode:
        raise RuntimeError(said.stderr[-2000:])
    found = json.loads(said.stdout.splitlines()[-1])
    plain = found["generate"]
    rows = {
        f"serve_smollm2_{users}_vs_generate": _row(found["tokens"][str(users)], plain, "tokens/s")
        for users in (1, 8, 32)
    }
    return rows | {
        "serve_smollm2_first_token_alone": _sooner(found["first_alone"], 1.0),
        "serve_smollm2_first_token_32": _sooner(found["first_32"], 3.0),
        "serve_smollm2_short_beside_long": _sooner(found["short_beside_long"], found["first_alone"] + 1),
    }


def _row(mine: float, plain: float, unit: str) -> Measured:
    return {"ours": round(mine, 1), "peer": round(plain, 1), "unit": unit, "ratio": round(mine / plain, 2)}


def _sooner(seconds: float, limit: float) -> Measured:
    return {"ours": round(seconds, 3), "peer": round(limit, 3), "unit": "s (limit)", "ratio": round(limit / seconds, 2)}


if __name__ == "__main__":
    print(json.dumps(measure(), indent=1))
