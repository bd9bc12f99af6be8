"""Composition, abstention and the checks of `rlframework.rewards.base`."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from rlframework.completions import Completion, Completions
from rlframework.prompt import Prompt
from rlframework.rewards import Judgement, RewardModel, RowReward, Scores, WeightedSum, optional
from rlframework.rewards.base import Component

NAN = math.nan


class Table(RewardModel):
    """Returns the scores that it was given."""

    def __init__(self, scores: list[list[float]], name: str | None = None) -> None:
        super().__init__(name)
        self.scores = scores

    def score(self, completions: Completions) -> Tensor:
        return torch.tensor(self.scores)


class TextLength(RowReward):
    """Abstains on an empty text."""

    def score_row(self, completion: Completion) -> float | None:
        return len(completion.text) or None


def completions_of(texts: list[str], group_size: int = 2) -> Completions:
    prompt = Prompt([1], "?")
    return Completions([Completion(prompt, [2], text, "stop") for text in texts], group_size)


FOUR = completions_of(["a", "bb", "ccc", ""])


def assert_scores(actual: Tensor, expected: list[list[float]]) -> None:
    torch.testing.assert_close(actual, torch.tensor(expected, dtype=torch.float32), rtol=0, atol=0, equal_nan=True)


def test_a_row_reward_scores_group_major_and_none_abstains() -> None:
    scores = TextLength().evaluate(FOUR)
    assert isinstance(scores, Scores)
    assert_scores(scores.total, [[1, 2], [3, NAN]])
    assert list(scores.components) == ["text_length"]


def test_a_sum_weighs_the_total_and_keeps_raw_components() -> None:
    scores = (Table([[1, 2], [3, 4]], name="a") + 0.5 * Table([[10, 20], [30, 40]], name="b")).evaluate(FOUR)
    assert_scores(scores.total, [[6, 12], [18, 24]])
    assert_scores(scores.components["a"], [[1, 2], [3, 4]])
    assert_scores(scores.components["b"], [[10, 20], [30, 40]])


def test_a_number_scales_every_term_of_a_sum_from_either_side() -> None:
    both = Table([[1, 2], [3, 4]], name="a") + 0.5 * Table([[10, 20], [30, 40]], name="b")
    assert [(term.name, term.weight) for term in (2 * both * 3).components()] == [("a", 6.0), ("b", 3.0)]
    assert_scores((-1 * both).evaluate(FOUR).total, [[-6, -12], [-18, -24]])


def test_the_sum_of_sums_is_flat() -> None:
    a, b, c = (Table([[1, 2], [3, 4]], name=name) for name in "abc")
    assert [term.name for term in (a + (b + c)).components()] == ["a", "b", "c"]


def test_a_product_is_one_component_and_abstains_where_a_factor_does() -> None:
    product = Table([[2, NAN], [0, 4]], name="a") * Table([[3, 3], [5, NAN]], name="b")
    scores = product.evaluate(FOUR)
    assert list(scores.components) == ["a*b"]
    assert_scores(scores.total, [[6, NAN], [0, NAN]])


def test_a_factor_that_is_a_sum_enters_a_product_with_its_total() -> None:
    gate = Table([[1, 0], [1, 1]], name="gate")
    terms = Table([[1, 2], [3, 4]], name="a") + 2 * Table([[1, 1], [1, 1]], name="b")
    assert_scores((gate * terms).evaluate(FOUR).total, [[3, 0], [5, 6]])


def failing(*, errors: list[bool], name: str) -> RewardModel:
    """A reward whose check fails on some of four rows; elsewhere it pays 1."""

    class Failing(RewardModel):
        def score(self, completions: Completions) -> Judgement:
            flags = torch.tensor(errors)
            return Judgement(torch.ones(4).masked_fill(flags, NAN), errors=flags, detail="it broke")

    return Failing(name)


A = Table([[1, NAN], [NAN, 0]], name="a")
B = Table([[NAN, 2], [NAN, NAN]], name="b")
FULL = Table([[10, 20], [30, 40]], name="full")


@pytest.mark.parametrize(
    ("reward", "expected"),
    [
        (A + FULL, [[11, NAN], [NAN, 40]]),  # whatever the others say, nobody knows whether the row is right
        (A + B, [[NAN, NAN], [NAN, NAN]]),
        (0.2 * FULL + 2 * A, [[4, NAN], [NAN, 8]]),
        (-1 * (FULL + A), [[-11, NAN], [NAN, -40]]),
        (A + 0.0 * FULL, [[1, NAN], [NAN, 0]]),  # a weight of 0 has no say: neither a score
        (FULL + 0.0 * A, [[10, 20], [30, 40]]),  # nor an abstention
        (optional(A) + 0.0 * FULL, [[1, NAN], [NAN, 0]]),
        (0.0 * A, [[0, 0], [0, 0]]),
        (FULL + optional(A), [[11, 20], [30, 40]]),
        (FULL + 3 * optional(A), [[13, 20], [30, 40]]),
        (optional(3 * A) + FULL, [[13, 20], [30, 40]]),
        (optional(A + B) + FULL, [[11, 22], [30, 40]]),
        (optional(A) + optional(B), [[1, 2], [NAN, 0]]),  # TRL's sum: what nobody judges has no reward
        (optional(A) + B, [[NAN, 2], [NAN, NAN]]),
        (optional(A), [[1, NAN], [NAN, 0]]),  # there is nothing that it could be left out of
        (A * FULL + FULL, [[20, NAN], [NAN, 40]]),
        (optional(A) * FULL + FULL, [[20, NAN], [NAN, 40]]),  # a product has no 0 to count it as
        (optional(A * FULL) + FULL, [[20, 20], [30, 40]]),
    ],
)
def test_a_row_abstains_with_any_component_that_it_needs(reward: RewardModel, expected: list[list[float]]) -> None:
    assert_scores(reward.evaluate(FOUR).total, expected)


@pytest.mark.parametrize("around", [None, "sum"])
def test_a_sum_within_a_sum_is_no_other_sum(around: str | None) -> None:
    """Built by hand, as from YAML, a sum may hold sums; they hide nothing that the flat one shows."""
    judge = failing(errors=[True, False, False, False], name="judge")
    for term, expected in ((judge, [[NAN, 22], [32, 42]]), (optional(judge), [[11, 22], [32, 42]])):
        inner: RewardModel = WeightedSum([*term.components(), *A_FEW.components()])
        reward = WeightedSum([Component("inner", 1.0, inner), Component("full", 1.0, FULL)]) if around else inner + FULL
        scores = reward.evaluate(FOUR)
        assert_scores(scores.total, expected)
        failed = scores.judgements["inner" if around else "judge"]
        assert failed.error_flags.tolist() == [[True, False], [False, False]]
        assert failed.detail == "it broke"


def test_an_unverifiable_gold_is_one_for_whoever_is_around() -> None:
    class Unread(RewardModel):
        def score(self, completions: Completions) -> Judgement:
            flags = torch.tensor([False, True, False, False])
            return Judgement(torch.ones(4).masked_fill(flags, NAN), unverifiable=flags)

    within = WeightedSum([Component("inner", 1.0, Unread() + A_FEW)])
    for reward in (Unread() * FULL, (Unread() + A_FEW) * FULL, within):
        [judgement] = reward.evaluate(FOUR).judgements.values()
        assert judgement.unverifiable_flags.tolist() == [[False, True], [False, False]]
        assert not judgement.error_flags.any()


A_FEW = Table([[1, 1], [1, 1]], name="few")


def test_a_sum_of_plain_terms_takes_the_three_or_four_values_of_a_yaml_file() -> None:
    terms: list[Any] = [["a", 1.0, A, False], ["full", 0.5, FULL]]
    assert_scores(WeightedSum(terms).evaluate(FOUR).total, [[6, 10], [15, 20]])


def test_a_sum_takes_rewards_weights_and_what_a_row_can_do_without_by_name() -> None:
    reward = WeightedSum(rewards={"a": A, "full": FULL}, weights={"full": 0.5}, optional=["a"])
    assert reward.components() == [Component("a", 1.0, A, False), Component("full", 0.5, FULL)]
    assert_scores(reward.evaluate(FOUR).total, [[6, 10], [15, 20]])


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({}, TypeError, "rewards={name: reward}"),
        ({"rewards": {"a": A}, "terms": [Component("a", 1.0, A)]}, TypeError, "or else terms"),
        ({"rewards": {"a": A}, "weights": {"b": 1.0}}, ValueError, r"for \['b'\]; rewards names \['a'\]"),
        ({"rewards": {"a": A}, "optional": ["b"]}, ValueError, r"for \['b'\]"),
        ({"terms": [Component("a", 1.0, A)], "weights": {"a": 2.0}}, ValueError, r"for \['a'\]"),
        ({"rewards": {"a": A}, "weights": {"a": math.inf}}, ValueError, "finite weights"),
        ({"rewards": {"a": len}}, TypeError, r"rewards\['a'\]=len"),
    ],
)
def test_a_sum_by_name_is_refused_where_it_says_nothing(arguments: dict[str, Any], error: type, words: str) -> None:
    with pytest.raises(error, match=words):
        WeightedSum(**arguments)


@pytest.mark.parametrize("weight", [math.nan, math.inf, -math.inf])
def test_a_weight_is_a_number(weight: float) -> None:
    with pytest.raises(ValueError, match=r"finite weights, got \{'a'"):
        weight * A


def test_components_keep_whether_they_are_needed_through_every_sum() -> None:
    reward = 2 * (optional(A) + FULL) + 0.5 * B
    assert [(part.name, part.weight, part.required) for part in reward.components()] == [
        ("a", 2.0, False),
        ("full", 2.0, True),
        ("b", 0.5, True),
    ]
    assert reward.evaluate(FOUR).optional == {"a"}


def test_a_constructor_that_does_not_call_the_one_above_leaves_a_name() -> None:
    class LongWords(RowReward):
        def __init__(self, least: int) -> None:
            self.least = least

        def score_row(self, completion: Completion) -> float:
            return float(len(completion.text) >= self.least)

    class Given(LongWords):
        name = "mine"

    assert [term.name for term in (LongWords(3) + 0.5 * Given(2)).components()] == ["long_words", "mine"]


def test_sum_without_a_start_is_refused_by_name_and_with_one_adds_up() -> None:
    a, b = Table([[1, 2], [3, 4]], name="a"), Table([[1, 1], [1, 1]], name="b")
    with pytest.raises(TypeError, match=r"added to reward 'a': sum begins with 0; write sum\(rewards\[1:\]"):
        sum([a, b])  # type: ignore[list-item]
    assert_scores(sum([b], start=a).evaluate(FOUR).total, [[2, 3], [4, 5]])


def test_other_operands_are_refused() -> None:
    with pytest.raises(TypeError, match=r"an? int cannot be added to reward 'text_length': pass a reward, such as"):
        TextLength() + 1  # type: ignore[operator]
    for add in (lambda: TextLength() + len, lambda: len + TextLength()):  # type: ignore[operator]
        with pytest.raises(TypeError, match=r"pass FunctionReward\(len\)"):
            add()
    with pytest.raises(TypeError, match="can't multiply"):
        TextLength() * "2"  # type: ignore[operator]


def test_a_wrong_number_of_scores_is_refused_with_the_numbers() -> None:
    with pytest.raises(ValueError, match=r"'short' returned 3 scores .* for 4 completions; .* = \(2, 2\)"):
        Table([[1, 2, 3]], name="short").evaluate(FOUR)


@pytest.mark.parametrize("value", [math.inf, -math.inf])
def test_an_infinite_score_is_refused(value: float) -> None:
    reward = Table([[0, 0], [0, 0]], name="fine") + Table([[0, value], [0, 0]], name="wild")
    with pytest.raises(ValueError, match="'wild' returned an infinite score"):
        reward.evaluate(FOUR)


def test_two_components_of_one_name_are_refused() -> None:
    with pytest.raises(ValueError, match=r"\['text_length'\]"):
        TextLength() + TextLength()
    assert [term.name for term in (TextLength() + TextLength(name="second")).components()] == ["text_length", "second"]


def test_scores_carry_no_gradient() -> None:
    class Learned(RewardModel):
        def score(self, completions: Completions) -> Tensor:
            return torch.ones(2, 2, requires_grad=True) * 2

    assert not Learned().evaluate(FOUR).total.requires_grad


@pytest.mark.parametrize("incomplete", [RewardModel, RowReward])
def test_the_judgement_must_be_written(incomplete: type) -> None:
    with pytest.raises(TypeError, match="abstract"):
        incomplete()
