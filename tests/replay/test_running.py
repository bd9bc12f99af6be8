"""A replayed step has the figures, rewards and advantages that were recorded; planted faults show."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from peft import LoraConfig
from pytorch_lightning.callbacks import ModelCheckpoint

from rlframework import (
    DAPO,
    GRPO,
    SFT,
    CausalLMPolicy,
    DemonstrationDataModule,
    DynamicSampling,
    EpisodeSampler,
    PolicyGradient,
    PromptDataModule,
    RefreshReference,
    RolloutWriter,
    SharedPrefixSampler,
)
from rlframework.environments import Environment, Episode, Observation, PlainGlue
from rlframework.loggers import AppendingCSVLogger
from rlframework.replay import Pair, Replay, replay, running
from rlframework.rewards import EpisodeReturn, FunctionReward
from rlframework.runs import RunFolder
from rlframework.terms import EntropyBonus, KLInReward
from rlframework.testing import SnapshotSampler, letter_rows, tiny_policy
from rlframework.turns import Turn
from tests.drawn import drawn

STEPS = 40
EVERY = 6


def vowels(completion: str) -> float:
    return sum(letter in "aeiou" for letter in completion) / 8


def early(completion: str) -> float | None:
    return None if completion[:1] == "z" else float(completion[:1] < "n")


REWARD = FunctionReward(vowels) + 0.5 * FunctionReward(early)


def sampler() -> SharedPrefixSampler:
    return SharedPrefixSampler(group_size=4, max_tokens=8)


def full(policy: CausalLMPolicy) -> PolicyGradient:
    """Two steps in each of two passes, dropout, a reference, and the tokens of high entropy alone."""
    sizes = {"prompts_per_rollout": 4, "minibatches_per_rollout": 4, "passes_per_rollout": 2}
    options = {"kl_coefficient": 0.1, "top_entropy_share": 0.5, "schedule": "linear", "warmup_steps": 3}
    return GRPO(policy, REWARD, sampler(), learning_rate=1e-2, **sizes, **options)


def lora(policy: CausalLMPolicy) -> PolicyGradient:
    """An adapter with dropout, one step a rollout, an entropy bonus, and rows that ran out of tokens left out."""
    adapted = CausalLMPolicy(
        policy.model, policy.tokenizer, lora=LoraConfig(r=2, lora_dropout=0.1, target_modules="all-linear")
    )
    options = {"kl_coefficient": 0.05, "entropy_bonus": EntropyBonus(0.01), "mask_truncated": True}
    return GRPO(
        adapted, REWARD, sampler(), prompts_per_rollout=4, minibatches_per_rollout=2, learning_rate=1e-2, **options
    )


def ahead(policy: CausalLMPolicy) -> PolicyGradient:
    """Rollouts ahead of learning, whose ratio is taken to what sampled them."""
    sizes = {"prompts_per_rollout": 2, "minibatches_per_rollout": 2, "rollouts_ahead": 2}
    return GRPO(policy, REWARD, SnapshotSampler(sampler()), learning_rate=1e-2, **sizes)


def filtered(policy: CausalLMPolicy) -> PolicyGradient:
    """Groups chosen for their spread, and the divergence in the reward."""
    chosen = DynamicSampling(sampler(), FunctionReward(vowels), keep=2)
    return DAPO(policy, REWARD, chosen, prompts_per_rollout=4, learning_rate=1e-2, kl_coefficient=0.05, kl=KLInReward())


class Echo(Environment):
    """Says what was said, twice, and pays for vowels; what it says is too long to be told whole."""

    def start(self, row: Mapping[str, Any], luck: Any) -> Episode:
        return Echoing()


class Echoing(Episode):
    """One conversation."""

    def step(self, turn: Turn) -> Observation:
        return Observation(2 * turn.text, reward=vowels(turn.text))


def episodes(policy: CausalLMPolicy) -> PolicyGradient:
    """Turns with an environment, and two passes over them."""
    glue = PlainGlue(policy.tokenizer, before="x", after="y")
    inside = SharedPrefixSampler(group_size=4, max_tokens=48)
    talking = EpisodeSampler(inside, Echo(), max_turns=2, max_turn_tokens=12, max_observation_tokens=8, glue=glue)
    return GRPO(policy, EpisodeReturn(), talking, prompts_per_rollout=2, passes_per_rollout=2, learning_rate=1e-2)


@dataclass
class Run:
    """A run on disk, and what it takes to make its parts again."""

    make: Callable[[CausalLMPolicy], PolicyGradient]
    policy: Callable[..., CausalLMPolicy]
    accumulate: int
    root: Path

    @property
    def folder(self) -> Path:
        return self.root / "mine" / "version_0"

    def parts(self, *more: pl.Callback, seed: int = 0) -> tuple[pl.Trainer, PolicyGradient, PromptDataModule]:
        pl.seed_everything(seed, verbose=False)
        algorithm = self.make(self.policy())
        trainer = pl.Trainer(
            max_steps=STEPS,
            max_epochs=-1,
            accelerator="cpu",
            accumulate_grad_batches=self.accumulate,
            gradient_clip_val=1.0,
            log_every_n_steps=1,
            logger=AppendingCSVLogger(self.root, "mine", version=0),
            callbacks=[RolloutWriter(), ModelCheckpoint(every_n_train_steps=EVERY, save_top_k=-1), *more],
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        return trainer, algorithm, PromptDataModule(letter_rows(14), letter_rows(3))

    def replay(self, step: int, **options: Any) -> Replay:
        # Another process begins with other random numbers; where it starts anew it needs those of the run.
        return replay(*self.parts(seed=0 if step < EVERY else 7), self.folder, step, **options)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Run]:
    """Return a maker of runs, each made once."""
    made: dict[str, Run] = {}

    def get(name: str, policy: Callable[..., CausalLMPolicy] = tiny_policy) -> Run:
        if name not in made:
            make, accumulate = {
                "episodes": (episodes, 1),
                "full": (full, 2),
                "lora": (lora, 2),
                "ahead": (ahead, 2),
                "filtered": (filtered, 1),
            }[name]
            made[name] = Run(make, policy, accumulate, tmp_path_factory.mktemp(name))
            trainer, algorithm, data = made[name].parts()
            trainer.fit(algorithm, data)
        return made[name]

    return get


# The tests below replay steps of the other runs; all steps of all runs are left to make test-long.
@pytest.mark.parametrize(
    ("name", "number"),
    drawn(
        {
            f"{name}-{number}": (name, number)
            for name in ("full", "lora", "ahead", "filtered", "episodes")
            for number in (4, 20)
        },
        {"full-4", "ahead-4"},
    ),
)
def test_a_replay_equals_the_log(
    runs: Callable[..., Run], dropout_policy: Callable[..., CausalLMPolicy], name: str, number: int
) -> None:
    run = runs(name, (lambda: dropout_policy(0.1)) if name == "full" else tiny_policy)
    record = (run.folder / "rollouts.jsonl").read_bytes(), (run.folder / "metrics.csv").read_bytes()
    moved, given = 0.0, 0
    for step in sorted(random.Random(name).sample(range(STEPS), number)):
        found = run.replay(step)
        assert found.same, (step, found.verdict(), found.differing)
        assert found.logged == len(found.figures) >= 5, step
        assert {"surrogate", "entropy", "grad_norm"} <= {
            n for n, pair in found.figures.items() if pair.recorded is not None
        }
        moved += sum(pair.now for n, pair in found.figures.items() if n.startswith("clip_fraction"))
        at = step // EVERY * EVERY
        assert found.weights.startswith("those of" if at == step and step else f"learned on for {step - at} step"), step
        assert len(found.completions) == (16 if name == "lora" else 8)
        assert not found.remarks or found.remarks[0].startswith("in the log and not computed again")
        assert all(len(row.terms["ratio"]) == len(row.completion.ids) == len(row.pieces) for row in found.completions)
        given += sum(not all(row.completion.sampled) for row in found.completions)
    assert (given > 0) == (name == "episodes")
    assert (moved > 0) == (name in ("full", "ahead", "episodes"))
    assert record == ((run.folder / "rollouts.jsonl").read_bytes(), (run.folder / "metrics.csv").read_bytes())


def test_terms_of_tokens_add_up_to_the_loss(
    runs: Callable[..., Run], dropout_policy: Callable[..., CausalLMPolicy]
) -> None:
    found = runs("full", lambda: dropout_policy(0.1)).replay(7)
    product = sum(
        s * w * f
        for row in found.completions
        for s, w, f in zip(*(row.terms[name] for name in ("surrogate", "weight", "factor")), strict=True)
    )
    assert product == pytest.approx(found.figures["surrogate"].now, abs=1e-6)
    assert "step=6.ckpt" in found.weights  # from inside the rollout: the tensors are there, and no text
    assert found.remarks[0].startswith("in the log and not computed again, as they are of a rollout that began before")
    assert {0.0, 1.0} == {factor for row in found.completions for factor in row.terms["factor"]}
    kl = [value for row in found.completions for value in row.terms["kl"]]
    assert sum(kl) / len(kl) == pytest.approx(found.figures["kl"].now, abs=1e-6)
    high = [flag for row in found.completions for flag in row.terms["clip_fraction_high"]]
    assert sum(high) / len(high) == pytest.approx(found.figures["clip_fraction_high"].now, abs=1e-6)
    assert sum(high) > 0


def test_a_slope_is_what_a_step_follows(runs: Callable[..., Run]) -> None:
    """On-policy and without a divergence the derivative of a token's loss is its advantage times its weight."""
    found = runs("filtered").replay(6)
    for row in found.completions:
        a, w, slope = (row.terms[name] for name in ("advantage", "weight", "slope"))
        assert slope == pytest.approx([-x * y for x, y in zip(a, w, strict=True)], abs=1e-7)


