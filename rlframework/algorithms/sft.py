"""Supervised fine-tuning on demonstrations: what primes a policy before reinforcement."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from rlframework.demonstration import Demonstration, checked, rollout_of
from rlframework.functional.logprobs import TokenLogProbs
from rlframework.functional.weights import token_mean
from rlframework.loop.algorithm import PolicyModule
from rlframework.loop.optimizer_step import step_weights
from rlframework.metrics import Tally
from rlframework.policies.base import Policy
from rlframework.prompt import Prompt
from rlframework.rollout import Rollout
from rlframework.utilities.arguments import at_least
from rlframework.utilities.distributed import replica


class SFT(PolicyModule):
    """Raises the likelihood of demonstrated completions; prompts are read and not learned.

    The loss of an optimizer step is the mean over all its completion tokens, on all ranks and in all minibatches::

        -sum_it m_it log pi(y_it | x_i, y_i<t) / sum_it m_it

    so a token counts the same wherever it stands, and how a step is accumulated or sharded does not change it; it is
    the loss and the gradient of TRL's SFTTrainer with ``completion_only_loss``. The policy packs: `CausalLMPolicy` lays
    rows end to end, each seeing itself alone, and nothing is padded. Feed it from a `DemonstrationDataModule`.

    A step is cut into as many minibatches as the Trainer accumulates. Demonstrations that do not fill a whole step are
    left out of an epoch; the next epoch's order leaves out others.

    It logs ``train/loss`` and ``train/entropy`` (nats per completion token), ``train/tokens`` of the step, and with
    held-out demonstrations ``val/loss``.

    Args:
        policy: What is trained; the same object then goes on to reinforcement.
        demonstrations_per_step: Demonstrations of an optimizer step, over all ranks and minibatches.
        learning_rate: Peak learning rate of AdamW. 2e-5 is usual for whole models and 2e-4 for adapters.
        betas: AdamW's decay rates.
        weight_decay: Decoupled decay of the matrices.
        schedule: Name of a transformers schedule, such as ``"linear"`` or ``"constant"``.
        warmup_steps: Optimizer steps of warm-up.
        seed: Seed of the order of demonstrations.

    Raises:
        TypeError: While training starts: a prompt comes without a completion.
        ValueError: Likewise: a demonstration is longer than the model can read, or the ranks and
            minibatches do not divide ``demonstrations_per_step``.

    Example:
        >>> import pytorch_lightning as pl
        >>> from rlframework.data import DemonstrationDataModule
        >>> from rlframework.testing import tiny_policy
        >>> rows = [{"prompt": letter, "completion": next_letter} for letter, next_letter in zip("abcd", "bcda")]
        >>> sft = SFT(tiny_policy(), demonstrations_per_step=4, learning_rate=3e-2, schedule="constant")
        >>> quiet = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False}
        >>> trainer = pl.Trainer(max_epochs=30, enable_model_summary=False, **quiet)
        >>> trainer.fit(sft, DemonstrationDataModule(rows))
        >>> trainer.callback_metrics["train/loss"] < 0.5
        tensor(True)
    """

    def __init__(
        self,
        policy: Policy,
        *,
        demonstrations_per_step: int = 16,
        learning_rate: float = 2e-5,
        betas: tuple[float, float] = (0.9, 0.999),
        weight_decay: float = 0.0,
        schedule: str = "linear",
        warmup_steps: int = 0,
        seed: int = 0,
    ) -> None:
        at_least(self, 1, demonstrations_per_step=demonstrations_per_step)
        super().__init__(
            policy,
            prompts_per_rollout=demonstrations_per_step,
            learning_rate=learning_rate,
            betas=betas,
            weight_decay=weight_decay,
            schedule=schedule,
            warmup_steps=warmup_steps,
            seed=seed,
        )
        self._validation = Tally()

    def setup(self, stage: str) -> None:
        """Cut a step into as many minibatches as are accumulated."""
        if stage == "fit":
            self.minibatches_per_rollout = self.trainer.accumulate_grad_batches
        super().setup(stage)

    def on_fit_start(self) -> None:
        """Refuse demonstrations that the model cannot read."""
        room = self.policy.max_positions
        lengths = [len(one.ids) + len(one.completion_ids) for one in self._shown]
        long = [length for length in lengths if room is not None and length > room]
        if long:
            raise ValueError(
                f"{len(long)} of {len(lengths)} demonstrations (the longest of {max(long)} tokens) exceed the {room} "
                "positions of the model; set max_tokens and too_long='drop' of the DemonstrationDataModule"
            )
        super().on_fit_start()

    @property
    def _shown(self) -> Sequence[Demonstration]:
        return checked(self.trainer.datamodule.prompts["train"])  # type: ignore[attr-defined]

    def describe(self) -> str:
        """Say how large a step is."""
        parts = self.minibatches_per_rollout
        shown = self._shown
        tokens = sum(len(one.completion_ids) for one in shown)
        return (
            f"A step is {self.prompts_per_rollout} demonstrations in {parts} minibatch{'es' * (parts > 1)}; an epoch "
            f"is {len(shown) // self.prompts_per_rollout} steps over {len(shown)} demonstrations of {tokens} tokens."
        )

    def collect(self, prompts: list[Prompt], step: int) -> Rollout:
        """Lay out this rank's demonstrations of one optimizer step, weighed over all ranks."""
        rollout = rollout_of(prompts, self.policy.pad_id).to(self.device)
        everyone = torch.ones(len(rollout), dtype=torch.bool, device=self.device)
        rollout.weights = step_weights(self, token_mean, rollout.loss_mask, everyone)
        return rollout

    def training_step(self, batch: Rollout, batch_idx: int) -> Tensor:
        """Return the part of the step's loss that this minibatch adds."""
        scored = self.policy.logprobs_for(lambda scored: negative_log_likelihood(scored, batch), batch)
        loss = negative_log_likelihood(scored, batch)
        self._tally.sum("loss", loss)
        self._tally.sum("tokens", batch.loss_mask.sum())
        self._tally.mean("entropy", scored.entropy, batch.loss_mask)
        return self.loss_of_minibatch(loss)

    def validation_step(self, prompts: list[Prompt], batch_idx: int) -> None:
        """Score held-out demonstrations, in parts of the size of a training minibatch."""
        # The last batch of a rank may be empty; it scores all the same, since a sharded policy needs every rank.
        shown = prompts or self.trainer.datamodule.prompts["validation"][:1]  # type: ignore[attr-defined]
        size = max(1, self.prompts_per_rollout // self.trainer.accumulate_grad_batches // replica(self.trainer)[1])
        for start in range(0, len(shown), size):
            batch = rollout_of(shown[start : start + size], self.policy.pad_id).to(self.device)
            scored = self.policy.logprobs(batch)
            self._validation.mean("loss", -scored.logprobs, batch.loss_mask & bool(prompts))

    def on_validation_epoch_end(self) -> None:
        """Log the mean over all tokens and ranks."""
        for name, value in self._validation.values(self.trainer).items():
            self.log(f"val/{name}", value, prog_bar=True)
        self._validation = Tally()


def negative_log_likelihood(scored: TokenLogProbs, batch: Rollout) -> Tensor:
    """Return the weighted sum over a minibatch's completion tokens, ``-sum(w_it log pi_it)``."""
    return -(batch.weights * scored.logprobs.masked_fill(~batch.loss_mask, 0.0)).sum()
