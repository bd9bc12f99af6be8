"""Initialisations of adapters: which leave the weights under them alone, and PiSSA, OLoRA and others that rewrite them.

Such an initialisation takes the adapter's first value B_0 A_0 out of the weights W, so that the policy begins as the
model was. Two things go wrong with that elsewhere: whoever makes a second adapter by the same settings takes it out
once more, and what was saved fits W - B_0 A_0, which nobody has. So the first value is kept here, as a frozen adapter
of its own, and what is saved is the difference B A - B_0 A_0: an ordinary adapter of twice the rank, for W.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import torch
from peft import LoraConfig, PeftConfig, PeftModel, get_peft_model
from peft.tuners.lora import LoraLayer
from torch import Tensor

from rlframework.policies.adapter_state import base_weights
from rlframework.utilities.digest import digest

# The adapter that keeps the first value.
INITIAL = "initial"
# Names of initialisations that touch nothing but the adapter. A test goes through all that PEFT knows.
_LEAVE_BASE = frozenset({"true", "false", "gaussian", "orthogonal", "eva", "mica"})
# Norm of what the rewritten weights and the adapter lack of the weights before, relative to these, at least allowed.
_SAME = 1e-5


def rewrites_base(config: PeftConfig) -> bool:
    """Return whether an adapter's initialisation changes the weights under it, as PiSSA and OLoRA do.

    Example:
        >>> [rewrites_base(LoraConfig(init_lora_weights=name)) for name in (True, "gaussian", "pissa", "olora")]
        [False, False, True, True]
    """
    how = str(getattr(config, "init_lora_weights", True)).lower()
    return how not in _LEAVE_BASE or getattr(config, "kasa_config", None) is not None


def new_adapter(model: Any, config: PeftConfig) -> Any:
    """Return the model with a new adapter; one whose initialisation rewrites weights keeps what it took out of them.

    While those are made, the model's matrices are in memory twice.

    Raises:
        ValueError: The adapter makes another model of it, needs data that are not here, or no adapter can say what its
            initialisation does to the weights.
    """
    if isinstance(config, LoraConfig) and (refusal := _refusal(model, config)):
        raise ValueError(refusal)
    adapted: Any
    if not isinstance(config, LoraConfig) or not rewrites_base(config):
        adapted = get_peft_model(model, config)
        if tied := getattr(config, "target_modules_to_tie", None):
            raise ValueError(
                f"ensure_weight_tying=True ties the adapters of {', '.join(sorted(tied))} to others, of which PEFT can "
                "make no copy, neither for a reference nor for merging; leave it out"
            )
        return adapted
    matrices = {id(weight): weight for weight in model.parameters() if weight.ndim > 1}
    before = {key: weight.detach().clone() for key, weight in matrices.items()}
    cuda = sorted({weight.device for weight in matrices.values() if weight.device.type == "cuda"}, key=str)
    with torch.random.fork_rng(devices=cuda):
        # PiSSA's fast kind begins at random: from the same seed, a run that goes on begins with the same weights.
        torch.manual_seed(0)
        adapted = get_peft_model(model, config)
    embeddings = [
        name for name, weight in adapted.named_parameters() if ".lora_embedding_A." in name and weight.numel()
    ]
    if embeddings:
        raise ValueError(
            f"init_lora_weights={config.init_lora_weights!r} with an adapter on an embedding ({embeddings[0]}) cannot "
            "be saved for the base as it was; leave the embedding out of target_modules, or take init_lora_weights=True"
        )
    changed = {name: weight for name, weight in adapted.named_parameters() if _differs(weight, before)}
    originals = {name: before[id(weight)] for name, weight in changed.items()}
    _check_begins_as_model(adapted, originals, config)
    _keep_first_value(adapted, config)
    state = adapted.state_dict()
    names = sorted(base_weights(adapted))
    adapted.original_base = digest((f"model.{name}", originals.get(name, state[name])) for name in names)
    adapted.original_dtype = adapted.dtype
    adapted.register_load_state_dict_pre_hook(_take_out_what_is_loaded)
    return adapted


def check_saved(config: PeftConfig, place: str) -> None:
    """Refuse an adapter that is there already, and fits weights that its initialisation had rewritten.

    Args:
        config: Settings of the adapter.
        place: Where it was found, for the message.

    Raises:
        ValueError: It is one, or it makes another model of its base.
    """
    if rewrites_base(config):
        how = getattr(config, "init_lora_weights", None)
        raise ValueError(
            f"the adapter of {place} was initialised by {how!r}, which rewrote the weights under it, and nothing here "
            "says what they were: neither a reference nor what is saved would be right. For a new one, pass the model "
            f"as it is, and lora=LoraConfig(init_lora_weights={how!r}, ...). One that was trained elsewhere has to be "
            "saved there for the model as it was (PEFT: save_pretrained(..., path_initial_model_for_weight_conversion=)"
            ", or merge_and_unload)"
        )
    if layers := getattr(config, "layer_replication", None):
        raise ValueError(_replication(layers))


def original_base(model: Any) -> str | None:
    """Return the digest of the weights before the initialisation rewrote them; None if they have been cast since.

    Example:
        >>> from rlframework.testing.tiny import tiny_qwen3
        >>> lora = LoraConfig(r=2, target_modules=["q_proj"], init_lora_weights="olora")
        >>> len(original_base(new_adapter(tiny_qwen3(), lora)))
        16
    """
    return model.original_base if model.original_dtype == model.dtype else None


def keeps_first_value(model: Any) -> bool:
    """Return whether the weights under a model's adapter lack its first value."""
    return isinstance(model, PeftModel) and INITIAL in model.peft_config


