"""Supervised fine-tuning (SFT) on demonstrations, to prime a policy before reinforcement learning."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import torch
from torch import Tensor

from rlframework.completions import Completion, Completions
from rlframework.functional.logprobs import TokenLogProbs
from rlframework.functional.weights import token_mean
from rlframework.loop.accumulation import scheduler_of
from rlframework.loop.algorithm import Algorithm
from rlframework.loop.optimizer_step import step_weights
from rlframework.loop.prompt_batches import PromptBatch
from rlframework.metrics import Tally
from rlframework.prompt import Demonstration, Prompt
from rlframework.rollout import Rollout
from rlframework.utilities.arguments import at_least
from rlframework.utilities.distributed import replica_rank


class SFT(Algorithm):
    """Raises the likelihood of demonstrated completions; prompts are read and not learned.

    A demonstration may be a conversation with tools. Then the turns of the policy are its completion, and what the
    tools said is read as the prompt is.

    The loss of an optimizer step is the mean over all its completion tokens, on all ranks and in all minibatches::

        -sum_it m_it log pi(y_it | x_i, y_i<t) / sum_it m_it

    so a token counts the same wherever it stands, and how a step is accumulated or sharded does not change it; it is
    the loss and the gradient of TRL's SFTTrainer with ``completion_only_loss``. The policy packs: `CausalLMPolicy` lays
    rows end to end, each seeing itself alone, and nothing is padded. Feed it from a `DemonstrationDataModule`.

    A step is cut into as many minibatches as the Trainer accumulates. Demonstrations that do not fill a whole step are
    left out of an epoch; the next epoch's order leaves out others.

    It logs ``train/loss`` and ``train/entropy`` (nats per completion token), ``train/tokens`` of the step, with
    held-out demonstrations ``val/loss``, and in ``trainer.test`` ``test/loss``.

    Raises:
        TypeError: While training starts: a prompt comes without a completion.
        ValueError: While training starts: a demonstration is longer than the model can read, or the ranks and
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

    demonstrations_per_step: int = 16
    """Demonstrations of an optimizer step, over all ranks and minibatches."""
    learning_rate: float = 2e-5
    """Peak learning rate of AdamW. 2e-5 is usual for whole models and 2e-4 for adapters."""

    def __post_init__(self) -> None:
        """Set the rollout sizes: one rollout is one optimizer step."""
        at_least(self, 1, demonstrations_per_step=self.demonstrations_per_step)
        self.prompts_per_rollout = self.demonstrations_per_step
        super().__post_init__()
        self._validation = Tally()

    def setup(self, stage: str) -> None:
        """Cut an optimizer step into as many minibatches as the Trainer accumulates."""
        if stage == "fit":
            if scheduler_of(self.trainer) is not None:
                raise ValueError(
                    "a step of SFT is demonstrations_per_step however it is accumulated: GradientAccumulationScheduler "
                    "would change nothing but memory. Set the Trainer's accumulate_grad_batches in its place"
                )
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
        """Describe the sizes of an optimizer step; printed when training starts."""
        parts = self.minibatches_per_rollout
        shown = self._shown
        tokens = sum(_completion_of(one).sampled_tokens for one in shown)
        return (
            f"A step is {self.prompts_per_rollout} demonstrations in {parts} minibatch{'es' * (parts > 1)}; an epoch "
            f"is {len(shown) // self.prompts_per_rollout} steps over {len(shown)} demonstrations of {tokens} tokens."
        )

    def collect(self, prompts: list[Prompt], step: int) -> Rollout:
        """Lay out this rank's demonstrations of one optimizer step, weighed over all ranks.

        Args:
            prompts: Demonstrations of this rank.
            step: Number of the optimizer step; unused.
        """
        rollout = rollout_of(prompts, self.policy.pad_id).to(self.device)
        everyone = torch.ones(len(rollout), dtype=torch.bool, device=self.device)
        rollout.weights = step_weights(self.trainer, self.steps_per_pass, token_mean, rollout.loss_mask, everyone)
        return rollout

    def training_step(self, batch: Rollout, batch_idx: int) -> Tensor:
        """Return the part of the step's loss that this minibatch adds, a scalar.

        Args:
            batch: The minibatch, ``B`` demonstrations.
            batch_idx: Number of the minibatch; unused.
        """
        scored = self.policy.logprobs_for(lambda scored: negative_log_likelihood(scored, batch), batch)
        loss = negative_log_likelihood(scored, batch)
        self._tally.sum("loss", loss)
        self._tally.sum("tokens", batch.loss_mask.sum())
        self._tally.mean("entropy", scored.entropy, batch.loss_mask)
        return self.loss_of_minibatch(loss)

    def validation_step(self, prompts: list[Prompt], batch_idx: int) -> None:
        """Score held-out demonstrations, in parts of the size of a training minibatch.

        Args:
            prompts: Held-out demonstrations of this rank; may be empty in the last batch.
            batch_idx: Number of the batch; unused.
        """
        self._measure(prompts)

    def test_step(self, prompts: list[Prompt], batch_idx: int) -> None:
        """Score test demonstrations as held-out ones are.

        Args:
            prompts: Test demonstrations of this rank; may be empty in the last batch.
            batch_idx: Number of the batch; unused.
        """
        self._measure(prompts)

    def predict_step(self, prompts: list[Prompt], batch_idx: int) -> Any:
        """Refuse to answer prompts: supervised fine-tuning scores completions and has no sampler.

        Args:
            prompts: Prompts of this rank.
            batch_idx: Number of the batch.

        Raises:
            TypeError: Always.
        """
        raise TypeError(
            "SFT has no sampler to predict with: sample its policy, as in SharedPrefixSampler(...).sample(sft.policy, "
            "prompts), or predict with an algorithm around it, such as GRPO(sft.policy, reward, sampler)"
        )

    def _measure(self, prompts: list[Prompt]) -> None:
        # The last batch of a rank may be empty; it scores all the same, since a sharded policy needs every rank.
        shown = prompts or [cast(PromptBatch, prompts).stand_in]
        parts = self.trainer.accumulate_grad_batches * replica_rank(self.trainer).total
        size = max(1, self.prompts_per_rollout // parts)
        for start in range(0, len(shown), size):
            batch = rollout_of(shown[start : start + size], self.policy.pad_id).to(self.device)
            scored = self.policy.logprobs(batch)
            self._validation.mean("loss", -scored.logprobs, batch.loss_mask & bool(prompts))

    def on_validation_epoch_end(self) -> None:
        """Log the validation loss, the mean over all tokens and ranks."""
        self._log_measures("val")

    def on_test_epoch_end(self) -> None:
        """Log the test loss, the mean over all tokens and ranks."""
        self._log_measures("test")

    def _log_measures(self, stage: str) -> None:
        for name, value in self._validation.values(self.trainer).items():
            self.log(f"{stage}/{name}", value, prog_bar=True)
        self._validation = Tally()


def negative_log_likelihood(scored: TokenLogProbs, batch: Rollout) -> Tensor:
    """Return the weighted sum over a minibatch's completion tokens, ``-sum(w_it log pi_it)``.

    Args:
        scored: ``(B, T)`` log-probabilities, with gradient.
        batch: The minibatch, whose ``weights`` are ``(B, T)``.
    """
    return -(batch.weights * scored.logprobs.masked_fill(~batch.loss_mask, 0.0)).sum()


def checked(prompts: Sequence[Prompt]) -> Sequence[Demonstration]:
    """Return prompts that all come with a completion.

    Raises:
        TypeError: A prompt comes without one.
    """
    for shown in prompts:
        if not isinstance(shown, Demonstration):
            raise TypeError(
                f"prompt {shown.index} comes without a completion to learn from; feed supervised fine-tuning from a "
                "DemonstrationDataModule, whose rows have one"
            )
    return cast(Sequence[Demonstration], prompts)


def rollout_of(prompts: Sequence[Prompt], pad_id: int) -> Rollout:
    """Lay demonstrations out as a rollout of groups of one, ``(B, T)``, on the CPU; its weights are still 0.

    Args:
        prompts: ``B`` demonstrations.
        pad_id: Token id that fills rows up.

    Raises:
        TypeError: One of them is a prompt without a completion.

    Example:
        >>> shown = [Demonstration([5, 6], "ab", completion_ids=[7, 1], completion="c")]
        >>> rollout_of(shown, pad_id=0).completion_ids
        tensor([[7, 1]])
    """
    rows = [_completion_of(shown) for shown in checked(prompts)]
    return Rollout.of(Completions(rows, group_size=1), pad_id=pad_id)


def _completion_of(shown: Demonstration) -> Completion:
    """Return a demonstration as if the policy had sampled it."""
    return Completion(shown, shown.completion_ids, shown.completion, "stop", turns=shown.turns)
