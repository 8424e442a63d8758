"""Stands in for the trial of a base model: what it does is named in the file `stub` of the model's folder."""

import json
import sys
from pathlib import Path

FACTS = {
    "family": "llama",
    "parameters": 134_515,
    "layers": ["q_proj", "v_proj"],
    "end_tokens": ["<|end|>"],
    "template_sha256": "cd" * 32,
    "weights_sha256": "ab" * 32,
    "peak_mb": 512.0,
}


def main(spec_file: str) -> int:
    told = Path(json.loads(Path(spec_file).read_text())["base"]) / "stub"
    kind = told.read_text() if told.is_file() else "works"
    print(json.dumps({"event": "progress", "percent": 5, "doing": "Reading its tokenizer"}), flush=True)
    if kind == "mute":
        return 3
    if kind == "refuses":
        failed = {"message": "its chat template leaves out a message", "fix": "Choose another base model."}
        print(json.dumps({"event": "failed", "code": "template_refuses", **failed}), flush=True)
        return 1
    print(json.dumps({"event": "done", "facts": FACTS}), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
