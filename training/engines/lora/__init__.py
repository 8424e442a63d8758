"""LoRA engine: `lora.train` teaches an adapter, `lora.serve` lets people talk to it. Knows nothing of the platform."""

import os
import sys

# OpenMP threads that wait by spinning burn the cores their neighbours need: on two busy cores the same training step took
# 43 s of spinning and 8 s of sleeping threads. Read when torch loads the library, hence here, before anything of ours.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

# PEFT imports bitsandbytes wherever it is installed. That takes longer than torch does, and asks CUDA for its GPUs: no fork of a
# preload server could use one afterwards. Hidden (as Python's import system documents None) until a run wants fewer bits.
QUANTIZER = "bitsandbytes"
sys.modules.setdefault(QUANTIZER, None)  # type: ignore[arg-type]


def show_quantizer() -> None:
    """Let the libraries find bitsandbytes from here on, where it is installed."""
    if sys.modules.get(QUANTIZER, ...) is None:
        del sys.modules[QUANTIZER]
