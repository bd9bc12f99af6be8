"""NaN ends a run with an error, before it is saved."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from pytorch_lightning.callbacks import ModelCheckpoint

from rlframework import GRPO
from rlframework.callbacks.sentinels import NotFinite, Sentinels
from tests.callbacks.sentinels.provoked import said


class Logarithm(GRPO):
    """Takes the logarithm of an advantage, from the third rollout on."""

    def surrogate(self, logprobs, batch):
        loss = super().surrogate(logprobs, batch)
        return loss * batch.advantages.log() if self.trainer.global_step >= 2 else loss


def test_the_run_ends_with_the_numbers_and_the_last_checkpoint_is_whole(
    grpo: Callable, fit: Callable, tmp_path: Path
) -> None:
    saver = ModelCheckpoint(tmp_path, "{step}", every_n_train_steps=1, save_top_k=-1)
    with pytest.raises(RuntimeError, match=r"NotFinite, since step 3: train/grad_norm is nan.*trained weights are NaN"):
        fit(grpo(kind=Logarithm), callbacks=[Sentinels(), saver], enable_checkpointing=True)
    assert sorted(path.name for path in tmp_path.glob("*.ckpt")) == ["step=1.ckpt", "step=2.ckpt"]


def test_it_may_warn_instead(grpo: Callable, fit: Callable) -> None:
    sentinel, algorithm = NotFinite(action="warn"), grpo(kind=Logarithm)
    (line,) = said(sentinel, lambda: fit(algorithm, callbacks=[sentinel], max_steps=3))
    assert line.startswith("NotFinite, since step 3: train/grad_norm is nan")
    assert algorithm.trainer.global_step == 3


def test_steps_that_a_scaler_leaves_out_are_forgiven_for_a_while() -> None:
    sentinel, skipped = NotFinite(), {"train/grad_norm": float("inf"), "trained weights that are NaN or infinite": 0.0}
    assert not any(sentinel.look(skipped) for _ in range(20))
    assert sentinel.look(skipped) == "train/grad_norm is inf, for 21 steps in a row"
    assert sentinel.look({"train/grad_norm": 1.0}) is None
    assert sentinel.look(skipped) is None
