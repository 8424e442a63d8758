"""A tiny Llama-shape chat model that we train ourselves from text we make ourselves, and the demo rows that go with it."""

import os

# Set before torch is loaded: threads that wait for each other by spinning cost three to five times the wall time
# (measured) as soon as anything else runs on the same processors.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
os.environ.setdefault("GOMP_SPINCOUNT", "0")
