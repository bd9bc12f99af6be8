"""What a plan says of memory is within 15 % of the peaks of real training steps."""

from __future__ import annotations

import json
from typing import Any

import pytest
from plan_peaks import CASES, RESULTS, Case, peaks

BAR = 0.15
# Recorded beside the others, and far from what is foretold: docs/plan.md says so.
OUTSIDE = "qwen3 lora, bf16-mixed"
RECORDED = json.loads(RESULTS.read_text())


def compare(case: Case, measured: dict[str, Any]) -> None:
    moments = case.planned().moments()
    for name, moment in (("rollout", "rollout"), ("backward", "backward"), ("optimizer step", "step")):
        assert sum(moments[name].values()) == pytest.approx(measured[moment], rel=BAR), name
    assert max(sum(parts.values()) for parts in moments.values()) == pytest.approx(max(measured.values()), rel=BAR)


@pytest.mark.parametrize("name", [name for name in CASES if name != OUTSIDE])
def test_a_recorded_model(name: str) -> None:
    compare(CASES[name], RECORDED[name])


def test_what_is_outside_is_outside_still() -> None:
    foretold = sum(CASES[OUTSIDE].planned().moments()["backward"].values())
    assert foretold < 0.5 * RECORDED[OUTSIDE]["backward"]


def test_a_small_model_now() -> None:
    case = Case("qwen3", (128, 384, 2, 4, 2, 32, 1024), max_tokens=12)
    compare(case, peaks(case))


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in CASES if name != OUTSIDE])
def test_every_model_now(name: str) -> None:
    compare(CASES[name], peaks(CASES[name]))
