"""From rows to prompts: chat templates, system prompts, budgets and their messages."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from datasets import Dataset
from tokenizers.processors import TemplateProcessing
from transformers import PreTrainedTokenizerFast

from rlframework.data.tokenize import BATCH_ROWS, tokenize_rows
from rlframework.environments.signatures import schema_of
from rlframework.prompt import Prompt
from rlframework.testing import letter_tokenizer

TEMPLATE = (
    "{% for message in messages %}{{ message['role'][0] + message['content'] + '0' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ 'a' }}{% endif %}"
)


def chat_tokenizer() -> PreTrainedTokenizerFast:
    """A tokenizer whose template writes a role's initial, the content, a 0; and an a for the turn to come."""
    tokenizer = letter_tokenizer()
    tokenizer.chat_template = TEMPLATE
    return tokenizer


def opening_tokenizer() -> PreTrainedTokenizerFast:
    """A tokenizer that opens every text with a special token, as Llama's does."""
    tokenizer = chat_tokenizer()
    start = TemplateProcessing(single="<unk> $A", special_tokens=[("<unk>", tokenizer.unk_token_id)])
    tokenizer.backend_tokenizer.post_processor = start
    return tokenizer


def user(text: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": text}]


def texts(prompts: list[Prompt]) -> list[str]:
    return [prompt.text for prompt in prompts]


def test_examples_stand_between_the_system_prompt_and_every_question() -> None:
    rows = [{"prompt": "hi"}, {"prompt": user("hi")}, {"prompt": [{"role": "system", "content": "own"}, *user("hi")]}]
    examples = [("q", "w"), ("e", "r")]
    prompts = tokenize_rows(rows, chat_tokenizer(), system_prompt="be", examples=examples)
    assert texts(prompts) == ["sbe0uq0aw0ue0ar0uhi0a", "sbe0uq0aw0ue0ar0uhi0a", "sown0uq0aw0ue0ar0uhi0a"]


def test_a_request_stands_behind_every_question() -> None:
    rows = [{"prompt": "hi"}, {"prompt": [*user("hi"), {"role": "assistant", "content": "yo"}, *user("so")]}]
    prompts = tokenize_rows(rows, chat_tokenizer(), examples=[("q", "w")], request="go")
    assert texts(prompts) == ["uq\ngo0aw0uhi\ngo0a", "uq\ngo0aw0uhi0ayo0uso\ngo0a"]
    assert rows[1]["prompt"][-1] == {"role": "user", "content": "so"}
    (alone,) = tokenize_rows([{"prompt": "hi"}], chat_tokenizer(), request="go")
    assert alone.text == "uhi\ngo0a"


def test_examples_alone_make_a_chat() -> None:
    (prompt,) = tokenize_rows([{"prompt": "hi"}], chat_tokenizer(), examples=[("q", "w")])
    assert prompt.text == "uq0aw0uhi0a"


def test_a_string_is_taken_as_it_is() -> None:
    tokenizer = letter_tokenizer()
    (prompt,) = tokenize_rows([{"prompt": "abc", "answer": "d"}], tokenizer)
    assert prompt == Prompt(
        tokenizer.convert_tokens_to_ids(["a", "b", "c"]), "abc", {"prompt": "abc", "answer": "d"}, 0
    )


def test_messages_go_through_the_chat_template() -> None:
    tokenizer = chat_tokenizer()
    messages = [*user("hi"), {"role": "assistant", "content": "yo"}, *user("b")]
    (prompt,) = tokenize_rows([{"prompt": messages}], tokenizer)
    assert prompt.text == "uhi0ayo0ub0a"
    assert prompt.ids == tokenizer("uhi0ayo0ub0a")["input_ids"]


def test_the_system_prompt_opens_every_conversation() -> None:
    rows = [{"prompt": "hi"}, {"prompt": user("hi")}]
    assert texts(tokenize_rows(rows, chat_tokenizer(), system_prompt="be")) == ["sbe0uhi0a"] * 2


def test_a_system_message_of_its_own_is_kept_and_not_doubled() -> None:
    messages = [{"role": "system", "content": "own"}, *user("hi")]
    rows: list[dict[str, Any]] = [{"prompt": messages}]
    assert texts(tokenize_rows(rows, chat_tokenizer(), system_prompt="be")) == ["sown0uhi0a"]
    assert messages == [{"role": "system", "content": "own"}, *user("hi")]


def test_rows_are_not_changed() -> None:
    rows = [{"prompt": user("hi")}]
    (prompt,) = tokenize_rows(rows, chat_tokenizer(), system_prompt="be")
    assert rows == [{"prompt": user("hi")}]
    assert prompt.row == {"prompt": user("hi")}


def test_special_tokens_are_added_to_plain_strings_only() -> None:
    tokenizer = opening_tokenizer()
    start = tokenizer.unk_token_id
    rows: list[dict[str, Any]] = [{"prompt": "bc"}, {"prompt": user("bc")}]
    plain, chat = tokenize_rows(rows, tokenizer)
    assert plain.ids == [start, *tokenizer("bc", add_special_tokens=False)["input_ids"]]
    assert chat.ids == tokenizer("ubc0a", add_special_tokens=False)["input_ids"]
    (with_system,) = tokenize_rows([{"prompt": "bc"}], tokenizer, system_prompt="s")
    assert start not in with_system.ids


@pytest.mark.parametrize("prompt", ["abc", user("abc")], ids=["string", "messages"])
def test_a_data_set_gives_what_a_list_gives(prompt: Any) -> None:
    rows = [{"prompt": prompt, "answer": "x"}, {"prompt": prompt, "answer": "y"}]
    tokenizer = chat_tokenizer()
    prompts = tokenize_rows(Dataset.from_list(rows), tokenizer)
    assert prompts == tokenize_rows(rows, tokenizer)
    assert [prompt.column("answer") for prompt in prompts] == ["x", "y"]
    assert [prompt.index for prompt in prompts] == [0, 1]


def test_another_prompt_column() -> None:
    assert texts(tokenize_rows([{"question": "ab", "prompt": "cd"}], letter_tokenizer(), "question")) == ["ab"]


def test_a_missing_column_names_those_there_are() -> None:
    rows = [{"prompt": "a", "z": 1}, {"z": 1, "question": "a"}]
    with pytest.raises(KeyError, match="row 1 has no column 'prompt'; its columns are: question, z"):
        tokenize_rows(rows, letter_tokenizer())


@pytest.mark.parametrize(
    ("prompt", "system_prompt"), [(user("a"), None), ("a", "be")], ids=["messages", "system prompt"]
)
def test_a_chat_needs_a_chat_template(prompt: Any, system_prompt: str | None) -> None:
    with pytest.raises(ValueError, match="the tokenizer has no chat template"):
        tokenize_rows([{"prompt": prompt}], letter_tokenizer(), system_prompt=system_prompt)


LENGTHS = [{"prompt": "a" * length} for length in (2, 5, 3, 9, 4)]


def test_a_prompt_above_the_budget_is_refused_by_default() -> None:
    message = r"2 of 5 prompts are longer than max_prompt_tokens=4 \(the longest, row 3, has 9\)"
    with pytest.raises(ValueError, match=message):
        tokenize_rows(LENGTHS, letter_tokenizer(), max_prompt_tokens=4)


def test_prompts_above_the_budget_are_dropped_and_counted_and_the_others_keep_their_index() -> None:
    with pytest.warns(UserWarning, match="2 of 5 prompts are longer than max_prompt_tokens=4 and were dropped"):
        prompts = tokenize_rows(LENGTHS, letter_tokenizer(), max_prompt_tokens=4, too_long="drop")
    assert texts(prompts) == ["aa", "aaa", "aaaa"]
    assert [prompt.index for prompt in prompts] == [0, 2, 4]


@pytest.mark.parametrize("budget", [9, None])
def test_a_budget_that_is_kept_says_nothing(budget: int | None, recwarn) -> None:
    assert len(tokenize_rows(LENGTHS, letter_tokenizer(), max_prompt_tokens=budget, too_long="drop")) == 5
    assert not recwarn.list


def test_the_chat_template_counts_against_the_budget() -> None:
    rows = [{"prompt": user("abc")}]  # u abc 0 a: six tokens
    assert len(tokenize_rows(rows, chat_tokenizer(), max_prompt_tokens=6)) == 1
    with pytest.raises(ValueError, match="row 0, has 6"):
        tokenize_rows(rows, chat_tokenizer(), max_prompt_tokens=5)


@pytest.mark.filterwarnings("ignore:5 of 5 prompts")
def test_a_budget_that_no_prompt_keeps_is_refused() -> None:
    with pytest.raises(ValueError, match="5 of 5 prompts are longer than max_prompt_tokens=1"):
        tokenize_rows(LENGTHS, letter_tokenizer(), max_prompt_tokens=1, too_long="drop")


def test_a_chat_prompt_ends_with_the_generation_prompt_once() -> None:
    tokenizer = letter_tokenizer()
    tokenizer.chat_template = "{% for m in messages %}{{ m['content'] }}{% endfor %}"
    rows = [{"prompt": "ab"}, {"prompt": "abgo"}]
    prompts = tokenize_rows(rows, tokenizer, system_prompt="s", generation_prompt="go")
    assert [prompt.text for prompt in prompts] == ["sabgo", "sabgo"]
    assert tokenize_rows(rows, tokenizer, generation_prompt="go")[0].text == "ab"


def test_a_whole_dataset_dict_is_refused_with_the_way_out() -> None:
    with pytest.raises(TypeError, match="pass one split"):
        tokenize_rows({"train": [], "test": []}, letter_tokenizer())


def test_many_rows_give_what_each_gives_alone() -> None:
    tokenizer = opening_tokenizer()
    rows: list[dict[str, Any]] = [
        {"prompt": user("ab" * (i % 7)) if i % 3 else "c" * (1 + i % 5)} for i in range(2 * BATCH_ROWS + 1)
    ]
    together = tokenize_rows(rows, tokenizer)
    assert [prompt.index for prompt in together] == list(range(len(rows)))
    for place in (0, 1, BATCH_ROWS - 1, BATCH_ROWS, 2 * BATCH_ROWS):
        [alone] = tokenize_rows([rows[place]], tokenizer)
        assert (together[place].ids, together[place].text) == (alone.ids, alone.text)


def test_an_error_in_a_later_batch_has_the_number_of_its_row() -> None:
    rows: list[dict[str, Any]] = [{"prompt": "a"}] * BATCH_ROWS + [{"question": "a"}]
    with pytest.raises(KeyError, match=f"row {BATCH_ROWS} has no column 'prompt'"):
        tokenize_rows(rows, letter_tokenizer())


def test_the_longest_are_left_out_by_quantile_and_it_is_said(caplog) -> None:
    rows = [{"prompt": "a" * length} for length in range(1, 12)]
    with caplog.at_level(logging.INFO):
        prompts = tokenize_rows(rows, letter_tokenizer(), max_prompt_quantile=0.8)
    assert [len(prompt.ids) for prompt in prompts] == list(range(1, 10))
    assert "2 of 11 prompts are longer than 9 tokens, which is max_prompt_quantile=0.8" in caplog.text
    assert "the longest has 11" in caplog.text


def test_the_chat_template_counts_in_the_quantile(caplog) -> None:
    rows = [{"prompt": "a" * length} for length in range(1, 12)]  # Each with six more: s be 0 u ... 0 a.
    with caplog.at_level(logging.INFO):
        assert len(tokenize_rows(rows, chat_tokenizer(), system_prompt="be", max_prompt_quantile=0.8)) == 9
    assert "longer than 16 tokens" in caplog.text


def test_the_budget_is_looked_at_after_the_quantile() -> None:
    rows = [{"prompt": "a" * length} for length in (2, 2, 2, 2, 9)]
    assert len(tokenize_rows(rows, letter_tokenizer(), max_prompt_tokens=4, max_prompt_quantile=0.75)) == 4
    with pytest.raises(ValueError, match="1 of 5 prompts are longer than max_prompt_tokens=4"):
        tokenize_rows(rows, letter_tokenizer(), max_prompt_tokens=4, max_prompt_quantile=1.0)


def look(key: str) -> str:
    """Look something up.

    Args:
        key: What.
    """
    return key


def test_tools_go_through_the_chat_template() -> None:
    tokenizer = chat_tokenizer()
    tokenizer.chat_template = "{% for tool in tools or [] %}{{ tool['function']['name'] }}{% endfor %}" + TEMPLATE
    prompts = tokenize_rows([{"prompt": "hi"}], tokenizer, tools=[schema_of(look)])
    assert texts(prompts) == ["lookuhi0a"]


def test_a_chat_template_that_shows_no_tools_is_refused_with_the_way_out() -> None:
    with pytest.raises(ValueError, match=r"does not show the tools to the policy: look not in .* row 0.*`tools`"):
        tokenize_rows([{"prompt": "look"}], chat_tokenizer(), tools=[schema_of(look)])
    with pytest.raises(ValueError, match=r"request or tools.* has no chat template"):
        tokenize_rows([{"prompt": "look"}], letter_tokenizer(), tools=[schema_of(look)])
