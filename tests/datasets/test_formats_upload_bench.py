"""The upload benchmark is honest: its peer gives the published figures, and both sides see the same rows."""

import os
from importlib.util import find_spec
from pathlib import Path

import pytest

from datasets.services import versions
from tests.benchmarks import bench_upload, stored_upload
from tests.benchmarks.peers import cookbook_checks

TOY = Path(__file__).resolve().parents[3] / "shared" / "data" / "openai" / "toy_chat_fine_tuning.jsonl"


@pytest.mark.skipif(not TOY.is_file(), reason="../shared/data/openai is not on this machine")
def test_the_peer_gives_the_cookbooks_published_figures(monkeypatch):
    spec = find_spec("litellm")
    assert spec and spec.origin
    monkeypatch.setitem(
        os.environ, "TIKTOKEN_CACHE_DIR", str(Path(spec.origin).parent / "litellm_core_utils" / "tokenizers")
    )
    found = cookbook_checks.check(TOY)
    assert (found["rows"], found["errors"], found["missing_system"], found["missing_user"]) == (5, {}, 1, 1)
    assert (found["least_tokens"], found["most_tokens"], found["billed_tokens"]) == (26, 8032, 4306)


def test_both_sides_of_the_benchmark_see_the_same_good_rows(team, member, tmp_path):
    path = tmp_path / "rows.jsonl"
    bench_upload.make_file(path, rows=60)
    peer = cookbook_checks.check(path, count_tokens=False)
    version, found = stored_upload.upload(path, team, member)
    assert (peer["rows"], peer["errors"]) == (60, {})
    assert (found["good"], found["bad"]) == (60, 0) and found["seconds"] > 0 and found["wall_seconds"] > 0
    assert version.row_count == len({row["id"] for row in versions.rows(version)}) == 60


def test_the_upload_is_better_only_where_the_whole_way_into_the_database_is():
    side = {"good": 10, "bad": 0, "peak_mb": 150.0}
    stored = side | {"seconds": 2.0, "wall_seconds": 4.0, "pages": {"queries": 10, "first_ms": 3.0, "last_ms": 6.0}}
    peer, plain = side | {"seconds": 10.0, "wall_seconds": 12.0}, side | {"seconds": 1.0, "wall_seconds": 1.0}
    found = bench_upload.figures(stored, peer, plain, rows=10, megabytes=60.0)
    assert {name: row["ratio"] for name, row in found.items()} == {
        "upload_vs_cookbook_checks": 5.0,
        "upload_vs_cookbook_checks_wall": 3.0,
        "upload_vs_cookbook_format_checks_only": 0.5,
        "upload_peak_mb": 2.0,
        "page_dataset_100k_queries": 2.0,
        "page_dataset_100k_last_vs_first": 0.5,
    }
    with pytest.raises(RuntimeError, match="10 good rows were expected"):
        bench_upload.figures(stored, peer | {"bad": 1}, plain, rows=10, megabytes=60.0)
