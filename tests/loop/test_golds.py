"""Rows that a reward has nothing to compare with are counted before training, whatever the reward is."""

from __future__ import annotations

from typing import Any

import pytest
import pytorch_lightning as pl

from rlframework import GRPO, DynamicSampling, PromptDataModule, SharedPrefixSampler
from rlframework.loop.checks import check_golds
from rlframework.prompt import Prompt
from rlframework.rewards import AnswerCheck, CorrectAnswer, ExactFormat, NumberCheck, RewardModel, RightEquation, Where
from rlframework.rewards.base import optional
from rlframework.rewards.code import CodeTests
from rlframework.rewards.logic import TruthTable
from rlframework.rewards.math import MathCheck
from rlframework.testing import tiny_policy

BLANKS = [None, "", "  ", float("nan"), [], {"a": 1}]


def fit(reward: RewardModel, rows: list[dict[str, Any]], **data: Any) -> pl.Trainer:
    sampler = SharedPrefixSampler(group_size=2, max_tokens=4)
    trainer = pl.Trainer(max_steps=1, barebones=True, accelerator="cpu")
    trainer.fit(GRPO(tiny_policy(), reward, sampler, prompts_per_rollout=2), PromptDataModule(rows, **data))
    return trainer


def rows(*golds: Any, column: str = "answer") -> list[dict[str, Any]]:
    return [{"prompt": "abc"[: 1 + place % 3], column: gold} for place, gold in enumerate(golds)]


@pytest.mark.parametrize("reward", [CorrectAnswer, AnswerCheck, NumberCheck, MathCheck, RightEquation])
@pytest.mark.parametrize("blank", BLANKS)
def test_a_missing_gold_cannot_be_judged(reward: type[RewardModel], blank: Any) -> None:
    one = reward()
    assert not one.can_judge(Prompt([1], "?", {"answer": blank}))
    assert one.can_judge(Prompt([1], "?", {"answer": "4"}))
    assert one.can_judge(Prompt([1], "?", {"answer": 4.0}))


@pytest.mark.parametrize("reward", [NumberCheck, RightEquation])
@pytest.mark.parametrize("words", ["blue", "12 apples", "x + 1", "3/4", ["1", "2"]])
def test_words_are_no_gold_where_a_number_is_asked_for(reward: type[RewardModel], words: Any) -> None:
    assert not reward().can_judge(Prompt([1], "?", {"answer": words}))
    with pytest.raises(ValueError, match=r"2 of 2 train rows \(100.0%\).*Is the column the right one\?"):
        check_golds(reward(), {"train": [Prompt([1], "?", {"answer": words})] * 2})


def test_other_columns_that_nothing_can_be_compared_with() -> None:
    cases = CodeTests()
    assert not cases.can_judge(Prompt([1], "?", {}))
    assert not cases.can_judge(Prompt([1], "?", {cases.cases_column: "no cases"}))
    table = TruthTable(variables=["p"])
    assert table.can_judge(Prompt([1], "?", {table.formula_column: "p"}))
    assert not table.can_judge(Prompt([1], "?", {table.formula_column: "p and"}))


def test_they_are_counted_and_shown_before_the_run() -> None:
    reward = CorrectAnswer() + 0.2 * ExactFormat()
    with pytest.warns(UserWarning, match=r"2 of 5 train rows \(40.0%\) hold .*'correct_answer' .*: rows 1, 4\."):
        fit(reward, rows("1", None, "2", "3", " "))


def test_validation_rows_too() -> None:
    with pytest.warns(UserWarning, match=r"1 of 2 validation rows .*: rows 0\.") as said:
        fit(CorrectAnswer(), rows("1", "2"), validation=rows("", "3"))
    assert sum("validation rows" in str(one.message) for one in said) == 1  # though validation measures the reward too


