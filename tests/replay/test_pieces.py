"""Text of single tokens: put together it is the text of all."""

from __future__ import annotations

from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from rlframework.replay.pieces import pieces_of
from rlframework.testing import letter_tokenizer


def spaced() -> PreTrainedTokenizerFast:
    """Return a tokenizer that writes the space before a word as part of it, and drops the first, as SentencePiece."""
    words = {"<pad>": 0, "▁two": 1, "▁words": 2, "!": 3}
    tokenizer = Tokenizer(models.WordLevel(words, unk_token="<pad>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="<pad>")


def test_pieces_put_together_are_the_text() -> None:
    tokenizer = letter_tokenizer()
    ids = [3, 4, 5, 1, 0, 3]
    assert pieces_of(tokenizer, ids) == ["a", "b", "c", "<eos>", "<pad>", "a"]
    assert pieces_of(tokenizer, []) == []
    assert pieces_of(spaced(), [1, 2, 3]) == ["two", " words", "!"]
