"""Learning curve by cost: policies are compared after 1, 2, 4, ... steps, with the tokens and seconds spent so far."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, NamedTuple

import pytorch_lightning as pl

from rlframework.policies.base import Policy
from rlframework.report.comparison import Comparison
from rlframework.rollout import Rollout


class Spent(NamedTuple):
    """Cost of learning up to a row of the comparisons: steps, tokens, CPU seconds.

    Args:
        step: Optimizer steps.
        tokens: Passes of a token through the model. One that is learned from is read forwards once and backwards, which
            costs as much as two times forwards; one that was sampled was read once before. A prompt counts once for
            its group.
        seconds: Processor seconds, of all threads, without those of the measurements.
    """

    step: int
    tokens: int
    seconds: float


class CostCurve(pl.Callback):
    """Adds a row to comparisons after 1, 2, 4, ... optimizer steps and at the end, and notes what was spent until then.

    The curve goes on over several runs of the same policy, such as SFT and then GRPO. To be on one scale, supervised
    and reinforced runs are measured in tokens: a step of the one is not a step of the other.

    Args:
        comparisons: Each gets a row at the same moments; ``spent`` has as many entries.
        policy: What is measured; its first row is added here.

    Example:
        >>> from rlframework import SFT, DemonstrationDataModule, SharedPrefixSampler
        >>> from rlframework.report import Comparison
        >>> from rlframework.rewards import FunctionReward
        >>> from rlframework.testing import letter_prompts, tiny_policy
        >>> policy, sampler = tiny_policy(), SharedPrefixSampler(group_size=1, max_tokens=4, temperature=0.0)
        >>> reward = FunctionReward(lambda completion: float(completion.startswith("b")))
        >>> curve = CostCurve([Comparison(letter_prompts(4), sampler, {"b": reward})], policy)
        >>> data = DemonstrationDataModule([{"prompt": "a", "completion": "b"}] * 8)
        >>> quiet = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False}
        >>> trainer = pl.Trainer(max_steps=3, callbacks=[curve], enable_model_summary=False, **quiet)
        >>> trainer.fit(SFT(policy, demonstrations_per_step=2, learning_rate=1e-2), data)
        >>> [(point.step, point.tokens) for point in curve.spent]  # three tokens, of two rows, a step
        [(0, 0), (1, 18), (2, 36), (3, 54)]
    """

    def __init__(self, comparisons: Sequence[Comparison], policy: Policy) -> None:
        self.comparisons = comparisons
        self.policy = policy
        self.spent: list[Spent] = []
        self._now = Spent(0, 0, 0.0)
        self._add_rows()

    def on_train_start(self, trainer: pl.Trainer, pl_module: Any) -> None:
        """Start the clock of CPU seconds."""
        self._finished, self._since = trainer.global_step, time.process_time()

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: Any, outputs: Any, batch: Rollout, batch_idx: int
    ) -> None:
        """Count a minibatch, and measure if its optimizer step is a power of two or the last."""
        step, tokens, seconds = self._now
        taken = trainer.global_step - self._finished
        sampled = hasattr(pl_module, "sampler")
        read = int(batch.prompt_mask.sum()) // batch.group_size + int(batch.completion_mask.sum())
        self._now = Spent(step + taken, tokens + (3 + sampled) * read, seconds + time.process_time() - self._since)
        self._finished = trainer.global_step
        if taken and (self._now.step.bit_count() == 1 or trainer.global_step == trainer.max_steps):
            self._add_rows()
        self._since = time.process_time()

    def _add_rows(self) -> None:
        self.spent.append(self._now)
        for comparison in self.comparisons:
            comparison.add(f"step {self._now.step}", self.policy)
