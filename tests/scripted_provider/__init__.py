"""The scripted provider: what tests and chaos scenes put where OpenAI stands in life, with faults that can be switched on.

It speaks OpenAI's shapes (files, fine-tuning jobs, models, chat completions). Nothing is trained and nobody is asked: its jobs
live by the clock, its losses are a line, and its answers are the same words to everybody (`script.py`). No part of the
platform starts it or offers it.
"""

FINGERPRINT = "scripted"
OWNER = "course"
BASE_MODELS = ("gpt-4o-mini-2024-07-18", "gpt-4.1-mini-2025-04-14", "gpt-4.1-2025-04-14")
