"""Completions, the return value of a sampler: ragged completions in whole groups, ids first."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal, overload

from rlframework.prompt import Prompt

StopReason = Literal["stop", "length"]


@dataclass
class Completion:
    """One answer of the policy to one prompt.

    Args:
        prompt: The prompt that was answered.
        ids: Sampled token ids, up to and including the stop token.
        text: The ids as text, without the stop token; derived from the ids and never tokenised again.
        stop_reason: ``"stop"`` if the policy ended it, ``"length"`` if the token budget did.
        logprobs: Log-probability of each id under the distribution it was sampled from (nats), or empty where
            the sampler cannot tell.
    """

    prompt: Prompt
    ids: list[int]
    text: str
    stop_reason: StopReason
    logprobs: list[float] = field(default_factory=list)

    @property
    def truncated(self) -> bool:
        """Whether the token budget cut the completion before the policy ended it."""
        return self.stop_reason == "length"


@dataclass
class Completions:
    """``B = N * G`` completions in group-major order: the ``G`` answers to a prompt stand together.

    Indexing counts rows: ``completions[3]`` is a `Completion`, and a slice is `Completions` of the whole groups that it
    holds; one that cuts a group is refused.

    Example:
        >>> prompt = Prompt(ids=[1, 2], text="1+1=?", row={"answer": "2"})
        >>> rows = [Completion(prompt, [3], text, "stop") for text in ("2", "3")]
        >>> completions = Completions(rows, group_size=2)
        >>> [len(group) for group in completions.groups()], completions.column("answer")
        ([2], ['2', '2'])
        >>> completions[1].text, len(completions[:2])
        ('3', 2)
        >>> completions[:1]
        Traceback (most recent call last):
        ...
        ValueError: rows 0 to 1 cut a group of 2 completions; slice by whole groups, such as [0:2]
    """

    rows: list[Completion]
    group_size: int

    def __post_init__(self) -> None:
        if self.group_size < 1 or len(self.rows) % self.group_size:
            raise ValueError(
                f"{len(self.rows)} completions do not make whole groups of {self.group_size}; a sampler returns "
                "group_size completions for every prompt"
            )

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[Completion]:
        return iter(self.rows)

    @overload
    def __getitem__(self, place: int) -> Completion: ...

    @overload
    def __getitem__(self, place: slice) -> Completions: ...

    def __getitem__(self, place: int | slice) -> Completion | Completions:
        if not isinstance(place, slice):
            return self.rows[place]
        start, stop, step = place.indices(len(self.rows))
        if step != 1:
            raise ValueError(f"a slice with a step of {step} tears groups of {self.group_size} apart; leave it out")
        stop = max(start, stop)
        if start % self.group_size or stop % self.group_size:
            size = self.group_size
            whole = f"[{start // size * size}:{-(-stop // size) * size}]"
            raise ValueError(
                f"rows {start} to {stop} cut a group of {size} completions; slice by whole groups, such as {whole}"
            )
        return Completions(self.rows[start:stop], self.group_size)

    @property
    def num_groups(self) -> int:
        """Number of prompts ``N``."""
        return len(self.rows) // self.group_size

    def groups(self) -> Iterator[list[Completion]]:
        """Yield the ``N`` groups, each a list of ``G`` completions of one prompt."""
        for start in range(0, len(self.rows), self.group_size):
            yield self.rows[start : start + self.group_size]

    def to(self, *args: Any, **kwargs: Any) -> Completions:
        """Return itself: Lightning moves what ``predict_step`` returns, and these lists are on no device."""
        return self

    def column(self, name: str) -> list[Any]:
        """Return one column of the data for every completion, ``B`` values."""
        return [row.prompt.column(name) for row in self.rows]
