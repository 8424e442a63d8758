"""The program that trains an echo: it reads each row, and remembers how loud it shall be."""

import json
import sys
from pathlib import Path


def say(event: str, **values: object) -> None:
    print(json.dumps({"event": event, **values}), flush=True)


def main() -> None:
    spec = json.loads(Path(sys.argv[1]).read_text())
    rows = Path(spec["train_file"]).read_text().splitlines()
    say("started", total_steps=len(rows))
    for step in range(1, len(rows) + 1):
        say("step", step=step, total_steps=len(rows), loss=1.0 / step)
    Path("echo.txt").write_text("!" * spec["loudness"])
    Path("result.json").write_text(json.dumps({"system_prompt": "Say it again."}))
    say("done")


main()
