"""Invariance of the gradient to the cut into minibatches, to padding, and to the order of rows and groups."""

from __future__ import annotations

from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor

from rlframework.loop.callback import RolloutCallback
from rlframework.testing.algorithms.script import ragged_script
from rlframework.testing.algorithms.trial import Drift, Padded, Trial, difference, uneven
from rlframework.testing.report import Violation

TOLERANCE = 1e-6


def accumulation(trial: Trial) -> str:
    """The gradient of an optimizer step does not depend on how its groups are cut into minibatches, or ordered."""
    script = ragged_script()
    moved = [Drift(uneven)]
    whole = trial.learning_record(script, moved).gradient
    shuffled = script.reorder_groups([6, 0, 3, 5, 1, 7, 4, 2])
    changes = {}
    for parts in (1, 2, 4, 8):
        cut = trial.record(shuffled, moved, accumulate=parts, minibatches_per_rollout=parts).gradient
        changes[parts] = difference(whole, cut)
    worst = max(changes, key=lambda parts: changes[parts])
    if changes[worst] <= TOLERANCE:
        return f"the same in 1, 2, 4 and 8 minibatches, in any order (relative difference {changes[worst]:.0e})"
    raise Violation(
        f"in {worst} minibatches the gradient changes by {changes[worst]:.1%} of its largest entry"
        + (", as depends_on_minibatches states" if trial.kind.depends_on_minibatches else ""),
        "put every denominator into token_weights(), which sees all rows of the step; surrogate() must treat each row "
        "for itself (or set depends_on_minibatches = True on the class, if that is what the algorithm is)",
        stated=trial.kind.depends_on_minibatches,
    )


def padding(trial: Trial) -> str:
    """Columns of padding, left of prompts and right of completions, change nothing."""
    script, weighed = ragged_script(), _TokenWeights()
    plain = trial.learning_record(script, [Drift(uneven), weighed]).gradient
    padded = trial.record(script, [Drift(uneven), Padded()]).gradient
    change = difference(weighed.plain, weighed.padded)
    if not change <= TOLERANCE:
        raise Violation(
            f"token_weights() of a mask with 3 more columns of padding differ by {change:.1%}",
            "count tokens with mask.sum(), and never the columns with mask.shape[1], mask.numel() or .mean()",
        )
    change = difference(plain, padded)
    if not change <= TOLERANCE:
        raise Violation(
            f"with 2 more columns in the prompts and 3 in the completions the gradient changes by {change:.1%}",
            "use batch.loss_mask in every sum over tokens of surrogate() and importance(), and divide by its sum",
        )
    return f"gradient and token weights stay (relative difference {change:.0e})"


class _TokenWeights(RolloutCallback):
    """Weighs a rollout's tokens as they are, and with columns of padding."""

    plain: Tensor
    padded: Tensor

    def on_rollout_end(self, trainer: pl.Trainer, pl_module: Any, collected: Any) -> None:
        mask = collected.rollout.loss_mask
        self.plain = pl_module.token_weights(mask) * mask
        self.padded = pl_module.token_weights(torch.nn.functional.pad(mask, (0, 3)))[:, : mask.shape[1]] * mask


def permutation(trial: Trial) -> str:
    """Rows of a group in another order get the same advantages, and the gradient stays."""
    script = ragged_script()
    # Another order in each group: columns of (N, G) mean nothing either.
    orders = torch.tensor([[2, 0, 3, 1], [1, 2, 3, 0], [3, 2, 1, 0], [0, 3, 1, 2]] * 2)
    plain = trial.learning_record(script, [Drift(uneven)])
    permuted = trial.record(script.reorder_rows(orders), [Drift(uneven)])
    change = difference(plain.advantages.gather(1, orders), permuted.advantages)
    if not change <= TOLERANCE:
        raise Violation(
            f"with the rows of each group in another order advantages change by {change:.1%}",
            "advantages() must treat the G rewards of a row of (N, G) alike: no row is first",
        )
    change = difference(plain.gradient, permuted.gradient)
    if not change <= TOLERANCE:
        raise Violation(
            f"advantages stay with their rows, but the gradient changes by {change:.1%}",
            "surrogate() and token_weights() must treat each row for itself, wherever it stands in its group",
        )
    return f"advantages follow their rows, the gradient stays (relative difference {change:.0e})"
