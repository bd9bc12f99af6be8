"""Conversations of demonstrations: chats through their template where it stays the same, refused where it does not."""

from __future__ import annotations

from typing import Any

import pytest
from transformers import PreTrainedTokenizerFast

from rlframework.data import DemonstrationDataModule
from rlframework.environments import PlainGlue, TemplateGlue
from rlframework.prompt import Demonstration
from rlframework.tasks.lookup import Table
from rlframework.tasks.lookup_base import lookup_tokenizer

CALL = {"type": "function", "function": {"name": "look", "arguments": {"key": "f"}}}
ASKED = {"role": "user", "content": "f=?"}
CHAT = [
    ASKED,
    {"role": "assistant", "content": None, "tool_calls": [CALL, CALL]},
    {"role": "tool", "content": "b"},
    {"role": "tool", "content": "7"},
    {"role": "assistant", "content": "7"},
]


def tokenizer_with(old: str = "", new: str = "") -> PreTrainedTokenizerFast:
    """Return the tokenizer of the lookups with a changed template, and nothing opened by a prompt."""
    tokenizer = lookup_tokenizer()
    template = (
        str(tokenizer.chat_template)
        .replace(" + '<start_working_out>'", "")
        .replace(
            "message.content -}}\n        {%- if loop.first", "(message.content or '') -}}\n        {%- if loop.first"
        )
    )
    assert old in template
    tokenizer.chat_template = template.replace(old, new)
    return tokenizer


def shown(messages: Any, tokenizer: PreTrainedTokenizerFast, **options: Any) -> Demonstration:
    # The template shows tools in a system message.
    settings = {"messages_column": "messages", "tools": Table, "system_prompt": "Think.", **options}
    [one] = DemonstrationDataModule([{"messages": messages}], **settings).tokenize("train", tokenizer)
    assert isinstance(one, Demonstration)
    return one


def test_a_chat_is_what_its_template_writes() -> None:
    tokenizer = tokenizer_with()
    one = shown(CHAT, tokenizer)
    first, told, last = one.turns
    whole = tokenizer.apply_chat_template(CHAT, tokenize=False)
    assert one.text.endswith("<|im_start|>user\nf=?<|im_end|>\n<|im_start|>assistant\n")
    assert whole.endswith(tokenizer.decode(one.completion_ids) + "\n")
    assert (first.by, first.text.count("<tool_call>")) == ("policy", 2)
    assert (last.by, last.text, one.completion) == ("policy", "7", "7")
    assert (told.by, told.text) == ("environment", "b\n7")


def test_a_column_of_a_chat_has_to_be_one() -> None:
    tokenizer = tokenizer_with()
    with pytest.raises(TypeError, match=r"row 0 has 'f=\?' \(str\) in 'messages'; expected the messages of a chat"):
        shown("f=?", tokenizer)
    for messages in ([ASKED], CHAT[1:]):
        with pytest.raises(ValueError, match="needs one of the assistant behind one of somebody else"):
            shown(messages, tokenizer)


def test_what_is_told_last_is_not_read() -> None:
    tokenizer = tokenizer_with()
    one = shown(CHAT[:3], tokenizer)
    assert [(turn.by, turn.end - turn.start > 0) for turn in one.turns] == [("policy", True), ("environment", False)]


def test_a_template_that_rewrites_earlier_turns_is_refused_with_the_way_out() -> None:
    # As those of thinking models, which leave the thought of a turn out once the next one is there.
    begins = "{{- '<|im_start|>' + message.role"
    tokenizer = tokenizer_with(begins, "{{- ('' if loop.last else 'a') + '<|im_start|>' + message.role")
    stable = tokenizer_with()
    chat = [ASKED, {"role": "assistant", "content": "7"}]
    with pytest.raises(ValueError, match=r"row 0: the chat template writes what stands before turn 1 .* when the turn"):
        shown(chat, tokenizer, glue=TemplateGlue(stable))
    written = [{"role": "assistant", "content": "7"}]
    data = DemonstrationDataModule([{"prompt": "f=?", "completion": written}], glue=TemplateGlue(stable))
    assert [stable.decode(one.completion_ids) for one in data.tokenize("train", stable)] == ["7<|im_end|>"]  # type: ignore[attr-defined]


def test_what_an_episode_would_not_have_between_turns_is_refused() -> None:
    tokenizer = tokenizer_with()
    with pytest.raises(ValueError, match=r"after turn 1 of the assistant the chat template writes .*, and an episode"):
        shown(CHAT, tokenizer, glue=PlainGlue(tokenizer, before=",", after="\n"))
    follow_up = [ASKED, {"role": "assistant", "content": "b"}, {"role": "user", "content": "b=?"}, CHAT[-1]]
    with pytest.raises(ValueError, match="role='user'"):
        shown(follow_up, tokenizer)
    one = shown(follow_up, tokenizer, glue=TemplateGlue(tokenizer, role="user"))
    assert [turn.text for turn in one.turns] == ["b", "b=?", "7"]
