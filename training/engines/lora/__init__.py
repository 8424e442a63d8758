"""LoRA engine: `lora.train` teaches an adapter, `lora.serve` lets people talk to it. Knows nothing of the platform."""

import os

# OpenMP threads that wait by spinning burn the cores their neighbours need: on two busy cores the same training step took
# 43 s of spinning and 8 s of sleeping threads. Read when torch loads the library, hence here, before anything of ours.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
