"""Sums that become means once."""

from __future__ import annotations

import math

import pytest
import pytorch_lightning as pl
import torch

from rlframework.metrics import Tally


def test_a_mean_is_over_all_values_and_not_over_means() -> None:
    tally = Tally()
    tally.mean("x", torch.tensor([1.0, 2.0, 3.0]))
    tally.mean("x", torch.tensor([10.0]))
    assert tally.values() == {"x": 4.0}  # the mean of the means would be 6


def test_masked_and_abstained_values_do_not_count() -> None:
    tally = Tally()
    nan, inf = float("nan"), float("inf")
    tally.mean("masked", torch.tensor([[1.0, nan], [inf, 5.0]]), torch.tensor([[True, False], [False, True]]))
    tally.mean("abstained", torch.tensor([2.0, nan]))
    tally.mean("both", torch.tensor([2.0, nan, 7.0]), torch.tensor([True, True, False]))
    assert tally.values() == {"masked": 3.0, "abstained": 2.0, "both": 2.0}


@pytest.mark.parametrize("values", [torch.tensor([]), torch.tensor([float("nan")])])
def test_a_mean_of_nothing_is_nan(values: torch.Tensor) -> None:
    tally = Tally()
    tally.mean("x", values)
    assert math.isnan(tally.values()["x"])
    tally.mean("x", torch.tensor([3.0]))
    assert tally.values() == {"x": 3.0}


def test_a_sum_is_not_divided() -> None:
    tally = Tally()
    tally.sum("loss", torch.tensor(0.5))
    tally.sum("loss", torch.tensor(-2.0))
    assert tally.values() == {"loss": -1.5}


def test_whole_numbers_and_half_precision_are_added_in_float32() -> None:
    tally = Tally()
    for _ in range(300):  # bfloat16 could not count beyond 256
        tally.mean("half", torch.ones(1, dtype=torch.bfloat16))
        tally.sum("total", torch.ones((), dtype=torch.bfloat16))
    tally.mean("whole", torch.tensor([1, 2]))
    assert tally.values() == {"half": 1.0, "total": 300.0, "whole": 1.5}


def test_it_holds_no_graph() -> None:
    tally = Tally()
    parameter = torch.tensor([1.0], requires_grad=True)
    tally.mean("x", parameter * 2)
    tally.sum("y", (parameter * 2).sum())
    assert not any(total.requires_grad for total in tally._totals.values())


def test_values_can_be_read_again_and_an_empty_tally_has_none() -> None:
    tally = Tally()
    assert tally.values() == {}
    tally.mean("x", torch.tensor([1.0]))
    assert tally.values() == tally.values() == {"x": 1.0}


def test_a_trainer_of_one_process_changes_nothing() -> None:
    tally = Tally()
    tally.mean("x", torch.tensor([1.0, 2.0]))
    tally.sum("y", torch.tensor(3.0))
    assert tally.values(pl.Trainer(accelerator="cpu", logger=False)) == {"x": 1.5, "y": 3.0}


def test_a_maximum_is_over_everything_added_and_leaves_out_masked_and_nan() -> None:
    tally = Tally()
    tally.max("gap", torch.tensor([[0.1, 9.0], [0.3, float("nan")]]), torch.tensor([[True, False], [True, True]]))
    tally.max("gap", torch.tensor([[-1.0, 0.2]]))
    tally.max("nothing", torch.tensor([float("nan")]))
    tally.mean("mean", torch.tensor([1.0]))
    values = tally.values()
    assert values["gap"] == pytest.approx(0.3)
    assert math.isnan(values["nothing"])
    assert values["mean"] == 1.0
