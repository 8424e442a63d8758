"""The upload benchmark is honest: its peer gives the published figures, and both sides see the same rows."""

import os
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.benchmarks import bench_upload

TOY = Path(__file__).resolve().parents[3] / "shared" / "data" / "openai" / "toy_chat_fine_tuning.jsonl"


@pytest.mark.skipif(not TOY.is_file(), reason="../shared/data/openai is not on this machine")
def test_the_peer_gives_the_cookbooks_published_figures(monkeypatch):
    spec = find_spec("litellm")
    assert spec and spec.origin
    monkeypatch.setitem(
        os.environ, "TIKTOKEN_CACHE_DIR", str(Path(spec.origin).parent / "litellm_core_utils" / "tokenizers")
    )
    from tests.benchmarks.peers.cookbook_checks import check

    found = check(TOY)
    assert (found["rows"], found["errors"], found["missing_system"], found["missing_user"]) == (5, {}, 1, 1)
    assert (found["least_tokens"], found["most_tokens"], found["billed_tokens"]) == (26, 8032, 4306)


def test_the_benchmark_measures_both_sides_on_the_same_rows():
    found = bench_upload.measure(rows=400)
    assert {"upload_vs_cookbook_checks", "upload_stored_vs_cookbook_checks", "upload_peak_mb"} <= set(found)
    for figures in found.values():
        assert figures["ours"] > 0 and figures["peer"] > 0 and figures["ratio"] > 0 and figures["unit"]
    assert found["upload_stored_peak_mb"]["ours"] < 300
    assert found["page_dataset_100k_queries"]["ours"] < 20
    assert found["upload_peak_mb"]["ours"] < found["upload_peak_mb"]["peer"] == 300
