"""Unsloth as an optional package: imported in time, and held to what it was asked for."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import fields
from importlib.util import find_spec
from typing import Any

import torch
from peft import LoraConfig

from rlframework.utilities.imports import require

# What `get_peft_model` of Unsloth takes in the same sense as PEFT.
LORA_SETTINGS = ("r", "lora_alpha", "target_modules", "lora_dropout", "bias", "use_rslora")
# What a LoraConfig says of itself, and what Unsloth sets anyway.
_LABELS = frozenset({"task_type", "peft_type", "auto_mapping", "peft_version", "base_model_name_or_path", "revision"})


def fast_language_model() -> Any:
    """Return Unsloth's loader of models, the class ``FastLanguageModel``, imported and checked.

    Raises:
        ImportError: Unsloth is not installed, or was not imported before transformers.
        RuntimeError: ``UNSLOTH_RETURN_HIDDEN_STATES`` is set, with which a model returns no logits.
    """
    if find_spec("unsloth") is None:
        require("unsloth", "unsloth")
    # Modules stand in the order in which their imports ended, and so a package behind its own parts.
    first = next((name for name in sys.modules if name.startswith(("unsloth.", "transformers."))), "")
    if "unsloth" not in sys.modules or not first.startswith("unsloth."):
        raise ImportError(
            "Unsloth replaces parts of transformers, peft and trl, and here transformers was imported before it, so "
            "that some parts would stay as they were. Write `import unsloth` as the first line of the program (in a "
            "notebook: restart the kernel first); on the command line, `rlframework fit` does so where UnslothPolicy "
            "or UnslothSampler is named, and `python -m rlframework.unsloth_cli fit` always"
        )
    if os.environ.get("UNSLOTH_RETURN_HIDDEN_STATES", "0") == "1":
        raise RuntimeError(
            "UNSLOTH_RETURN_HIDDEN_STATES=1 makes a model return hidden states in place of logits; unset it (a trainer "
            "of TRL that Unsloth has patched sets it: use another process)"
        )
    return require("unsloth", "unsloth").FastLanguageModel


def lora_arguments(lora: LoraConfig) -> dict[str, Any]:
    """Return a LoRA configuration as arguments of Unsloth's ``get_peft_model``.

    Raises:
        ValueError: It sets something that Unsloth does not take.

    Example:
        >>> lora_arguments(LoraConfig(r=4, target_modules=["q_proj"]))["target_modules"]
        ['q_proj']
        >>> lora_arguments(LoraConfig(r=4, use_dora=True))
        Traceback (most recent call last):
        ...
        ValueError: UnslothPolicy takes r, lora_alpha, target_modules, ... and this one also sets use_dora; ...
    """
    plain = LoraConfig()
    names = {field.name for field in fields(lora) if field.init} - _LABELS - set(LORA_SETTINGS)
    if odd := sorted(name for name in names if getattr(lora, name) != getattr(plain, name)):
        raise ValueError(
            f"UnslothPolicy takes {', '.join(LORA_SETTINGS)} of a LoraConfig, and this one also sets "
            f"{', '.join(odd)}; leave that out, or train it with CausalLMPolicy"
        )
    arguments = {name: getattr(lora, name) for name in LORA_SETTINGS}
    if lora.target_modules is None:
        del arguments["target_modules"]  # Unsloth's own choice: all projections of attention and MLP
    elif not isinstance(lora.target_modules, str):
        arguments["target_modules"] = sorted(lora.target_modules)
    return arguments


def torch_dtype(name: str | None) -> torch.dtype | None:
    """Return the dtype of that name; None, Unsloth's own choice, stays None.

    Raises:
        ValueError: There is none.

    Example:
        >>> torch_dtype("bfloat16")
        torch.bfloat16
    """
    dtype = getattr(torch, name, None) if name is not None else None
    if name is not None and not isinstance(dtype, torch.dtype):
        raise ValueError(f"dtype={name!r} is no dtype of torch; write 'bfloat16', 'float16' or 'float32'")
    return dtype


def check_loaded(model: Any, dtype: torch.dtype | None, options: Mapping[str, Any]) -> None:
    """Check that a loaded model is what was asked for: Unsloth says so in a line of output where it decides otherwise.

    Args:
        model: As Unsloth loaded it.
        dtype: That was asked for; None left it to Unsloth.
        options: That it was loaded with.

    Raises:
        RuntimeError: It is not.
    """
    in_4_bit = bool(getattr(model, "is_loaded_in_4bit", False))
    if options["load_in_4bit"] and not in_4_bit:
        raise RuntimeError(
            "load_in_4bit=True, and Unsloth loaded 16-bit weights: bitsandbytes is missing or does not work on this "
            "device (its message is above); pass load_in_4bit=False"
        )
    # Full fine-tuning may keep float32 weights, by Unsloth's own rule.
    if dtype is not None and not in_4_bit and not options["full_finetuning"] and model.dtype != dtype:
        raise RuntimeError(
            f"dtype={dtype} was asked for, and Unsloth loaded {model.dtype} (its message is above); pass that, or None"
        )


def gradient_checkpointing(model: Any) -> Any:
    """Return the setting that the model's layers have: False, True or ``"unsloth"``."""
    settings = (getattr(part, "gradient_checkpointing", False) for part in model.modules())
    return next((setting for setting in settings if setting), False)
