"""A downloaded program is read by DSPy's own documented call, in a module as the course guide writes it."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from django.test import Client
from django.urls import reverse

from teams.models import Method, User
from tests.training.test_import_bundle import finished, lora_shape  # noqa: F401  (fixtures)
from training.models import TrainingRun
from training.services.dspy_file import for_dspy

AT_HOME = """
import dspy

class StudentResponse(dspy.Signature):
    conversation_history: str = dspy.InputField()
    teacher_prompt: str = dspy.InputField()
    student_response: str = dspy.OutputField()

class StudentSimulationModel(dspy.Module):
    def __init__(self):
        super().__init__()
        self.chain = dspy.ChainOfThought(StudentResponse)

module = StudentSimulationModel()
module.load("program.json")
print(module.chain.predict.signature.instructions, "|", module.chain.predict.demos[0]["student_response"])
"""
FIELDS = [{"prefix": f"{name}:", "description": name} for name in ("History", "Teacher", "Reasoning", "Student")]
STATE = {
    "demos": [{"teacher_prompt": "What is 1 + 1?", "student_response": "It is 2!"}],
    "signature": {"instructions": "Be seven.", "fields": FIELDS},
}  # fmt: skip
DOCUMENT = {"schema": 1, "dspy_version": "3.4.1", "state": {"chain.predict": STATE}}


@pytest.mark.engine
def test_dspys_own_load_reads_it(tmp_path: Path) -> None:
    (tmp_path / "program.json").write_bytes(for_dspy(json.dumps(DOCUMENT).encode()))
    said = subprocess.run(
        [sys.executable, "-P", "-c", AT_HOME],
        cwd=tmp_path,
        env={"PATH": "/usr/bin", "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert said.returncode == 0, said.stderr
    assert said.stdout.splitlines()[-1] == "Be seven. | It is 2!"


def test_the_download_has_dspys_form_beside_ours(
    finished: Callable[..., TrainingRun],  # noqa: F811
    member: User,
    client_for: Callable[[User | None], Client],
) -> None:
    run = finished(Method.DSPY)
    address = reverse("run_file", args=[run.team_id, run.number, "program.json"])
    content = b"".join(client_for(member).get(address))
    found = json.loads(content)
    assert found["metadata"] == {"dependency_versions": {"dspy": "3"}}
    assert found["chain.predict"]["signature"] == found["state"]["chain.predict"]["signature"]


@pytest.mark.parametrize("content", [b"no JSON", b"[]", b'{"state": 5}', b"{}"])
def test_what_is_no_program_comes_as_it_is(content: bytes) -> None:
    assert for_dspy(content) == content
