"""Abstract call format: how a policy writes tool calls, read from what it sampled."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

from transformers import PreTrainedTokenizerBase

from rlframework.turns import Call
from rlframework.utilities.arguments import Checked


class CallFormat(Checked, ABC):
    r"""Reads tool calls from a turn of the policy. Override `calls`.

    Attributes:
        stop_ids: Ids that end a turn with a call, besides those that end a completion.

    Example:
        Calls such as ``look(f)``, one on a line:

        >>> import re
        >>> class Lines(CallFormat):
        ...     def calls(self, text):
        ...         found = re.findall(r"^([a-z]+)\((.*)\)$", text, flags=re.MULTILINE)
        ...         return [Call(name, {"key": key}) for name, key in found]
        >>> Lines().calls("I look it up.\nlook(f)")[0].arguments
        {'key': 'f'}
    """

    stop_ids: frozenset[int] = frozenset()

    def fitted(self, tokenizer: PreTrainedTokenizerBase, tools: Sequence[Callable[..., Any]]) -> CallFormat:
        """Return the format as it is for a policy and its tools: this one, unless it depends on them.

        Args:
            tokenizer: The policy's tokenizer.
            tools: Functions that the policy may call.
        """
        return self

    @abstractmethod
    def calls(self, text: str) -> list[Call]:
        """Return the calls in a turn, in their order; one that cannot be read is a `Call` with a fault.

        Args:
            text: The policy's turn with its special tokens, without the stop token. If the prompt ends with the tag
                that opens a thought, the text begins with it.
        """
