"""The tokenizer of the demo: exact round trips, tags that survive decoding, and the chat template."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest
from transformers import AutoTokenizer, PreTrainedTokenizerBase, PreTrainedTokenizerFast

from rlframework.rewards.template import AnswerTemplate
from rlframework.tasks import chain_sums
from rlframework.tasks.tiny.tokenizer import tiny_tokenizer

TEMPLATE = AnswerTemplate()
TAGS = [TEMPLATE.start_working, TEMPLATE.end_working, TEMPLATE.start_answer, TEMPLATE.end_answer]
MESSAGES = [
    {"role": "system", "content": TEMPLATE.system_prompt},
    {"role": "user", "content": "9+2-7-2=?"},
]


@pytest.fixture(scope="module")
def tokenizer() -> PreTrainedTokenizerFast:
    return tiny_tokenizer()


def _ids(tokenizer: PreTrainedTokenizerBase, text: str) -> list[int]:
    return list(tokenizer(text, add_special_tokens=False)["input_ids"])


def test_every_text_of_the_task_survives_a_round_trip(tokenizer: PreTrainedTokenizerFast) -> None:
    random = Random(0)
    texts = [TEMPLATE.system_prompt]
    for row in chain_sums.problems(200, seed=0):
        texts += [row["prompt"], chain_sums.worked(row), chain_sums.sloppy_demonstration(row, random)]
    for text in texts:
        ids = _ids(tokenizer, text)
        assert tokenizer.decode(ids) == text
        assert tokenizer.decode(ids, skip_special_tokens=True) == text
        assert tokenizer.unk_token_id not in ids


@pytest.mark.parametrize("tag", TAGS)
def test_a_tag_is_one_token_that_decoding_keeps(tokenizer: PreTrainedTokenizerFast, tag: str) -> None:
    ids = _ids(tokenizer, tag)
    assert len(ids) == 1
    assert tokenizer.decode(ids, skip_special_tokens=True) == tag


def test_words_cost_one_token_and_digits_one_each(tokenizer: PreTrainedTokenizerFast) -> None:
    assert len(_ids(tokenizer, " working and")) == 2
    assert len(_ids(tokenizer, "12+3=15")) == 7


def test_unknown_text_becomes_the_unknown_token(tokenizer: PreTrainedTokenizerFast) -> None:
    assert _ids(tokenizer, "Ω") == [tokenizer.unk_token_id]
    assert _ids(tokenizer, " xylophone") == [tokenizer.unk_token_id]


def test_end_and_padding_are_different_tokens(tokenizer: PreTrainedTokenizerFast) -> None:
    assert tokenizer.eos_token == "<|im_end|>"
    assert tokenizer.pad_token == "<|pad|>"
    assert tokenizer.eos_token_id != tokenizer.pad_token_id


def test_generation_prompt_opens_the_working(tokenizer: PreTrainedTokenizerFast) -> None:
    text = str(tokenizer.apply_chat_template(MESSAGES, tokenize=False, add_generation_prompt=True))
    assert text == (
        f"<|im_start|>system\n{TEMPLATE.system_prompt}<|im_end|>\n<|im_start|>user\n9+2-7-2=?<|im_end|>\n"
        f"<|im_start|>assistant\n{TEMPLATE.start_working}"
    )
    assert tokenizer.decode(_ids(tokenizer, text)) == text


def test_a_whole_chat_begins_with_its_prompt(tokenizer: PreTrainedTokenizerFast) -> None:
    prompt = str(tokenizer.apply_chat_template(MESSAGES, tokenize=False, add_generation_prompt=True))
    answer = {"role": "assistant", "content": "".join(TAGS[:2]) + "<SOLUTION>2</SOLUTION>"}
    whole = str(tokenizer.apply_chat_template([*MESSAGES, answer], tokenize=False))
    assert whole.startswith(prompt)
    assert whole.endswith("</SOLUTION><|im_end|>\n")


def test_another_instruction_and_other_tags(tokenizer: PreTrainedTokenizerFast) -> None:
    other = AnswerTemplate("[w]", "[/w]", "[a]", "[/a]", working_opened_by_prompt=False)
    made = tiny_tokenizer("Cats, it's fine.\nOh", other)
    ids = _ids(made, "Cats, it's fine.\nOh[w]1[/w][a]2[/a]")
    assert made.unk_token_id not in ids
    assert made.decode(ids) == "Cats, it's fine.\nOh[w]1[/w][a]2[/a]"
    rendered = str(made.apply_chat_template(MESSAGES[1:], tokenize=False, add_generation_prompt=True))
    assert rendered.endswith("<|im_start|>assistant\n")


def test_saving_keeps_tokens_and_chat_template(tokenizer: PreTrainedTokenizerFast, tmp_path: Path) -> None:
    tokenizer.save_pretrained(tmp_path)
    loaded = AutoTokenizer.from_pretrained(tmp_path)
    text = str(tokenizer.apply_chat_template(MESSAGES, tokenize=False, add_generation_prompt=True))
    assert loaded.apply_chat_template(MESSAGES, tokenize=False, add_generation_prompt=True) == text
    assert _ids(loaded, text) == _ids(tokenizer, text)
    assert loaded.get_vocab() == tokenizer.get_vocab()
    assert loaded.decode(_ids(loaded, "".join(TAGS)), skip_special_tokens=True) == "".join(TAGS)
    assert (loaded.eos_token, loaded.pad_token, loaded.unk_token) == ("<|im_end|>", "<|pad|>", "<|unk|>")
