"""RoPE variants whose angles depend on the longest row in the batch: detect them, and refuse what they spoil."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rlframework.rollout import Rollout


def length_dependent(config: Any) -> dict[str, dict[str, Any]]:
    """Return the RoPE variants that depend on length (LongRoPE, dynamic) of a configuration, with their settings."""
    rope = getattr(config, "rope_parameters", None) or getattr(config, "rope_scaling", None) or {}
    parts = (rope, *(value for value in rope.values() if isinstance(value, dict)))
    kinds = {str(part.get("rope_type") or part.get("type")): part for part in parts}
    return {kind: part for kind, part in kinds.items() if "dynamic" in kind or kind == "longrope"}


def rope_depends_on_batch(config: Any, batch: Rollout) -> str | None:
    """Return why RoPE would rotate a row by the longest row of its batch; None if by its own positions alone.

    Args:
        config: Of the model.
        batch: What is scored, ``(B, P)`` prompts and ``(B, T)`` completions.
    """
    for kind, limit in _limits(config).items():
        if (batch.prompt_mask.sum(1) + batch.completion_mask.sum(1)).max() > limit:
            return f"with a row of more than {limit} tokens, its {kind} rotation depends on the other rows of a call"
    return None


def changing_rotation(config: Any, prompts: Sequence[int], budget: int) -> str | None:
    """Return why RoPE would rotate a row by other angles when it is sampled than when it is scored, or None.

    Angles change where a row outgrows the length that the model was pretrained at. The tokens before that place were
    sampled with the old ones, and the whole row is scored with the new ones.

    Args:
        config: Of the model.
        prompts: Lengths in tokens.
        budget: The most tokens of a completion.
    """
    for kind, limit in _limits(config).items():
        crossing = [length for length in prompts if length + budget > limit]
        # LongRoPE has one set of angles above the limit, the dynamic kind one for each length.
        if crossing and not (kind == "longrope" and min(prompts) > limit):
            return (
                f"{len(crossing)} of {len(prompts)} prompts (the longest of {max(crossing)} tokens) and "
                f"max_tokens={budget} go beyond {limit} tokens, where the model's {kind} rotation changes: a row would "
                "be sampled with other angles than it is scored with. Lower max_tokens, or set max_prompt_tokens and "
                "too_long='drop' of the PromptDataModule"
            )
    return None


def _limits(config: Any) -> dict[str, int]:
    """Return the lengths up to which each such variant rotates alike."""
    pretrained, limits = "original_max_position_embeddings", {}
    for kind, part in length_dependent(config).items():
        limits[kind] = part.get(pretrained) or getattr(config, pretrained, None) or config.max_position_embeddings
    return limits
