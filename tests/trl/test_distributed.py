"""Two processes here against two of TRL's, run live: gradients, losses and weights after six steps."""

import pytest
import torch

from tests.distributed.two_ranks import launch
from tests.trl.compare import gradient_error, whole_norm
from tests.trl.ddp_runs import CASES
from tests.trl.runs import LEARNING_RATES

pytestmark = pytest.mark.distributed


@pytest.fixture(scope="module")
def ranks(tmp_path_factory: pytest.TempPathFactory) -> list:
    """Run all cases on both sides in one pair of processes; return what either ended with."""
    folder = tmp_path_factory.mktemp("ddp")
    return launch(folder, "-m", "tests.trl.ddp_runs", folder)


@pytest.mark.parametrize("name", CASES)
def test_gradients_and_losses(ranks, name):
    ours, theirs = ranks[0][name, "sgd"]
    assert len(ours["gradients"]) == len(theirs["gradients"]) == 6
    for mine, other in zip(ours["gradients"], theirs["gradients"], strict=True):
        assert gradient_error(mine, other, whole_norm(other)) < 5e-5
    # A process has the loss of its own rows; the mean over both is that of the step.
    mine, other = (torch.tensor([rank[name, "sgd"][side]["losses"] for rank in ranks]).mean(0) for side in (0, 1))
    torch.testing.assert_close(mine, other, rtol=2e-6, atol=2e-6)


@pytest.mark.parametrize("optimizer", LEARNING_RATES)
@pytest.mark.parametrize("name", CASES)
def test_weights_after_six_steps(ranks, name, optimizer):
    ours, theirs = ranks[0][name, optimizer]
    assert all(
        torch.equal(weight, ranks[1][name, optimizer][0]["weights"][key]) for key, weight in ours["weights"].items()
    )
    errors = torch.cat([(ours["weights"][key] - theirs["weights"][key]).abs().flatten() for key in theirs["weights"]])
    if optimizer == "sgd":
        assert errors.max() < 1e-6
    else:
        assert errors.quantile(0.999) < 5e-6
