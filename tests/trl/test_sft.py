"""SFT here against TRL's SFTTrainer, run live: same model and demonstrations, so same loss, gradients and weights.

TRL gets the demonstrations of every step as our loader dealt them. Which of them share a minibatch is left to each
side: the loss is a mean over the tokens of the step, so it must not matter.
"""

from __future__ import annotations

import functools
import tempfile
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

import datasets
import numpy as np
import pytest
import pytorch_lightning as pl
import torch
import transformers
from torch.utils.data import SequentialSampler

from rlframework import SFT, CausalLMPolicy, DemonstrationDataModule
from rlframework.prompt import Prompt
from tests.trl.compare import gradient_error, undisturbed, whole_norm
from tests.trl.ours import AlongTheGradient
from tests.trl.runs import LEARNING_RATES, copy_gradients, copy_weights, letter_tokenizer, load_model
from tests.trl.theirs import GradientRecorder, training_options

trl = pytest.importorskip("trl")

STEPS, PER_STEP = 4, 8


@dataclass(frozen=True)
class Case:
    """What is trained; ``ours`` are options of our policy, ``theirs`` fields of TRL's config."""

    optimizer: str = "sgd"
    accumulate: int = 1
    lora: bool = False
    ours: dict[str, Any] = field(default_factory=dict)
    theirs: dict[str, Any] = field(default_factory=dict)


CASES = {
    "plain": Case(),
    "padded": Case(ours={"packed_rows": False}),
    "accumulated": Case(accumulate=4),
    "adamw": Case("adamw", accumulate=2),
    "lora": Case(lora=True, accumulate=2),
    "lora_adamw": Case("adamw", lora=True),
    # All demonstrations of a step in one row of TRL's, end to end.
    "packed_by_trl": Case(theirs={"packing": True, "packing_strategy": "bfd", "max_length": 512}),
}


class Run:
    def __init__(self) -> None:
        self.demonstrations: list[list[Prompt]] = []
        self.losses: list[float] = []
        self.gradients: list[dict[str, torch.Tensor]] = []
        self.entropies: list[float] = []
        self.weights: dict[str, torch.Tensor] = {}


def rows() -> list[dict[str, str]]:
    """Return demonstrations of ragged lengths, half again as many as the steps use in one epoch."""
    rng = np.random.default_rng(3)
    letters = list("abcdefghijklmnopqrstuvwxyz")
    return [
        {
            name: "".join(rng.choice(letters, size=rng.integers(1, most)))
            for name, most in (("prompt", 7), ("completion", 14))
        }
        for _ in range(STEPS * PER_STEP + 5)
    ]


class RecordedSFT(AlongTheGradient, SFT):
    """Keeps what it computes."""

    run: Run

    def collect(self, prompts, step):
        self.run.demonstrations.append(list(prompts))
        return super().collect(prompts, step)

    def on_before_optimizer_step(self, optimizer):
        self.run.gradients.append(copy_gradients(self.policy.model))
        super().on_before_optimizer_step(optimizer)

    def log(self, name, value, *args, **kwargs):
        kept = {"train/loss": self.run.losses, "train/entropy": self.run.entropies}
        if name in kept:
            kept[name].append(value)
        super().log(name, value, *args, **kwargs)


