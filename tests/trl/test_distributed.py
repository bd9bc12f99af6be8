"""Two processes here against two of TRL's, run live: gradients, losses and weights after six steps."""

import functools
from collections.abc import Callable

import pytest
import torch

from tests.distributed.two_ranks import launch
from tests.drawn import drawn
from tests.trl.compare import gradient_error, whole_norm
from tests.trl.ddp_runs import CASES
from tests.trl.runs import LEARNING_RATES

pytestmark = pytest.mark.distributed

every_case = pytest.mark.parametrize("name", drawn(list(CASES), ["GRPO"]))


@pytest.fixture(scope="module")
def ranks(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], list]:
    """Return what runs a case on both sides, once, in a pair of processes, and returns what either ended with."""

    @functools.cache
    def ended(name: str) -> list:
        folder = tmp_path_factory.mktemp("ddp")
        return launch(folder, "-m", "tests.trl.ddp_runs", folder, name)

    return ended


@every_case
def test_gradients_and_losses(ranks, name):
    ours, theirs = ranks(name)[0]["sgd"]
    assert len(ours["gradients"]) == len(theirs["gradients"]) == 6
    for mine, other in zip(ours["gradients"], theirs["gradients"], strict=True):
        assert gradient_error(mine, other, whole_norm(other)) < 5e-5
    # A process has the loss of its own rows; the mean over both is that of the step.
    mine, other = (torch.tensor([rank["sgd"][side]["losses"] for rank in ranks(name)]).mean(0) for side in (0, 1))
    torch.testing.assert_close(mine, other, rtol=2e-6, atol=2e-6)


@pytest.mark.parametrize("optimizer", LEARNING_RATES)
@every_case
def test_weights_after_six_steps(ranks, name, optimizer):
    ours, theirs = ranks(name)[0][optimizer]
    assert all(
        torch.equal(weight, ranks(name)[1][optimizer][0]["weights"][key]) for key, weight in ours["weights"].items()
    )
    errors = torch.cat([(ours["weights"][key] - theirs["weights"][key]).abs().flatten() for key in theirs["weights"]])
    if optimizer == "sgd":
        assert errors.max() < 1e-6
    else:
        assert errors.quantile(0.999) < 5e-6
