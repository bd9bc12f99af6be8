"""What is compared after weights were loaded, and when it is refused."""

from __future__ import annotations

import math

import pytest
import torch

from rlframework.prompt import Prompt
from rlframework.samplers.vllm import DisagreementError
from rlframework.samplers.vllm.answer import Answered
from rlframework.samplers.vllm.canary import Scored, compare, compare_again, score
from rlframework.testing import tiny_policy

ROWS = [Answered([7, 8, 1], [-1.0, -2.0, -0.5], "stop"), Answered([9], [-3.0], "length")]
KNOWN = [[-1.0, -2.0, -0.5], [-3.0]]


def test_the_mean_over_all_tokens_counts():
    assert compare(ROWS, [[-1.1, -2.0, -0.5], [-3.3]], 0.11, "it") == pytest.approx(0.1)
    with pytest.raises(
        DisagreementError, match=r"off by 0.1 nats per token, 0.3 at most, over 4 tokens; tolerance=0.09"
    ):
        compare(ROWS, [[-1.1, -2.0, -0.5], [-3.3]], 0.09, "it")


def test_what_is_no_number_is_above_any_tolerance():
    with pytest.raises(DisagreementError):
        compare(ROWS, [[math.nan, -2.0, -0.5], [-3.0]], 100.0, "it")


def test_a_server_that_came_back_is_compared_as_far_as_rows_are_the_same():
    record = Scored({}, ROWS, KNOWN)
    assert compare_again(ROWS, record, 1e-6, "it") == 0
    # A near tie: another second token, whose score is not compared.
    turned = [Answered([7, 5], [-1.0, -9.0], "length"), ROWS[1]]
    assert compare_again(turned, record, 1e-6, "it") == 0
    longer = [Answered([7, 8, 1, 4], [-1.0, -2.0, -0.5, -9.0], "length"), ROWS[1]]
    assert compare_again(longer, record, 1e-6, "it") == 0
    with pytest.raises(DisagreementError, match="off by"):
        compare_again([Answered([7, 5], [-1.2, -9.0], "length"), ROWS[1]], record, 1e-2, "it")


def test_if_no_row_begins_the_same_it_is_another_model():
    others = [Answered([2], [-1.0], "length"), Answered([3], [-1.0], "length")]
    with pytest.raises(DisagreementError, match=r"same seed otherwise than before: \[\[2\], \[3\]\]"):
        compare_again(others, Scored({}, ROWS, KNOWN), 100.0, "it")


def test_scores_are_the_policys_at_the_temperature():
    policy = tiny_policy()
    (first, _), (hot, _) = (score(policy, Prompt([5, 6], "cd"), ROWS, temperature) for temperature in (1.0, 2.0))
    ids = torch.tensor([[5, 6, 7, 8, 1]])
    logits = policy.model(ids).logits[0, 1:4]
    chosen = ids[0, 2:].unsqueeze(1)
    assert first == pytest.approx(logits.log_softmax(-1).gather(1, chosen).flatten().tolist(), abs=1e-5)
    assert hot == pytest.approx((logits / 2).log_softmax(-1).gather(1, chosen).flatten().tolist(), abs=1e-5)
