"""The sensible set: silent on healthy runs, and open to other sentinels."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
from pytorch_lightning.loggers import CSVLogger

from rlframework import (
    GRPO,
    SFT,
    CausalLMPolicy,
    DemonstrationDataModule,
    PromptDataModule,
    Sentinels,
    SharedPrefixSampler,
    algorithms,
    rewards,
)
from rlframework.callbacks.sentinels import EntropyCollapse, Sentinel, Truncation
from rlframework.completions import Completion
from rlframework.rewards import RowReward
from rlframework.rewards.logic import TruthTable
from rlframework.samplers import BatchedSampler
from rlframework.tasks import chain_sums, create_base, truth_tables
from rlframework.tasks.tiny.run import tiny_trainer
from rlframework.testing import letter_rows, tiny_policy
from tests.callbacks.sentinels.provoked import EarlyLetter
from tests.drawn import drawn

# As recipes/chain_sums.py and recipes/truth_table.py have them.
SUMS = rewards.ExactFormat() + rewards.ApproximateFormat() + rewards.AnswerCheck() + rewards.NumberCheck()
TABLES = rewards.ExactFormat() + rewards.ApproximateFormat() + TruthTable(correct=8.0, incorrect=-4.0, malformed=-4.0)
SETTINGS: dict[str, Any] = {"prompts_per_rollout": 16, "learning_rate": 7e-4, "betas": (0.9, 0.95), "warmup_steps": 5}
SUMS_BY = [("GRPO", 0), ("RLOO", 1), ("MaxRL", 2), ("DAPO", 0), ("GSPO", 1), ("DrGRPO", 2)]
SUMS_BY += [("REINFORCE", 0), ("CISPO", 1)]


class Ended(RowReward):
    def score_row(self, completion: Completion) -> float:
        return float(not completion.truncated)


def warned(run: Callable[[], Any]) -> list[str]:
    """Return what sentinels said in a run."""
    names = tuple(type(sentinel).__name__ for sentinel in Sentinels().sentinels)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        run()
    return [str(line.message) for line in caught if str(line.message).startswith(names)]


@pytest.mark.parametrize(("kind", "seed"), drawn({"GRPO-0": ("GRPO", 0), "DAPO-1": ("DAPO", 1)}, {"GRPO-0"}))
def test_it_is_quiet_on_a_run_that_learns(kind: str, seed: int, grpo: Callable, fit: Callable) -> None:
    algorithm = grpo(
        kind=getattr(algorithms, kind),
        reward=EarlyLetter() + Ended(),
        sampler=BatchedSampler(group_size=4, max_tokens=12),
        validation={"accuracy": EarlyLetter()},
        prompts_per_rollout=8,
        seed=seed,
    )
    run = {"prompts": 240, "held_out": 128, "callbacks": [Sentinels()], "val_check_interval": 8}
    assert warned(lambda: fit(algorithm, **run)) == []
    assert algorithm.trainer.callback_metrics["val/reward"] > 1.0


@pytest.mark.slow
@pytest.mark.parametrize(("name", "seed"), [*SUMS_BY, ("truth tables", 0), ("truth tables", 1)])
def test_it_is_quiet_on_ten_healthy_runs(name: str, seed: int, tmp_path: Path) -> None:
    """The recipes' own tasks and settings, by eight algorithms; each ends well above where it began."""
    task: Any = truth_tables if name == "truth tables" else chain_sums
    kind = GRPO if task is truth_tables else getattr(algorithms, name)
    accuracy = TruthTable(name="accuracy") if task is truth_tables else rewards.CorrectAnswer()
    reward = TABLES if task is truth_tables else rewards.CorrectAnswer() if name == "MaxRL" else SUMS
    steps = 60 if task is truth_tables else 80
    policy = CausalLMPolicy(create_base(seed, task=task).primed)
    problems = task.splits(seed, n_train=16 * steps, n_heldout=256)
    data = PromptDataModule(problems.train, problems.heldout, template=rewards.AnswerTemplate())
    sampler = SharedPrefixSampler(group_size=8, max_tokens=task.MAX_TOKENS, seed=seed)
    algorithm = kind(policy, reward=reward, sampler=sampler, validation={"accuracy": accuracy}, seed=seed, **SETTINGS)
    trainer = tiny_trainer(CSVLogger(tmp_path), steps)
    assert warned(lambda: trainer.fit(algorithm, data)) == []
    assert trainer.callback_metrics["val/accuracy"] > 0.8


def test_one_that_is_given_takes_the_place_of_its_class_or_joins_in() -> None:
    class Mine(Sentinel):
        def look(self, figures: dict[str, float]) -> str | None:
            return None

    usual, others = Sentinels().sentinels, Sentinels([EntropyCollapse(action="stop"), Mine()]).sentinels
    assert [type(sentinel) for sentinel in others] == [*(type(sentinel) for sentinel in usual), Mine]
    (given,) = (sentinel for sentinel in others if isinstance(sentinel, EntropyCollapse))
    assert given.action == "stop"
    with pytest.raises(ValueError, match="two of one class: Truncation, Truncation"):
        Sentinels([Truncation(), Truncation(0.9)])


def test_every_hook_reaches_a_sentinel(grpo: Callable, fit: Callable) -> None:
    class Listens(Sentinel):
        heard = 0

        def look(self, figures: dict[str, float]) -> str | None:
            return None

        def on_before_optimizer_step(self, *arguments: Any) -> None:
            self.heard += 1

    sentinel = Listens()
    fit(grpo(), callbacks=[Sentinels([sentinel])])
    assert sentinel.heard == 4


def test_supervised_priming_is_watched_too(tmp_path: Path) -> None:
    """Of a rate that leaves no number."""
    rows = [{"prompt": row["prompt"], "completion": "abc"} for row in letter_rows(8)]
    quiet: dict[str, Any] = {"enable_checkpointing": False, "enable_progress_bar": False, "logger": False}
    trainer = pl.Trainer(
        accelerator="cpu", max_steps=30, max_epochs=-1, default_root_dir=tmp_path, callbacks=[Sentinels()], **quiet
    )
    algorithm = SFT(tiny_policy(), demonstrations_per_step=4, learning_rate=1e30)
    with pytest.raises(RuntimeError, match=r"NotFinite, since step .: train/grad_norm is nan and train/loss is nan"):
        trainer.fit(algorithm, DemonstrationDataModule(rows))
