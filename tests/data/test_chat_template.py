"""The plain chat template of base models: system text and end, user text bare, assistant text and end."""

from __future__ import annotations

import pytest
from transformers import PreTrainedTokenizerFast

from rlframework.data import set_structured_chat_template
from rlframework.data.tokenize import tokenize_rows
from rlframework.rewards import AnswerTemplate
from rlframework.tasks.tiny.tokenizer import tiny_tokenizer
from rlframework.testing import letter_tokenizer

SYSTEM = {"role": "system", "content": "Be terse."}
USER = {"role": "user", "content": "3 + 4?"}
ASSISTANT = {"role": "assistant", "content": "7"}


def rendered(tokenizer: PreTrainedTokenizerFast, *messages: dict[str, str], go: bool = False) -> str:
    return str(tokenizer.apply_chat_template(list(messages), tokenize=False, add_generation_prompt=go))


@pytest.fixture
def tokenizer() -> PreTrainedTokenizerFast:
    tokenizer = letter_tokenizer()
    set_structured_chat_template(tokenizer)
    return tokenizer


def test_a_conversation(tokenizer: PreTrainedTokenizerFast) -> None:
    assert rendered(tokenizer, SYSTEM, USER, ASSISTANT) == "Be terse.<eos>3 + 4?7<eos>"
    assert rendered(tokenizer, SYSTEM, USER, ASSISTANT, USER, go=True) == (
        "Be terse.<eos>3 + 4?7<eos>3 + 4?<start_working_out>"
    )


def test_a_missing_system_message_is_the_templates(tokenizer: PreTrainedTokenizerFast) -> None:
    assert rendered(tokenizer, USER, go=True) == f"{AnswerTemplate().system_prompt}<eos>3 + 4?<start_working_out>"


def test_tags_of_ones_own_and_what_has_to_be_escaped() -> None:
    tokenizer = letter_tokenizer()
    template = AnswerTemplate('<"think\n">', "</'think'>", "{{a}}", "{%a%}")
    set_structured_chat_template(tokenizer, template)
    assert rendered(tokenizer, USER, go=True) == f"{template.system_prompt}<eos>3 + 4?" + '<"think\n">'
    set_structured_chat_template(tokenizer, system_prompt="Dénké 'so' \\ \"so\"\n")
    assert rendered(tokenizer, USER) == "Dénké 'so' \\ \"so\"\n<eos>3 + 4?"


def test_nothing_is_opened_where_the_policy_opens_it() -> None:
    tokenizer = letter_tokenizer()
    set_structured_chat_template(tokenizer, AnswerTemplate(working_opened_by_prompt=False))
    assert rendered(tokenizer, USER, go=True).endswith("3 + 4?")


def look(key: str) -> str:
    """Look something up.

    Args:
        key: What.
    """
    return key


def test_tools_are_listed_and_their_calls_and_results_shown(tokenizer: PreTrainedTokenizerFast) -> None:
    called = {**ASSISTANT, "content": "Hm.", "tool_calls": [{"function": {"name": "look", "arguments": {"key": "f"}}}]}
    chat = [SYSTEM, USER, called, {"role": "tool", "content": "7"}]
    text = str(tokenizer.apply_chat_template(chat, tools=[look], tokenize=False, add_generation_prompt=True))
    assert text.startswith("Be terse.\n\nYou can call functions.")
    assert '"name": "look"' in text.partition("<eos>")[0]
    assert text.partition("<eos>")[2] == (
        '3 + 4?Hm.<tool_call>{"name": "look", "arguments": {"key": "f"}}</tool_call><eos>'
        "<tool_response>7</tool_response><start_working_out>"
    )


def test_other_roles_and_a_missing_end_token_are_refused(tokenizer: PreTrainedTokenizerFast) -> None:
    with pytest.raises(Exception, match="no place for a message of the role critic"):
        rendered(tokenizer, USER, {"role": "critic", "content": "7"})
    endless = letter_tokenizer()
    endless.eos_token = None
    with pytest.raises(ValueError, match="no end token"):
        set_structured_chat_template(endless)


def test_prompts_are_tokenised_with_one_end_token_and_one_opening_tag() -> None:
    tokenizer, template = tiny_tokenizer(), AnswerTemplate()
    set_structured_chat_template(tokenizer, template)
    [prompt] = tokenize_rows(
        [{"prompt": "3+4=?"}],
        tokenizer,
        system_prompt=template.system_prompt,
        generation_prompt=template.generation_prompt,
    )
    assert prompt.ids.count(tokenizer.eos_token_id) == 1
    assert prompt.text.endswith("3+4=?<start_working_out>")
    assert tokenizer.decode(prompt.ids) == prompt.text
