"""Runs whose rollouts are sampled ahead: the plan decides which weights a rollout comes from, and never the clock."""

from __future__ import annotations

import copy
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from torch import Tensor

from rlframework import CausalLMPolicy, SharedPrefixSampler, rewards
from rlframework.algorithms import GRPO, GSPO, REINFORCE
from rlframework.callbacks import RolloutWriter
from rlframework.callbacks.rollout_writer import read_rollouts
from rlframework.completions import Completion, Completions
from rlframework.policies.base import Policy
from rlframework.prompt import Prompt
from rlframework.samplers import DynamicSampling, GroupSampler, Version
from rlframework.terms import SamplerRatio, TokenMask, TokenTruncation
from rlframework.testing import SnapshotSampler, tiny_policy
from tests.drawn import drawn
from tests.loop.test_resume import checkpoints, savers, weights

Make = Callable[..., GRPO]
Fit = Callable[..., pl.Trainer]

# Five rollouts an epoch, two minibatches and one step each.
SIZES = {"prompts_per_rollout": 2, "minibatches_per_rollout": 2}
TRAINER = {"accumulate_grad_batches": 2, "max_epochs": 2, "prompts": 10}


class Remote(SnapshotSampler):
    """Notes what is published and asked, and takes as long as a test has it take."""

    def __init__(self, delay: Callable[[int], float] = lambda step: 0.0, max_tokens: int = 6) -> None:
        super().__init__(SharedPrefixSampler(group_size=4, max_tokens=max_tokens, seed=5))
        self.delay = delay
        self.published: list[str] = []
        self.asked: dict[int, str] = {}
        self.most = 0
        self.closed = threading.Event()

    def publish(self, policy: Policy, prompts: Sequence[Prompt]) -> Version:
        version = super().publish(policy, prompts)
        self.published.append(version.name)
        self.most = max(self.most, len(self.copies))
        return version

    def ask(self, prompts: Sequence[Prompt], *, step: int, version: Version) -> Completions:
        assert threading.current_thread() is not threading.main_thread()
        self.asked[step] = version.name
        self.closed.wait(self.delay(step))
        return super().ask(prompts, step=step, version=version)

    def close(self) -> None:
        self.closed.set()

    def for_evaluation(self) -> GroupSampler:
        # A policy's own, so that validation publishes nothing here.
        return self.sampler.for_evaluation()


class Drained(Remote):
    """Has one version at a time."""

    def __init__(self, delay: Callable[[int], float] = lambda step: 0.0) -> None:
        super().__init__(delay)
        self.one_version = True


@pytest.fixture
def ahead(grpo: Make, dropout_policy: Callable[..., CausalLMPolicy]) -> Make:
    def make(sampler: GroupSampler, k: int, policy: CausalLMPolicy | None = None, **options: Any) -> GRPO:
        policy = policy or dropout_policy(0.1)
        return grpo(policy, sampler=sampler, rollouts_ahead=k, **{**SIZES, **options})

    return make


def late_at_random(step: int) -> float:
    return (step * 7919 % 5) * 0.02


@pytest.mark.parametrize(
    ("kind", "k"), drawn({"Drained-1": (Drained, 1), "Remote-1": (Remote, 1), "Remote-2": (Remote, 2)}, {"Remote-2"})
)
def test_weights_are_the_same_for_a_fast_a_slow_and_a_randomly_late_server(
    ahead: Make, fit: Fit, recorder: Any, kind: type[Remote], k: int
) -> None:
    ends = []
    for delay in (lambda step: 0.0, lambda step: 0.05, late_at_random):
        pl.seed_everything(1, verbose=False)
        sampler, watcher = kind(delay), type(recorder)()
        trained = ahead(sampler, k)
        fit(trained, callbacks=[watcher], **TRAINER)
        ends.append(weights(trained))
        assert [record.step for record in watcher.collected] == list(range(10))
        assert [record.weights for record in watcher.collected] == [max(0, step - k) for step in range(10)]
        # What was published when a rollout was begun is what the one k later was sampled from.
        begun = list(dict.fromkeys(sampler.published))
        assert [sampler.asked[step] for step in range(10)] == [begun[max(0, step - k)] for step in range(10)]
        assert sampler.most <= k + 2
        assert not sampler.copies
    assert torch.equal(ends[0], ends[1])
    assert torch.equal(ends[0], ends[2])


