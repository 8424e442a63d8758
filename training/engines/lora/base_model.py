"""The base model: found, and loaded without running anybody's code."""

import logging
import os
import sys
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import huggingface_hub.constants
import torch
from transformers import (
    MODEL_FOR_CAUSAL_LM_MAPPING,
    AutoConfig,
    AutoModelForCausalLM,
    AutoModelForImageTextToText,
    AutoTokenizer,
    BitsAndBytesConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)
from transformers.utils import is_bitsandbytes_available
from transformers.utils.import_utils import BITSANDBYTES_MIN_VERSION

from lora import QUANTIZER, show_quantizer
from lora.attention import use_fp32_attention
from lora.events import EngineError

OTHER_BASE = "Choose another base model from the course's list, or ask the instructor to put it on this machine."
PACKAGES = ("torch", "transformers", "peft", "tokenizers", "safetensors")


@dataclass(frozen=True)
class Hardware:
    """Where the run computes. `dtype` is the base's, and that of validation and answers; `steps` is that of the products in
    training steps. The adapter always trains in fp32."""

    device: torch.device
    dtype: torch.dtype
    steps: torch.dtype

    @property
    def precision(self) -> str:
        """`fp32`, `bf16` or `fp16`: what training steps compute in, which `auto` leaves to the machine."""
        return {torch.float32: "fp32", torch.bfloat16: "bf16", torch.float16: "fp16"}[self.steps]

    def autocast(self, dtype: torch.dtype) -> torch.autocast:
        """Products in `dtype`."""
        return torch.autocast(self.device.type, dtype, enabled=dtype is not torch.float32)


def versions() -> dict[str, str]:
    """What the result depends on, by package; the quantizer where this run uses it."""
    used = (QUANTIZER,) if sys.modules.get(QUANTIZER) else ()
    return {name: version(name) for name in (*PACKAGES, *used)}


def stay_offline() -> None:
    """Folders need no internet: keep the libraries from asking for any, also where they have read their settings before."""
    os.environ["HF_HUB_OFFLINE"] = "1"
    huggingface_hub.constants.HF_HUB_OFFLINE = True


def threads_for(wanted: int) -> int:
    """How many threads a run may keep busy; `wanted` 0 = the cores this process may use, one left for chat where there are
    more than two."""
    cores = len(os.sched_getaffinity(0))
    return wanted or (cores - 1 if cores > 2 else cores)


def choose_hardware(precision: str) -> Hardware:
    """CUDA where there is one; `auto` is the fastest precision there that learns as well. Raises EngineError
    `precision_unavailable` for one this machine can't compute in."""
    if torch.cuda.is_available():
        # GPUs before Ampere only imitate bf16, slower than fp32.
        half = (
            torch.bfloat16
            if torch.cuda.is_bf16_supported(including_emulation=False)
            else torch.float16
        )
        dtype = {
            "auto": half,
            "fp32": torch.float32,
            "bf16": torch.bfloat16,
            "fp16": torch.float16,
        }[precision]
        return Hardware(torch.device("cuda"), dtype, dtype)
    if precision == "fp16":
        raise EngineError(
            "precision_unavailable",
            "fp16 needs a CUDA GPU and this machine has none",
            'Set precision to "auto".',
        )
    bf16 = precision == "bf16" or (precision == "auto" and _multiplies_bf16())
    # The base stays in fp32: a bot is served so on a processor, and must say there what it said at the end of its training.
    return Hardware(
        torch.device("cpu"), torch.float32, torch.bfloat16 if bf16 else torch.float32
    )


def _multiplies_bf16() -> bool:
    """Whether this processor has instructions for it; without them bf16 is slower than fp32."""
    can = torch.cpu.get_capabilities()
    return bool(can.get("avx512_bf16") or can.get("amx_bf16"))


def load_tokenizer(base: str) -> PreTrainedTokenizerBase:
    """The base's tokenizer. Raises EngineError `base_model_missing`, or `base_model_unusable` (no offsets)."""
    try:
        tokenizer = AutoTokenizer.from_pretrained(base, trust_remote_code=False)
    except (OSError, ValueError) as missing:
        raise _unloadable(base, missing) from missing
    if not tokenizer.is_fast:
        raise EngineError(
            "base_model_unusable", f"{base} has no fast tokenizer (tokenizer.json)", OTHER_BASE
        )
    return tokenizer


def load_base(base: str, hardware: Hardware, quantization: str = "none") -> PreTrainedModel:
    """The base's weights on the device, from safetensors only. Raises EngineError when that is impossible."""
    extra: dict[str, Any] = {}
    if quantization != "none":
        _require_quantizer(quantization)
        extra["quantization_config"] = BitsAndBytesConfig(
            load_in_8bit=quantization == "8bit",
            load_in_4bit=quantization == "4bit",
            bnb_4bit_quant_type="nf4",
            bnb_4bit_compute_dtype=hardware.dtype,
        )
        extra["device_map"] = {"": hardware.device}
    try:
        model = model_class(base).from_pretrained(
            base, dtype=hardware.dtype, use_safetensors=True, trust_remote_code=False, **extra
        )
    except (OSError, ValueError) as missing:
        raise _unloadable(base, missing) from missing
    if hardware.device.type == "cpu" and hardware.steps is torch.bfloat16:
        use_fp32_attention(model)
    return _kept_trainable(model) if extra else model.to(hardware.device)


def model_class(base: str) -> Any:
    """What loads this base: the class for text, or, for one that is only known together with its pictures, that one.

    Its text part answers and is trained like any other; what sees pictures lies idle beside it.
    """
    config = AutoConfig.from_pretrained(base, trust_remote_code=False)
    known = type(config) in MODEL_FOR_CAUSAL_LM_MAPPING
    return AutoModelForCausalLM if known else AutoModelForImageTextToText


def context_length(model: PreTrainedModel) -> int | None:
    """Longest text the base was built for, in tokens; None where its configuration does not say."""
    length = getattr(model.config.get_text_config(), "max_position_embeddings", None)
    return int(length) if length else None


def _require_quantizer(quantization: str) -> None:
    show_quantizer()
    if not is_bitsandbytes_available():
        raise EngineError(
            "quantization_unavailable",
            f"{quantization} quantization needs the package {QUANTIZER} {BITSANDBYTES_MIN_VERSION} or newer, and this "
            "machine does not have it",
            'Set quantization to "none", or ask the instructor to install the packages of requirements.txt.',
        )
    # It warns of every 8-bit layer in every answer, and advises a package that fetches its kernels from the internet.
    logging.getLogger(QUANTIZER).setLevel(logging.ERROR)


def _kept_trainable(model: PreTrainedModel) -> PreTrainedModel:
    """On processors with bf16, bitsandbytes packs 4-bit weights anew for the first answer, rounds their scales, and lets no
    gradient through them from then on: training would go on after a sample without teaching the lower layers."""
    for module in model.modules():
        if hasattr(module, "support_avx512bf16_for_cpu"):
            module.support_avx512bf16_for_cpu = False
    return model


def _unloadable(base: str, reason: Exception) -> EngineError:
    if Path(base).is_absolute() and not Path(base).is_dir():
        return EngineError(
            "base_model_missing", f"there is no base model folder {base}", OTHER_BASE
        )
    said = " ".join(str(reason).split())[:300]
    return EngineError(
        "base_model_unusable", f"the base model {base} can't be loaded: {said}", OTHER_BASE
    )
