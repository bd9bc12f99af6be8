"""Reading the policy of a checkpoint or a saved folder: on the base that it was trained on, or not at all."""

from __future__ import annotations

import json
import pickle
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from peft import PeftConfig, get_peft_model
from transformers import AutoConfig, AutoModelForCausalLM, GenerationConfig

from rlframework.checkpoints import ORIGIN, POLICY, base_digest
from rlframework.policies.causal_lm import CausalLMPolicy
from rlframework.policies.gguf import find_gguf
from rlframework.policies.loading import load_model
from rlframework.whole_folder import saved_about

_REFERENCE = re.compile(r"\.reference_\d+(\.|$)")


@dataclass(frozen=True)
class TrainedPolicy:
    """A policy as it was trained.

    Args:
        policy: In eval mode, on the CPU.
        dtype: Of the weights that the run had, of those under the adapter if it has one.
        base: What lies under the adapter: a folder, a GGUF file or a hub name; None of a whole model.
        frozen_base: What that model's weights are known by; None of a whole model.
        remarks: What could not be made sure of, in words.
    """

    policy: CausalLMPolicy
    dtype: str
    base: str | None = None
    frozen_base: str | None = None
    remarks: list[str] = field(default_factory=list)


def read_policy(path: str | Path, base: str | None = None, tokenizer: str | None = None) -> TrainedPolicy:
    """Read the policy of a run.

    Args:
        path: A checkpoint of Lightning (``.ckpt``), or a folder by `SavePolicy` or ``save_pretrained``.
        base: The model under the adapter, instead of the one that is named there.
        tokenizer: Likewise.

    Raises:
        FileNotFoundError: There is nothing at ``path``.
        ValueError: It is no such thing; it does not say what it needs; or the base is not the one of the run.

    Example:
        >>> import tempfile
        >>> from rlframework.testing import tiny_policy
        >>> folder = tempfile.mkdtemp()
        >>> tiny_policy().save_pretrained(folder)
        >>> read_policy(folder).dtype
        'float32'
    """
    place = Path(path)
    if place.is_file():
        trained = _of_checkpoint(place, base, tokenizer)
    elif (place / "adapter_config.json").is_file():
        trained = _of_adapter(place, base, tokenizer)
    elif (place / "config.json").is_file():
        policy = CausalLMPolicy(place, tokenizer, dtype="auto")
        trained = TrainedPolicy(policy, str(policy.model.dtype).removeprefix("torch."))
    elif (place / ".metadata").is_file() or (place / "meta.pt").is_file():
        raise ValueError(
            f"{place} is a checkpoint in shards; make one file of it: "
            f"python -m pytorch_lightning.utilities.consolidate_checkpoint {place}"
        )
    elif place.is_dir():
        raise ValueError(
            f"the folder {place} has neither adapter_config.json nor config.json; give a folder by SavePolicy or "
            "save_pretrained, or a .ckpt file by ModelCheckpoint"
        )
    else:
        raise FileNotFoundError(f"there is no {place} (looked for in {Path.cwd()})")
    if base is not None and trained.base is None:
        raise ValueError(f"base={base!r} is for an adapter, and {place} holds a whole model")
    trained.policy.eval()
    return trained


def _of_adapter(folder: Path, base: str | None, tokenizer: str | None) -> TrainedPolicy:
    about = saved_about(folder)
    config = json.loads((folder / "adapter_config.json").read_text(encoding="utf-8"))
    under = base or about.get("base") or config.get("base_model_name_or_path")
    if not under:
        raise ValueError(f"{folder} does not say which model the adapter was trained on; name it by base (--base)")
    own = folder if (folder / "tokenizer_config.json").is_file() else None
    dtype = about.get("dtype") or ("auto" if find_gguf(under) is None else "float32")
    policy = CausalLMPolicy(under, tokenizer or own, lora=folder, dtype=dtype)
    policy.model.peft_config[policy.model.active_adapter].base_model_name_or_path = str(under)
    return _on_its_base(policy, str(under), about.get("frozen_base"), bool(about.get("quantized")))


