"""What an environment gave is read and never learned from: traps of episodes in collecting, checking and learning."""

from __future__ import annotations

import math
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from torch import Tensor

from rlframework import GRPO, BatchedSampler, PromptDataModule, algorithms
from rlframework.environments import Environment, Episode, Observation, PlainGlue
from rlframework.functional.advantages import group_normalized
from rlframework.loop.callback import RolloutCallback, RolloutRecord
from rlframework.policies import CausalLMPolicy
from rlframework.rewards.base import RowReward
from rlframework.rewards.failure_limits import RewardLimits
from rlframework.samplers import EpisodeSampler
from rlframework.samplers.base import GroupSampler
from rlframework.terms import EntropyBonus
from rlframework.testing import letter_rows, letter_tokenizer, tiny_policy
from tests.drawn import drawn
from tests.trl.runs import sampled, turns_of

GROUP, MAX_TOKENS = 4, 12


class Letters(RowReward):
    """Pays for letters of the first half of the alphabet."""

    def score_row(self, completion):
        return sum(letter < "n" for letter in completion.text) / 8


def noise(like: Tensor) -> Tensor:
    """Return numbers of either sign, large enough to be infinite in an exponential."""
    return 90.0 * torch.randn(like.shape, generator=torch.Generator().manual_seed(like.numel())).to(like.dtype)


class JunkPolicy(CausalLMPolicy):
    """Says anything of what it was given, and of padding."""

    def logprobs(self, batch, **options):
        scored = super().logprobs(batch, **options)
        return scored._make(torch.where(batch.loss_mask, part, part + noise(part)) for part in scored)

    def single_logprobs(self, batch, **options):
        scored = super().single_logprobs(batch, **options)
        return scored._make(torch.where(batch.loss_mask, part, part + noise(part)) for part in scored)


class JunkSampler(BatchedSampler):
    """Calls a third of what it samples an environment's, and says anything of those tokens, also that it knows not."""

    junk = True

    def sample(self, policy, prompts, *, step=0):
        completions = super().sample(policy, prompts, step=step)
        for number, row in enumerate(completions):
            row.turns = turns_of(sampled(step, row.prompt, number, len(row.ids)))
            if self.junk:
                said = math.nan if number % 2 else 7.0
                row.logprobs = [one if own else said for one, own in zip(row.logprobs, row.sampled, strict=True)]
        return completions


class Keep(RolloutCallback):
    records: list[RolloutRecord]

    def __init__(self) -> None:
        self.records = []
        self.metrics: dict[str, float] = {}

    def on_rollout_end(self, trainer: Any, pl_module: Any, record: RolloutRecord) -> None:
        self.records.append(record)

    def on_train_batch_end(self, trainer: Any, pl_module: Any, *_: Any) -> None:
        self.metrics.update({name: float(value) for name, value in trainer.callback_metrics.items()})


def train(
    kind: Any, junk: bool, steps: int = 4, sampler: GroupSampler | None = None, own: bool = True, **options: Any
) -> tuple[Any, Keep]:
    policy, keep = tiny_policy(), Keep()
    if junk:
        policy.__class__ = JunkPolicy
    sampler = sampler or JunkSampler(GROUP, MAX_TOKENS)
    sampler.junk, sampler.samples_policy_itself = junk, own
    algorithm = kind(policy, options.pop("reward", Letters()), sampler, prompts_per_rollout=4, **options)
    quiet = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False}
    trainer = pl.Trainer(accelerator="cpu", max_steps=steps, limit_val_batches=0, callbacks=[keep], **quiet)
    trainer.fit(algorithm, PromptDataModule(letter_rows(8)))
    return algorithm, keep


TWICE = {"minibatches_per_rollout": 2, "passes_per_rollout": 2}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", drawn(algorithms.NAMES, {"GRPO", "GMPO", "RLOO"}))
def test_junk_in_the_place_of_observations_moves_no_weight_of_any_algorithm(name: str) -> None:
    """In their log-probabilities, entropies, sampler's and reference's log-probabilities; to the bit."""
    options = {"learning_rate": 0.01, "kl_coefficient": 0.1, "entropy_bonus": EntropyBonus(0.01), **TWICE}
    kind = getattr(algorithms, name)
    plain, keep = train(kind, junk=False, **options)
    junk, other = train(kind, junk=True, **options)
    rows = keep.records[0].completions
    assert sum(len(row.ids) - row.sampled_tokens for row in rows) > 0.25 * sum(len(row.ids) for row in rows)
    assert [row.ids for row in rows] == [row.ids for row in other.records[0].completions]
    before, after = (torch.cat([p.flatten() for p in one.policy.parameters()]) for one in (plain, junk))
    assert torch.equal(before, after)
    start = torch.cat([p.flatten() for p in tiny_policy().parameters()])
    assert (before - start).abs().max() > 1e-3
    assert {name: keep.metrics[name] for name in keep.metrics if "seconds" not in name} == pytest.approx(
        {name: other.metrics[name] for name in keep.metrics if "seconds" not in name}, nan_ok=True
    )


