"""Prompts: token ids, their text, and the row of data that they came from."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from rlframework.turns import Turn


@dataclass(frozen=True)
class Prompt:
    """One prompt, tokenised once.

    Args:
        ids: Token ids, ``P`` of them, chat template included.
        text: The same prompt as text, for people and records; never tokenised again.
        row: The row of data behind it. Rewards read the expected answer here; the policy never sees it.
        index: Position of the row in its data set. Part of the sampling seed, so that a prompt draws the
            same completions wherever in a batch it stands.
    """

    ids: list[int]
    text: str
    row: dict[str, Any] = field(default_factory=dict)
    index: int = 0

    def column(self, name: str) -> Any:
        """Return the value of one column of the row.

        Raises:
            KeyError: The row has no such column; the message lists those it has.
        """
        try:
            return self.row[name]
        except KeyError:
            columns = ", ".join(sorted(self.row)) or "none"
            raise KeyError(f"prompt {self.index} has no column {name!r}; its columns are: {columns}") from None


@dataclass(frozen=True)
class Demonstration(Prompt):
    """A prompt and a completion of it that somebody wrote, tokenised once. Wherever a `Prompt` will do, this will.

    The completion is an answer, or a conversation with tools: turns of the policy, which are learned from, and what it
    was told between them, which is read.

    Args:
        completion_ids: The completion's tokens, up to and including the end token; of a conversation all turns.
        completion: The same as text, without the end token; of a conversation the last turn.
        turns: The turns of a conversation, in their order; empty for an answer.
    """

    completion_ids: list[int] = field(default_factory=list)
    completion: str = ""
    turns: list[Turn] = field(default_factory=list)
