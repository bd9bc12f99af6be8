"""Reading the policy of a checkpoint or a saved folder: on the base that it was trained on, or not at all."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from huggingface_hub.errors import HFValidationError
from peft import PeftConfig, get_peft_model
from transformers import AutoConfig, AutoModelForCausalLM, GenerationConfig

from rlframework.loop.checkpoint import ORIGIN, POLICY, base_digest
from rlframework.loop.checkpoint_files import DamagedCheckpointError, reading
from rlframework.policies.causal_lm import CausalLMPolicy
from rlframework.policies.gguf import find_gguf
from rlframework.policies.loading import (
    float_dtype,
    known_adapter,
    load_model,
    load_tokenizer,
    saved_adapter_config,
)
from rlframework.policies.rewriting import for_original_base, rewrites_base
from rlframework.utilities.whole_folder import saved_about

_REFERENCE = re.compile(r"\.reference_\d+(\.|$)")
# What torch says in many lines of a pickle that it does not read.
_REFUSAL = re.compile(r"WeightsUnpickler error: (.*)")
_SAVE_ANEW = "Load it with load_from_checkpoint, and export what policy.save_pretrained(FOLDER) saves"


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
        FileNotFoundError: There is nothing at ``path``; or the base or the tokenizer has moved.
        ValueError: It is no such thing, or only a part of one; it does not say what it needs; or the base is not the
            one of the run.

    Example:
        >>> import tempfile
        >>> from rlframework.testing import tiny_policy
        >>> folder = tempfile.mkdtemp()
        >>> tiny_policy().save_pretrained(folder)
        >>> read_policy(folder).dtype
        'float32'
    """
    place = Path(path)
    try:
        trained = _read(place, base, tokenizer)
    except RuntimeError as error:  # as torch says that weights are of other shapes or missing
        raise ValueError(f"{place} cannot be read: its weights do not fit its model: {error}") from error
    if base is not None and trained.base is None:
        raise ValueError(f"base={base!r} is for an adapter, and {place} holds a whole model")
    trained.policy.eval()
    return trained


def _read(place: Path, base: str | None, tokenizer: str | None) -> TrainedPolicy:
    if place.is_file():
        return _of_checkpoint(place, base, tokenizer)
    if (place / "adapter_config.json").is_file():
        return _of_adapter(place, base, tokenizer)
    if (place / "config.json").is_file():
        policy = CausalLMPolicy(place, _tokenizer(tokenizer or place), dtype="auto")
        return TrainedPolicy(policy, str(policy.model.dtype).removeprefix("torch."))
    if (place / ".metadata").is_file() or (place / "meta.pt").is_file():
        raise ValueError(
            f"{place} is a checkpoint in shards; make one file of it: "
            f"python -m lightning_fabric.utilities.consolidate_checkpoint {place}, or with pytorch_lightning in "
            "place of lightning_fabric if it is of an FSDPStrategy"
        )
    if place.is_dir():
        raise ValueError(
            f"the folder {place} has neither adapter_config.json nor config.json; give a folder by SavePolicy or "
            "save_pretrained, or a .ckpt file by ModelCheckpoint"
        )
    raise FileNotFoundError(f"there is no {place} (looked for in {Path.cwd()})")


def _of_adapter(folder: Path, base: str | None, tokenizer: str | None) -> TrainedPolicy:
    about = saved_about(folder)
    config = saved_adapter_config(folder)
    under = base or about.get("base") or config.get("base_model_name_or_path")
    if not under:
        raise ValueError(f"{folder} does not say which model the adapter was trained on; name it by base (--base)")
    own = folder if (folder / "tokenizer_config.json").is_file() else None
    with _found("the model under the adapter", under, "base (--base)"):
        dtype = about.get("dtype") or ("auto" if find_gguf(under) is None else "float32")
        model = load_model(under, dtype, None)
    policy = CausalLMPolicy(model, _tokenizer(tokenizer or own or under), lora=folder)
    policy.model.peft_config[policy.model.active_adapter].base_model_name_or_path = str(under)
    return _on_its_base(policy, str(under), about.get("frozen_base"), bool(about.get("quantized")))


