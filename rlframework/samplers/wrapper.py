"""Abstract sampler around a sampler (a wrapper): one that chooses among what another samples, or goes on with it."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Self

from rlframework.prompt import Prompt
from rlframework.rewards.base import RewardModel
from rlframework.samplers.base import GroupSampler, Progress

# Settings that a sampler and the one inside have in common.
_SHARED = ("group_size", "max_tokens", "temperature", "seed", "top_k", "top_p", "min_p")


class SamplerWrapper(GroupSampler):
    """Samples with another sampler, and does something to what comes back (a wrapper).

    It has the settings of the sampler inside and states of itself what that one does. Override `sample`.

    Args:
        sampler: The sampler inside.
        group_size: Completions per prompt that come back; as many as the sampler inside gives by default.

    Example:
        >>> from rlframework.completions import Completions
        >>> from rlframework.samplers import BatchedSampler
        >>> from rlframework.testing import letter_prompts, tiny_policy
        >>> class Shortest(SamplerWrapper):
        ...     def sample(self, policy, prompts, *, step=0):
        ...         groups = self.sampler.sample(policy, prompts, step=step).groups()
        ...         ordered = [sorted(group, key=lambda row: len(row.ids)) for group in groups]
        ...         return Completions([row for group in ordered for row in group[: self.group_size]], self.group_size)
        >>> inner = BatchedSampler(group_size=8, max_tokens=5)
        >>> len(Shortest(inner, group_size=2).sample(tiny_policy(), letter_prompts(3)))
        6
    """

    def __init__(self, sampler: GroupSampler, group_size: int | None = None) -> None:
        settings = {name: getattr(sampler, name) for name in _SHARED}
        super().__init__(**settings if group_size is None else {**settings, "group_size": group_size})
        self.samples_policy_itself = sampler.samples_policy_itself  # type: ignore[misc]
        self.correction = sampler.correction
        self.sampler = sampler

    @property
    def unfiltered(self) -> GroupSampler:
        """This sampler, around the sampler inside without its filters."""
        inside = self.sampler.unfiltered
        if inside is self.sampler:
            return self
        other = copy.copy(self)
        other.sampler = inside
        return other

    def groups_from(self, prompts: int) -> int:
        """Return how many groups come back for this many prompts: as the sampler inside has it."""
        return self.sampler.groups_from(prompts)

    def judges(self) -> list[RewardModel]:
        """Return the rewards of filters inside."""
        return self.sampler.judges()

    def check_prompts(self, prompts: Sequence[Prompt]) -> None:
        """Refuse what the sampler inside refuses."""
        self.sampler.check_prompts(prompts)

    @contextmanager
    def reporting(self, progress: Progress) -> Iterator[None]:
        """Enter a context in which the sampler inside reports its progress."""
        with super().reporting(progress), self.sampler.reporting(progress):
            yield

    def replace(self, **changes: Any) -> Self:
        """Return a copy with other settings; those that both have are changed inside too."""
        other = super().replace(**changes)
        other.sampler = self.sampler.replace(**{name: changes[name] for name in _SHARED if name in changes})
        return other
