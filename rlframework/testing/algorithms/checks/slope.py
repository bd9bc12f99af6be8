"""The gradient: where it points, which tokens it comes from, and that it is the loss's."""

from __future__ import annotations

from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor

from rlframework.metrics import Tally
from rlframework.rollout import Rollout
from rlframework.testing.algorithms.finite_differences import central_differences
from rlframework.testing.algorithms.script import Script, paired_script, ragged_script
from rlframework.testing.algorithms.trial import Drift, Trial, WatchedTable, difference, random_table, uneven
from rlframework.testing.report import Violation
from rlframework.testing.table import TablePolicy


def direction(trial: Trial) -> str:
    """A step makes better completions more likely and worse ones less, to first order."""
    record = trial.learning_record(paired_script(4))
    rollout, gradient = record.steps[0].parts[0], record.gradient
    policy = WatchedTable(random_table())
    scores = (policy.logprobs(rollout).logprobs * rollout.loss_mask).sum(1).view(-1, 2).mean(0)
    good, bad = (-(_slope(score, policy.table) * gradient).sum().item() for score in scores)
    if not good > 0 > bad:
        raise Violation(
            f"along the step the log-probability of right answers changes by {good:+.3g} and of wrong ones by "
            f"{bad:+.3g} per unit of learning rate",
            "surrogate() is a loss to be minimised: -ratio * advantage, with the minus",
        )
    return f"right answers rise by {good:.3g} and wrong ones fall by {-bad:.3g} nats per unit of learning rate"


def _slope(value: Tensor, parameter: Tensor) -> Tensor:
    return torch.autograd.grad(value, parameter, retain_graph=True)[0]


def every_token(trial: Trial) -> str:
    """Every token of a completion gets a gradient, the stop token too, and no padding does."""
    completions = [["b.", "abc.", "c.", "."], ["deb.", "a.", "abcd", "e."]]
    script = Script(["a", "bc"], completions, torch.tensor([[1.0, 0.0, 0.0, 1.0], [0.0, 1.0, 0.0, 1.0]]))
    step = trial.learning_record(script).steps[0]
    rollout, slopes = step.parts[0], step.slopes[0].abs()
    learned = rollout.loss_mask if rollout.entropy_mask is None else rollout.entropy_mask
    expected = learned & (rollout.advantages != 0)
    missing = expected & (slopes < 1e-6 * slopes.max())
    if missing.any():
        stops = missing & (rollout.completion_ids == min(TablePolicy().eos_ids))
        raise Violation(
            f"{int(missing.sum())} of {int(expected.sum())} tokens get no gradient, {int(stops.sum())} of them stop "
            "tokens",
            "weigh the whole of the mask in token_weights(): it ends with the stop token, and a policy that does not "
            "learn from it does not learn to stop",
        )
    stray = slopes[~rollout.completion_mask].max().item()
    if stray > 0:
        raise Violation(f"padding gets a gradient of {stray:.2g}", "multiply by batch.loss_mask before every sum")
    return f"all {int(expected.sum())} tokens do, and none of the {int((~rollout.completion_mask).sum())} of padding"


def finite_differences(trial: Trial) -> str:
    """The gradient is the derivative of the loss, with what the loss holds constant held constant."""
    differences = _Differences()
    moves = {"table": random_table(1), "moved": random_table()}
    record = trial.learning_record(ragged_script(), [Drift(uneven), differences], **moves)
    change = difference(record.gradient, differences.slopes)
    if not change <= differences.tolerance:
        raise Violation(
            f"the gradient differs from central differences of the loss by {change:.1%} of its largest entry",
            "look for a backward of your own, a hook on a tensor, an operation in place or a .data in surrogate()",
        )
    return f"equal in all {record.gradient.numel()} entries (relative difference {change:.0e})"


class _Differences(pl.Callback):
    """Takes central differences of the very loss that has just been differentiated."""

    slopes: Tensor
    tolerance: float
    batch: Rollout

    def on_train_batch_start(self, trainer: pl.Trainer, pl_module: Any, batch: Any, batch_idx: int) -> None:
        self.batch = batch

    def on_before_optimizer_step(self, trainer: pl.Trainer, pl_module: Any, optimizer: Any) -> None:
        tally, scored = pl_module._tally, list(pl_module.policy.scored)

        def loss() -> Tensor:
            pl_module._tally = Tally()  # what is logged of the step is not to count these
            with torch.enable_grad():
                return pl_module.training_step(self.batch, 0)

        # Single precision inside the loss drowns small differences.
        precise = loss().dtype == torch.float64
        self.tolerance = 1e-5 if precise else 3e-2
        self.slopes = central_differences(loss, pl_module.policy.table, 1e-5 if precise else 1e-2)
        pl_module._tally, pl_module.policy.scored = tally, scored