def _of_checkpoint(path: Path, base: str | None, tokenizer: str | None) -> TrainedPolicy:
    checkpoint = load_checkpoint(path)
    origin = _origin(path, checkpoint.get(ORIGIN) or {})
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
        policy = CausalLMPolicy(_bare_model(path, origin), _tokenizer(words))
        policy.load_state_dict(weights)
        return TrainedPolicy(policy, dtype)
    under = base or origin["base"]
    if not under:
        raise ValueError(
            f"{path} holds an adapter, and the model under it was made in memory; save that model and name its folder "
            "by base (--base)"
        )
    config = PeftConfig.from_peft_type(**known_adapter(origin["adapter_config"], f"policy_origin of {path}"))
    config.base_model_name_or_path, config.inference_mode = str(under), False
    if rewrites_base(config):
        config, weights = for_original_base(config, weights, origin["adapter"])
    with _found("the model under the adapter", under, "base (--base)"):
        model = load_model(under, dtype, None)
    policy = CausalLMPolicy(get_peft_model(model, config), _tokenizer(words))
    # PEFT saves an adapter of any other name in a folder within the folder.
    named = {
        name: ".".join("default" if part == origin["adapter"] else part for part in name.split(".")) for name in weights
    }
    _put_in(policy, {named[name]: weight for name, weight in weights.items() if not _REFERENCE.search(name)})
    return _on_its_base(policy, str(under), checkpoint.get("frozen_base"), origin["quantized"])


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Return what a checkpoint of Lightning holds, on the CPU, as plain values and tensors.

    Args:
        path: A ``.ckpt`` file.

    Raises:
        ValueError: It is none, or only a part of one, or holds what could run code.
    """
    zipped = zipfile.is_zipfile(path)
    try:
        # Mapped, since an optimizer's state is not wanted and may be twice as large as the weights; torch's format
        # before 1.6 was no zip file, and cannot be mapped.
        with reading(path):
            checkpoint = torch.load(path, map_location="cpu", weights_only=True, mmap=zipped)
    except DamagedCheckpointError:
        raise
    except Exception as error:  # Unpickling something else can raise anything.
        refusal = _REFUSAL.search(str(error))
        reason = refusal[1] if refusal else next(iter(str(error).splitlines()), "it ends too early")
        if zipped and refusal:
            raise ValueError(
                f"{path} cannot be read as a checkpoint: it holds more than tensors and plain values, which could run "
                f"code ({reason}). {_SAVE_ANEW}, if you trust it"
            ) from error
        raise ValueError(
            f"{path} is no checkpoint, or only a part of one, for its {path.stat().st_size} bytes cannot be read as a "
            f"checkpoint: {reason}; give a .ckpt file by ModelCheckpoint"
        ) from error
    if not isinstance(checkpoint, dict) or not isinstance(checkpoint.get("state_dict"), Mapping):
        raise ValueError(f"{path} is no checkpoint of Lightning: it holds no state_dict")
    return checkpoint


def _origin(path: Path, origin: Any) -> Mapping[str, Any]:
    """Return what a checkpoint says that its policy was made of, if it says all that is read here."""
    if not origin:
        raise ValueError(
            f"{path} does not say what its policy was made of: an earlier version wrote it, or a policy class of your "
            f"own. {_SAVE_ANEW}"
        )
    adapted = {"adapter", "adapter_config"}
    there = set(origin) if isinstance(origin, Mapping) else set()
    kind = adapted if adapted & there else {"config", "generation_config"}
    if lacking := sorted({"base", "tokenizer", "dtype", "quantized", *kind} - there):
        raise ValueError(
            f"{path} says only in part what its policy was made of: policy_origin lacks {', '.join(lacking)}. "
            f"{_SAVE_ANEW}"
        )
    float_dtype(origin["dtype"])
    return origin


@contextmanager
def _found(what: str, name: Any, remedy: str) -> Iterator[None]:
    """Say how to name what cannot be loaded, as it may have moved since the run."""
    try:
        yield
    except (OSError, HFValidationError) as error:  # The latter of an older huggingface_hub, for what looks like a path.
        reason = next(iter(str(error).splitlines()), "")
        if not Path(name).exists():
            reason = f"it is neither here (looked for in {Path.cwd()}) nor to be had from the hub"
        moved = f"{what}, {name}, cannot be loaded: {reason}; if it has moved, name it by {remedy}"
        raise FileNotFoundError(moved) from error
    except ValueError as error:
        raise ValueError(f"{what}, {name}, cannot be loaded: {error}; or name another by {remedy}") from error


def _tokenizer(source: Any) -> Any:
    with _found("the tokenizer", source, "tokenizer (--tokenizer)"):
        return load_tokenizer(source, None)


def _bare_model(path: Path, origin: Mapping[str, Any]) -> Any:
    try:
        config = AutoConfig.for_model(**origin["config"])
    except (TypeError, ValueError) as error:
        raise ValueError(f"{path} describes no model that transformers knows: {error}. {_SAVE_ANEW}") from error
    model = AutoModelForCausalLM.from_config(config).to(float_dtype(origin["dtype"]))
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
