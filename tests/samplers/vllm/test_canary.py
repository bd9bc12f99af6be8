"""What is compared after weights were loaded, and when it is refused."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from rlframework.prompt import Prompt
from rlframework.samplers.vllm import DisagreementError
from rlframework.samplers.vllm.answer import ServerCompletion
from rlframework.samplers.vllm.canary import Gap, Scored, check_gap, check_moved, measure, measure_again, score
from rlframework.testing import tiny_policy

ROWS = [ServerCompletion([7, 8, 1], [-1.0, -2.0, -0.5], "stop"), ServerCompletion([9], [-3.0], "length")]
KNOWN = [[-1.0, -2.0, -0.5], [-3.0]]


def test_the_mean_over_all_tokens_counts():
    gap = measure(ROWS, [[-1.1, -2.0, -0.5], [-3.3]])
    assert (gap.mean, gap.largest, gap.tokens) == (pytest.approx(0.1), pytest.approx(0.3), 4)
    check_gap(gap, 0.11, "it")
    message = (
        r"it was given .* off by 0.1 nats per token, 0.3 at most, over 4 tokens; tolerated are 0.09. Untie! Likely"
    )
    with pytest.raises(DisagreementError, match=message):
        check_gap(gap, 0.09, "it", "Untie! ")


def test_what_is_no_number_is_above_any_limit():
    with pytest.raises(DisagreementError):
        check_gap(measure(ROWS, [[math.nan, -2.0, -0.5], [-3.0]]), 100.0, "it")


def rounding(size, tokens, seed):
    return Gap(float(np.abs(np.random.default_rng(seed).normal(0, size, tokens)).mean()), 1.0, tokens)


@pytest.mark.parametrize("tokens", [32, 64, 256])
def test_rounding_is_no_alarm_and_a_little_more_over_many_tokens_is(tokens):
    alarms = {
        size: sum(
            rounding(size, tokens, seed).mean > rounding(0.03, tokens, 10_000 + seed).alarm(tokens)
            for seed in range(2000)
        )
        for size in (0.03, 0.06, 0.12)
    }
    assert alarms[0.03] == 0
    assert alarms[0.12] >= 1990
    assert (alarms[0.06] >= 1990) == (tokens == 256)


def test_in_float32_twenty_times_the_usual_is():
    assert Gap(2e-6, 9e-6, 64).alarm(64) == pytest.approx(4e-5)
    # Of hardly any gap, twenty times is nothing either.
    assert Gap(1e-9, 1e-8, 64).alarm(64) == pytest.approx(2e-5)
    assert [Gap(mean, 1.0, 64).fine for mean in (9e-5, 2e-4, math.nan)] == [True, False, False]


def test_a_server_that_came_back_is_compared_as_far_as_rows_are_the_same():
    record = Scored({}, ROWS, KNOWN)
    assert measure_again(ROWS, record, "it") == (0, 0, 4)
    # A near tie: another second token, whose score is not compared.
    turned = [ServerCompletion([7, 5], [-1.0, -9.0], "length"), ROWS[1]]
    assert measure_again(turned, record, "it") == (0, 0, 2)
    longer = [ServerCompletion([7, 8, 1, 4], [-1.0, -2.0, -0.5, -9.0], "length"), ROWS[1]]
    assert measure_again(longer, record, "it") == (0, 0, 4)
    off = measure_again([ServerCompletion([7, 5], [-1.2, -9.0], "length"), ROWS[1]], record, "it")
    assert off == (pytest.approx(0.1), pytest.approx(0.2), 2)


def test_if_no_row_begins_the_same_it_is_another_model():
    others = [ServerCompletion([2], [-1.0], "length"), ServerCompletion([3], [-1.0], "length")]
    with pytest.raises(DisagreementError, match=r"same seed otherwise than before: \[\[2\], \[3\]\]"):
        measure_again(others, Scored({}, ROWS, KNOWN), "it")


def test_answers_that_stand_still_are_refused_where_the_policys_move():
    rows, known = ROWS * 2, KNOWN * 2
    before, coarse = Scored({}, rows, known), Gap(0.03, 0.1, 256)
    moved = [[value - 0.002 for value in scores] for scores in known]
    with pytest.raises(DisagreementError, match=r"of 8 tokens .* by 0.002 nats .*the same at 8, .*not arrive"):
        check_moved(rows, moved, before, coarse, "it")
    rounded = [row._replace(logprobs=[value + 0.02 for value in row.logprobs]) for row in rows]
    check_moved(rounded, moved, before, coarse, "it")  # the server's moved as well
    check_moved(rows, known, before, coarse, "it")  # nobody's did: weights can change by next to nothing
    check_moved(rows, moved, before, Gap(1e-6, 1e-5, 64), "it")  # in float32 the gap itself would tell
    check_moved(ROWS, moved[:2], Scored({}, ROWS, KNOWN), coarse, "it")  # four tokens are too few to tell


def test_old_weights_are_known_where_one_row_was_rounded_in_a_batch_of_another_size():
    rows = [ServerCompletion([7, 8, 9], [-1.0, -2.0, -0.5], "length")] * 6
    then, now = [[-1.01, -2.01, -0.49]] * 6, [[-1.012, -2.012, -0.488]] * 6
    before, coarse = Scored({}, rows, then), Gap(0.03, 0.1, 256)
    alone = ServerCompletion([7, 8, 9], [-1.0, -2.06, -0.52], "length")
    with pytest.raises(DisagreementError, match="stayed exactly the same at 16, "):
        check_moved([rows[0], rows[1], alone, *rows[3:]], now, before, coarse, "it")
    check_moved([alone, alone, alone, alone, alone, rows[5]], now, before, coarse, "it")


def test_tokens_that_are_certain_tell_nothing_of_old_weights():
    certain = [ServerCompletion([7, 8, 9, 4, 5], [-1.0, -2.0, 0.0, 0.0, -1e-4], "length")] * 6
    then, now = [[-1.01, -2.01, 0.0, -4e-5, -2e-4]] * 6, [[-1.012, -2.012, -4e-5, 0.0, -1e-4]] * 6
    rounded = [row._replace(logprobs=[-1.04, -1.97, 0.0, 0.0, -1e-4]) for row in certain]
    check_moved(rounded, now, Scored({}, certain, then), Gap(0.03, 0.1, 256), "it")
    with pytest.raises(DisagreementError, match="of 12 tokens "):
        check_moved(certain, now, Scored({}, certain, then), Gap(0.03, 0.1, 256), "it")


def test_scores_are_the_policys_at_the_temperature():
    policy = tiny_policy()
    (first, _), (hot, _) = (score(policy, Prompt([5, 6], "cd"), ROWS, temperature) for temperature in (1.0, 2.0))
    ids = torch.tensor([[5, 6, 7, 8, 1]])
    logits = policy.model(ids).logits[0, 1:4]
    chosen = ids[0, 2:].unsqueeze(1)
    assert first == pytest.approx(logits.log_softmax(-1).gather(1, chosen).flatten().tolist(), abs=1e-5)
    assert hot == pytest.approx((logits / 2).log_softmax(-1).gather(1, chosen).flatten().tolist(), abs=1e-5)
