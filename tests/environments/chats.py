"""Tokenizers with real chat templates: those that TRL ships, over a byte alphabet and their special tokens."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
from tokenizers.pre_tokenizers import ByteLevel
from transformers import PreTrainedTokenizerFast

# Tags that have a token of their own and are no special ones.
PLAIN_TAGS = ("<tool_call>", "</tool_call>", "<tool_response>", "</tool_response>", "<think>", "</think>")
_SPECIAL = re.compile(r"<[|｜][^<>'\"\s{}]+[|｜]?>|<[a-z_]+[|]>|<(?:start|end)_of_turn>|</?s>|\[/?[A-Z_]+\]")
_ENDS = ("<|im_end|>", "<|eot_id|>", "<end_of_turn>", "<turn|>", "</s>")


def template_of(name: str) -> str:
    """Return a chat template of TRL, such as ``"qwen3"``."""
    trl = pytest.importorskip("trl")
    path = Path(trl.__file__).parent / "chat_templates" / f"{name}.jinja"
    if not path.is_file():
        pytest.skip(f"this version of TRL has no chat template {name}")
    return path.read_text(encoding="utf-8")


def tokenizer_for(template: str) -> PreTrainedTokenizerFast:
    """Return a tokenizer of bytes, with each special token that a chat template writes."""
    tokenizer = Tokenizer(
        models.BPE(vocab={byte: id for id, byte in enumerate(sorted(ByteLevel.alphabet()))}, merges=[])
    )
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    special = sorted({"<|endoftext|>", *_SPECIAL.findall(template)} - set(PLAIN_TAGS))
    tokenizer.add_special_tokens(special)
    tokenizer.add_tokens([AddedToken(tag, special=False) for tag in PLAIN_TAGS])
    end = next((token for token in _ENDS if token in special), "<|endoftext|>")
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, eos_token=end, pad_token="<|endoftext|>", chat_template=template
    )
