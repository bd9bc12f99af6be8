"""Memory estimate of a rollout and of an update, made when a run starts, with the way to halve the larger one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import takewhile
from statistics import fmean
from typing import Any, NamedTuple

import torch
from peft import PeftModel
from torch.distributed.tensor import DTensor

from rlframework.functional.memory import DecoderSizes, StepSizes, moments_of
from rlframework.policies.base import Policy
from rlframework.policies.decoding.base import LONG_PROMPT
from rlframework.policies.decoding.fused_step import FusedDecoder
from rlframework.policies.scoring.tree_attention import IN_VAIN, TREE_ATTENTION
from rlframework.prompt import Prompt
from rlframework.samplers.base import GroupSampler


class Foretold(NamedTuple):
    """Bytes above the weights on one rank, if every completion uses its budget.

    Args:
        rollout: At the peak of sampling; 0 where something else than this process samples.
        update: At the peak of an optimizer step.
        way: The setting that halves the larger of the two, or all of it that can be halved.
    """

    rollout: float
    update: float
    way: str

    def __str__(self) -> str:
        sampling = f"about {_size(self.rollout)} for a rollout and " if self.rollout else "about "
        return (
            f"Memory above the weights, if every completion uses its budget: {sampling}{_size(self.update)} for an "
            f"update. {self.way}."
        )


def foretell(
    policy: Policy,
    sampler: GroupSampler,
    asked: Sequence[Prompt],
    *,
    prompts_per_rollout: int,
    minibatches: int,
    accumulate: int,
    replicas: int = 1,
    precision: str = "32-true",
) -> Foretold | None:
    """Foretell the memory of a rank from sizes; None for a policy whose sizes are not those of a gated decoder.

    Of what the first steps hold to prove their shortcuts there is nothing in it.

    Args:
        policy: The policy that is trained.
        sampler: The sampler of its rollouts.
        asked: Training prompts, of which the first are looked at.
        prompts_per_rollout: Over all ranks.
        minibatches: Of a rollout.
        accumulate: Minibatches of an optimizer step.
        replicas: Number of ranks.
        precision: The Trainer's, such as ``"bf16-mixed"``.

    Example:
        >>> from rlframework import SharedPrefixSampler
        >>> from rlframework.testing import letter_prompts, tiny_policy
        >>> sampler = SharedPrefixSampler(group_size=8, max_tokens=32)
        >>> sizes = {"prompts_per_rollout": 16, "minibatches": 1, "accumulate": 1}
        >>> foretell(tiny_policy(), sampler, letter_prompts(16), **sizes).way
        "minibatches_per_rollout=2 with accumulate_grad_batches=2 halves an update's activations, ..."
    """
    sizes = decoder_sizes(policy, precision)
    if sizes is None or not asked:
        return None
    some = [asked[place].ids for place in range(min(len(asked), _PROMPTS_LOOKED_AT))]
    length, trunk = fmean(map(len, some)), _in_common(some)
    group, budget = sampler.group_size, sampler.max_tokens
    model: Any = policy.model
    shares = model.config._attn_implementation == TREE_ATTENTION
    longest = max(map(len, some))
    step = StepSizes(
        prompts=sampler.groups_from(prompts_per_rollout // replicas),
        group=group,
        prompt=length,
        longest_prompt=longest,
        trunk=trunk,
        budget=budget,
        minibatches=minibatches,
        accumulates=accumulate > 1,
        shares=shares,
        packs_cache=shares and longest >= LONG_PROMPT,
        samples=sampler.samples_policy_itself,
        joins_weights=FusedDecoder.fits(model),
        masked=masked_of_group(int(length), group, budget),
        on_cpu=policy.device.type == "cpu",
    )
    moments = moments_of(sizes, step)
    above = {name: sum(parts.values()) - parts["weights"] for name, parts in moments.items()}
    rollout = above["rollout"] if step.samples else 0.0
    update = max(above["backward"], above["optimizer step"])
    if rollout > update:
        way = _less_rollout(prompts_per_rollout, moments["rollout"]["weights of a pass"] > rollout / 2)
    else:
        activations = (
            moments["backward"]["activations"] + moments["backward"]["working layer"] + moments["backward"]["logits"]
        )
        way = _less_update(activations < update / 2, sizes, minibatches, accumulate, step.groups)
    return Foretold(rollout, update, way)


def decoder_sizes(policy: Policy, precision: str) -> DecoderSizes | None:
    """Return the sizes of a policy's model; None if it has experts, unequal layers, or is no decoder of transformers.

    Args:
        policy: The policy.
        precision: The Trainer's, such as ``"bf16-mixed"``.
    """
    model: Any = getattr(policy, "model", None)
    if not hasattr(getattr(model, "config", None), "get_text_config"):
        return None
    weights = list(policy.parameters())
    learning = {name: weight for name, weight in policy.named_parameters() if weight.requires_grad}
    first = next(iter(learning.values()), None)
    return sizes_of_config(
        model.config,
        precision=precision,
        weight_element=weights[0].element_size(),
        trained_element=4 if first is None else first.element_size(),
        trained=sum(map(_local, learning.values())),
        adapter=isinstance(model, PeftModel),
        checkpointing=any(getattr(part, "gradient_checkpointing", False) for part in model.modules()),
        feed_forward=any(part in name for name in learning for part in FEED_FORWARD),
    )


def sizes_of_config(
    config: Any,
    *,
    precision: str,
    weight_element: float,
    trained_element: float,
    trained: int | None,
    adapter: bool,
    checkpointing: bool,
    feed_forward: bool = True,
) -> DecoderSizes | None:
    """Return the sizes that a configuration of transformers states; None with experts, or without the usual entries.

    Args:
        config: Such as ``AutoConfig.from_pretrained`` returns.
        precision: The Trainer's, such as ``"bf16-mixed"``.
        weight_element: Bytes of a weight that does not learn.
        trained_element: Bytes of one that does.
        trained: Weights that learn; None for all.
        adapter: Whether they are an adapter's.
        checkpointing: Whether activations are computed again in the backward pass.
        feed_forward: Whether the feed-forward layers learn, or have adapters.

    Example:
        >>> from transformers import Qwen3Config
        >>> options = {"weight_element": 2, "trained_element": 2, "adapter": False, "checkpointing": False}
        >>> sizes_of_config(Qwen3Config(), precision="bf16-true", trained=None, **options).layers
        32
    """
    config = config.get_text_config()
    if getattr(config, "is_heterogeneous", False):
        return None
    wanted = ("num_hidden_layers", "hidden_size", "intermediate_size", "num_attention_heads", "vocab_size")
    if any(not isinstance(getattr(config, name, None), int) for name in wanted) or _has_experts(config):
        return None
    heads = config.num_attention_heads
    width = getattr(config, "head_dim", None) or config.hidden_size // heads
    sizes = DecoderSizes(
        layers=config.num_hidden_layers,
        hidden=config.hidden_size,
        intermediate=config.intermediate_size,
        query=heads * width,
        key=(getattr(config, "num_key_value_heads", None) or heads) * width,
        vocabulary=config.vocab_size,
        element=2 if precision.startswith(("bf16", "16")) or weight_element < 4 else 4,
        trained=trained or 0,
        adapter=adapter,
        checkpointing=checkpointing,
        tied=bool(getattr(config, "tie_word_embeddings", False)),
        weight_element=weight_element,
        trained_element=trained_element,
        cast=precision.endswith("mixed") and weight_element == 4,
        head_norms=config.model_type in _HEAD_NORMS,
        feed_forward=feed_forward,
    )
    return replace(sizes, trained=sizes.weights) if trained is None else sizes


FEED_FORWARD = ("gate_proj", "up_proj", "down_proj", "mlp")
"""What is in the name of a weight of a feed-forward layer."""
# Families whose queries and keys have norms of their own; a configuration does not say so.
_HEAD_NORMS = frozenset({"exaone4", "gemma3_text", "olmo2", "olmo3", "qwen3"})
_PROMPTS_LOOKED_AT = 256


def _in_common(prompts: list[list[int]]) -> int:
    """Return how many ids all of several prompts begin with."""
    low, high = min(prompts), max(prompts)
    same = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(low, high, strict=False)))
    return same if len(prompts) > 1 else 0


def masked_of_group(prompt: int, group: int, budget: int) -> int:
    """Return entries of the attention masks of a group: of one call, or of one for each completion (`TreeAttention`).

    Args:
        prompt: Tokens of the prompt.
        group: Completions, ``G``.
        budget: Tokens of each.

    Example:
        >>> masked_of_group(prompt=10, group=2, budget=5)
        200
    """
    behind = group * budget
    together = behind**2 - group * budget**2 < IN_VAIN
    return behind * (prompt + behind) if together else behind * (prompt + budget)


def _has_experts(config: Any) -> bool:
    return any(getattr(config, name, None) for name in ("num_experts", "num_local_experts", "n_routed_experts"))


def _local(weight: torch.Tensor) -> int:
    return (weight.to_local() if isinstance(weight, DTensor) else weight).numel()


def _less_rollout(prompts: int, mostly_copies: bool) -> str:
    if mostly_copies:
        return "fused_decode=False of the policy, which spares the copies of its weights, halves a rollout's"
    if prompts > 1:
        return f"prompts_per_rollout={prompts // 2} halves a rollout's; so does half of max_tokens, nearly"
    return "Half of max_tokens or of group_size halves a rollout's, nearly"


def _less_update(mostly_states: bool, sizes: DecoderSizes, parts: int, accumulate: int, groups: float) -> str:
    if mostly_states and not sizes.adapter:
        return "Gradients and optimizer states are most of an update's; an adapter (lora=...) has next to none"
    if groups >= 2:
        more = f"minibatches_per_rollout={2 * parts} with accumulate_grad_batches={2 * accumulate}"
        return f"{more} halves an update's activations, with the same gradient"
    if not sizes.checkpointing:
        return "gradient_checkpointing=True of the policy more than halves an update's activations"
    return "Half of max_tokens or of group_size halves an update's activations, nearly"


def _size(count: float) -> str:
    return f"{count / 2**30:.1f} GiB" if count >= 2**30 else f"{max(count / 2**20, 1):.0f} MiB"
