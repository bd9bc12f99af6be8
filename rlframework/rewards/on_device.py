"""Modules of a reward (`torch.nn.Module`), such as a learned judge, and whether one of them computes on a device."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import nn

from rlframework.rewards.base import RewardModel


def computes_on(reward: RewardModel, device: torch.device) -> bool:
    """Return whether a module that a reward holds has weights on a device.

    Looked through are its attributes, those of the rewards in it, lists and mappings, objects with a ``model`` (as
    pipelines of transformers have), and whose method a function is. What a function finds in its module is not seen.

    Args:
        reward: A reward, or a sum of several.
        device: Such as the one that the policy learns on.

    Example:
        >>> from rlframework.rewards import RowReward
        >>> class Judge(RowReward):
        ...     def __init__(self, name, scorer):
        ...         super().__init__(name)
        ...         self.scorer = scorer
        ...     def score_row(self, completion):
        ...         return float(self.scorer(torch.ones(2)))
        >>> learned, rule = Judge("learned", nn.Linear(2, 1)), Judge("rule", torch.sum)
        >>> [computes_on(reward, torch.device("cpu")) for reward in (rule, learned, rule + 0.5 * learned)]
        [False, True, True]
    """
    return any(weights.device == device for module in _modules(reward, set()) for weights in module.parameters())


def _modules(value: Any, seen: set[int]) -> Iterator[nn.Module]:
    if id(value) in seen:
        return
    seen.add(id(value))
    if isinstance(value, nn.Module):
        yield value
    elif isinstance(value, RewardModel):
        for part in [*vars(value).values(), *(term.reward for term in value.components())]:
            yield from _modules(part, seen)
    elif isinstance(value, (list, tuple, Mapping)):
        for part in value.values() if isinstance(value, Mapping) else value:
            yield from _modules(part, seen)
    else:
        for part in (getattr(value, "__self__", None), getattr(value, "model", None)):
            if isinstance(part, nn.Module) or hasattr(part, "model"):
                yield from _modules(part, seen)
