"""Each algorithm as it is shipped against the setting of TRL that it equals: in float64, and where training ends."""

import pytest

from tests.drawn import drawn
from tests.trl.compare import errors, train_both, weight_errors
from tests.trl.rows import ROW_CASES, ROWS
from tests.trl.runs import LEARNING_RATES

# Those that differ in kind, as they are shipped. The matrix has each algorithm, also with ratios of the other kind.
every_row = pytest.mark.parametrize(
    "name", drawn(list(ROWS), ["GRPO", "LitePPO", "GSPO", "CISPO", "VESPO", "GMPO", "GDPO", "RLOO"])
)


@every_row
def test_the_same_numbers(name):
    found = errors(ROW_CASES[name])
    assert found.advantages < 1e-6
    assert found.logprobs < 1e-5
    assert found.loss < 2e-6
    assert found.gradient < 5e-5
    assert found.eval_loss < 2e-6
    assert max(found.metrics.values()) < 1e-5, found.metrics


@pytest.mark.parametrize("name", drawn(list(ROWS), ["RLOO"]))
def test_the_same_numbers_in_float64(name):
    """What is left is the rounding of float64: nothing but rounding was different in float32."""
    found = errors(ROW_CASES[name], double=True)
    assert found.advantages < 1e-12
    assert found.logprobs < 1e-12
    assert found.loss < 1e-12
    assert found.gradient < 1e-10
    assert max(found.metrics.values()) < 1e-6, found.metrics  # float32 on our side


@every_row
def test_weights_after_six_steps_along_the_gradient(name):
    assert weight_errors(train_both(ROW_CASES[name])).max() < 1e-6


@pytest.mark.parametrize("name", drawn(list(ROWS), ["GRPO", "RLOO"]))
def test_weights_after_six_steps_of_adamw(name):
    """AdamW divides by the gradient's own size, so where that is rounding, a step of the learning rate is too."""
    found = weight_errors(train_both(ROW_CASES[name], "adamw"))
    assert found.quantile(0.999) < 5e-6
    assert found.max() < LEARNING_RATES["adamw"] / 4
