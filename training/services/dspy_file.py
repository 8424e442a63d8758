"""A run's program as DSPy itself saves one, so that `module.load("program.json")` reads it at home."""

import json


def for_dspy(content: bytes) -> bytes:
    """`program.json` with what DSPy looks for beside what is ours: each step's state by its predictor's name, and the version
    that wrote it. Content that is no program of ours comes back as it is."""
    try:
        document = json.loads(content)
        state, version = document["state"], document.get("dspy_version", "")
        steps = {
            name: {"lm": None, "traces": [], "train": [], **step} for name, step in state.items()
        }
    except (ValueError, KeyError, TypeError, AttributeError):
        return content
    versions = {"dspy": str(version)} if version else {}
    saved = {**steps, "metadata": {"dependency_versions": versions}}
    return json.dumps({**saved, **document}, ensure_ascii=False, indent=1).encode()
