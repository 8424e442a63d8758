"""Tries every animal of the zoo in one process: `python trials.py FOLDER` prints {facts, refused} by name."""

import json
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

import torch
from lora.base_model import load_tokenizer, stay_offline
from lora.events import EngineError
from lora.templates import end_token_ids, template_of
from lora.try_base import try_base
from transformers.utils import logging


def main() -> None:
    logging.disable_progress_bar()
    torch.set_num_threads(1)
    stay_offline()
    facts, refused = {}, {}
    for base in sorted(Path(sys.argv[1]).iterdir()):
        with tempfile.TemporaryDirectory() as work:
            try:
                found = try_base(str(base), Path(work), lambda _percent, _doing: None)
            except EngineError as wrong:
                refused[base.name] = wrong.message
                continue
        words = load_tokenizer(str(base))
        facts[base.name] = asdict(found) | {"end_ids": end_token_ids(words, template_of(words), None)}
    print(json.dumps({"facts": facts, "refused": refused}))
