"""The demo's problems: deterministic, right, and never in both training and test."""

from __future__ import annotations

import re
from random import Random

import pytest

from rlframework.rewards.template import AnswerTemplate
from rlframework.tasks import chain_sums
from rlframework.tasks.tiny.task import ProblemSet


def test_problems_are_distinct_deterministic_and_extend_one_another() -> None:
    rows = chain_sums.problems(300, seed=3)
    assert len({row["prompt"] for row in rows}) == 300
    assert rows == chain_sums.problems(300, seed=3)
    assert rows[:40] == chain_sums.problems(40, seed=3)
    assert rows != chain_sums.problems(300, seed=4)


def test_every_running_total_stays_in_bounds() -> None:
    for row in chain_sums.problems(500, seed=0):
        assert re.fullmatch(r"[1-9]([+-][1-9]){2,4}=\?", row["prompt"])
        terms = [int(term) for term in re.findall(r"[+-]?\d", row["prompt"])]
        totals = [sum(terms[: end + 1]) for end in range(len(terms))]
        assert all(0 <= total <= chain_sums.LARGEST_TOTAL for total in totals)
        assert row["answer"] == str(totals[-1])


def test_excluded_prompts_do_not_occur() -> None:
    first = [row["prompt"] for row in chain_sums.problems(100, seed=1)]
    again = [row["prompt"] for row in chain_sums.problems(100, seed=1, exclude=first)]
    assert not set(first) & set(again)


def test_too_many_problems_is_an_error_with_the_numbers() -> None:
    one = ProblemSet(lambda random: {"prompt": "1+1+1=?", "answer": "3"}, reserve_seed=0)
    with pytest.raises(ValueError, match=r"found only 1 distinct problems in 100 draws, but 2 were asked for"):
        one.problems(2, seed=0)


def test_heldout_is_the_same_for_every_seed_and_never_in_a_pool() -> None:
    pools = [chain_sums.splits(seed) for seed in range(4)]
    assert {len(split.train) for split in pools} == {1024}
    assert all(split.heldout == pools[0].heldout for split in pools)
    assert len(pools[0].heldout) == 256
    reserve = set(chain_sums.reserved_prompts())
    assert {row["prompt"] for row in pools[0].heldout} <= reserve
    for split in pools:
        assert not reserve & {row["prompt"] for row in split.train}
    assert pools[0].train != pools[1].train


def test_no_more_held_out_problems_than_are_reserved() -> None:
    with pytest.raises(ValueError, match="only 512 problems"):
        chain_sums.splits(0, n_heldout=513)


def test_worked_steps_are_right_and_lead_to_the_answer() -> None:
    assert chain_sums.worked({"prompt": "9+2-7-2=?", "answer": "2"}) == "9+2=11;11-7=4;4-2=2"
    for row in chain_sums.problems(200, seed=5):
        carried = int(row["prompt"][0])
        for line in chain_sums.worked(row).split(";"):
            before, term, after = re.fullmatch(r"(\d+)([+-]\d)=(\d+)", line).groups()  # type: ignore[union-attr]
            assert int(before) == carried
            carried = int(after)
            assert int(before) + int(term) == carried
        assert row["answer"] == str(carried)


def test_sloppy_demonstrations_have_the_shares_that_are_documented() -> None:
    template, random = AnswerTemplate(), Random(0)
    rows = chain_sums.problems(1500, seed=6)
    texts = [chain_sums.sloppy_demonstration(row, random) for row in rows]
    broken = [any(text.count(tag) != 1 for tag in template.completion_tags) for text in texts]
    assert sum(broken) / len(texts) == pytest.approx(0.25, abs=0.04)
    whole = [(row, text) for row, text, bad in zip(rows, texts, broken, strict=True) if not bad]
    blurted = [(row, text) for row, text in whole if text.startswith(template.end_working)]
    assert len(blurted) / len(whole) == pytest.approx(0.70, abs=0.05)
    right = [template.parse(text) == row["answer"] for row, text in blurted]
    assert sum(right) / len(right) == pytest.approx(0.30, abs=0.05)
    for row, text in blurted:
        assert abs(int(template.parse(text) or 99) - int(row["answer"])) <= 8


def test_demonstrations_depend_on_the_generator_alone() -> None:
    rows = chain_sums.problems(50, seed=7)
    first, second = (
        [chain_sums.sloppy_demonstration(row, random) for row in rows] for random in (Random(1), Random(1))
    )
    assert first == second
