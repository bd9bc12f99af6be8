"""Demonstrations: tokenised as they would be sampled, and within their budget."""

from __future__ import annotations

import pytest

from rlframework.algorithms.sft import rollout_of
from rlframework.data import DemonstrationDataModule, PromptDataModule
from rlframework.prompt import Demonstration, Prompt
from rlframework.testing import letter_tokenizer

ROWS = [{"prompt": "ab", "completion": "cde"}, {"prompt": "a", "completion": "c"}]


def test_prompts_are_those_of_reinforcement() -> None:
    tokenizer = letter_tokenizer()
    shown = DemonstrationDataModule(ROWS, max_tokens=6).tokenize("train", tokenizer)
    asked = PromptDataModule(ROWS).tokenize("train", tokenizer)
    assert [(one.ids, one.text, one.row, one.index) for one in shown] == [
        (one.ids, one.text, one.row, one.index) for one in asked
    ]
    assert [one.completion_ids for one in shown] == [[5, 6, 7, 1], [5, 1]]
    assert [one.completion for one in shown] == ["cde", "c"]


def test_long_demonstrations_are_refused_or_dropped_with_the_numbers() -> None:
    with pytest.raises(
        ValueError, match=r"1 of 2 train demonstrations are longer than max_tokens=5 \(the longest has 6"
    ):
        DemonstrationDataModule(ROWS, max_tokens=5).tokenize("train", letter_tokenizer())
    lenient = DemonstrationDataModule(ROWS, max_tokens=5, too_long="drop")
    with pytest.warns(UserWarning, match="1 of 2 train demonstrations are longer than max_tokens=5 and were dropped"):
        assert [one.completion for one in lenient.tokenize("train", letter_tokenizer())] == ["c"]
    with pytest.raises(ValueError, match="2 of 2"):
        DemonstrationDataModule(ROWS, max_tokens=2, too_long="drop").tokenize("train", letter_tokenizer())


def test_a_row_without_a_completion_is_an_error() -> None:
    tokenizer = letter_tokenizer()
    with pytest.raises(KeyError, match="prompt 0 has no column 'solution'; its columns are: completion, prompt"):
        DemonstrationDataModule(ROWS, completion_column="solution").tokenize("train", tokenizer)
    with pytest.raises(ValueError, match="row 0 has ' ' in 'completion'; expected a completion"):
        DemonstrationDataModule([{"prompt": "a", "completion": " "}]).tokenize("train", tokenizer)
    tokenizer.eos_token = None
    with pytest.raises(ValueError, match="no end token"):
        DemonstrationDataModule(ROWS).tokenize("train", tokenizer)


def test_the_rollout_of_demonstrations_is_their_tokens() -> None:
    rollout = rollout_of([Demonstration([3, 4], "ab", completion_ids=[5, 1]), Demonstration([3], "a", {}, 1, [1])], 0)
    assert rollout.prompt_ids.tolist() == [[3, 4], [0, 3]]
    assert rollout.completion_ids.tolist() == [[5, 1], [1, 0]]
    assert rollout.completion_mask.tolist() == [[True, True], [True, False]]
    assert rollout.group_size == 1
    with pytest.raises(TypeError, match="prompt 7 comes without a completion to learn from"):
        rollout_of([Prompt([3], "a", index=7)], 0)
