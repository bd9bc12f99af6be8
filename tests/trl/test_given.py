"""Each algorithm of the table with tokens that an environment gave, against TRL's ``env_mask``, run live."""

import pytest

from tests.drawn import drawn
from tests.trl.compare import errors, train_both, weight_errors
from tests.trl.rows import ROWS

# TRL's RLOOTrainer takes no mask.
CASES = {name: row.case(given=True, evaluate=False) for name, row in ROWS.items() if row.trainer != "rloo"}


@pytest.mark.parametrize("name", drawn(list(CASES), ["GRPO", "GSPO"]))
def test_the_same_numbers_and_weights_after_six_steps(name):
    """In brackets the worst that was measured."""
    found = errors(CASES[name])
    assert found.advantages < 1e-6
    assert found.loss < 2e-6
    assert found.gradient < 5e-5
    assert max(found.metrics.values()) < 1e-5, found.metrics
    assert weight_errors(train_both(CASES[name])).max() < 1e-6


def test_a_third_of_the_tokens_is_given():
    run = train_both(CASES["GRPO"]).ours
    tokens = sum(len(ids) for rows in run.completions for ids in rows)
    learned = sum(len(scores) for scores in run.logprobs) / 2  # two passes
    assert 0.28 < 1 - learned / tokens < 0.34
