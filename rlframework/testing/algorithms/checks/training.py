"""Training as a whole: the reward rises, and a run that was interrupted goes on as if it had not been."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import torch
from pytorch_lightning.callbacks import ModelCheckpoint

from rlframework.algorithms.base import PolicyGradient
from rlframework.samplers.batched import BatchedSampler
from rlframework.testing.algorithms.script import Identity
from rlframework.testing.algorithms.trial import Trial, V, table_of, train
from rlframework.testing.report import Violation
from rlframework.testing.table import LETTERS

STEPS = 40


def learns(trial: Trial) -> str:
    """From chance it learns the identity task: answer with the letter of the prompt."""
    sampler = BatchedSampler(group_size=8, max_tokens=3)
    sizes: dict[str, Any] = {"prompts_per_rollout": len(LETTERS), "learning_rate": 0.3}
    rewards = train(
        trial.make(sampler, Identity(), torch.zeros(V, V), **sizes), steps=STEPS, rollouts_per_epoch=STEPS
    ).rewards
    first, last = sum(rewards[:3]) / 3, sum(rewards[-5:]) / 5
    if not last > 0.6:
        raise Violation(
            f"in {STEPS} steps of AdamW the mean reward went from {first:.2f} to {last:.2f} (chance is {1 / V:.2f})",
            "if direction passes, look at what advantages() makes of groups with few successes",
        )
    return f"reward {first:.2f} -> {last:.2f} in {STEPS} steps"


def resume(trial: Trial) -> str:
    """A run that stops inside a rollout and goes on from its checkpoint ends with the same bits."""

    def make() -> PolicyGradient:
        sizes: dict[str, Any] = {"prompts_per_rollout": 4, "minibatches_per_rollout": 2, "passes_per_rollout": 2}
        return trial.make(BatchedSampler(4, 2), Identity(), torch.zeros(V, V), **sizes)

    with tempfile.TemporaryDirectory() as folder:
        saver = ModelCheckpoint(folder, "{step}", every_n_train_steps=7, save_top_k=-1)
        whole, resumed = make(), make()
        train(whole, [saver], steps=10)
        train(resumed, steps=10, checkpoint=str(Path(folder) / "step=7.ckpt"))
    change = (table_of(whole.policy) - table_of(resumed.policy)).abs().max().item()
    if change != 0:
        raise Violation(
            f"stopped at step 7 of 10 and resumed, the weights are off by {change:.2g}",
            "keep what changes from step to step in buffers (self.register_buffer) or in get_extra_state, not in plain "
            "attributes: checkpoints know nothing of those",
        )
    return "stopped at step 7 of 10, inside a rollout, and resumed: the weights are identical"