def test_validation_without_a_single_gold_is_no_reason_to_refuse_training() -> None:
    blank = [Prompt([1], "?", row, place) for place, row in enumerate(rows("", None))]
    with pytest.warns(UserWarning, match=r"2 of 2 validation rows .*Their completions abstain"):
        check_golds(CorrectAnswer(), {"train": [Prompt([1], "?", {"answer": "1"})], "validation": blank})


def test_many_are_not_all_listed() -> None:
    with pytest.warns(UserWarning, match=r"7 of 9 train rows .*rows 0, 1, 2, 3, 4 \.\.\."):
        check_golds(
            CorrectAnswer(), {"train": [Prompt([1], "?", row, i) for i, row in enumerate(rows(*BLANKS, "", "1", 2))]}
        )


@pytest.mark.parametrize(
    "reward",
    [CorrectAnswer(), CorrectAnswer() * ExactFormat(), ExactFormat() + CorrectAnswer()],
    ids=["alone", "gated", "in a sum"],
)
def test_a_run_without_a_single_gold_is_refused(reward: RewardModel) -> None:
    with pytest.raises(ValueError, match=r"3 of 3 train rows \(100.0%\).*Is the column the right one\?"):
        fit(reward, rows("", None, float("nan")))


def test_a_column_that_is_not_there_is_refused_before_anything_is_sampled() -> None:
    with pytest.raises(KeyError, match=r"no column 'answer'; its columns are: gold, prompt"):
        fit(CorrectAnswer(), rows("1", "2", column="gold"))


def test_a_term_without_weight_asks_for_nothing(recwarn: pytest.WarningsRecorder) -> None:
    fit(ExactFormat() + 0.0 * CorrectAnswer(), rows("", "1"))
    assert not [one for one in recwarn if "hold nothing" in str(one.message)]


def test_a_reward_around_others_asks_them() -> None:
    whole, blank = Prompt([1], "?", {"answer": "1", "task": "x"}), Prompt([1], "?", {"answer": "", "task": "x"})
    other = Prompt([1], "?", {"answer": "", "task": "y"})
    where = Where(CorrectAnswer(), "task", "x")
    assert [where.can_judge(prompt) for prompt in (whole, blank, other)] == [True, False, True]
    both = CorrectAnswer() + NumberCheck()
    for around in (both * ExactFormat(), ExactFormat() * both, (where + ExactFormat()) * ExactFormat()):
        assert around.can_judge(whole)
        assert not around.can_judge(blank)
    assert (optional(CorrectAnswer()) + 0.0 * NumberCheck() + ExactFormat()).can_judge(blank)


def test_what_a_row_can_do_without_counts_as_0() -> None:
    with pytest.warns(UserWarning, match=r"2 of 2 train rows .*Their completions get 0 for it"):
        fit(optional(CorrectAnswer()) + ExactFormat(), rows("", None))


def test_what_filters_and_validation_judge_by_is_asked_too() -> None:
    filtered = DynamicSampling(SharedPrefixSampler(group_size=2, max_tokens=4), CorrectAnswer(), keep=1)
    algorithm = GRPO(tiny_policy(), ExactFormat(), filtered, prompts_per_rollout=2)
    trainer = pl.Trainer(max_steps=1, barebones=True, accelerator="cpu")
    with pytest.raises(ValueError, match=r"2 of 2 train rows .*'correct_answer'"):
        trainer.fit(algorithm, PromptDataModule(rows("", None)))
    measured = GRPO(
        tiny_policy(),
        ExactFormat(),
        SharedPrefixSampler(group_size=2, max_tokens=4),
        prompts_per_rollout=2,
        validation={"right": NumberCheck()},
    )
    with pytest.warns(UserWarning, match=r"1 of 2 validation rows .*'number_check' .*: rows 1\."):
        pl.Trainer(max_steps=1, barebones=True, accelerator="cpu").fit(
            measured, PromptDataModule(rows("1", "2"), validation=rows("1", ""))
        )
