"""What is made of the recipe's runs: the step that counts, what a budget buys, and pairs over the same problems."""

import pytest
import rft_or_sft

SPENT = [[0, 0, 0.0], [1, 9_000, 0.5], [2, 18_000, 1.0], [4, 200_000, 9.0]]


def run_of(way, seed, right, labels=8, start="primed", **curves):
    curves = {
        "validation": [0.0, 0.5, 0.75, 1.0],
        "heldout": [0.0, 0.4, 0.8, 0.6],
        "labelled": [0.0, 1.0, 1.0, 1.0],
    } | curves
    best = curves["validation"].index(max(curves["validation"]))
    cell = {"start": start, "way": way, "labels": labels, "seed": seed, "phases": [[4, 1e-3]]}
    return {**cell, "spent": SPENT, **curves, "best": best, "right": right}


def test_a_budget_buys_the_step_that_validates_best_of_those_that_it_allows():
    run = run_of("GRPO", 0, [1, 0], validation=[0.0, 0.9, 0.5, 1.0])
    assert [rft_or_sft.within(run, budget) for budget in (8_999, 9_000, 18_000, 200_000)] == [0.0, 0.4, 0.4, 0.6]


def test_a_row_is_over_the_seeds_and_its_interval_over_the_problems():
    rights = [[1, 1, 0, 0], [1, 1, 0, 0], [1, 1, 0, 0]]
    row = rft_or_sft.row_of([run_of("GRPO", seed, right) for seed, right in enumerate(rights)])
    assert (row["seeds"], row["step"], row["tokens"]) == ([0, 1, 2], [4, 4, 4], 200_000)
    assert row["last"] == pytest.approx({"labelled": 1.0, "heldout": 0.6})
    assert row["curve"][1] == pytest.approx([9_000, 0.4])
    # All seeds agree, so that twelve answers to four problems are worth four.
    assert row["interval"] == pytest.approx((0.150, 0.850), abs=1e-3)


def test_ways_are_paired_by_problem_within_a_start_and_a_number_of_labels():
    lines = [
        run_of("GRPO", 0, [1] * 40 + [0] * 24),
        run_of("SFT on answers", 0, [0] * 64),
        run_of("SFT on answers", 0, [0] * 64, labels=64),
        run_of("GRPO without labels", 0, [1] * 64, labels=0),
        run_of("GRPO", 0, [0] * 64, start="base"),
    ]
    found = list(rft_or_sft.differences(lines))
    assert {(one["start"], *sorted([one["first"], one["second"]])) for one in found} == {
        ("primed", ("GRPO", 8), ("SFT on answers", 8)),
        ("primed", ("GRPO", 8), ("GRPO without labels", 0)),
        ("primed", ("GRPO without labels", 0), ("SFT on answers", 8)),
        ("primed", ("GRPO without labels", 0), ("SFT on answers", 64)),
    }
    [pair] = [one for one in found if (one["first"], one["second"]) == (("GRPO", 8), ("SFT on answers", 8))]
    assert pair["mean"] == pytest.approx(-0.625)
    assert pair["low"] < -0.625 < pair["high"] < 0


def test_pairs_are_over_the_seeds_that_both_ways_have():
    lines = [run_of("GRPO", seed, [seed] * 8) for seed in (0, 1)] + [run_of("SFT on workings", 0, [1] * 8)]
    [pair] = rft_or_sft.differences(lines)
    assert (pair["seeds"], pair["mean"]) == ([0], 1.0)


def test_the_seed_of_the_choices_is_no_result():
    lines = [run_of("GRPO", seed, [1, 0]) for seed in (0, rft_or_sft.TUNING)]
    summary = rft_or_sft.summary(lines)
    assert [row["seeds"] for row in summary["rows"]] == [[0]]
    assert [(choice["step"], choice["validation"]) for choice in summary["choices"]] == [(4, 1.0)]
