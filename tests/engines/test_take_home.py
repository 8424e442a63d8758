"""What a team takes home: a merged model that plain transformers loads in a process that has nothing but its folder."""

import json
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.engines.conftest import EngineProcess, LoraRun, engine_environment

pytestmark = pytest.mark.engine
Finished = tuple[LoraRun, EngineProcess]
QUESTION = "What is 2 plus 3?"
AS_GGUF = """
import gguf, json, sys, torch
from transformers import AutoModelForCausalLM, AutoTokenizer
from transformers.utils import logging
logging.disable_progress_bar()
file, text = "model.Q8_0.gguf", "<|user|>What is 2 plus 3? Zürich 17!<|end|><|assistant|>Um, it is"
fields = gguf.GGUFReader(file).fields
words, again = AutoTokenizer.from_pretrained("."), AutoTokenizer.from_pretrained(".", gguf_file=file)
ids = words(text, add_special_tokens=False, return_tensors="pt")["input_ids"]
same = ids.tolist() == again(text, add_special_tokens=False, return_tensors="pt")["input_ids"].tolist()
plain = AutoModelForCausalLM.from_pretrained(".", dtype="float32")
read = AutoModelForCausalLM.from_pretrained(".", gguf_file=file, dtype="float32")
with torch.no_grad():
    one, other = plain(input_ids=ids).logits, read(input_ids=ids).logits
apart = ((one - other).abs().max() / one.abs().max()).item()
ends_with = words.convert_ids_to_tokens(int(fields["tokenizer.ggml.eos_token_id"].contents()))
template = words.chat_template == fields["tokenizer.chat_template"].contents()
print(json.dumps({"same": same, "apart": apart, "template": template, "eos": ends_with,
                  "context": read.config.max_position_embeddings}))
"""
PLAIN = """
import json, sys
from transformers import AutoModelForCausalLM, AutoTokenizer
tokenizer, model = AutoTokenizer.from_pretrained("."), AutoModelForCausalLM.from_pretrained(".")
asked = tokenizer.apply_chat_template([{"role": "user", "content": sys.argv[1]}], add_generation_prompt=True,
                                      return_tensors="pt", return_dict=True)
said = model.generate(**asked, max_new_tokens=80, do_sample=False)[0, asked["input_ids"].shape[1]:]
assert not {name.split(".")[0] for name in sys.modules} & {"lora", "django", "peft"}
print(json.dumps(tokenizer.decode(said, skip_special_tokens=True).strip()))
"""


@pytest.fixture(scope="module")
def taken(finished_run: Finished, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The unpacked download, in a folder that holds nothing else."""
    run, _ = finished_run
    work = tmp_path_factory.mktemp("merging")
    order = {
        "base": run.spec["base_model"],
        "base_name": "org/tiny",
        "adapter": str(run.folder / "adapter"),
        "name": "Our “best” bot",
        "system": "You are in second grade.",
        "questions": [QUESTION, "Why?"],
        "target": "model.zip",
    }
    (work / "spec.json").write_text(json.dumps(order))
    said = subprocess.run(
        [sys.executable, "-P", "-m", "lora.merge", "spec.json"],
        cwd=work,
        env=engine_environment(OMP_NUM_THREADS="1"),
        capture_output=True,
        text=True,
        check=False,
    )
    assert said.returncode == 0, said.stdout + said.stderr
    done = json.loads(said.stdout.splitlines()[-1])
    assert (done["event"], done["same"], done["asked"]) == ("done", 2, 2)
    assert done["bytes"] == (work / "model.zip").stat().st_size
    home = tmp_path_factory.mktemp("home")
    with zipfile.ZipFile(work / "model.zip") as archive:
        archive.extractall(home)
    shutil.rmtree(work)
    return home


def test_plain_transformers_loads_it_from_its_folder_alone_and_says_the_same(
    taken: Path, finished_run: Finished
) -> None:
    said = subprocess.run(
        [sys.executable, "-P", "-c", PLAIN, QUESTION],
        cwd=taken,
        env={"PATH": "/usr/bin", "HOME": str(taken), "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert said.returncode == 0, said.stderr
    assert json.loads(said.stdout.splitlines()[-1]) == finished_run[1].named("sample")[-1]["answer"]


def test_its_gguf_file_has_the_same_tokens_and_within_eight_bits_the_same_weights(taken: Path) -> None:
    """Read back by transformers' own reader of GGUF, which turns queries and keys as llama.cpp has them."""
    said = subprocess.run(
        [sys.executable, "-P", "-c", AS_GGUF],
        cwd=taken,
        env={"PATH": "/usr/bin", "HOME": str(taken), "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert said.returncode == 0, said.stderr
    found = json.loads(said.stdout.splitlines()[-1])
    assert found["apart"] < 0.1, "a query turned the wrong way gives 0.5 and more"
    assert (found["same"], found["template"], found["eos"], found["context"]) == (True, True, "<|end|>", 20_000)


def test_nothing_in_it_names_a_place_on_the_server(taken: Path, finished_run: Finished) -> None:
    places = (str(finished_run[0].folder), finished_run[0].spec["base_model"], "/tmp/", "/work/")
    names = {file.name for file in taken.rglob("*") if file.is_file()}
    assert {"model.safetensors", "tokenizer.json", "chat_template.jinja", "Modelfile", "README.md"} <= names
    for file in taken.rglob("*"):
        text = file.read_bytes() if file.is_file() else b""
        assert not [place for place in places if place.encode() in text], file.name


def test_the_modelfile_asks_as_the_chat_template_does(taken: Path) -> None:
    text = (taken / "Modelfile").read_text()
    assert text.startswith("#") and "\nFROM .\n" in text
    turn = "<|user|>{{ .Prompt }}<|end|><|assistant|>{{ .Response }}<|end|>"
    assert f'TEMPLATE """{{{{ if .System }}}}<|system|>{{{{ .System }}}}<|end|>{{{{ end }}}}{turn}"""' in text
    assert 'SYSTEM "You are in second grade."' in text
    assert 'PARAMETER stop "<|end|>"' in text
