"""Every figure that runs log, with all options and callbacks on, has a row in docs/figures.md; no row is of none."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
from pytorch_lightning.loggers.logger import Logger

from rlframework import algorithms, callbacks, rewards
from rlframework.algorithms import DAPO, GRPO, SFT
from rlframework.callbacks import loggers
from rlframework.completions import Completion
from rlframework.data import DemonstrationDataModule, PromptDataModule
from rlframework.environments import Environment, Episode, Observation, PlainGlue
from rlframework.metrics import MajorityAtK, PassAtK, ShareBound
from rlframework.policies import CausalLMPolicy
from rlframework.samplers import DynamicSampling, EpisodeSampler, SharedPrefixSampler
from rlframework.terms import AdaptiveEntropyBonus, KLInLoss, TokenTruncation
from rlframework.testing import SnapshotSampler, letter_rows, tiny_policy
from tests.policies.tiny_architectures import TOKENIZER, tiny_architecture

PAGE = (Path(__file__).parents[1] / "docs" / "figures.md").read_text()
ROW = re.compile(r"^\| `([^`|]+)`", re.MULTILINE)
# Lightning's own, by which it counts.
COUNTS = {"epoch", "step"}
# One device, and samplers in this process: more ranks, and servers, add no figure of their own.
SAMPLER = SharedPrefixSampler(group_size=4, max_tokens=6)
SIZES = {"prompts_per_rollout": 4, "learning_rate": 1e-2}


class Names(Logger):
    """Keeps the names of all that it is given."""

    name, version = "names", 0

    def __init__(self) -> None:
        super().__init__()
        self.seen: set[str] = set()

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        self.seen |= set(metrics)

    def log_hyperparams(self, *args: Any, **kwargs: Any) -> None:
        """Settings are no figures."""


@loggers.log_table.register(Names)
@loggers.log_histogram.register(Names)
def _(logger: Names, name: str, *_: Any) -> None:
    logger.seen.add(name)


class Spoken(rewards.RowReward):
    def score_row(self, completion: Completion) -> float:
        return sum(letter in "aeiou" for letter in completion.text) / 8


def noted(completions: list[str], log_metric: Any, **_: Any) -> list[float]:
    log_metric("longest", max(map(len, completions)))
    return [float("a" in text) for text in completions]


class Turns(Environment):
    def start(self, row: Any, luck: Any) -> Episode:
        return Once()


class Once(Episode):
    said = False

    def step(self, turn: Any) -> Observation | None:
        self.said, said = True, self.said
        return None if said else Observation("abc", reward=0.5)


def logged(algorithm: Any, data: Any, folder: Path, *others: pl.Callback, **options: Any) -> set[str]:
    """Return the names of what a run logs."""
    logger = Names()
    quiet = {"enable_model_summary": False, "enable_checkpointing": False, "num_sanity_val_steps": 0}
    trainer = pl.Trainer(
        **{"max_steps": 4, "max_epochs": -1, "log_every_n_steps": 1, "accelerator": "cpu", **quiet, **options},
        logger=logger,
        callbacks=list(others),
        default_root_dir=folder,
    )
    trainer.fit(algorithm, data)
    if data.test is not None:
        trainer.test(algorithm, data, verbose=False)
    return logger.seen


def with_every_callback(folder: Path) -> list[pl.Callback]:
    made = [
        callbacks.ProgressBar(),
        callbacks.RankWatch(),
        callbacks.RefreshReference(every_n_steps=1),
        callbacks.RequeueOnSignal(command=None),
        callbacks.RolloutWriter(folder),
        callbacks.SampleLogger(every_n_rollouts=1),
        callbacks.RunWriter(folder),
        callbacks.SavePolicy(folder / "policy"),
        callbacks.Sentinels(),
        pl.callbacks.LearningRateMonitor(),
    ]
    ours = {name for name in callbacks.__all__ if issubclass_of_callback(name)}
    assert ours - {"RolloutCallback", "Sentinel"} <= {type(one).__name__ for one in made}
    return made


def issubclass_of_callback(name: str) -> bool:
    value = getattr(callbacks, name)
    return isinstance(value, type) and issubclass(value, pl.Callback)


def everything(folder: Path) -> set[str]:
    """A run of one step per rollout cannot clip, so this one has several."""
    judges = rewards.CorrectAnswer() + rewards.optional(0.1 * Spoken()) + rewards.TRLReward(noted)
    right = rewards.CorrectAnswer()
    algorithm = DAPO(
        tiny_policy(),
        judges,
        DynamicSampling(SAMPLER, Spoken(), keep=4),
        kl_coefficient=0.1,
        kl=KLInLoss(ratio_corrected=True),
        entropy_bonus=AdaptiveEntropyBonus(target=5.0),
        sampler_correction=TokenTruncation(),
        off_policy_threshold=0.5,
        top_entropy_share=0.5,
        ratio_cap=3.0,
        passes_per_rollout=2,
        mask_truncated=False,
        validation={
            "accuracy": right,
            "accuracy_low": ShareBound(right, "low"),
            "pass@2": PassAtK(right, k=2),
            "maj@2": MajorityAtK(right, k=2),
        },
        validation_samples=2,
        **SIZES,
    )
    data = PromptDataModule(letter_rows(16), letter_rows(4), test=letter_rows(4))
    return logged(algorithm, data, folder, *with_every_callback(folder), val_check_interval=2)


def ahead(folder: Path) -> set[str]:
    algorithm = GRPO(tiny_policy(), Spoken(), SnapshotSampler(SAMPLER), rollouts_ahead=1, **SIZES)
    return logged(algorithm, PromptDataModule(letter_rows(16)), folder)


def episodes(folder: Path) -> set[str]:
    policy = tiny_policy()
    sampler = EpisodeSampler(
        SharedPrefixSampler(4, 32), Turns(), max_turn_tokens=6, glue=PlainGlue(policy.tokenizer, "x", "y")
    )
    algorithm = GRPO(policy, rewards.EpisodeReturn() + Spoken(), sampler, **SIZES)
    return logged(algorithm, PromptDataModule(letter_rows(16)), folder)


def mixture_of_experts(folder: Path) -> set[str]:
    model = tiny_architecture("mixtral")
    model.config.output_router_logits = True
    algorithm = GRPO(CausalLMPolicy(model, TOKENIZER), Spoken(), SAMPLER, **SIZES)
    return logged(algorithm, PromptDataModule(letter_rows(16)), folder)


def supervised(folder: Path) -> set[str]:
    rows = [{**row, "completion": "abc"} for row in letter_rows(8)]
    data = DemonstrationDataModule(rows, rows, test=rows)
    return logged(SFT(tiny_policy(), demonstrations_per_step=4), data, folder, max_epochs=1)


def every_algorithm(folder: Path) -> set[str]:
    data = PromptDataModule(letter_rows(16))
    kinds = (getattr(algorithms, name) for name in algorithms.NAMES)
    runs = (logged(kind(tiny_policy(), Spoken(), SAMPLER, **SIZES), data, folder, max_steps=1) for kind in kinds)
    return set().union(*runs)


RUNS = (everything, ahead, episodes, mixture_of_experts, supervised, every_algorithm)


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    return set().union(*(run(tmp_path_factory.mktemp(run.__name__)) for run in RUNS)) - COUNTS


def pattern(row: str) -> re.Pattern[str]:
    """Return what the name of a row stands for: ``<component>`` is any name."""
    return re.compile(re.sub(r"<\w[\w ]*>", "[^/]+", row.replace("|", r"\|")))


def test_every_figure_has_a_row(seen: set[str]) -> None:
    rows = [pattern(row) for row in ROW.findall(PAGE)]
    assert sorted(name for name in seen if not any(row.fullmatch(name) for row in rows)) == []


def test_every_row_is_of_a_figure(seen: set[str]) -> None:
    assert [row for row in ROW.findall(PAGE) if not any(pattern(row).fullmatch(name) for name in seen)] == []
