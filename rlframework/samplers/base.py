"""Abstract group sampler: several completions of every prompt."""

from __future__ import annotations

import copy
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar, Self

from rlframework.completions import Completions
from rlframework.policies.base import Policy
from rlframework.prompt import Prompt
from rlframework.rewards.base import RewardModel
from rlframework.samplers.conversation import Conversation
from rlframework.terms.sampler_correction import SamplerCorrection
from rlframework.utilities.arguments import Checked, check_argument, meant_by
from rlframework.utilities.words import record, recorded

Progress = Callable[[int, int], None]


class GroupSampler(Checked, ABC):
    """Answers every prompt ``group_size`` times.

    Override `sample`. Whoever calls it has put the policy in eval mode and switched gradients off.

    Args:
        group_size: Completions per prompt, ``G``.
        max_tokens: Token budget of a completion, the stop token included.
        temperature: Divides the logits; 0 takes the most likely token each time.
        seed: Part of every row's own seed.
        top_k: Sample among this many of the most likely tokens; None is all of them. As the next two, it truncates the
            distribution that is sampled from, and with it the log-probabilities: `truncates`.
        top_p: Of these, among the fewest that reach this probability together; 1 is all of them.
        min_p: Of these, among those at least this many times as likely as the most likely one; 0 is all of them.

    Attributes:
        samples_policy_itself: True states that the very weights that learn are sampled from, in this process, so that
            the log-probabilities of the completions can be the policy's. It is checked; a subclass that overrides
            ``sample`` or ``draw`` has to state it again.
        correction: Makes up for the gap between what is sampled from and the policy, in every algorithm that is given
            no ``sampler_correction`` of its own; None where there is no gap.
        progress: Called now and then with (tokens done, rows unfinished) inside `reporting`; None outside.

    Example:
        A sampler that asks somebody else, as an engine or a recording would:

        >>> from rlframework.completions import Completion
        >>> class Scripted(GroupSampler):
        ...     def sample(self, policy, prompts, *, step=0):
        ...         rows = [Completion(prompt, [7], "7", "stop") for prompt in prompts for _ in range(self.group_size)]
        ...         return Completions(rows, self.group_size)
        >>> len(Scripted(group_size=4, max_tokens=8).sample(None, [Prompt([1], "?")]))
        4
    """

    samples_policy_itself: ClassVar[bool] = False
    correction: SamplerCorrection | None = None

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        # A subclass that samples otherwise has to say so again.
        if {"sample", "draw"} & vars(cls).keys() and "samples_policy_itself" not in vars(cls):
            cls.samples_policy_itself = False
        if "sample" in vars(cls) and "converse" not in vars(cls):
            cls.converse = GroupSampler.converse  # type: ignore[method-assign]

    def __init__(
        self,
        group_size: int,
        max_tokens: int,
        temperature: float = 1.0,
        seed: int = 0,
        top_k: int | None = None,
        top_p: float = 1.0,
        min_p: float = 0.0,
    ) -> None:
        self.group_size = group_size
        self.max_tokens = max_tokens
        self.temperature = temperature
        self.seed = seed
        self.top_k = top_k
        self.top_p = top_p
        self.min_p = min_p
        self.progress: Progress | None = None
        self._check()

    def _check(self) -> None:
        kind = type(self).__name__
        if self.group_size < 1 or self.max_tokens < 1:
            raise ValueError(
                f"{kind}: group_size and max_tokens must be at least 1, got {self.group_size} and {self.max_tokens}"
            )
        if self.temperature < 0 or self.seed < 0:
            raise ValueError(
                f"{kind}: temperature and seed must not be negative, got {self.temperature} and {self.seed}"
            )
        if not math.isfinite(self.temperature):
            raise ValueError(
                f"{kind}: temperature={self.temperature} leaves nothing of the logits that it divides; give a finite "
                "number, 1 for the policy's own distribution and 0 for the most likely token each time"
            )
        if (self.top_k is not None and self.top_k < 1) or not 0 < self.top_p <= 1 or not 0 <= self.min_p < 1:
            raise ValueError(
                f"{kind}: expected top_k of at least 1 or None, top_p in (0, 1] and min_p in [0, 1), got {self.top_k}, "
                f"{self.top_p} and {self.min_p}"
            )

    def _check_room(self, policy: Policy, prompts: Sequence[Prompt]) -> None:
        """Refuse prompts that leave no room for an answer.

        Raises:
            ValueError: A prompt and the token budget together exceed what the model can read, or a prompt is empty.
        """
        if not prompts or not all(prompt.ids for prompt in prompts):
            raise ValueError("no prompts, or a prompt has no tokens: there is nothing to condition the first token on")
        longest = max(prompts, key=lambda prompt: len(prompt.ids))
        if policy.max_positions is not None and len(longest.ids) + self.max_tokens > policy.max_positions:
            raise ValueError(
                f"prompt {longest.index} has {len(longest.ids)} tokens; with max_tokens={self.max_tokens} that is more "
                f"than the {policy.max_positions} positions of the model. Lower max_tokens, or set max_prompt_tokens "
                "of the PromptDataModule and too_long='drop'"
            )

    @contextmanager
    def reporting(self, progress: Progress) -> Iterator[None]:
        """Enter a context in which `sample` calls ``progress`` now and then with (tokens done, rows unfinished)."""
        self.progress = progress
        try:
            yield
        finally:
            self.progress = None

    def judges(self) -> list[RewardModel]:
        """Return the rewards by which a filter chooses the groups it returns; none for other samplers."""
        return []

    def check_prompts(self, prompts: Sequence[Prompt]) -> None:
        """Refuse prompts, before a run, that this sampler cannot serve; by default none.

        Args:
            prompts: Of the training data.

        Raises:
            ValueError: Says what they lack, and the way out.
        """

    @property
    def truncates(self) -> bool:
        """Whether unlikely tokens are never sampled, so that the samples are not the policy's own."""
        return self.top_k is not None or self.top_p < 1 or self.min_p > 0

    @abstractmethod
    def sample(self, policy: Policy, prompts: Sequence[Prompt], *, step: int = 0) -> Completions:
        """Sample ``group_size`` completions for each of ``N`` prompts, ``N * G`` rows.

        Args:
            policy: The policy to sample from, with the weights it has now.
            prompts: The prompts, in the order that the result keeps.
            step: Which rollout this is; a new one draws new samples from the same prompts.
        """

    def converse(
        self, policy: Policy, prompts: Sequence[Prompt], *, step: int = 0, stops: frozenset[int] = frozenset()
    ) -> Conversation:
        """Begin a conversation of ``N * G`` rows, which are sampled turn by turn; for `EpisodeSampler`.

        Args:
            policy: The policy to sample from, with the weights it has now.
            prompts: ``N`` prompts, in the order of the rows.
            step: Number of the rollout, a part of the seed.
            stops: Ids that end a turn, besides those that end a completion.

        Raises:
            TypeError: This sampler cannot go on from what it sampled.
        """
        raise TypeError(
            f"{type(self).__name__} answers a prompt once and cannot go on from there; for episodes use "
            "SharedPrefixSampler, BatchedSampler or VLLMSampler, or override converse()"
        )

    def for_evaluation(self) -> GroupSampler:
        """Return the sampler for evaluation: one greedy completion per prompt."""
        return self.replace(group_size=1, temperature=0.0)

    @property
    def unfiltered(self) -> GroupSampler:
        """The sampler with these settings that answers every prompt: this one, unless a filter leaves some out."""
        return self

    def groups_from(self, prompts: int) -> int:
        """Return how many groups come back for this many prompts: as many, unless a filter leaves some out."""
        return prompts

    def replace(self, **changes: Any) -> Self:
        """Return a copy with other settings, such as ``replace(group_size=1, temperature=0.0)`` for evaluation."""
        other = copy.copy(self)
        for name, value in changes.items():
            if name not in vars(other):
                meant = meant_by(name, vars(other))
                raise AttributeError(f"{type(self).__name__} has no setting {name!r}: {meant}")
            check_argument(self, name, value)
            setattr(other, name, value)
        record(other, {**(recorded(self) or {}), **changes})
        other._check()
        return other