def for_original_base(
    config: Any, state: Mapping[str, Tensor], adapter: str = "default"
) -> tuple[Any, dict[str, Tensor]]:
    """Return settings and weights of an adapter of twice the rank that fits the weights before they were rewritten.

    Args:
        config: Of the adapter.
        state: Weights by names that contain the adapter's, those of its first value among them; others stay as they
            are.
        adapter: Its name.

    Example:
        >>> A, B = torch.ones(1, 3), torch.ones(2, 1)
        >>> state = {"lora_A.default.weight": A, "lora_A.initial.weight": A,
        ...          "lora_B.default.weight": B, "lora_B.initial.weight": B}
        >>> config, state = for_original_base(LoraConfig(r=1, init_lora_weights="pissa"), state)
        >>> config.r, state["lora_B.default.weight"] @ state["lora_A.default.weight"]
        (2, tensor([[0., 0., 0.],
                [0., 0., 0.]]))
    """
    wide = copy.copy(config)
    wide.init_lora_weights = True
    wide.corda_config = wide.lora_ga_config = None
    wide.r = 2 * config.r
    # The scale of each layer stays what it is: alpha / rank, or alpha / root of rank.
    more = 2**0.5 if config.use_rslora else 2
    wide.lora_alpha = more * config.lora_alpha
    wide.rank_pattern = {name: 2 * rank for name, rank in (config.rank_pattern or {}).items()}
    wide.alpha_pattern = {name: more * alpha for name, alpha in (config.alpha_pattern or {}).items()}
    joined = {}
    for name, weight in state.items():
        parts = name.split(".")
        if INITIAL in parts:
            continue
        first = state.get(".".join(INITIAL if part == adapter else part for part in parts))
        if adapter in parts and "lora_A" in parts and first is not None:
            weight = torch.cat([weight, first.to(weight)], dim=0)
        elif adapter in parts and "lora_B" in parts and first is not None:
            weight = torch.cat([weight, -first.to(weight)], dim=1)
        joined[name] = weight
    return wide, joined


def _refusal(model: Any, config: LoraConfig) -> str | None:
    """Return why an adapter cannot be made, and what can be done instead."""
    how = config.init_lora_weights
    if config.layer_replication:
        return _replication(config.layer_replication)
    if getattr(config, "kasa_config", None) is not None:  # PEFT 0.21 and newer
        return (
            f"kasa_config drops the {config.r} smallest singular values of the weights under the adapter, which no "
            "adapter puts back: what is saved would fit no model that you have. Leave it out, or use "
            "init_lora_weights='pissa'"
        )
    if config.alora_invocation_tokens is not None:
        return (
            "alora_invocation_tokens switches the adapter on within a row, which decoding with a cache does not see; "
            "leave it out"
        )
    if how == "loftq":
        return (
            "init_lora_weights='loftq' rounds the weights under the adapter to some bits, and what is saved would fit "
            "these alone. Load the model with quantization=BitsAndBytesConfig(load_in_4bit=True), make the adapter by "
            "get_peft_model, call peft.replace_lora_weights_loftq(model), which changes the adapter only, and pass "
            "that model"
        )
    if how == "eva":
        return (
            "init_lora_weights='eva' needs activations, without which PEFT makes a plain adapter. Call model = "
            "get_peft_model(model, config), peft.initialize_lora_eva_weights(model, dataloader), and pass that model "
            "without lora="
        )
    for name, mark, way in (
        ("corda", "eigens", "peft.tuners.lora.corda.preprocess_corda(model, config, run_model=...)"),
        ("lora_ga", "_peft_loraga_grad", "peft.preprocess_loraga(model, config, train_step)"),
    ):
        if how == name and not any(hasattr(part, mark) for part in model.modules()):
            return f"init_lora_weights={name!r} needs data: call {way} first, and pass that model with the same lora="
    if rewrites_base(config) and config.target_parameters:
        return f"init_lora_weights={how!r} is for target_modules; leave target_parameters out, or use True"
    if rewrites_base(config) and getattr(model, "is_quantized", False):
        return (
            f"init_lora_weights={how!r} rewrites the weights under the adapter, and quantised ones would be rounded "
            "anew; leave quantization out, or use init_lora_weights=True"
        )
    return None


