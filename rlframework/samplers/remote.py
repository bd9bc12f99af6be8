"""Remote samplers: they sample from published versions of the policy, while the policy itself learns on."""

from __future__ import annotations

import copy
from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, NoReturn, Self

from transformers import PreTrainedTokenizerBase

from rlframework.completions import Completions
from rlframework.policies.base import Policy
from rlframework.prompt import Prompt
from rlframework.samplers.base import GroupSampler
from rlframework.samplers.wrapper import SamplerWrapper


class Version(Policy):
    """Version of a policy that was published: what is to be known of it to sample from it elsewhere, without weights.

    It stands in for the policy in `GroupSampler.sample`, also of samplers around a `RemoteSampler`. For another thread
    it needs a tokenizer of its own (`with_tokenizer`).

    Args:
        name: Name of the weights, such as their `fingerprint`.
        policy: The policy whose weights they are.
        gap: What the place of sampling was found to be off by, in nats per token; None where nobody has measured it.

    Example:
        >>> from rlframework.testing import tiny_policy
        >>> version = Version("policy-1", tiny_policy())
        >>> version.name, version.eos_ids == tiny_policy().eos_ids, len(list(version.parameters()))
        ('policy-1', True, 0)
    """

    def __init__(self, name: str, policy: Policy, gap: float | None = None) -> None:
        super().__init__(policy.tokenizer)
        # In a tuple, so that its weights are not the version's: it is there for its decode.
        self._speaker = (policy,)
        self.name = name
        self.gap = gap
        self._eos_ids = policy.eos_ids
        self._max_positions = policy.max_positions

    def with_tokenizer(self, tokenizer: PreTrainedTokenizerBase) -> Self:
        """Return this version with another tokenizer: a copy, for another thread, since two disturb each other.

        Args:
            tokenizer: A copy of the version's, which takes a third of a second to make for 50,000 words.
        """
        other, speaker = copy.copy(self), copy.copy(self._speaker[0])
        other.tokenizer = speaker.tokenizer = tokenizer
        other._speaker = (speaker,)
        return other

    @property
    def device(self) -> NoReturn:
        """Refuse: the weights are elsewhere."""
        self._refuse()

    @property
    def eos_ids(self) -> frozenset[int]:
        """Every id that ends a completion."""
        return self._eos_ids

    @property
    def max_positions(self) -> int | None:
        """The most tokens that the model can read; None if unbounded."""
        return self._max_positions

    def decode(self, ids: Sequence[int]) -> str:
        """Turn completion ids into text, as the policy does."""
        return self._speaker[0].decode(ids)

    def logprobs(self, batch: Any, *, entropy_gradient: bool = False) -> NoReturn:
        """Refuse: the weights are elsewhere."""
        self._refuse()

    def next_logits(self, ids: Any, mask: Any, cache: Any = None) -> NoReturn:
        """Refuse: the weights are elsewhere."""
        self._refuse()

    def _refuse(self) -> NoReturn:
        raise RuntimeError(
            f"version {self.name} of the policy has no weights here: it can be sampled from where it was published, "
            "and nowhere else. A sampler that computes with the policy cannot sample ahead of learning"
        )


class RemoteSampler(GroupSampler):
    """Samples from versions of the policy that were published, in another process: a run may ask for rollouts ahead.

    Override `publish` and `ask`, and what else the place of sampling needs. A run with ``rollouts_ahead=k`` publishes
    the weights when rollout ``n`` is begun, asks for rollout ``n + k``, and learns from ``n`` meanwhile.

    Example:
        Of weights that never change, as a teacher's, which need not be published:

        >>> from rlframework.completions import Completion
        >>> class Teacher(RemoteSampler):
        ...     def publish(self, policy, prompts):
        ...         return Version("teacher", policy)
        ...     def ask(self, prompts, *, step, version):
        ...         rows = [Completion(prompt, [7], version.decode([7]), "stop", [0.0]) for prompt in prompts]
        ...         return Completions(rows, 1)
        >>> from rlframework.testing import tiny_policy
        >>> len(Teacher(group_size=1, max_tokens=8).sample(tiny_policy(), [Prompt([1], "?")]))
        1
    """

    @abstractmethod
    def publish(self, policy: Policy, prompts: Sequence[Prompt]) -> Version:
        """Bring the policy's present weights to where they are sampled from; all ranks call it together.

        The version can be sampled from until `release`, as often as it was published. Weights that are there already
        are not brought again.

        Args:
            policy: With the weights it has now.
            prompts: Of the data; the first one may be asked to see that the weights arrived.
        """

    @abstractmethod
    def ask(self, prompts: Sequence[Prompt], *, step: int, version: Version) -> Completions:
        """Sample ``group_size`` completions for each of ``N`` prompts from a version, in whatever thread this is.

        It may use nothing of the policy but the version, and no call of other ranks.

        Args:
            prompts: The prompts, in the order that the result keeps.
            step: Number of the rollout, a part of the seed.
            version: Of the weights.
        """

    def release(self, version: Version) -> None:
        """Let go of a version, once for each `publish`: nothing will be asked of it again. By default nothing to do.

        Args:
            version: Of the weights.
        """
        return

    def side_by_side(self, policy: Policy) -> bool:
        """Return whether several versions can be sampled from at once; by default a new one replaces the one before.

        Args:
            policy: The policy whose versions they are.
        """
        return False

    def check_versions(self, policy: Policy, count: int) -> None:
        """Refuse, before a run, more versions at once than there is room for; by default none.

        Args:
            policy: The policy whose versions they are.
            count: The most that are held at a time.

        Raises:
            ValueError: With both numbers, and the way out.
        """
        return

    def close(self) -> None:
        """Give up what was asked for: nobody waits for it any more. By default nothing to do."""
        return

    def sample(self, policy: Policy, prompts: Sequence[Prompt], *, step: int = 0) -> Completions:
        """Sample from a version, or publish the policy's present weights and sample from these.

        Args:
            policy: The policy, or a `Version` of it.
            prompts: ``N`` prompts, in the order that the result keeps.
            step: Number of the rollout, a part of the seed.
        """
        if isinstance(policy, Version):
            return self.ask(prompts, step=step, version=policy)
        version = self.publish(policy, prompts)
        try:
            return self.ask(prompts, step=step, version=version)
        finally:
            self.release(version)


def remote_inside(sampler: GroupSampler) -> RemoteSampler | None:
    """Return the remote sampler that a sampler is, or has inside; None if it samples in this process.

    Args:
        sampler: Any sampler.
    """
    while isinstance(sampler, SamplerWrapper):
        sampler = sampler.sampler
    return sampler if isinstance(sampler, RemoteSampler) else None
