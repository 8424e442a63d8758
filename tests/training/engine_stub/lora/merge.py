"""Stands in for the making of a merged model: what it does is named in the file `stub` of the base's folder."""

import json
import sys
from pathlib import Path


def main(spec_file: str) -> int:
    order = json.loads(Path(spec_file).read_text())
    told = Path(order["adapter"]).parent / "stub"
    kind = told.read_text() if told.is_file() else "works"
    print(json.dumps({"event": "progress", "percent": 5, "doing": "Loading the base model"}), flush=True)
    if kind == "mute":
        return 3
    if kind == "refuses":
        failed = {"message": "the adapter does not fit its base model", "fix": "Train the run again."}
        print(json.dumps({"event": "failed", "code": "adapter_unusable", **failed}), flush=True)
        return 1
    Path(order["target"]).write_bytes(b"PK" + b"x" * 2998)
    print(json.dumps({"event": "done", "bytes": 3000, "same": 3, "asked": 3}), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
