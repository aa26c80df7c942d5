"""A base model's folder, read and checked: safetensors and a tokenizer of a family that the engine knows."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

from transformers import AutoModelForCausalLM, AutoTokenizer
from transformers.tokenization_utils_base import PreTrainedTokenizerBase
from transformers.utils import logging as transformers_logging

from engine.config import TARGET_MODULES
from engine.errors import UnsupportedModelError, UnsupportedVariantError
from engine.models.accepting import checked_config
from engine.models.architecture import CAPPED_TYPES, Architecture
from engine.models.devices import Device
from engine.models.lora import module_shapes
from engine.models.pages import mapped
from engine.protocol import BaseModelRef

transformers_logging.disable_progress_bar()


def read_base_model(
    ref: BaseModelRef, device: Device, *, is_four_bit: bool = False
) -> tuple[Any, PreTrainedTokenizerBase]:
    """The model and the tokenizer of a folder with config.json and model.safetensors; nothing in it is executed.

    Raises:
        UnsupportedModelError: the folder is missing, unreadable or of a kind that is not trained here.
        UnsupportedVariantError: four bits are asked for and not to be had on this device.
    """
    folder = Path(ref.path)
    quantisation = _four_bit_config(device) if is_four_bit else {}
    model_type = str(checked_config(folder, ref.name)["model_type"])
    try:
        tokenizer = AutoTokenizer.from_pretrained(
            folder, local_files_only=True, trust_remote_code=False
        )
        model: Any = AutoModelForCausalLM.from_pretrained(
            folder,
            dtype=device.dtype,
            attn_implementation=_attention(model_type, device),
            local_files_only=True,
            trust_remote_code=False,
            use_safetensors=True,
            **quantisation,
        )
    except MemoryError:
        raise
    except Exception as failure:
        # The libraries raise some ten kinds of exception for a folder that they can not read.
        raise UnsupportedModelError(f"{folder}: {failure!r}", name=ref.name) from failure
    model.requires_grad_(False).eval()
    if not is_four_bit:
        model.to(device.torch_device)
    if device.kind == "cpu":
        _leave_file(model)
    _check_structure(ref, model)
    return model, tokenizer


def _leave_file(model: Any) -> None:
    """Copy weights out of the mapped file: while one tensor is in it, every page that was read counts as held."""
    for weight in model.parameters():
        own = mapped(weight.shape, weight.device, weight.dtype)
        weight.data = own.copy_(weight.data)


def _four_bit_config(device: Device) -> dict[str, Any]:
    if device.kind != "cuda" or importlib.util.find_spec("bitsandbytes") is None:
        raise UnsupportedVariantError(
            "QLoRA needs CUDA and bitsandbytes", variant="qlora", device=device.kind
        )
    from transformers import BitsAndBytesConfig

    # NormalFloat with doubly quantised constants, computed in bfloat16: arXiv 2305.14314, section 3.
    config = BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=device.dtype,
    )
    return {"quantization_config": config, "device_map": {"": device.kind}}


def _attention(model_type: str, device: Device) -> str:
    """transformers' name of the attention for what goes the library's way; its fused one has no caps."""
    return "eager" if model_type in CAPPED_TYPES else device.attention


def _check_structure(ref: BaseModelRef, model: Any) -> None:
    head = model.get_output_embeddings()
    if set(module_shapes(model)) != set(TARGET_MODULES) or head is None or head.bias is not None:
        raise UnsupportedModelError(f"{ref.name} lacks target modules", name=ref.name)
    try:
        Architecture.of(model.config)
    except UnsupportedModelError as failure:
        raise UnsupportedModelError(str(failure), name=ref.name, **failure.params) from failure
