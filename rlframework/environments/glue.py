"""Glue: the ids that stand between two turns of the policy, with what the environment says in them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

from transformers import PreTrainedTokenizerBase

from rlframework.utilities.arguments import Checked


class Glue(Checked, ABC):
    """Turns what an environment says into the ids that follow a turn of the policy. Override `between`.

    Ids are appended and never rendered again, so that the policy reads what it was trained on. What is said is encoded
    by itself and with special tokens split: a text cannot forge a turn.

    Attributes:
        end_of_turn: Ids that end a turn and let the episode go on; after another end token it is over. None for all
            end tokens of the policy.
    """

    end_of_turn: frozenset[int] | None = None

    def written(self, text: str) -> str:
        """Return a text as it is put between turns, before it is encoded: by default as it is.

        Args:
            text: What an environment says.
        """
        return text

    @abstractmethod
    def between(self, texts: Sequence[Sequence[int]]) -> list[int]:
        """Return all ids from behind the end of the policy's turn to where its next one begins.

        Args:
            texts: The encoded texts, one or one for each call of the turn.
        """


def encoded(tokenizer: PreTrainedTokenizerBase, text: str) -> list[int]:
    """Return the ids of a text in which special tokens are mere characters.

    Args:
        tokenizer: The policy's tokenizer.
        text: What an environment says.
    """
    ids: list[int] = tokenizer(text, add_special_tokens=False, split_special_tokens=True)["input_ids"]
    return ids


class PlainGlue(Glue):
    """Puts fixed texts around what an environment says, for policies without a chat template.

    Args:
        tokenizer: The policy's tokenizer.
        before: Stands before each text.
        after: Stands behind the last one, before the policy's next turn.

    Example:
        >>> from rlframework.testing import letter_tokenizer
        >>> tokenizer = letter_tokenizer()
        >>> tokenizer.decode(PlainGlue(tokenizer, before="x", after="y").between([encoded(tokenizer, "7")]))
        'x7y'
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase, before: str = "\n", after: str = "\n") -> None:
        self.before: list[int] = tokenizer(before, add_special_tokens=False)["input_ids"]
        self.after: list[int] = tokenizer(after, add_special_tokens=False)["input_ids"]

    def between(self, texts: Sequence[Sequence[int]]) -> list[int]:
        """Return the texts with what stands around them."""
        return [*(id for text in texts for id in (*self.before, *text)), *self.after]
