"""What services want to be told otherwise than OpenAI wants it."""

from typing import Any

AZURE = "azure"
NEBIUS = "nebius"
WITH_MARK = frozenset({AZURE})
"""Take rows as UTF-8 with a byte-order mark: learn.microsoft.com/azure/ai-foundry/openai/how-to/fine-tuning (as of
2025-09-30)."""
CHECKS_FILES_FIRST = frozenset({AZURE})
"""Make a job only of files that they have looked through: Microsoft's own samples wait for "processed" before they create one
(github.com/Azure/azure-sdk-for-js/pull/36243, azure-sdk-for-net/pull/53697, late in 2025)."""
WITHOUT_METADATA = frozenset(
    {NEBIUS}
)  # its description names none: a job there is known by its training file
WITHOUT_DPO = frozenset({NEBIUS})


def beside(dialect: str, options: dict[str, Any]) -> dict[str, Any]:
    """What a job's request says beyond OpenAI's API, as the OpenAI client wants it; `options` of the provider's row.

    Azure: where it trains, `trainingType` on the page named above; what is left out is for Azure to decide.
    """
    where = options.get("training") if dialect == AZURE else None
    return {"extra_body": {"trainingType": str(where)}} if where else {}


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
