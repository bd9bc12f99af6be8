"""Turns of an episode: which tokens the policy sampled, which the environment gave, and the tool calls in them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

CallFault = Literal["malformed", "unknown", "arguments", "too_many", "told"]


@dataclass
class Call:
    """One tool call that the policy wrote in a turn.

    Args:
        name: Of the tool; empty where the call was too malformed to tell.
        arguments: What the tool is called with, by name.
        fault: What the policy did wrong, or None: it wrote no call (``"malformed"``), named no tool there is
            (``"unknown"``), gave arguments that do not fit (``"arguments"``), called more often than is allowed
            (``"too_many"``), or the tool itself refused (``"told"``).
        result: What the policy is told; of a call with a fault, what is wrong with it.
    """

    name: str = ""
    arguments: dict[str, Any] = field(default_factory=dict)
    fault: CallFault | None = None
    result: str = ""


@dataclass
class Turn:
    """One turn of an episode: a span of ``Completion.ids`` and who wrote it.

    The turns of a completion follow one another without a gap. The environment's hold all that was put between two
    turns of the policy: its words, and what the chat template writes around them. The last one was not read by the
    policy any more; then its span is empty.

    Args:
        start: First id.
        end: Behind the last id.
        by: Who wrote it.
        text: As people read it: of the policy without special tokens, of the environment its words alone.
        calls: The tool calls in a turn of the policy, in their order.
        reward: Of a turn of the policy, what the environment paid for it.
        seconds: Of a turn of the policy, the time that the environment took to answer it.
        shortened: Of a turn of the environment, how many tokens of its words were left out.

    Example:
        >>> turn = Turn(0, 3, "policy", "look(f)", [Call("look", {"key": "f"})])
        >>> turn.end - turn.start, turn.calls[0].fault
        (3, None)
    """

    start: int
    end: int
    by: Literal["policy", "environment"]
    text: str
    calls: list[Call] = field(default_factory=list)
    reward: float = 0.0
    seconds: float = 0.0
    shortened: int = 0


def plain_turns(turns: Sequence[Turn]) -> list[dict[str, Any]]:
    """Return turns as dictionaries for a record: who said what, with which calls, what it paid, what was cut.

    The time that they took is left out: a run that is repeated takes another.

    Args:
        turns: Of one completion.

    Example:
        >>> plain_turns([Turn(0, 1, "policy", "4"), Turn(1, 3, "environment", "no")])[1]
        {'by': 'environment', 'text': 'no', 'calls': [], 'reward': 0.0, 'start': 1, 'end': 3}
    """
    names = ("by", "text", "calls", "reward", "start", "end")
    return [
        {name: asdict(turn)[name] for name in names} | ({"shortened": turn.shortened} if turn.shortened else {})
        for turn in turns
    ]
