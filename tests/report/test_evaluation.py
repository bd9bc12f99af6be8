from dataclasses import replace

import numpy as np
import pytest
import torch

from rlframework import BatchedSampler, evaluate
from rlframework.testing import letter_prompts, tiny_policy


def test_a_policy_is_measured_in_eval_mode_and_given_back_as_it_was(first_letter):
    policy = tiny_policy().train()
    measured = evaluate("tiny", policy, letter_prompts(6), BatchedSampler(2, 4), {"accuracy": first_letter})
    assert policy.training
    assert measured.n == 12
    assert measured.share("accuracy") == pytest.approx(measured.scores["accuracy"].mean().item())


def test_an_interval_is_for_shares_and_leaves_abstentions_out(first_letter):
    measured = evaluate("tiny", tiny_policy(), letter_prompts(4), BatchedSampler(1, 4), {"accuracy": first_letter})
    measured.scores["accuracy"][:] = torch.tensor([[1.0], [1.0], [0.0], [float("nan")]])
    assert measured.share("accuracy") == pytest.approx(2 / 3)
    assert measured.interval("accuracy") == pytest.approx((0.2077, 0.9385), abs=1e-4)
    measured.scores["accuracy"][0] = 0.5
    with pytest.raises(ValueError, match="for shares"):
        measured.interval("accuracy")


def test_what_a_probe_asks_for_is_counted_by_group(first_letter):
    measured = evaluate("tiny", tiny_policy(), letter_prompts(4), BatchedSampler(4, 4), {"accuracy": first_letter})
    nan = float("nan")
    measured.scores["accuracy"][:] = torch.tensor(
        [[1.0, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0], [1.0, 1.0, nan, nan], [nan, nan, nan, nan]]
    )
    assert measured.pass_at_k("accuracy", 1) == pytest.approx((1 / 4 + 0 + 1) / 3)
    assert measured.pass_at_k("accuracy", 2) == pytest.approx((2 / 4 + 0 + 1) / 3)
    assert measured.pass_at_k("accuracy", 3) == pytest.approx((3 / 4 + 0) / 2)  # two answers were judged in the third
    assert measured.groups_with_spread("accuracy") == 1 / 4
    rows = list(measured.completions)
    assert measured.length == sum(len(row.ids) for row in rows) / 16
    rows[0].stop_reason, rows[1].stop_reason = "stop", "length"
    assert measured.truncated == sum(row.stop_reason == "length" for row in rows) / 16
    with pytest.raises(ValueError, match="pass@5 cannot be told from 4 completions a prompt; sample with group_size=5"):
        measured.pass_at_k("accuracy", 5)
    measured.scores["accuracy"][0, 0] = 0.5
    with pytest.raises(ValueError, match="pass@k counts right answers"):
        measured.pass_at_k("accuracy", 2)


def test_what_cannot_be_measured_is_refused_with_the_numbers(first_letter):
    measures = {"accuracy": first_letter}
    with pytest.raises(ValueError, match="tiny: 0 prompts were given"):
        evaluate("tiny", tiny_policy(), [], BatchedSampler(2, 4), measures)
    for size in (0, -1):
        with pytest.raises(ValueError, match=f"batch_size={size}: at least one prompt"):
            evaluate("tiny", tiny_policy(), letter_prompts(2), BatchedSampler(2, 4), measures, batch_size=size)
    measured = evaluate("tiny", tiny_policy(), letter_prompts(2), BatchedSampler(4, 4), measures, batch_size=1)
    assert measured.pass_at_k("accuracy", np.int64(2)) == measured.pass_at_k("accuracy", 2)
    for k in (1.5, 2.0, "2"):
        with pytest.raises(ValueError, match=r"pass@k is of a whole number of answers, 1 to 4 here"):
            measured.pass_at_k("accuracy", k)
    with pytest.raises(ValueError, match="k=0: pass@k is of at least one answer; choose 1 to 4"):
        measured.pass_at_k("accuracy", 0)


@pytest.mark.parametrize("kind", [torch.bool, torch.int64, torch.bfloat16])
def test_scores_of_other_kinds_are_shares_as_well(first_letter, kind):
    measured = evaluate("tiny", tiny_policy(), letter_prompts(2), BatchedSampler(4, 4), {"accuracy": first_letter})
    scores = torch.tensor([[1, 0, 0, 0], [0, 0, 0, 0]])
    plain = replace(measured, scores={"accuracy": scores.float()})
    other = replace(measured, scores={"accuracy": scores.to(kind)})
    for figure in ("share", "interval", "groups_with_spread"):
        assert getattr(other, figure)("accuracy") == getattr(plain, figure)("accuracy")
    assert other.pass_at_k("accuracy", 2) == 1 / 4
