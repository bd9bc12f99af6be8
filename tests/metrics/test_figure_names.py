"""Names of figures: what every logger takes, no name a folder of another, and what they were called before."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import pytorch_lightning as pl
from pytorch_lightning.loggers import Logger

from rlframework import algorithms
from rlframework.algorithms import GRPO, SFT
from rlframework.data import DemonstrationDataModule
from rlframework.metrics.figure_names import figure_name, figure_names
from rlframework.rewards import FunctionReward, Judgement, WeightedSum
from rlframework.rewards.base import RewardModel, RowReward
from rlframework.terms import AdaptiveEntropyBonus, TokenTruncation
from rlframework.testing import tiny_policy
from tests.drawn import drawn

Make = Callable[..., GRPO]
Fit = Callable[..., pl.Trainer]


class Names(Logger):
    """Keeps the names that a logger gets."""

    name, version = "names", 0

    def __init__(self) -> None:
        super().__init__()
        self.seen: set[str] = set()

    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        self.seen |= set(metrics)

    def log_hyperparams(self, *arguments: Any, **options: Any) -> None:
        pass


def fits_every_logger(names: set[str]) -> bool:
    return figure_names(sorted(names)) == {name: name for name in names}


class Vowels(RowReward):
    def score_row(self, completion: Any) -> float:
        return 1 + sum(letter in "aeiou" for letter in completion.text)


class Measured(RowReward):
    """Has figures of its own, one of them by a name that no file can have."""

    def score(self, completions: Any) -> Judgement:
        scores = super().score(completions)
        return Judgement(scores, metrics={"tokens": scores, "share (max.)": scores})

    def score_row(self, completion: Any) -> float:
        return len(completion.ids)


@pytest.mark.parametrize("name", drawn(algorithms.NAMES, {"GRPO", "GDPO", "GSPO", "VESPO", "RLOO"}))
def test_every_algorithm_logs_what_every_logger_takes(name: str, grpo: Make, fit: Fit) -> None:
    names = Names()
    terms: dict[str, Any] = {
        "kl_coefficient": 0.1,
        "entropy_bonus": AdaptiveEntropyBonus(target=1.0),
        "sampler_correction": TokenTruncation(),
        "validation": {"pass@1 (greedy)": Vowels(), "maths/hard": Vowels(), "maths/v1.5": Vowels()},
    }
    reward = WeightedSum(rewards={"vo-wels": Vowels(), "a*b": Vowels(), "m/x": Measured()}, optional=["m/x"])
    kind = getattr(algorithms, name)
    fit(grpo(kind=kind, reward=reward, **terms), prompts=4, held_out=4, logger=names)
    assert fits_every_logger(names.seen)
    told = {"train/reward/total", "train/reward/vo-wels", "train/reward/a_b", "train/reward/m/x", "val/reward"}
    told |= {"train/judgement/m/x/share__max__", "train/judgement/a_b/errors", "train/judgement/m/x/counted_as_0"}
    assert names.seen > told | {"val/pass@1__greedy_", "val/maths/hard", "val/maths/v1_5"}


def test_priming_logs_what_every_logger_takes(tmp_path: Any) -> None:
    names, rows = Names(), [{"prompt": "ab", "completion": "c"}] * 4
    quiet: dict[str, Any] = {"enable_checkpointing": False, "enable_progress_bar": False}
    trainer = pl.Trainer(max_steps=1, logger=names, log_every_n_steps=1, accelerator="cpu", **quiet)
    trainer.fit(SFT(tiny_policy(), demonstrations_per_step=4), DemonstrationDataModule(rows, rows))
    assert fits_every_logger(names.seen)
    assert names.seen > {"train/loss", "train/tokens", "val/loss"}


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (["val/maths", "val/maths/hard"], "'val/maths' is the folder of 'val/maths/hard'"),
        (["val/a*b", "val/a b"], "'val/a\\*b' and 'val/a b' would both be logged as 'val/a_b'"),
        (["val//x", "val/x/"], "would both be logged as 'val/x'"),
        (["**"], "cannot be named '\\*\\*'"),
        ([""], "cannot be named ''"),
        ([".."], "cannot be named '..'"),
    ],
)
def test_names_that_a_logger_would_choke_on_are_refused(given: list[str], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        figure_names(given)


@pytest.mark.parametrize("name", ["../../etc", "/root", "a\nb", "größe", "<lambda>", "a:b", "c[0]", "x/./y", "v1.5"])
def test_no_name_leaves_its_folder(name: str) -> None:
    found = figure_name(name)
    assert found == figure_name(found)
    assert all(found.split("/"))
    assert found.translate(str.maketrans("", "", "/_-")).isalnum()
    assert found.isascii()


def named(*names: str) -> RewardModel:
    return WeightedSum(rewards={name: Vowels() for name in names})


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"reward": named("total", "other")}, "both be logged as 'train/reward/total'"),
        ({"reward": named("maths", "maths/hard")}, "'train/reward/maths' is the folder of 'train/reward/maths/hard'"),
        ({"reward": named("a b", "a(b")}, "both be logged as 'train/reward/a_b'"),
        ({"validation": {"reward/mine": Vowels()}}, "'reward' is the folder of 'reward/mine'"),
        ({"validation": {"正确": Vowels()}}, "give it a name with a letter"),
    ],
)
def test_rewards_and_measures_are_refused_when_the_algorithm_is_made(
    options: dict[str, Any], told: str, grpo: Make
) -> None:
    with pytest.raises(ValueError, match=told):
        grpo(**options)


def test_a_diagnostic_in_the_way_of_another_stops_the_first_step(grpo: Make, fit: Fit) -> None:
    class Diagnosed(GRPO):
        def diagnostics(self, logprobs: Any, batch: Any) -> dict[str, Any]:
            return {"kl": logprobs, "kl/low": logprobs}

    with pytest.raises(ValueError, match="'kl' is the folder of 'kl/low'"):
        fit(grpo(kind=Diagnosed), max_steps=1)


def test_callbacks_find_the_old_names_and_loggers_do_not(grpo: Make, fit: Fit) -> None:
    names = Names()
    seen = fit(grpo(), logger=names, max_steps=2).callback_metrics
    assert seen["train/reward"] == seen["train/reward/total"]
    assert seen["train/reward/vowels/errors"] == seen["train/judgement/vowels/errors"]
    assert not names.seen & {"train/reward", "train/reward/vowels/errors"}


def test_a_function_without_a_name_of_its_own_is_logged(grpo: Make, fit: Fit) -> None:
    names = Names()
    fit(grpo(reward=FunctionReward(lambda completion: len(completion))), logger=names, max_steps=1)
    assert "train/reward/_lambda_" in names.seen
    assert fits_every_logger(names.seen)