def _of_checkpoint(path: Path, base: str | None, tokenizer: str | None) -> TrainedPolicy:
    checkpoint = _load(path)
    origin: Mapping[str, Any] = checkpoint.get(ORIGIN) or {}
    if not origin:
        raise ValueError(
            f"{path} does not say what its policy was made of: an earlier version wrote it, or a policy class of your "
            "own. Load it with load_from_checkpoint, and export what policy.save_pretrained(FOLDER) saves"
        )
    weights = {name.removeprefix(POLICY): w for name, w in checkpoint["state_dict"].items() if name.startswith(POLICY)}
    # A base that has moved took its tokenizer along.
    moved = base if origin["tokenizer"] == origin["base"] else None
    words = tokenizer or (origin["tokenizer"] and moved) or origin["tokenizer"]
    if not words:
        raise ValueError(
            f"the run that wrote {path} had made its tokenizer in memory; name one by tokenizer (--tokenizer)"
        )
    dtype = origin["dtype"]
    if "adapter" not in origin:
        policy = CausalLMPolicy(_bare_model(origin, dtype), words)
        policy.load_state_dict(weights)
        return TrainedPolicy(policy, dtype)
    under = base or origin["base"]
    if not under:
        raise ValueError(
            f"{path} holds an adapter, and the model under it was made in memory; save that model and name its folder "
            "by base (--base)"
        )
    config = PeftConfig.from_peft_type(**origin["adapter_config"])
    config.base_model_name_or_path, config.inference_mode = str(under), False
    policy = CausalLMPolicy(get_peft_model(load_model(under, dtype, None), config), words)
    # PEFT saves an adapter of any other name in a folder within the folder.
    named = {
        name: ".".join("default" if part == origin["adapter"] else part for part in name.split(".")) for name in weights
    }
    _put_in(policy, {named[name]: weight for name, weight in weights.items() if not _REFERENCE.search(name)})
    return _on_its_base(policy, str(under), checkpoint.get("frozen_base"), origin["quantized"])


def _load(path: Path) -> dict[str, Any]:
    try:
        # Mapped, since an optimizer's state is not wanted and may be twice as large as the weights.
        checkpoint = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError) as error:
        raise ValueError(f"{path} cannot be read as a checkpoint: {str(error).splitlines()[0]}") from error
    if not isinstance(checkpoint, dict) or "state_dict" not in checkpoint:
        raise ValueError(f"{path} is no checkpoint of Lightning: it holds no state_dict")
    return checkpoint


def _bare_model(origin: Mapping[str, Any], dtype: str) -> Any:
    model = AutoModelForCausalLM.from_config(AutoConfig.for_model(**origin["config"])).to(getattr(torch, dtype))
    if origin["generation_config"]:
        model.generation_config = GenerationConfig.from_dict(origin["generation_config"])
    return model


def _put_in(policy: CausalLMPolicy, weights: Mapping[str, torch.Tensor]) -> None:
    """Load an adapter's weights, all of them and no others."""
    wanted = set(policy.state_dict()) - policy.frozen_base
    if wanted != set(weights):
        odd = sorted(wanted ^ set(weights))[0]
        raise ValueError(
            f"the checkpoint lacks {len(wanted - set(weights))} of {len(wanted)} weights of its adapter, and has "
            f"{len(set(weights) - wanted)} that are unknown here (such as {odd})"
        )
    policy.load_state_dict(weights, strict=False)


def _on_its_base(policy: CausalLMPolicy, base: str, known: str | None, quantized: bool) -> TrainedPolicy:
    """Make sure that the base is the one that the adapter was trained on."""
    remarks, now = [], base_digest(policy)
    if quantized:
        remarks.append(f"the run had {base} quantised, and the adapter is put on it as it is")
    elif known is None:
        remarks.append(f"nothing says whether {base} is the model that the adapter was trained on")
    elif known != now:
        raise ValueError(
            f"{base} is not the model that the adapter was trained on (its weights add up to {now}, those of the run "
            f"to {known}); name that one by base (--base)"
        )
    dtype = str(policy.model.get_base_model().dtype).removeprefix("torch.")
    return TrainedPolicy(policy, dtype, base, now, remarks)
