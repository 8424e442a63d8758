"""A base model fitted with an adapter that has learnt nothing yet."""

from peft import LoraConfig, PeftModel, get_peft_model
from peft.utils import prepare_model_for_kbit_training
from torch import nn
from transformers import PreTrainedModel

from lora.events import EngineError
from lora.spec import Settings


def add_adapter(model: PreTrainedModel, settings: Settings) -> PeftModel:
    """Wrap the base with a fresh adapter (B = 0, so it says what the base says until it has learnt)."""
    config = LoraConfig(
        r=settings.rank,
        lora_alpha=settings.alpha,
        lora_dropout=settings.dropout,
        target_modules=list(settings.target_modules),
        bias=settings.bias,
        task_type="CAUSAL_LM",
    )
    if settings.quantization != "none":
        model = prepare_model_for_kbit_training(model, use_gradient_checkpointing=False)  # below, for every base alike
    try:
        peft_model = get_peft_model(model, config)
    except ValueError as wrong:
        linear = {name.rsplit(".", 1)[-1] for name, module in model.named_modules() if isinstance(module, nn.Linear)}
        raise EngineError(
            "target_modules_missing",
            f"the base model can't take an adapter on {', '.join(settings.target_modules)}: {wrong}",
            f"Choose target_modules out of: {', '.join(sorted(linear)) or 'see the base model card'}.",
        ) from wrong
    if settings.gradient_checkpointing:
        model.gradient_checkpointing_enable({"use_reentrant": False})
        model.enable_input_require_grads()
    assert isinstance(peft_model, PeftModel)
    return peft_model
