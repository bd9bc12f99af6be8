"""Batches of held-out prompts, shared out over ranks for validation, test and prediction; and what is predicted."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from math import ceil
from typing import Any

import torch
from pytorch_lightning.overrides.distributed import _IndexBatchSamplerWrapper

from rlframework.completions import Completions
from rlframework.prompt import Prompt
from rlframework.rewards.base import Scores


class PromptBatch(list[Prompt]):
    """A list of prompts, which may be empty, and one to sample all the same where it is.

    A policy that is sharded needs every rank for each token, those too that have no prompt left.

    Args:
        prompts: This rank's.
        stand_in: Any prompt.
    """

    def __init__(self, prompts: Sequence[Prompt], stand_in: Prompt) -> None:
        super().__init__(prompts)
        self.stand_in = stand_in


class LeftAlone:
    """A batch of prompts that Lightning can move to a device, and do nothing else to.

    It would look for floats in each prompt, to convert them to the precision of the run, and no frozen dataclass lets
    it. Prompts are read where they are.
    """

    def __init__(self, batch: PromptBatch) -> None:
        self._batch = batch

    def __len__(self) -> int:
        return len(self._batch)

    def __iter__(self) -> Iterator[Prompt]:
        return iter(self._batch)

    def to(self, *args: Any, **kwargs: Any) -> PromptBatch:
        """Return the batch of prompts as it is; Lightning calls this to move a batch to a device.

        Args:
            *args: Of ``Tensor.to``; unused.
            **kwargs: Of ``Tensor.to``; unused.
        """
        return self._batch


class PromptBatches:
    """Sized batches of prompts, each rank its own; every rank has as many, and the last may be empty.

    Args:
        prompts: All prompts, the same on every rank.
        batch_size: Most prompts in a batch of a rank.
        rank: This rank among the data-parallel replicas.
        replicas: Number of data-parallel replicas.

    Raises:
        ValueError: There are no prompts.

    Example:
        >>> from rlframework.testing import letter_prompts
        >>> batches = PromptBatches(letter_prompts(5), batch_size=2)
        >>> [len(batch.to("cpu")) for batch in batches]
        [2, 2, 1]
    """

    def __init__(self, prompts: Sequence[Prompt], batch_size: int, rank: int = 0, replicas: int = 1) -> None:
        if not len(prompts):
            raise ValueError("there are no prompts to make batches of; return [] in place of a loader")
        self.prompts = prompts
        mine = range(rank, len(prompts), replicas)
        starts = range(0, ceil(ceil(len(prompts) / replicas) / batch_size) * batch_size, batch_size)
        # In the form in which a BasePredictionWriter is told which prompts a batch held.
        self.batch_sampler = _IndexBatchSamplerWrapper(_Places([list(mine[at : at + batch_size]) for at in starts]))

    def __len__(self) -> int:
        return len(self.batch_sampler)

    def __iter__(self) -> Iterator[LeftAlone]:
        places = iter(self.batch_sampler)
        for _ in range(len(self)):
            yield LeftAlone(PromptBatch([self.prompts[place] for place in next(places)], self.prompts[0]))


@dataclass
class ScoredCompletions(Completions):
    """Completions with their scores, as ``trainer.predict`` returns them.

    Args:
        rows: The completions, group after group.
        group_size: Completions of a prompt, ``G``.
        scores: What each held-out measure says of them, by its name, ``reward`` among them; empty without rows.

    Example:
        >>> ScoredCompletions([], group_size=1).scores
        {}
    """

    scores: dict[str, Scores] = field(default_factory=dict)


@contextmanager
def single_precision(device: torch.device) -> Iterator[None]:
    """Compute inside the context as without a precision plugin: half precision would round rewards.

    Lightning calls validation, test and predict steps inside the plugin's context; only the models belong there.

    Args:
        device: The device of the policy.

    Example:
        >>> torch.set_default_dtype(torch.bfloat16)
        >>> with single_precision(torch.device("cpu")):
        ...     torch.tensor([257.0])
        tensor([257.])
        >>> torch.set_default_dtype(torch.float32)
    """
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float32)
    try:
        with torch.autocast(device.type, enabled=False):
            yield
    finally:
        torch.set_default_dtype(before)


class _Places:
    """The places of each batch's prompts among all prompts."""

    def __init__(self, batches: list[list[int]]) -> None:
        self.batches = batches

    def __len__(self) -> int:
        return len(self.batches)

    def __iter__(self) -> Iterator[list[int]]:
        return iter(self.batches)
