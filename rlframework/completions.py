"""Completions, the return value of a sampler: ragged completions in whole groups, ids first."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal, overload

from rlframework.prompt import Prompt
from rlframework.turns import Call, Turn

StopReason = Literal["stop", "length", "turns", "environment", "failed"]


@dataclass
class Completion:
    """One answer of the policy to one prompt, or one episode: turns of the policy and of an environment.

    Args:
        prompt: The prompt that was answered.
        ids: Token ids, up to and including the stop token; of an episode those of all turns.
        text: The ids as text, without the stop token; derived from the ids and never tokenised again. Of an episode the
            policy's last turn: what an environment wrote is in no reward's text.
        stop_reason: ``"stop"`` if the policy ended it, ``"length"`` if the token budget did, ``"turns"`` if the limit
            of turns, ``"environment"`` if the environment, and ``"failed"`` if the environment broke.
        logprobs: Log-probability of each id under the distribution it was sampled from (nats), or empty where
            the sampler cannot tell. 0 for ids that an environment gave; nothing looks at those.
        turns: The turns of an episode, in their order; empty for a plain answer.
        episode: What the environment made for this row, in its last state; None for a plain answer.
        failure: Why the environment broke, or None. Such a row has no reward.

    Example:
        >>> turns = [Turn(0, 2, "policy", "look"), Turn(2, 3, "environment", "7"), Turn(3, 5, "policy", "It is 7")]
        >>> episode = Completion(Prompt([1], "?"), [2, 3, 4, 5, 6], "It is 7", "stop", turns=turns)
        >>> episode.sampled, episode.sampled_tokens
        ([True, True, False, True, True], 4)
        >>> print(episode.transcript)
        [policy] look
        [environment] 7
        [policy] It is 7
    """

    prompt: Prompt
    ids: list[int]
    text: str
    stop_reason: StopReason
    logprobs: list[float] = field(default_factory=list)
    turns: list[Turn] = field(default_factory=list)
    episode: Any = None
    failure: str | None = None

    @property
    def truncated(self) -> bool:
        """Whether a limit cut the completion before the policy ended it: the token budget, or that of turns."""
        return self.stop_reason in ("length", "turns")

    @property
    def sampled(self) -> list[bool]:
        """Of each id, whether the policy sampled it."""
        if not self.turns:
            return [True] * len(self.ids)
        return [turn.by == "policy" for turn in self.turns for _ in range(turn.start, turn.end)]

    @property
    def sampled_tokens(self) -> int:
        """Number of ids that the policy sampled."""
        return sum(self.sampled)

    @property
    def transcript(self) -> str:
        """The whole of it for people: of an episode every turn behind its author, else the text."""
        return "\n".join(f"[{turn.by}] {turn.text}" for turn in self.turns) or self.text

    @property
    def calls(self) -> list[Call]:
        """The tool calls of all turns."""
        return [call for turn in self.turns for call in turn.calls]


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
