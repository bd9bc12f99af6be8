"""Pieces: the text of each token of a completion, as it stands behind the token before it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def pieces_of(tokenizer: Any, ids: Sequence[int]) -> list[str]:
    """Return the text of each token, special ones too, as it stands behind the token before it.

    Args:
        tokenizer: Of Hugging Face.
        ids: Of a completion.

    Example:
        >>> from rlframework.testing import letter_tokenizer
        >>> pieces_of(letter_tokenizer(), [3, 4, 1])
        ['a', 'b', '<eos>']
    """

    def text(some: Sequence[int]) -> str:
        return str(tokenizer.decode(list(some), skip_special_tokens=False, clean_up_tokenization_spaces=False))

    pieces = []
    for place, one in enumerate(ids):
        # A tokenizer may drop the space before the first word of what it decodes.
        before = text(ids[place - 1 : place]) if place else ""
        both = text(ids[max(place - 1, 0) : place + 1])
        pieces.append(both.removeprefix(before) if both.startswith(before) else text([one]))
    return pieces