def test_a_rollout_is_what_its_weights_sample(ahead: Make, fit: Fit, recorder: Any) -> None:
    """The policies of a run are kept, and each samples again what the rollout two later was learned from."""
    sampler = Remote()
    trained = ahead(sampler, 2, tiny_policy())
    kept: list[Policy] = []

    class Keeper(pl.Callback):
        def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
            if batch_idx % 2 == 0:
                kept.append(pl_module.policy.reference())

    fit(trained, callbacks=[recorder, Keeper()], **TRAINER)
    assert len(kept) == 10
    for record in recorder.collected:
        prompts = list(dict.fromkeys(row.prompt.index for row in record.completions))
        known = {row.prompt.index: row.prompt for row in record.completions}
        with torch.no_grad():
            again = sampler.sampler.sample(
                kept[max(0, record.step - 2)], [known[index] for index in prompts], step=record.step
            )
        assert [row.ids for row in again] == [row.ids for row in record.completions]


def test_nothing_ahead_is_what_the_sampler_inside_gives(grpo: Make, fit: Fit) -> None:
    ends = []
    for sampler in (Remote().sampler, SnapshotSampler(Remote().sampler)):
        trained = grpo(tiny_policy(), sampler=sampler, **SIZES)
        fit(trained, **TRAINER)
        ends.append(weights(trained))
    assert torch.equal(*ends)


@pytest.mark.parametrize(
    ("kind", "k", "options"),
    drawn(
        {
            "Drained-1": (Drained, 1, {}),
            "Remote-2": (Remote, 2, {}),
            "Remote-2, two passes": (Remote, 2, {"passes_per_rollout": 2, "accumulate": 1}),
        },
        {"Drained-1", "Remote-2, two passes"},
    ),
)
def test_resuming_is_bit_exact_with_another_server_and_the_first_one_gone(
    ahead: Make, fit: Fit, recorder: Any, tmp_path: Path, kind: type[Remote], k: int, options: dict[str, Any]
) -> None:
    options = dict(options)
    settings = {**TRAINER, "accumulate_grad_batches": options.pop("accumulate", 2), "limit_train_batches": 6}
    pl.seed_everything(1, verbose=False)
    whole = ahead(kind(late_at_random), k, **options)
    fit(whole, callbacks=[recorder, *savers(tmp_path / "saved")], enable_checkpointing=True, **settings)
    saved = checkpoints(tmp_path / "saved")
    for name, path in sorted(saved.items())[::2]:
        pl.seed_everything(2, verbose=False)
        sampler = kind()
        resumed = ahead(sampler, k, **options)
        kept = {one["step"] for one in torch.load(path, weights_only=True)["asked"][0]}
        fit(resumed, ckpt_path=str(path), **settings)
        assert torch.equal(weights(resumed), weights(whole)), name
        assert not kept & set(sampler.asked), name


def test_as_many_rollouts_are_asked_for_as_are_learned_from(ahead: Make, fit: Fit) -> None:
    limits: list[tuple[dict[str, Any], list[int]]] = [
        ({"max_steps": 3, "max_epochs": -1}, [0, 1, 2]),
        ({"max_steps": 7, "max_epochs": -1}, list(range(7))),
        ({"limit_train_batches": 4}, [0, 1, 5, 6]),
        ({"fast_dev_run": 2}, [0]),
    ]
    for limit, expected in limits:
        sampler = Remote()
        fit(ahead(sampler, 3), **{**TRAINER, **limit})
        assert sorted(sampler.asked) == expected, limit