def test_the_nearest_checkpoint_is_named_and_its_figures_differ(runs: Callable[..., Run]) -> None:
    found = runs("lora").replay(14, nearest=True)
    assert found.weights.endswith("-step=12.ckpt, after 12 steps, for a rollout that was made after 14")
    assert not found.exact
    assert "entropy" in found.differing
    assert "reward/total" not in found.differing
    assert runs("lora").replay(18, nearest=True).same is False  # dropout draws other numbers


def test_without_a_checkpoint_none_is_near(runs: Callable[..., Run], tmp_path: Path) -> None:
    run = runs("lora")
    (tmp_path / "rollouts.jsonl").write_bytes((run.folder / "rollouts.jsonl").read_bytes())
    with pytest.raises(FileNotFoundError, match="no checkpoint"):
        replay(*run.parts(), tmp_path, 3, nearest=True)


@pytest.mark.parametrize(
    ("change", "differing"),
    [
        ({"reward": 99.0}, "rewards or advantages of 1 of 8"),
        ({"advantage": 0.25}, "rewards or advantages of 1 of 8"),
        ({"completion_ids": [3, 4, 5], "completion": "abc", "logprobs": [-3.0] * 3}, "figures of the log differ"),
    ],
)
def test_a_record_that_was_changed_shows(
    runs: Callable[..., Run], tmp_path: Path, change: Mapping[str, Any], differing: str
) -> None:
    run = runs("filtered")
    lines = [json.loads(line) for line in (run.folder / "rollouts.jsonl").open()]
    next(line for line in lines if line["step"] == 18).update(change)
    for path in (run.folder / "checkpoints").iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "metrics.csv").write_bytes((run.folder / "metrics.csv").read_bytes())
    (tmp_path / "rollouts.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    found = replay(*run.parts(), tmp_path, 18)
    assert not found.same
    assert differing in found.verdict()
    assert replay(*run.parts(), tmp_path, 19).same is ("completion" not in change)


def test_weights_of_another_step_show(runs: Callable[..., Run], tmp_path: Path) -> None:
    run = runs("filtered")
    for path in ("rollouts.jsonl", "metrics.csv"):
        (tmp_path / path).write_bytes((run.folder / path).read_bytes())
    checkpoint = torch.load(next((run.folder / "checkpoints").glob("*step=18.ckpt")), weights_only=True)
    for values in checkpoint["state_dict"].values():
        values += 1e-3 * torch.randn(values.shape, generator=torch.Generator().manual_seed(0))
    torch.save(checkpoint, tmp_path / "moved.ckpt")
    assert "entropy" in replay(*run.parts(), tmp_path, 18).differing


def test_other_data_are_refused(runs: Callable[..., Run]) -> None:
    trainer, algorithm, _ = runs("filtered").parts()
    other = PromptDataModule(letter_rows(15)[1:])
    with pytest.raises(ValueError, match="the data are not those of the run: in rollout 18 prompt"):
        replay(trainer, algorithm, other, runs("filtered").folder, 18)


def test_steps_that_the_run_has_not_are_refused(runs: Callable[..., Run]) -> None:
    with pytest.raises(ValueError, match=f"the run ends after {STEPS} steps, before step {STEPS} is done"):
        runs("filtered").replay(STEPS)
    with pytest.raises(ValueError, match="step -1 lies before step 0"):
        runs("filtered").replay(-1)


def test_a_rollout_that_is_missing_on_the_way_is_named(runs: Callable[..., Run], tmp_path: Path) -> None:
    run = runs("filtered")
    lines = (run.folder / "rollouts.jsonl").read_text().splitlines(keepends=True)
    (tmp_path / "rollouts.jsonl").write_text("".join(line for line in lines if not line.startswith('{"rollout": 1,')))
    with pytest.raises(LookupError, match="rollout 1 is not on record, which has rollouts 0 to"):
        replay(*run.parts(), tmp_path, 3)


def test_a_sampler_that_has_to_be_corrected_needs_its_logprobs(runs: Callable[..., Run], tmp_path: Path) -> None:
    run = runs("ahead")
    lines = [json.loads(line) for line in (run.folder / "rollouts.jsonl").open()]
    assert all(line.pop("logprobs") for line in lines)
    (tmp_path / "rollouts.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    with pytest.raises(ValueError, match="SamplerRatio compares with the sampler's log-probabilities"):
        replay(*run.parts(), tmp_path, 3)


class Own(pl.Callback):
    """A callback that nothing is known of."""


def test_callbacks_that_learn_are_kept_and_others_named(
    runs: Callable[..., Run], dropout_policy: Any, tmp_path: Path
) -> None:
    """A reference that follows is part of what is learned; what a user wrote may be anything."""
    run = Run(full, lambda: dropout_policy(0.1), 2, tmp_path)
    trainer, algorithm, data = run.parts(RefreshReference(every_n_steps=4, mixing=0.5))
    trainer.fit(algorithm, data)
    found = replay(*run.parts(RefreshReference(every_n_steps=4, mixing=0.5), Own()), run.folder, 23)
    assert found.same
    assert (
        found.remarks[0] == "left out, as it may write or stop: Own; the figures differ if it changes what is learned"
    )
    assert "kl" in replay(*run.parts(), run.folder, 23).differing


def test_a_record_without_a_line_that_can_be_read_is_named() -> None:
    with pytest.raises(ValueError, match="no completion on record"):
        running._rollout_at({}, 0)


def test_of_ranks_that_are_told_by_names_only_no_checkpoint_inside_a_rollout_is_taken(tmp_path: Path) -> None:
    for name in ("rollouts-0.jsonl", "rollouts-1.jsonl", "step=2.ckpt", "step=3.ckpt"):
        (tmp_path / name).touch()
    found = running._before(RunFolder(tmp_path), 3, {0: [{"step": 0}], 1: [{"step": 2}]})
    assert found == (2, tmp_path / "step=2.ckpt")


def test_demonstrations_are_no_rollouts() -> None:
    rows = [{"prompt": "ab", "completion": "cd"}]
    with pytest.raises(TypeError, match="SFT learns from no rollouts"):
        replay(pl.Trainer(logger=False), SFT(tiny_policy()), DemonstrationDataModule(rows), ".", 0)  # type: ignore[arg-type]


def test_a_pair_is_the_same_to_a_millionth() -> None:
    nan = float("nan")
    assert Pair(2.0, 2.0 + 1e-6).same
    assert Pair(2e6, 2e6 + 1).same
    assert Pair(nan, nan).same
    assert not Pair(0.0, 2e-6).same
    assert not Pair(nan, 0.0).same
    assert not Pair(0.0, nan).same
    assert not Pair(0.0, None).same
