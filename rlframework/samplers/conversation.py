"""Conversation: rows of a sampler that go on turn by turn, with ids given to them in between."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import ClassVar, Literal, NamedTuple


class Reply(NamedTuple):
    """One turn of the policy.

    Args:
        ids: Sampled token ids, up to and including the stop token.
        logprobs: Log-probability of each id (nats), or empty where the sampler cannot tell.
        reason: ``"stop"`` if the policy ended the turn, ``"length"`` if its budget did.
    """

    ids: list[int]
    logprobs: list[float]
    reason: Literal["stop", "length"]


class Conversation(ABC):
    """``B = N * G`` rows whose turns are sampled one after another; `GroupSampler.converse` begins one.

    A row's k-th sampled token uses number k of its own random stream, however much was given in between. So an episode
    is the same alone and in company.

    Attributes:
        apart: Whether rows may be asked for in any order and from several threads. Otherwise the rows of a call are
            sampled together, and a row that a call leaves out is over.
        at_once: Where they are apart, how many rows it is good to ask for at the same time.
    """

    apart: ClassVar[bool] = False
    at_once: int = 1

    @abstractmethod
    def reply(self, budgets: Mapping[int, int], given: Mapping[int, Sequence[int]]) -> dict[int, Reply]:
        """Sample the next turn of some rows.

        Ranks that share sharded weights have to call it equally often, also without a row.

        Args:
            budgets: The most tokens of this turn, by row.
            given: Ids that follow a row's last turn and are read before this one, by row.

        Raises:
            RuntimeError: The policy's logits are not numbers.
        """

    def early_replies(self, budgets: Mapping[int, int], given: Mapping[int, Sequence[int]]) -> dict[int, Reply]:
        """Sample on until so many rows have ended their turns that the others need not wait for more: by default all.

        A row without a reply is in the middle of its turn. It goes on when it is named again, with the same budget and
        nothing given; it is over when it is not.

        Args:
            budgets: The most tokens of this turn, by row.
            given: Ids that follow a row's last turn and are read before this one, by row.

        Raises:
            RuntimeError: The policy's logits are not numbers.
        """
        return self.reply(budgets, given)

    def close(self) -> None:  # noqa: B027
        """Let go of what the conversation holds; nobody waits for a reply any more."""
