"""What services want to be told otherwise than OpenAI wants it."""

from typing import Any

NEBIUS = "nebius"
WITHOUT_METADATA = frozenset(
    {NEBIUS}
)  # its description names none: a job there is known by its training file
WITHOUT_DPO = frozenset({NEBIUS})


def shaped(dialect: str, kind: str, chosen: dict[str, Any]) -> dict[str, Any]:
    """The part of a job's request that says how to train. `chosen`: OpenAI's names, "auto" where nothing was chosen.

    Nebius takes its hyperparameters at the top level, whole numbers only, and a learning rate of its own instead of a
    multiplier; adapters are asked for, which alone it serves (docs.tokenfactory.nebius.com/post-training, read in 2026).
    """
    if dialect != NEBIUS:
        return {"method": {"type": kind, kind: {"hyperparameters": chosen}}}
    named = {
        name: chosen[name] for name in ("n_epochs", "batch_size") if chosen.get(name) != "auto"
    }
    return {"hyperparameters": {**named, "lora": True}}
