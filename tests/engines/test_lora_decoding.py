"""The decoder alone: who is read first, and when a base may be put away. In an interpreter of its own, which has torch."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.engines.conftest import engine_environment

pytestmark = pytest.mark.engine
PROGRAM = """
import json, queue, sys, time, torch
from lora.base_model import choose_hardware, load_base, stay_offline
from lora.decoding import Ask, Closed, Decoder, Finished, Token
torch.set_num_threads(1)
stay_offline()
decoder = Decoder(load_base(sys.argv[1], choose_hardware("fp32")), [], max_batch=4, chunk=16)
heard = queue.SimpleQueue()

def ask(name, prompt):
    one = Ask(prompt, None, 3, 0.0, 1.0, None, lambda told: heard.put((name, type(told).__name__)))
    decoder.ask(one)
    return one

words = [7 + number % 200 for number in range(6000)]
ask("long", words)
ask("short", words[:12])
busy = decoder.close()
told = []
while told.count(("long", "Finished")) + told.count(("short", "Finished")) < 2:
    told.append(heard.get(timeout=300))
order = [name for name, kind in told]
# Many short ones, one after the other, must not keep a long one from being read.
ask("patient", words[:2000])
for number in range(400):
    ask("crowd", words[:14])
told = []
while ("patient", "Finished") not in told:
    told.append(heard.get(timeout=300))
before = told.count(("crowd", "Finished"))
gone = ask("gone", words)
gone.cancel()
while decoder.active:
    time.sleep(0.005)
closed = decoder.close()
try:
    ask("late", [7])
    late = "answered"
except Closed:
    late = "closed"
print(json.dumps({"order": order, "busy": busy, "closed": closed, "late": late, "before": before}))
"""


@pytest.fixture(scope="module")
def found(tiny_base: Path) -> dict[str, Any]:
    said = subprocess.run(
        [sys.executable, "-P", "-c", PROGRAM, str(tiny_base)],
        env=engine_environment(OMP_NUM_THREADS="1"),
        capture_output=True,
        text=True,
        check=False,
    )
    assert said.returncode == 0, said.stderr
    result: dict[str, Any] = json.loads(said.stdout.splitlines()[-1])
    return result


def test_a_long_prompt_does_not_keep_a_short_question_waiting(found: dict[str, Any]) -> None:
    assert found["order"] == ["short"] * 4 + ["long"] * 4


def test_many_short_questions_do_not_keep_a_long_prompt_waiting_for_ever(found: dict[str, Any]) -> None:
    assert found["before"] < 400


def test_a_base_is_put_away_only_while_nobody_is_answered_and_then_takes_no_more(found: dict[str, Any]) -> None:
    assert (found["busy"], found["closed"], found["late"]) == (False, True, "closed")