def test_weights_sum_over_sampled_tokens_alone() -> None:
    for kind in (algorithms.GRPO, algorithms.DAPO):
        _, keep = train(kind, junk=False, steps=1)
        record = keep.records[0]
        rollout = record.rollout
        assert rollout.loss_mask.sum(1).tolist() == [row.sampled_tokens for row in record.completions]
        assert (rollout.weights != 0).equal(rollout.loss_mask)
        assert float(rollout.weights.sum()) == pytest.approx(1.0)
    assert float(rollout.weights.max()) == pytest.approx(1 / int(rollout.loss_mask.sum()))
    lengths = [row.sampled_tokens for row in record.completions]
    assert keep.metrics["train/completion_length"] == pytest.approx(sum(lengths) / len(lengths))


def test_the_gap_the_check_and_the_reuse_of_log_probabilities_ignore_observations() -> None:
    algorithm, reused = train(GRPO, junk=True, **TWICE)
    assert not algorithm.policy_scores_rollouts  # nor has the sampler's check stopped the run
    _, scored = train(GRPO, junk=True, own=False, **TWICE)
    assert scored.metrics["train/sampler_gap_max"] < 1e-5
    for keep in (reused, scored):
        rollout = keep.records[0].rollout
        assert not rollout.old_logprobs[~rollout.loss_mask].any()


def test_an_own_sampled_token_that_is_off_is_seen_all_the_same() -> None:
    class Off(JunkSampler):
        def sample(self, policy, prompts, *, step=0):
            completions = super().sample(policy, prompts, step=step)
            for row in completions:
                row.logprobs = [one - 0.5 for one in row.logprobs]
            return completions

    with pytest.raises(RuntimeError, match="log-probabilities that are"):
        train(GRPO, junk=False, sampler=Off(GROUP, MAX_TOKENS))


def test_masking_truncated_rows_takes_no_observation_into_the_loss() -> None:
    _, keep = train(GRPO, junk=False, steps=1, mask_truncated=True)
    record = keep.records[0]
    own = [row.sampled + [False] * (record.rollout.loss_mask.shape[1] - len(row.ids)) for row in record.completions]
    kept = torch.tensor(own) & ~record.rollout.truncated.unsqueeze(1)
    assert record.rollout.loss_mask.equal(kept)
    assert record.rollout.truncated.any()
    assert kept.any()


class Breaks(Environment):
    """Breaks down once."""

    broken = False

    def start(self, row, luck):
        return Breaking(self)


class Breaking(Episode):
    def __init__(self, environment: Breaks) -> None:
        self.environment = environment

    def step(self, turn):
        if not self.environment.broken:
            self.environment.broken = True
            raise OSError("the line is dead")
        return Observation("z", reward=sum(letter < "n" for letter in turn.text) / 8, done=True)


def test_a_failing_row_is_no_zero() -> None:
    """The statistics of its group are as if it were not there."""
    episodes = EpisodeSampler(BatchedSampler(GROUP, MAX_TOKENS), Breaks(), glue=PlainGlue(letter_tokenizer()))
    options: dict[str, Any] = {"reward_limits": RewardLimits(errors=0.5)}
    _, keep = train(GRPO, junk=False, steps=1, sampler=episodes, **options)
    record = keep.records[0]
    failed = torch.tensor([row.stop_reason == "failed" for row in record.completions]).view(-1, GROUP)
    assert failed.sum() == 1
    rewards = record.scores.total
    assert rewards.isnan().equal(failed)
    advantages = record.rollout.advantages.view(-1, GROUP)
    assert advantages[failed] == 0
    group = failed.any(1)
    others = rewards[group][~failed[group]].view(1, -1)
    torch.testing.assert_close(advantages[group][~failed[group]].view(1, -1), group_normalized(others))
    assert others.std() > 0
