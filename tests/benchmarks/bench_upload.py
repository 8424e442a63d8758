"""Upload speed and memory: 100,000 chat rows read, checked, hashed and stored in one pass, beside the cookbook's checks.

Each side runs in a process of its own, so that peak memory is its own; the same file, one after the other. Both sides run on
one thread, so that time is the process's own CPU time: what an idle machine's clock would show, whatever else runs here.
"""

import json
import os
import random
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
ROWS = 100_000
MEMORY_LIMIT_MB = 300

_OURS = """
import resource, sys, time
from pathlib import Path
from datasets import formats
start = time.process_time()
good = bad = 0
hashes = []
def good_rows():
    global bad
    for item in formats.read(Path(sys.argv[1]), filename="rows.jsonl"):
        if isinstance(item, formats.Row):
            hashes.append(formats.fingerprint(item))
            yield item
        else:
            bad += 1
with Path(sys.argv[2]).open("wb") as store:
    store.writelines(formats.write(good_rows(), "messages"))
good = len(hashes)
formats.version_hash(hashes)
"""
_PEER = """
import resource, sys, time
from pathlib import Path
from tests.benchmarks.peers.cookbook_checks import check
start = time.process_time()
found = check(Path(sys.argv[1]), count_tokens=sys.argv[2] == "tokens")
good, bad = found["rows"], sum(found["errors"].values())
"""
_END = """
import json
seconds = time.process_time() - start
peak = next(int(l.split()[1]) for l in open("/proc/self/status") if l.startswith("VmHWM")) / 1024
print(json.dumps({"seconds": seconds, "peak_mb": peak, "good": good, "bad": bad}))
"""


def make_file(path: Path, rows: int = ROWS, seed: int = 7) -> None:
    """A file of chat rows of about 600 bytes each, all different, all well formed."""
    pick = random.Random(seed)
    words = (ROOT / "datasets" / "checks" / "data" / "grade2_words.txt").read_text().splitlines()
    words = [word for word in words if not word.startswith("#")]
    with path.open("w", encoding="utf-8") as file:
        for number in range(rows):
            system = "You are a second-grade student who is curious and sometimes makes mistakes."
            turns = [{"role": "system", "content": system}]
            for _ in range(2):
                question = f"What is {pick.randint(1, 50)} + {number % 997}? {' '.join(pick.choices(words, k=12))}?"
                answer = f"I think… {' '.join(pick.choices(words, k=22))}. It is {pick.randint(2, 99)}!"
                turns += [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
            file.write(json.dumps({"messages": turns}, ensure_ascii=False) + "\n")


def _run(program: str, *arguments: str) -> dict[str, Any]:
    spec = find_spec("litellm")
    tables = Path(spec.origin).parent / "litellm_core_utils" / "tokenizers" if spec and spec.origin else None
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    if tables and tables.is_dir():
        environment["TIKTOKEN_CACHE_DIR"] = str(tables)
    done = subprocess.run(
        [sys.executable, "-c", program + _END, *arguments],
        env=environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=1200,
    )
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer


def measure(rows: int = ROWS) -> dict[str, dict[str, Any]]:
    """`upload_vs_cookbook_checks` (rows a second), the same without the peer's token counts, and `upload_peak_mb`."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.jsonl"
        make_file(path, rows)
        megabytes = path.stat().st_size / 1e6
        ours = _run(_OURS, str(path), str(Path(folder) / "stored.jsonl"))
        peer = _run(_PEER, str(path), "tokens")
        plain = _run(_PEER, str(path), "format")
    for found in (ours, peer, plain):
        if (found["good"], found["bad"]) != (rows, 0):
            raise RuntimeError(f"{rows:,} good rows were expected, found {found}")

    def rate(found: dict[str, Any]) -> float:
        return round(rows / float(found["seconds"]), 1)

    def speed(other: dict[str, Any], what: str) -> dict[str, Any]:
        ratio = round(float(other["seconds"]) / float(ours["seconds"]), 2)
        return {
            "ours": rate(ours),
            "peer": rate(other),
            "unit": f"rows per CPU second ({megabytes:.0f} MB, {what})",
            "ratio": ratio,
        }

    peak = round(float(ours["peak_mb"]), 1)
    return {
        "upload_vs_cookbook_checks": speed(peer, "its token counts included"),
        "upload_vs_cookbook_format_checks_only": speed(plain, "peer: format checks alone, no token counts"),
        "upload_peak_mb": {
            "ours": peak,
            "peer": MEMORY_LIMIT_MB,
            "unit": f"MB, limit (the peer's own: {peer['peak_mb']:.0f})",
            "ratio": round(MEMORY_LIMIT_MB / peak, 2),
        },
    }


if __name__ == "__main__":
    print(json.dumps(measure(), indent=2))
