"""Memory estimate of a rollout and of an update, made when a run starts, with the way to halve the larger one."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import takewhile
from statistics import fmean
from typing import Any, NamedTuple

import torch
from peft import PeftModel
from torch.distributed.tensor import DTensor

from rlframework.functional.memory import DecoderSizes, activation_bytes, rollout_bytes, update_bytes
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
    prompts = sampler.groups_from(prompts_per_rollout // replicas)
    group, budget = sampler.group_size, sampler.max_tokens
    model: Any = policy.model
    shares = model.config._attn_implementation == TREE_ATTENTION

    rollout = copies = 0.0
    if sampler.samples_policy_itself:
        longest = max(map(len, some))
        columns = budget + (longest / group if shares and longest >= LONG_PROMPT else longest)
        fused = FusedDecoder.fits(model)
        rollout = rollout_bytes(sizes, prompts * group, int(columns), int(prompts * length), fused)
        copies = rollout - rollout_bytes(sizes, prompts * group, int(columns), int(prompts * length), False)

    groups = prompts / minibatches
    tokens = groups * (length + group * budget) if shares else groups * group * (length + budget)
    if shares and trunk * (groups - 1) > 0.1 * tokens:
        tokens -= trunk * (groups - 1)
    masked = int(groups) * _masked(int(length), group, budget) if shares else 0
    activations = activation_bytes(sizes, int(tokens), int(groups * group * budget), masked)
    update = update_bytes(sizes, activations, accumulate > 1)
    if rollout > update:
        way = _less_rollout(prompts_per_rollout, copies > rollout / 2)
    else:
        way = _less_update(activations < update / 2, sizes, minibatches, accumulate, groups)
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
    config = model.config.get_text_config()
    if getattr(config, "is_heterogeneous", False):
        return None
    wanted = ("num_hidden_layers", "hidden_size", "intermediate_size", "num_attention_heads", "vocab_size")
    if any(not isinstance(getattr(config, name, None), int) for name in wanted) or _has_experts(config):
        return None
    heads = config.num_attention_heads
    width = getattr(config, "head_dim", None) or config.hidden_size // heads
    half = precision.startswith(("bf16", "16")) or next(policy.parameters()).dtype in (torch.bfloat16, torch.float16)
    return DecoderSizes(
        layers=config.num_hidden_layers,
        hidden=config.hidden_size,
        intermediate=config.intermediate_size,
        query=heads * width,
        key=(getattr(config, "num_key_value_heads", None) or heads) * width,
        vocabulary=config.vocab_size,
        element=2 if half else 4,
        trained=sum(_local(weight) for weight in policy.parameters() if weight.requires_grad),
        adapter=isinstance(model, PeftModel),
        checkpointing=any(getattr(part, "gradient_checkpointing", False) for part in model.modules()),
    )


_PROMPTS_LOOKED_AT = 256


def _in_common(prompts: list[list[int]]) -> int:
    """Return how many ids all of several prompts begin with."""
    low, high = min(prompts), max(prompts)
    same = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(low, high, strict=False)))
    return same if len(prompts) > 1 else 0


def _masked(prompt: int, group: int, budget: int) -> int:
    """Return entries of the masks of a group: of one call, or of one for each completion (`TreeAttention`)."""
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
