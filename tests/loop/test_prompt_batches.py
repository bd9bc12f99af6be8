"""Held-out prompts reach a step as they are, also where a rank has none of them."""

from __future__ import annotations

from collections.abc import Callable

import pytorch_lightning as pl

from rlframework import GRPO, RolloutCallback
from rlframework.loop.prompt_batches import PromptBatches
from rlframework.testing import letter_prompts


def test_callbacks_are_told_of_batches_with_prompts_alone(grpo: Callable[..., GRPO]) -> None:
    """A rank without a held-out prompt samples all the same, and has no scores to show."""
    told: list[int] = []

    class Told(RolloutCallback):
        def on_validation_completions(self, trainer, pl_module, completions, scores) -> None:
            told.append(len(completions))
            assert scores["reward"] is not None

    options = {"accelerator": "cpu", "logger": False, "enable_progress_bar": False, "enable_model_summary": False}
    trainer = pl.Trainer(callbacks=[Told()], **options)
    for rank in (1, 0):
        batches = PromptBatches(letter_prompts(1), batch_size=2, rank=rank, replicas=2)
        trainer.validate(grpo(), batches, verbose=False)
    assert told == [1]
