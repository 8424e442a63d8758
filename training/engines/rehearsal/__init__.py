"""The rehearsal provider: a stand-in for OpenAI on a machine without a key, started as `python -P -m rehearsal.serve`.

It speaks OpenAI's shapes (files, fine-tuning jobs, models, chat completions) and says "rehearsal" in every model name,
header and fingerprint. No neural network is behind it. What it answers is looked up in, and styled after, the rows it
was trained on and the examples it is shown (`answers.py`); what it reports as loss is measured with an n-gram language
model on those rows (`curves.py`).
"""

FINGERPRINT = "rehearsal"
OWNER = "course"
BASE_MODELS = (
    "rehearsal-gpt-4o-mini-2024-07-18",
    "rehearsal-gpt-4.1-mini-2025-04-14",
    "rehearsal-gpt-4.1-2025-04-14",
)
