r"""Hermes tool calls: JSON between ``<tool_call>`` tags, as Qwen 2.5, Qwen 3 and Hermes write them."""

from __future__ import annotations

import re

from rlframework.environments.calls import CallFormat
from rlframework.environments.json_calls import MalformedError, call_of, decode, malformed
from rlframework.turns import Call


class HermesCalls(CallFormat):
    r"""Reads ``<tool_call>{"name": ..., "arguments": {...}}</tool_call>``, any number of them in a turn.

    A call in a thought is none: between ``<think>`` and ``</think>``, before a ``</think>`` whose beginning the prompt
    had, and after a ``<think>`` that is not ended. A tag inside of the JSON is text. A call that cannot be read is a
    `Call` with the fault ``"malformed"``, and those beside it are read.

    Example:
        >>> text = '<think>Which?</think>\n<tool_call>\n{"name": "look", "arguments": {"key": "f"}}\n</tool_call>'
        >>> HermesCalls().calls(text)
        [Call(name='look', arguments={'key': 'f'}, fault=None, result='')]
    """

    def calls(self, text: str) -> list[Call]:
        """Return the calls in a turn, in their order.

        Args:
            text: The policy's turn with its special tokens, without the stop token.
        """
        found: list[Call] = []
        place = 0
        while (tag := _TAG.search(text, place)) is not None:
            place = tag.end()
            if tag[0] == "<think>":
                end = text.find("</think>", place)
                if end < 0:
                    break
                place = end + len("</think>")
            elif tag[0] == "</think>":
                found = []  # All before it was a thought.
            elif tag[0] == "</tool_call>":
                found.append(malformed(MalformedError("a </tool_call> has no <tool_call> before it")))
            else:
                try:
                    value, end = decode(text, place)
                    if (closing := _CLOSING.match(text, end)) is None:
                        raise MalformedError("behind its JSON there is no </tool_call>")
                    place = closing.end()
                    found.append(call_of(value))
                except MalformedError as why:
                    found.append(malformed(why))
                    place = _behind_malformed(text, place)
        return found


_TAG = re.compile(r"</?think>|</?tool_call>")
_CLOSING = re.compile(r"\s*</tool_call>")


def _behind_malformed(text: str, place: int) -> int:
    """Return where reading goes on: behind the call's closing tag, or at the next tag of another kind."""
    tag = _TAG.search(text, place)
    if tag is None:
        return len(text)
    return tag.end() if tag[0] == "</tool_call>" else tag.start()
