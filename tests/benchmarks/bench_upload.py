"""Upload speed and memory: 100,000 chat rows, beside the checks that OpenAI's cookbook publishes (which store nothing).

What is compared, each on the same file in the same run, one after the other, each in a process of its own:
- `upload_vs_cookbook_checks`: ours goes the whole way of an upload, from the received file through `datasets.services.imports` to
  a committed version in a database file (`stored_upload.py`); the peer reads and checks, token counts included. CPU time on both
  sides: what an idle machine's clock would show, whatever else runs here; `upload_vs_cookbook_checks_wall` is by the clock;
- `upload_vs_cookbook_format_checks_only`: the same upload beside the peer without its token counts;
- `upload_peak_mb`: the memory of ours, Django and the database driver included;
- `page_dataset_100k_queries` and `page_dataset_100k_last_vs_first`: the pages of that version, anywhere in it.
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
QUERY_LIMIT = 20

_PEER = """
import sys, time
from pathlib import Path
from tests.benchmarks.peers.cookbook_checks import check
start, wall_start = time.process_time(), time.perf_counter()
found = check(Path(sys.argv[1]), count_tokens=sys.argv[2] == "tokens")
good, bad = found["rows"], sum(found["errors"].values())
"""
_END = """
import json
seconds, wall = time.process_time() - start, time.perf_counter() - wall_start
peak = next(int(l.split()[1]) for l in open("/proc/self/status") if l.startswith("VmHWM")) / 1024
print(json.dumps({"seconds": seconds, "wall_seconds": wall, "peak_mb": peak, "good": good, "bad": bad}))
"""


def make_file(path: Path, rows: int = ROWS, seed: int = 7) -> None:
    """A file of chat rows of about 700 bytes each, all different, all well formed."""
    pick = random.Random(seed)
    words = (ROOT / "second_grade" / "data" / "school_words.txt").read_text().splitlines()
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


def _stored(path: Path, folder: Path) -> dict[str, Any]:
    """The same file through the platform's own services into a database of its own."""
    folder.mkdir()
    done = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks.stored_upload", str(path), str(folder)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=1200,
    )
    if done.returncode:
        raise RuntimeError(done.stderr)
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer


def measure(rows: int = ROWS) -> dict[str, dict[str, Any]]:
    """The keys named above."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.jsonl"
        make_file(path, rows)
        megabytes = path.stat().st_size / 1e6
        stored = _stored(path, Path(folder) / "platform")
        peer = _run(_PEER, str(path), "tokens")
        plain = _run(_PEER, str(path), "format")
    return figures(stored, peer, plain, rows=rows, megabytes=megabytes)


def figures(
    stored: dict[str, Any], peer: dict[str, Any], plain: dict[str, Any], *, rows: int, megabytes: float
) -> dict[str, dict[str, Any]]:
    """What the three processes found, as lines of the table. Raises RuntimeError where one did not see every row as good."""
    for found in (stored, peer, plain):
        if (found["good"], found["bad"]) != (rows, 0):
            raise RuntimeError(f"{rows:,} good rows were expected, found {found}")
    what = f"{megabytes:.0f} MB; ours stored in the database; peer stores nothing, counts tokens"
    return {
        "upload_vs_cookbook_checks": _speed(stored, peer, rows, f"rows per CPU second ({what})"),
        "upload_vs_cookbook_checks_wall": _speed(
            stored, peer, rows, "rows per second by the clock (the same run)", "wall_seconds"
        ),
        "upload_vs_cookbook_format_checks_only": _speed(
            stored, plain, rows, "rows per CPU second (peer: format checks alone, no token counts)"
        ),
        "upload_peak_mb": _memory(
            stored, f"MB, limit (ours with Django and the database; the peer's own: {peer['peak_mb']:.0f})"
        ),
        **_pages(stored["pages"]),
    }


def _speed(ours: dict[str, Any], other: dict[str, Any], rows: int, unit: str, clock: str = "seconds") -> dict[str, Any]:
    return {
        "ours": round(rows / ours[clock], 1),
        "peer": round(rows / other[clock], 1),
        "unit": unit,
        "ratio": round(other[clock] / ours[clock], 2),
    }


def _memory(found: dict[str, Any], unit: str) -> dict[str, Any]:
    peak = round(float(found["peak_mb"]), 1)
    return {"ours": peak, "peer": MEMORY_LIMIT_MB, "unit": unit, "ratio": round(MEMORY_LIMIT_MB / peak, 2)}


def _pages(found: dict[str, float]) -> dict[str, dict[str, Any]]:
    """The peer of a count is our own limit; the peer of the last page's time is the first page's."""
    queries, first, last = found["queries"], round(found["first_ms"], 1), round(found["last_ms"], 1)
    return {
        "page_dataset_100k_queries": {
            "ours": queries,
            "peer": QUERY_LIMIT,
            "unit": "queries (limit)",
            "ratio": round(QUERY_LIMIT / queries, 2),
        },
        "page_dataset_100k_last_vs_first": {
            "ours": last,
            "peer": first,
            "unit": "CPU ms of the last page; peer: of the first",
            "ratio": round(first / last, 2),
        },
    }


if __name__ == "__main__":
    print(json.dumps(measure(), indent=2))