def test_a_checkpoint_does_not_wait_for_a_server_that_is_dead_and_loses_no_prompt(
    ahead: Make, fit: Fit, recorder: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A rollout that was asked for and is late is asked for again, and so is its prompt."""
    sampler = Remote(lambda step: 60.0 if step == 4 else 0.0)
    trained = ahead(sampler, 1, save_patience=0.2)

    class Stop(pl.Callback):
        def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
            if trainer.global_step == 4:
                started = time.perf_counter()
                trainer.save_checkpoint(tmp_path / "late.ckpt")
                assert time.perf_counter() - started < 5
                trainer.should_stop = True

    fit(trained, callbacks=[Stop()], **TRAINER)
    assert sampler.closed.is_set()
    again = Remote()
    with caplog.at_level("INFO"):
        fit(ahead(again, 1), callbacks=[recorder], ckpt_path=str(tmp_path / "late.ckpt"), **TRAINER)
    assert "Rollouts 4 had been asked for and had not come" in caplog.text
    assert [record.step for record in recorder.collected] == list(range(4, 10))
    asked = [row.prompt.index for record in recorder.collected for row in record.completions][: 4 * 2]
    assert len(set(asked)) == 2


@pytest.mark.parametrize("where", ["sampler", "reward"])
def test_what_fails_in_the_thread_is_raised_where_its_rollout_comes_and_said_at_once(
    ahead: Make, fit: Fit, recorder: Any, where: str
) -> None:
    class FaultError(Exception):
        pass

    class Breaks(Remote):
        def ask(self, prompts, *, step, version):
            if step == 3 and where == "sampler":
                raise FaultError("the fleet is dead")
            return super().ask(prompts, step=step, version=version)

    class Reward(rewards.RewardModel):
        seen = 0

        def score(self, completions):
            self.seen += 1
            if self.seen == 4 and where == "reward":
                raise FaultError("the judge is dead")
            return torch.arange(len(completions)).float().view(-1, 4)

    trained = ahead(Breaks(), 2, reward=Reward())
    with (
        pytest.raises(FaultError, match="is dead"),
        pytest.warns(UserWarning, match="Rollout 3, which is sampled ahead"),
    ):
        fit(trained, callbacks=[recorder], **TRAINER)
    assert [record.step for record in recorder.collected] == [0, 1, 2]


def test_rewards_see_rollouts_one_at_a_time_and_in_order(ahead: Make, fit: Fit) -> None:
    class Reward(rewards.RewardModel):
        inside, seen = 0, []

        def score(self, completions):
            assert not self.inside
            self.inside += 1
            time.sleep(0.01)
            self.seen.append(sorted(row.prompt.index for row in completions))
            self.inside -= 1
            return torch.arange(len(completions)).float().view(-1, 4)

    seen = []
    for delay in (lambda step: 0.0, lambda step: 0.1 if step % 2 == 0 else 0.0):
        Reward.seen = []
        fit(ahead(Remote(delay), 2, reward=Reward()), **TRAINER)
        seen.append(Reward.seen)
    assert seen[0] == seen[1]


class Learned(rewards.RewardModel):
    """Judges with a module, and notes in which thread it does so."""

    def __init__(self, device: str) -> None:
        super().__init__()
        self.scorer = torch.nn.Embedding(64, 1, device=device)
        self.threads: list[bool] = []
        self.seen: list[list[int]] = []

    def score(self, completions: Completions) -> Tensor:
        assert not torch.is_grad_enabled()
        self.threads.append(threading.current_thread() is threading.main_thread())
        self.seen.append([row.prompt.index for row in completions])
        return torch.tensor([float(sum(row.ids) % 7) for row in completions]).view(-1, 4)


@pytest.mark.parametrize(("device", "here"), [("cpu", True), ("meta", False)])
def test_a_reward_with_a_module_where_the_policy_learns_judges_in_the_main_thread(
    ahead: Make, fit: Fit, recorder: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture, device: str, here: bool
) -> None:
    """On another device it judges in the thread; what is learned, in which order and after a resume, is the same."""
    ends = []
    for late, path in ((0.0, None), (0.05, tmp_path / "step-step=4.ckpt")):
        pl.seed_everything(1 if path is None else 2, verbose=False)
        reward = Learned(device)
        trained = ahead(Remote(lambda step, late=late: late), 2, reward=reward)
        saved = {"callbacks": [recorder, *savers(tmp_path)], "enable_checkpointing": True} if not ends else {}
        with caplog.at_level("INFO"):
            fit(trained, ckpt_path=path, **saved, **TRAINER)
        assert set(reward.threads) == {here}
        # Those that were judged before the checkpoint was saved are not judged again.
        assert len(reward.seen) == (10 if path is None else 6 if here else 4)
        ends.append(weights(trained))
    assert torch.equal(*ends)
    assert caplog.text.count("it judges each rollout in the main thread") == (2 if here else 0)


def test_callbacks_hear_of_a_rollout_when_it_is_asked_for_and_when_it_is_learned_from(
    ahead: Make, fit: Fit, recorder: Any, tmp_path: Path
) -> None:
    told: list[tuple[str, int]] = []

    class Order(type(recorder)):
        def on_rollout_start(self, trainer, pl_module, prompts):
            told.append(("asked", prompts[0].index))

        def on_rollout_end(self, trainer, pl_module, collected):
            told.append(("learned", collected.completions[0].prompt.index))

    fit(ahead(Remote(), 2), callbacks=[Order(), RolloutWriter(tmp_path / "out")], max_steps=4, **TRAINER)
    asked = [index for kind, index in told if kind == "asked"]
    assert len(asked) == 4
    assert [kind for kind, _ in told] == ["asked"] * 3 + ["learned", "asked"] + ["learned"] * 3
    written = read_rollouts(tmp_path / "out" / "rollouts.jsonl")
    assert [(row["rollout"], row["weights"]) for row in written[::8]] == [(0, 0), (1, 0), (2, 0), (3, 1)]


@pytest.mark.parametrize(("kind", "k"), drawn({"Drained-1": (Drained, 1), "Remote-2": (Remote, 2)}, {"Drained-1"}))
def test_validation_samples_from_the_newest_weights_and_the_run_goes_on_unchanged(
    ahead: Make, fit: Fit, recorder: Any, kind: type[Remote], k: int
) -> None:
    ends, answers = [], []
    for validated in (False, True):
        pl.seed_everything(1, verbose=False)

        class Newest(kind):
            def for_evaluation(self):
                other = self.replace(group_size=1, temperature=0.0)
                other.publish = self.publish
                return other

            def ask(self, prompts, *, step, version):
                if threading.current_thread() is threading.main_thread():
                    answers.append(version.name)
                    return SnapshotSampler.ask(self, prompts, step=step, version=version)
                return super().ask(prompts, step=step, version=version)

        sampler = Newest(lambda step: 0.02)
        trained = ahead(sampler, k)
        options = {"held_out": 4, "val_check_interval": 2, "check_val_every_n_epoch": None} if validated else {}
        fit(trained, callbacks=[recorder], **{**TRAINER, **options})
        ends.append(weights(trained))
    assert len(set(answers)) == 10
    assert torch.equal(*ends)


class Here(CausalLMPolicy):
    """A policy that belongs to the main thread; its copies do not."""

    def __deepcopy__(self, memo: dict[int, Any]) -> CausalLMPolicy:
        return CausalLMPolicy(copy.deepcopy(self.model), self.tokenizer)

    def logprobs(self, *arguments: Any, **options: Any) -> Any:
        assert threading.current_thread() is threading.main_thread()
        return super().logprobs(*arguments, **options)

    def next_logits(self, *arguments: Any, **options: Any) -> Any:
        assert threading.current_thread() is threading.main_thread()
        return super().next_logits(*arguments, **options)


def test_the_policy_is_used_by_the_main_thread_alone_and_filters_compose(ahead: Make, fit: Fit, recorder: Any) -> None:
    policy = Here(tiny_policy().model, tiny_policy().tokenizer)
    filtered = DynamicSampling(Remote(), Lengths(), keep=2)
    trained = ahead(filtered, 2, policy, prompts_per_rollout=5, minibatches_per_rollout=1)
    fit(trained, callbacks=[recorder], **{**TRAINER, "accumulate_grad_batches": 1})
    assert [record.completions.num_groups for record in recorder.collected] == [2] * 4


class Lengths(rewards.RowReward):
    def score_row(self, completion: Completion) -> float:
        return float(len(completion.ids))


def test_what_is_logged(ahead: Make, fit: Fit) -> None:
    seen: list[dict[str, Tensor]] = []

    class Figures(pl.Callback):
        def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
            if batch_idx % 2:
                seen.append({name: float(value) for name, value in trainer.callback_metrics.items()})

    fit(ahead(Remote(lambda step: 0.05), 1, tiny_policy()), callbacks=[Figures()], **TRAINER)
    assert [figures["train/staleness"] for figures in seen] == [0.0] + [1.0] * 9
    assert [figures["train/staleness_steps"] for figures in seen] == [0.0] + [1.0] * 9
    assert all(figures["train/rollout_seconds"] >= 0.05 for figures in seen)
    assert all(figures["train/canary_gap"] == 0.0 for figures in seen)
    assert seen[0]["train/sampler_gap"] < 1e-6 < seen[5]["train/sampler_gap"]
    assert seen[0]["train/ess"] == pytest.approx(1.0, abs=1e-5)
    assert 0 < seen[5]["train/ess"] < 1
    assert {"train/wait_seconds", "train/publish_seconds", "train/sampler_idle_seconds"} <= seen[0].keys()


def test_what_cannot_be_ahead_is_refused_with_the_way_out(ahead: Make, fit: Fit) -> None:
    with pytest.raises(ValueError, match=r"samples with the weights that learn, on the same device.*VLLMSampler"):
        fit(ahead(Remote().sampler, 1), **TRAINER)
    with pytest.raises(ValueError, match=r"one version of these weights at a time.*rollouts_ahead=1"):
        fit(ahead(Drained(), 2), **TRAINER)
    with pytest.raises(ValueError, match="overfit_batches"):
        fit(ahead(Remote(), 1), overfit_batches=2, **TRAINER)
    with pytest.raises(ValueError, match="rollouts_ahead"):
        ahead(Remote(), -1)

    class Small(Remote):
        def check_versions(self, policy, count):
            raise ValueError(f"room for 2 versions, {count} are held")

    with pytest.raises(ValueError, match="4 are held"):
        fit(ahead(Small(), 2), **TRAINER)


def test_a_sampler_without_log_probabilities_cannot_be_corrected(ahead: Make, fit: Fit) -> None:
    class Silent(Remote):
        def ask(self, prompts, *, step, version):
            completions = super().ask(prompts, step=step, version=version)
            for row in completions:
                row.logprobs = []
            return completions

    with pytest.raises(RuntimeError, match="SamplerRatio needs the sampler's log-probabilities"):
        fit(ahead(Silent(), 1), **TRAINER)


def test_the_correction_is_the_ratio_where_a_clip_bounds_it(ahead: Make, grpo: Make) -> None:
    assert isinstance(ahead(Remote(), 1).sampler_correction, SamplerRatio)
    assert ahead(Remote(), 0).sampler_correction is None
    assert isinstance(ahead(Remote(), 1, sampler_correction=TokenMask()).sampler_correction, TokenMask)
    for kind in (GSPO, REINFORCE):
        options = {"sampler": Remote(), "rollouts_ahead": 1, **SIZES}
        assert isinstance(grpo(tiny_policy(), kind, **options).sampler_correction, TokenTruncation)
        with pytest.raises(ValueError, match=f"{kind.__name__} has .*use TokenTruncation"):
            grpo(tiny_policy(), kind, sampler_correction=SamplerRatio(), **options)


def test_it_says_how_old_the_weights_are(ahead: Make, fit: Fit) -> None:
    trained = ahead(Remote(), 2, passes_per_rollout=3)
    fit(trained, max_steps=1, **TRAINER)
    assert "sampled 2 rollouts ahead, from weights 6 steps old" in trained.describe()
