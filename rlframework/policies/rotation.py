"""Rotary embeddings whose angles depend on how long the longest row of a call is."""

from __future__ import annotations

from typing import Any

from rlframework.rollout import Rollout


def length_dependent(config: Any) -> dict[str, dict[str, Any]]:
    """Return the kinds of such embeddings that a configuration has, with their settings."""
    rope = getattr(config, "rope_parameters", None) or getattr(config, "rope_scaling", None) or {}
    parts = (rope, *(value for value in rope.values() if isinstance(value, dict)))
    kinds = {str(part.get("rope_type") or part.get("type")): part for part in parts}
    return {kind: part for kind, part in kinds.items() if "dynamic" in kind or kind == "longrope"}


def shared_rotation(config: Any, batch: Rollout) -> str | None:
    """Return why positions are not enough to rotate a row: past some length, the longest row of a call decides."""
    for kind, part in length_dependent(config).items():
        pretrained = "original_max_position_embeddings"
        limit = part.get(pretrained) or getattr(config, pretrained, None) or config.max_position_embeddings
        if (batch.prompt_mask.sum(1) + batch.completion_mask.sum(1)).max() > limit:
            return f"with a row of more than {limit} tokens, its {kind} rotation depends on the other rows of a call"
    return None
