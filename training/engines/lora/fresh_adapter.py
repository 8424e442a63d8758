"""A base model fitted with an adapter that has learnt nothing yet."""

from peft import LoraConfig, PeftModel, get_peft_model
from peft.utils import prepare_model_for_kbit_training
from transformers import PreTrainedModel

from lora.events import EngineError
from lora.spec import Settings
from lora.targets import names_of, outside_text, resolve


def add_adapter(model: PreTrainedModel, settings: Settings) -> PeftModel:
    """Wrap the base with a fresh adapter (B = 0, so it says what the base says until it has learnt).

    Raises EngineError `target_modules_missing` where the base has none of the layers that were asked for.
    """
    targets = resolve(model, settings.target_modules)
    if not targets:
        raise EngineError(
            "target_modules_missing",
            f"the base model has no layer {', '.join(settings.target_modules)}",
            f"Choose target_modules out of: {', '.join(names_of(model)) or 'see the base model card'}.",
        )
    config = LoraConfig(
        r=settings.rank,
        lora_alpha=settings.alpha,
        lora_dropout=settings.dropout,
        target_modules=targets,
        exclude_modules=outside_text(model),
        bias=settings.bias,
        task_type="CAUSAL_LM",
    )
    if settings.quantization != "none":
        model = prepare_model_for_kbit_training(
            model, use_gradient_checkpointing=False
        )  # below, for every base alike
    peft_model = get_peft_model(model, config)
    if settings.gradient_checkpointing:
        model.gradient_checkpointing_enable({"use_reentrant": False})
        model.enable_input_require_grads()
    assert isinstance(peft_model, PeftModel)
    return peft_model
