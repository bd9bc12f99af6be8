"""Tokenizers with real chat templates, those that TRL ships, over a byte alphabet; and a policy that plays a script."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
from tokenizers.pre_tokenizers import ByteLevel
from transformers import PreTrainedTokenizerFast

from rlframework.completions import Completions
from rlframework.policies import CausalLMPolicy
from rlframework.samplers import GroupSampler
from rlframework.samplers.conversation import Conversation, Reply
from rlframework.testing import tiny_qwen3

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


class Scripted(GroupSampler):
    """Plays back the turns of one row, end tokens included; the budget cuts those that are longer."""

    def __init__(self, tokenizer: PreTrainedTokenizerFast, turns: Sequence[str], max_tokens: int = 2000) -> None:
        super().__init__(group_size=1, max_tokens=max_tokens)
        self.tokenizer = tokenizer
        self.turns = turns
        self.stops: frozenset[int] = frozenset()

    def sample(self, policy: Any, prompts: Any, *, step: int = 0) -> Completions:
        raise AssertionError("an episode is no plain answer")

    def converse(
        self, policy: Any, prompts: Any, *, step: int = 0, stops: frozenset[int] = frozenset()
    ) -> Conversation:
        self.stops = stops
        left = iter([self.tokenizer(text, add_special_tokens=False)["input_ids"] for text in self.turns])

        class Playing(Conversation):
            def reply(self, budgets: Mapping[int, int], given: Mapping[int, Sequence[int]]) -> dict[int, Reply]:
                ids = next(left)
                kept = ids[: budgets[0]]
                return {0: Reply(kept, [-0.5] * len(kept), "stop" if len(kept) == len(ids) else "length")}

        return Playing()


def policy_with(tokenizer: PreTrainedTokenizerFast) -> CausalLMPolicy:
    """Return a tiny policy that reads a tokenizer's ids."""
    sizes = {"vocab_size": len(tokenizer), "max_position_embeddings": 8192, "eos_token_id": tokenizer.eos_token_id}
    return CausalLMPolicy(tiny_qwen3(**sizes), tokenizer)
