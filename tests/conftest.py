"""Shared fixtures: a reward, an algorithm and a run of it, all of them real and tiny."""

from __future__ import annotations

import logging
import os
import signal
import warnings
from collections.abc import Callable, Iterator
from functools import cache, partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from lightning_fabric.utilities import registry
from torch import Tensor, nn
from torch.nn.utils import parameters_to_vector
from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedModel

from rlframework.algorithms import GRPO, PolicyGradient
from rlframework.callbacks import RolloutCallback
from rlframework.completions import Completion
from rlframework.data import PromptDataModule
from rlframework.loop.callback import RolloutRecord
from rlframework.policies import CausalLMPolicy
from rlframework.rewards.base import RewardModel, RowReward
from rlframework.samplers import BatchedSampler
from rlframework.testing import letter_rows, letter_tokenizer, tiny_policy

TAKEN_WHILE_LOADING = ((PreTrainedModel, PreTrainedModel.tie_weights), (nn.Module, nn.Module.register_parameter))
# Read by type checkers, never run.
collect_ignore = ["editor"]


class FirstLetter(RowReward):
    """1 if the completion begins with the answer."""

    def score_row(self, completion: Completion) -> float:
        return float(completion.text[:1] == completion.prompt.column("answer"))


class Vowels(RowReward):
    """Share of vowels: differs within most groups, also of an untrained policy."""

    def score_row(self, completion: Completion) -> float:
        return sum(letter in "aeiou" for letter in completion.text) / max(len(completion.text), 1)


class Recorder(RolloutCallback):
    """Writes down what happened in which order, and with which weights."""

    def __init__(self) -> None:
        self.events: list[str] = []
        self.sampled_with: list[Tensor] = []
        self.left_with: list[Tensor] = []
        self.collected: list[RolloutRecord] = []
        self.batches: list[Any] = []

    def on_rollout_start(self, trainer, pl_module, prompts) -> None:
        self.events.append("rollout")
        self.sampled_with.append(parameters_to_vector(pl_module.policy.parameters()).detach())

    def on_rollout_end(self, trainer, pl_module, collected) -> None:
        self.collected.append(collected)

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx) -> None:
        self.batches.append(batch)

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx) -> None:
        self.events.append("batch")
        self.left_with.append(parameters_to_vector(pl_module.policy.parameters()).detach())

    def on_validation_end(self, trainer, pl_module) -> None:
        self.events.append("validation")

    def count(self, event: str) -> int:
        return self.events.count(event)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip the example of a class that the oldest transformers refuses to make."""
    if find_spec("transformers.utils.chat_parsing") is None:
        for item in items:
            if item.name == "rlframework.environments.template_calls.TemplateCalls":
                item.add_marker(pytest.mark.skip(reason="response templates need transformers 5.13 or later"))


def process_state() -> dict[str, Any]:
    """Return what belongs to the whole process, and would reach the tests that follow."""
    loggers = (logging.getLogger(name) for name in ("root", "pytorch_lightning", "rlframework", "transformers"))
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2, signal.SIGPROF, signal.SIGALRM)
    return {
        "levels of loggers": [(logger.name, logger.level, logger.disabled) for logger in loggers],
        "logging.disable": logging.root.manager.disable,
        "signal handlers": [(number, signal.getsignal(number)) for number in numbers],
        "working folder": os.getcwd(),
        "dtype": torch.get_default_dtype(),
        "threads": torch.get_num_threads(),
        "gradients": torch.is_grad_enabled(),
        "deterministic": torch.are_deterministic_algorithms_enabled(),
        "matmul precision": torch.get_float32_matmul_precision(),
        "default device": torch.get_default_device(),
    }


@pytest.fixture(autouse=True)
def leaves_the_process_as_it_was(request: pytest.FixtureRequest) -> Iterator[None]:
    """A command or a test that sets what belongs to the process, and returns, has changed the next one."""
    before = process_state()
    yield
    # transformers takes these methods away from the whole process while it loads a model. Two threads that load at the
    # same time may leave it so, and in the tests that follow heads would no longer be tied, or weights be empty.
    for owner, method in TAKEN_WHILE_LOADING:
        if getattr(owner, method.__name__) is not method:
            setattr(owner, method.__name__, method)
            warnings.warn(f"{request.node.nodeid} left {owner.__name__}.{method.__name__} to be another", stacklevel=1)
    assert process_state() == before


@pytest.fixture(scope="session", autouse=True)
def nothing_in_vain() -> Iterator[None]:
    """Read the metadata of all installed packages once, and not, as Lightning does, for every Trainer."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(registry, "entry_points", cache(registry.entry_points))
        yield


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


@pytest.fixture
def first_letter() -> RewardModel:
    return FirstLetter()


@pytest.fixture(scope="session")
def grpo() -> Callable[..., GRPO]:
    """Return a maker of tiny algorithms: rollouts of 4 prompts x 4 completions, unless told otherwise."""

    def make(policy: CausalLMPolicy | None = None, kind: type[GRPO] = GRPO, **options: Any) -> GRPO:
        defaults = {
            "reward": FirstLetter() + Vowels(),
            "sampler": BatchedSampler(group_size=4, max_tokens=4),
            "prompts_per_rollout": 4,
            "learning_rate": 1e-2,
            "schedule": "constant",
            "validation": {"accuracy": FirstLetter()},
        }
        return kind(policy or tiny_policy(), **{**defaults, **options})

    return make


@pytest.fixture
def fit(fit_in: Callable[..., pl.Trainer], tmp_path: Path) -> Callable[..., pl.Trainer]:
    """Return a run on the CPU: ``fit(algorithm, prompts=16, held_out=0, ckpt_path=None, **trainer_options)``."""
    return partial(fit_in, tmp_path)


@pytest.fixture(scope="session")
def fit_in() -> Callable[..., pl.Trainer]:
    """Return ``fit`` with the folder as its first argument, for runs that the tests of a file share."""

    def run(
        folder: Path,
        algorithm: PolicyGradient,
        prompts: int = 16,
        held_out: int = 0,
        ckpt_path: str | None = None,
        **options: Any,
    ) -> pl.Trainer:
        quiet = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False}
        defaults = {**quiet, "accelerator": "cpu", "max_epochs": 1, "num_sanity_val_steps": 0, "log_every_n_steps": 1}
        trainer = pl.Trainer(default_root_dir=folder, enable_model_summary=False, **{**defaults, **options})
        data = PromptDataModule(letter_rows(prompts), letter_rows(held_out) if held_out else None)
        trainer.fit(algorithm, data, ckpt_path=ckpt_path)
        return trainer

    return run


@pytest.fixture(scope="session")
def dropout_policy() -> Callable[..., CausalLMPolicy]:
    """Return a maker of one-layer GPT-2 policies with dropout, of the same weights for the same seed."""

    def make(dropout: float, seed: int = 0) -> CausalLMPolicy:
        tokenizer = letter_tokenizer()
        config = GPT2Config(
            vocab_size=len(tokenizer),
            n_positions=32,
            n_embd=16,
            n_layer=1,
            n_head=2,
            embd_pdrop=dropout,
            resid_pdrop=dropout,
            attn_pdrop=dropout,
            initializer_range=0.3,
            eos_token_id=tokenizer.eos_token_id,
            bos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
        with pl.utilities.seed.isolate_rng():
            pl.seed_everything(seed, verbose=False)
            return CausalLMPolicy(GPT2LMHeadModel(config), tokenizer)

    return make