def _replication(layers: Any) -> str:
    return (
        f"layer_replication={layers} makes a model of other layers, of which its configuration and its caches know "
        "nothing. Build and save that model first (its layers in a row, num_hidden_layers and layer_types as many), "
        "and pass its folder with lora= without layer_replication"
    )


def _differs(weight: Tensor, before: Mapping[int, Tensor]) -> bool:
    old = before.get(id(weight))
    return old is not None and not torch.equal(old, weight)


@torch.no_grad()
def _check_begins_as_model(model: Any, originals: Mapping[str, Tensor], config: LoraConfig) -> None:
    """Make sure that each weight and its adapter are together what the weight was before."""
    layers: dict[str, Any] = dict(model.named_modules())
    for name, before in originals.items():
        layer = layers.get(name.removesuffix(".base_layer.weight"))
        if not isinstance(layer, LoraLayer):
            raise ValueError(
                f"init_lora_weights={config.init_lora_weights!r} rewrites {name}, which is tied to a layer with an "
                "adapter and has none itself; leave that layer out of target_modules, or use init_lora_weights=True"
            )
        own: Any = layer
        now = own.get_base_layer().weight.float() + own.get_delta_weight(model.active_adapter).float()
        gap = (now - before.float()).norm() / before.float().norm()
        allowed = max(_SAME, torch.finfo(before.dtype).eps)
        if not gap <= allowed:
            raise ValueError(
                f"init_lora_weights={config.init_lora_weights!r} rewrites {name}, and with the adapter it is {gap:.2g} "
                f"of its norm from what it was (rounding explains {allowed:.2g}): the policy would not begin as the "
                "model, and what is saved would fit neither; use init_lora_weights=True"
            )


@torch.no_grad()
def _keep_first_value(model: Any, config: LoraConfig) -> None:
    present = model.active_adapter
    plain = copy.copy(config)
    plain.init_lora_weights, plain.use_dora, plain.bias = True, False, "none"
    plain.modules_to_save = plain.trainable_token_indices = None
    model.add_adapter(INITIAL, plain)
    for name, weight in list(model.named_parameters()):
        parts = name.split(".")
        if INITIAL in parts:
            weight.copy_(model.get_parameter(".".join(present if part == INITIAL else part for part in parts)))
            weight.requires_grad_(False)


@torch.no_grad()
def _take_out_what_is_loaded(model: Any, state: Mapping[str, Tensor], prefix: str, *_: Any) -> None:
    """Before weights are loaded: have the base lack the first value that these have, which another machine computed."""
    layers: dict[str, Any] = dict(model.named_modules())
    for name, layer in layers.items():
        if not isinstance(layer, LoraLayer) or INITIAL not in layer.lora_A:
            continue
        own: Any = layer
        parts = {kind: getattr(layer, kind)[INITIAL].weight for kind in ("lora_A", "lora_B")}
        loaded = {kind: state.get(f"{prefix}{name}.{kind}.{INITIAL}.weight") for kind in parts}
        if all(new is None or torch.equal(parts[kind], new.to(parts[kind])) for kind, new in loaded.items()):
            continue
        weight: Any = own.get_base_layer().weight
        whole = weight.float() + own.get_delta_weight(INITIAL).float()
        for kind, new in loaded.items():
            if new is not None:
                parts[kind].copy_(new)
        weight.copy_(whole - own.get_delta_weight(INITIAL).float())
