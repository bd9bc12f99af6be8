"""The entropy bonus: its gradient by hand, the controller step by step, and its state in checkpoints."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import ModelCheckpoint

from rlframework import GRPO, RolloutCallback
from rlframework.loop.callback import RolloutRecord
from rlframework.terms import AdaptiveEntropyBonus, EntropyBonus
from tests.distributed.reducer_runs import Bigrams, Option, learn, make


class Keep(RolloutCallback):
    def on_rollout_end(self, trainer: Any, pl_module: Any, collected: RolloutRecord) -> None:
        self.rollout = collected.rollout
        self.table = pl_module.policy.table.detach().numpy().copy()


@pytest.mark.parametrize("share", [1.0, 0.4])
def test_the_gradient_is_that_of_the_mean_entropy(share: float) -> None:
    """``dH/dz_v = -p_v (log p_v + H) / tau``, over all tokens or over those of the highest entropy."""
    option = Option({"entropy_bonus": EntropyBonus(0.1), "top_entropy_share": share})
    algorithm, keep = make("GRPO", option), Keep()
    algorithm.advantages = torch.zeros_like  # nothing but the bonus is left
    found = learn(algorithm, callbacks=[keep]).numpy()

    rollout, tau = keep.rollout, 0.8
    p = np.exp(keep.table / tau)
    p /= p.sum(1, keepdims=True)
    entropy = -(p * np.log(p)).sum(1)
    slopes = -p * (np.log(p) + entropy[:, None]) / tau
    contexts = []
    for prompt, ids, mask in zip(
        rollout.prompt_ids, rollout.completion_ids, rollout.completion_mask.sum(1).tolist(), strict=True
    ):
        contexts += [int(prompt[-1]), *ids.tolist()][:mask]
    threshold = np.quantile(entropy[contexts], 1 - share) - 1e-6
    kept = [context for context in contexts if entropy[context] >= threshold]
    assert len(kept) / len(contexts) == pytest.approx(share, abs=0.15)  # a context is kept or left as a whole
    expected = np.zeros_like(p)
    for context in kept:
        expected[context] -= 0.1 * slopes[context] / len(kept)
    np.testing.assert_allclose(found, expected, atol=1e-8)
    assert np.abs(expected).max() > 1e-3
    assert algorithm.trainer.callback_metrics["train/entropy_of_bonus"] == pytest.approx(entropy[kept].mean(), rel=1e-5)


def test_the_fixed_bonus_does_not_react() -> None:
    bonus = EntropyBonus(0.3)
    bonus.observe(0.0)
    assert bonus.coefficient == 0.3
    assert bonus.state_dict() == {}


def test_the_controller_step_by_step() -> None:
    bonus = AdaptiveEntropyBonus(target=0.2, coefficient=0.01, step=0.004, highest=0.02)
    assert bonus.coefficient == 0.0  # nothing has been seen yet
    # (entropy seen, weight kept inside, weight that acts next)
    steps = [
        (0.5, 0.006, 0.0),  # above the target: shrinks, and is off
        (0.2, 0.010, 0.010),  # at the target counts as below
        (0.1, 0.014, 0.014),
        (0.1, 0.018, 0.018),
        (0.1, 0.020, 0.020),  # held by the upper bound
        (0.3, 0.016, 0.0),
        (0.3, 0.012, 0.0),
        (0.1, 0.016, 0.016),
        *[(0.9, max(0.016 - 0.004 * n, 0.0), 0.0) for n in range(1, 7)],  # held by the lower bound
        (0.0, 0.004, 0.004),
    ]
    for entropy, inside, acting in steps:
        bonus.observe(entropy)
        assert bonus.get_extra_state()["coefficient"] == pytest.approx(inside, abs=1e-12)
        assert bonus.coefficient == pytest.approx(acting, abs=1e-12)


def test_a_negative_lower_bound_lets_it_push_down() -> None:
    bonus = AdaptiveEntropyBonus(target=0.2, step=0.1, lowest=-0.5)
    for entropy in (1.0, 1.0, 0.1):
        bonus.observe(entropy)
    assert bonus.coefficient == pytest.approx(-0.1)


@pytest.mark.parametrize("bounds", [{"coefficient": 2.0}, {"coefficient": -0.1}, {"lowest": 1.0, "highest": 0.0}])
def test_bounds_the_wrong_way_round_are_refused(bounds: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="expected lowest <= coefficient <= highest"):
        AdaptiveEntropyBonus(0.2, **bounds)


def test_in_a_run_it_acts_from_the_second_step_on() -> None:
    """With the entropy always below the target the coefficients are 0, 0.1 and 0.2."""
    coefficients = []

    class Watch(pl.Callback):
        def on_train_batch_start(self, trainer, pl_module, batch, batch_idx) -> None:
            coefficients.append(pl_module.entropy_bonus.coefficient)

    learn(make("GRPO", Option({"entropy_bonus": AdaptiveEntropyBonus(9.0, step=0.1)})), rollouts=3, callbacks=[Watch()])
    assert coefficients == pytest.approx([0.0, 0.1, 0.2])


def test_what_it_observes_is_the_mean_over_the_step() -> None:
    algorithm, keep = make("GRPO", Option({"entropy_bonus": AdaptiveEntropyBonus(9.0)})), Keep()
    learn(algorithm, callbacks=[keep])
    policy = Bigrams()
    with torch.no_grad():
        policy.table.copy_(torch.from_numpy(keep.table))
        entropies = policy.logprobs(keep.rollout).entropy[keep.rollout.completion_mask]
    seen = algorithm.entropy_bonus.get_extra_state()["last_entropy"]
    assert seen == pytest.approx(entropies.mean().item(), rel=1e-5)


def test_a_resumed_run_goes_on_with_its_coefficient(grpo: Callable, fit: Callable, tmp_path: Path) -> None:
    def algorithm() -> GRPO:
        return grpo(entropy_bonus=AdaptiveEntropyBonus(target=9.0, coefficient=0.02, step=0.01))

    whole, saver = algorithm(), ModelCheckpoint(tmp_path, "{step}", every_n_train_steps=1, save_top_k=-1)
    fit(whole, callbacks=[saver], enable_checkpointing=True)
    state = whole.entropy_bonus.get_extra_state()
    assert state["coefficient"] == pytest.approx(0.06)
    resumed = algorithm()
    fit(resumed, ckpt_path=str(tmp_path / "step=2.ckpt"))
    assert resumed.entropy_bonus.get_extra_state() == state
    for ours, theirs in zip(resumed.policy.parameters(), whole.policy.parameters(), strict=True):
        assert torch.equal(ours, theirs)