def train_ours(case: Case) -> Run:
    run = Run()
    policy = CausalLMPolicy(load_model(case.lora), letter_tokenizer(), **case.ours)
    sft = RecordedSFT(policy, demonstrations_per_step=PER_STEP, learning_rate=LEARNING_RATES[case.optimizer])
    sft.run, sft.optimizer_name = run, case.optimizer
    trainer = pl.Trainer(
        accelerator="cpu",
        max_steps=STEPS,
        accumulate_grad_batches=case.accumulate,
        gradient_clip_val=1.0 if case.optimizer == "adamw" else None,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(sft, DemonstrationDataModule(rows()))
    run.weights = copy_weights(policy.model)
    return run


class RecordedTRL(trl.SFTTrainer):
    """Keeps the loss of each step, and takes the demonstrations in their order."""

    def __init__(self, run: Run, **kwargs: Any) -> None:
        self.run = run
        self.window: list[float] = []
        super().__init__(**kwargs)

    def _get_train_sampler(self, *args: Any) -> SequentialSampler:
        return SequentialSampler(self.train_dataset)

    def compute_loss(self, *args: Any, **kwargs: Any) -> torch.Tensor:
        loss = super().compute_loss(*args, **kwargs)
        self.window.append(loss.item())
        return loss

    def log(self, logs, start_time=None):
        if "loss" in logs:
            self.run.losses.append(sum(self.window))
            self.run.entropies.append(float(np.mean(self._metrics["train"]["entropy"])))
            self.window = []
        super().log(logs, start_time)


def train_theirs(case: Case, shown: list[list[Prompt]]) -> Run:
    run = Run()
    packed = "packing" in case.theirs
    with tempfile.TemporaryDirectory() as folder:
        config = trl.SFTConfig(
            output_dir=folder,
            per_device_train_batch_size=1 if packed else PER_STEP // case.accumulate,
            gradient_accumulation_steps=case.accumulate,
            completion_only_loss=True,
            max_steps=STEPS,
            learning_rate=LEARNING_RATES[case.optimizer],
            **training_options(case.optimizer),
            **{"max_length": None, **case.theirs},
        )
        trainer = RecordedTRL(
            run,
            model=load_model(case.lora),
            args=config,
            train_dataset=tokenised(list(chain.from_iterable(shown))),
            processing_class=letter_tokenizer(),
            callbacks=[GradientRecorder(run)],
        )
        trainer.remove_callback(transformers.PrinterCallback)
        trainer.train()
    run.weights = copy_weights(trainer.model)
    return run


def tokenised(shown: list[Prompt]) -> datasets.Dataset:
    ids = [[*one.ids, *one.completion_ids] for one in shown]
    masks = [[0] * len(one.ids) + [1] * len(one.completion_ids) for one in shown]
    return datasets.Dataset.from_dict({"input_ids": ids, "completion_mask": masks})


@functools.cache
def runs(name: str) -> tuple[Run, Run]:
    with undisturbed():
        ours = train_ours(CASES[name])
        # Packing mixes the demonstrations of several steps: then every step gets those of the first.
        shown = ours.demonstrations[:1] if "packing" in CASES[name].theirs else ours.demonstrations
        return ours, train_theirs(CASES[name], shown)


every_case = pytest.mark.parametrize("name", CASES)

steps_of = {name: 1 if case.theirs else STEPS for name, case in CASES.items()}


def test_the_demonstrations_are_ragged() -> None:
    ours, _ = runs("plain")
    assert [len(shown) for shown in ours.demonstrations] == [PER_STEP] * STEPS
    lengths = [len(one.completion_ids) for one in chain.from_iterable(ours.demonstrations)]
    assert max(lengths) > 2 * min(lengths)
    tokens = [sum(len(one.completion_ids) for one in shown) for shown in ours.demonstrations]
    assert len(set(tokens)) == STEPS, "a mean of means would look the same"


@every_case
def test_loss(name: str) -> None:
    ours, theirs = runs(name)
    assert len(ours.losses) == len(theirs.losses) == STEPS
    mine, other = (torch.tensor(run.losses[: steps_of[name]]) for run in (ours, theirs))
    assert (mine - other).abs().max() < 2e-6
    assert mine.min() > 1


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case.optimizer == "sgd"])
def test_gradient_of_every_weight(name: str) -> None:
    ours, theirs = runs(name)
    pairs = list(zip(ours.gradients, theirs.gradients, strict=True))[: steps_of[name]]
    largest = max(whole_norm(gradients) for gradients in theirs.gradients)
    assert max(gradient_error(mine, other, largest) for mine, other in pairs) < 5e-5


@pytest.mark.parametrize("name", [name for name in CASES if steps_of[name] > 1])
def test_weights_after_the_steps(name: str) -> None:
    ours, theirs = runs(name)
    assert ours.weights.keys() == theirs.weights.keys()
    start = copy_weights(load_model(CASES[name].lora))
    moved = max(float((ours.weights[key] - start[key]).abs().max()) for key in start)
    error = torch.cat([(ours.weights[key] - theirs.weights[key]).abs().flatten() for key in start])
    assert moved > 1e-3
    # AdamW divides by the gradient's own size, so where that is rounding, a step of the learning rate is too.
    adamw = CASES[name].optimizer == "adamw"
    assert error.quantile(0.999) < (5e-6 if adamw else 1e-6)
    assert error.max() < (LEARNING_RATES["adamw"] / 4 if adamw else 1e-6)


def test_the_entropy_is_that_of_trl() -> None:
    ours, theirs = runs("plain")
    assert ours.entropies == pytest.approx(theirs.entropies, abs=1e-5)
