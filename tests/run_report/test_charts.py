"""Charts: which figures stand together, bands, thinning, and the histogram of rewards."""

from __future__ import annotations

import pytest

from rlframework.functional.confidence import wilson_interval
from rlframework.run_report.charts import MOST_POINTS, charts_of_run, charts_of_runs, constants, reward_histogram


def test_each_figure_is_in_one_chart_and_the_unknown_ones_too() -> None:
    names = [
        "train/reward/total",
        "train/reward/right",
        "train/sampler_gap",
        "train/sampler_gap_max",
        "mine",
        "val/reward",
    ]
    charts = charts_of_run({name: ([1, 2], [0.5, 1.5]) for name in names})
    lines = {chart["title"]: [line["name"] for line in chart["lines"]] for chart in charts}
    assert lines == {
        "reward": ["total", "right"],
        "held-out reward": ["held-out reward"],
        "gap of sampler and policy": ["gap of sampler and policy", "max"],
        "mine": ["mine"],
    }


def test_held_out_shares_begin_before_training_and_have_wilson_bands() -> None:
    (chart,) = charts_of_run({"val/accuracy": ([5, 10], [0.5, 0.75])}, {"accuracy": 0.25}, problems=40)
    (line,) = chart["lines"]
    assert (chart["steps"], line["values"]) == ([0, 5, 10], [0.25, 0.5, 0.75])
    assert (line["low"][2], line["high"][2]) == pytest.approx(wilson_interval(30, 40), abs=1e-4)
    assert "40 problems" in chart["about"]
    (beyond,) = charts_of_run({"val/length": ([5, 10], [2.0, 3.0])}, problems=40)
    assert "low" not in beyond["lines"][0]
    assert beyond["kind"] == "line"


def test_a_long_run_is_thinned_to_means_and_says_so() -> None:
    steps = list(range(1, 4001))
    (chart,) = charts_of_run({"train/entropy": (steps, [float(step % 4) for step in steps])})
    assert len(chart["steps"]) == MOST_POINTS
    assert set(chart["lines"][0]["values"]) == {1.5}
    assert "mean of 4 steps" in chart["about"]


def test_figures_that_never_change_are_said_in_words() -> None:
    figures = {"train/truncated": ([1, 2], [0.0, 0.0]), "val/accuracy": ([1, 2], [1.0, 1.0])}
    assert constants(figures) == [("train/truncated", 0.0)]
    assert [chart["title"] for chart in charts_of_run(figures)] == ["held-out"]


def test_runs_are_lines_of_one_chart_for_each_figure() -> None:
    one = {"train/reward/total": ([1, 2], [0.0, 1.0]), "train/reward/right": ([1, 2], [0.0, 2.0])}
    never = {"train/truncated": ([1, 2], [0.0, 0.0])}
    charts = charts_of_runs({"a": one | never, "b": {"train/reward/total": ([2, 3], [1.0, float("nan")])} | never})
    assert [chart["title"] for chart in charts] == ["reward: total", "reward: right"]
    assert [chart["wide"] for chart in charts] == [True, False]
    assert charts[0]["steps"] == [1, 2, 3]
    assert [line["values"] for line in charts[0]["lines"]] == [[0.0, 1.0, None], [None, 1.0, None]]


def test_the_histogram_counts_every_reward_once() -> None:
    rows = [{"step": step, "reward": reward} for step in range(200) for reward in (0.0, 0.25, 1.0, None)]
    found = reward_histogram(rows)
    assert found is not None
    assert len(found["steps"]) <= 80
    for shares in found["shares"]:
        assert (shares[0], shares[6], shares[-1]) == (pytest.approx(1 / 3, abs=1e-4),) * 3
        assert sum(shares) == pytest.approx(1, abs=1e-3)
    assert reward_histogram([{"step": 0, "reward": 1.0}] * 3) is None
