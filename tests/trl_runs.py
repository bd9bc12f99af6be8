"""One GRPO run, made by this library and by TRL from the same model, prompts, completions and rewards.

Either side records what it computes anyway. TRL gets the prompts in the order in which our loader asked for them, and
both sides get the completions from `script`.
"""

import functools
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pytest
import pytorch_lightning as pl
import torch
import transformers
from transformers import AutoModelForCausalLM, PreTrainedModel, get_scheduler

from rlframework.algorithms.grpo import GRPO
from rlframework.callbacks.base import RolloutCallback
from rlframework.completions import Completion, Completions
from rlframework.data.module import PromptDataModule
from rlframework.policies.causal_lm import CausalLMPolicy
from rlframework.prompt import Prompt
from rlframework.rewards.base import RowReward
from rlframework.samplers.base import GroupSampler
from rlframework.testing import letter_rows, letter_tokenizer

trl = pytest.importorskip("trl")

STEPS, ACCUMULATE = 5, 2
DATA, PROMPTS, GROUP, MAX_TOKENS = 8, 4, 4, 12
LEARNING_RATES = {"sgd": 0.05, "adamw": 2e-3}

Judge = Callable[[str, list[int]], float | None]


@dataclass(frozen=True)
class Case:
    """What is trained: settings of both sides, and judges of (prompt, completion ids) with their weights."""

    rewards: tuple[tuple[Judge, float], ...]
    minibatches: int = 2
    passes: int = 1
    beta: float = 0.04
    temperature: float = 1.0
    warmup: int = 0
    weight_decay: float = 0.0


@dataclass
class Run:
    """What happened: one entry per rollout or per optimizer step, and the weights at the end."""

    prompts: list[list[Prompt]] = field(default_factory=list)
    completions: list[list[list[int]]] = field(default_factory=list)
    advantages: list[torch.Tensor] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)
    gradients: list[dict[str, torch.Tensor]] = field(default_factory=list)
    metrics: list[dict[str, float]] = field(default_factory=list)
    weights: dict[str, torch.Tensor] = field(default_factory=dict)


def load_model(folder: Path) -> PreTrainedModel:
    return AutoModelForCausalLM.from_pretrained(folder, dtype="float32", attn_implementation="eager")


def script(rollout: int, prompt: Prompt, row: int) -> list[int]:
    """Return the completion of a row: ragged, most with an end token, some cut at the budget."""
    rng = np.random.default_rng((rollout, prompt.index, row))
    length = int(rng.integers(1, MAX_TOKENS + 5))
    ids = rng.integers(3, len(letter_tokenizer()), size=min(length, MAX_TOKENS)).tolist()
    return ids if length > MAX_TOKENS else [*ids[:-1], letter_tokenizer().eos_token_id]


def copy_gradients(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {name: parameter.grad.clone() for name, parameter in model.named_parameters()}


def copy_weights(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {name: parameter.detach().clone() for name, parameter in model.named_parameters()}


class ScriptedSampler(GroupSampler):
    def __init__(self, run: Run, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.run = run

    def sample(self, policy, prompts, *, step=0):
        rows = []
        for prompt in prompts:
            for row in range(self.group_size):
                ids = script(step, prompt, row)
                reason = "stop" if ids[-1] in policy.eos_ids else "length"
                rows.append(Completion(prompt, ids, policy.decode(ids), reason))
        self.run.prompts.append(list(prompts))
        self.run.completions.append([row.ids for row in rows])
        return Completions(rows, self.group_size)


class JudgeReward(RowReward):
    def __init__(self, judge: Judge) -> None:
        super().__init__(judge.__name__)
        self.judge = judge

    def score_row(self, completion):
        return self.judge(completion.prompt.text, completion.ids)


class RecordedGRPO(GRPO):
    """GRPO that keeps what it logs, and can step along the gradient itself."""

    def __init__(self, run: Run, optimizer: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.run = run
        self.optimizer_name = optimizer

    def configure_optimizers(self):
        if self.optimizer_name == "adamw":
            return super().configure_optimizers()
        optimizer = torch.optim.SGD(self.policy.parameters(), self.optimization["lr"])
        scheduler = get_scheduler(optimizer=optimizer, num_training_steps=STEPS, **self.schedule)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}

    def log(self, name, value, *args, **kwargs):
        if len(self.run.metrics) < self.trainer.global_step:
            self.run.metrics.append({})
        self.run.metrics[-1][name] = value
        super().log(name, value, *args, **kwargs)


class Recorder(RolloutCallback):
    def __init__(self, run: Run) -> None:
        self.run = run
        self.window: list[float] = []

    def on_rollout_end(self, trainer, pl_module, collected):
        self.run.advantages.append(collected.rollout.advantages.squeeze(1).clone())

    def on_before_optimizer_step(self, trainer, pl_module, optimizer):
        self.run.gradients.append(copy_gradients(pl_module.policy.model))

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        # Lightning has divided by the accumulation here.
        self.window.append(outputs["loss"].item())
        if len(self.window) == ACCUMULATE:
            self.run.losses.append(sum(self.window))
            self.window = []


def train_ours(case: Case, optimizer: str, folder: Path) -> Run:
    run = Run()
    rewards = [weight * JudgeReward(judge) for judge, weight in case.rewards]
    algorithm = RecordedGRPO(
        run,
        optimizer,
        policy=CausalLMPolicy(load_model(folder), letter_tokenizer()),
        reward=functools.reduce(lambda left, right: left + right, rewards),
        sampler=ScriptedSampler(run, group_size=GROUP, max_tokens=MAX_TOKENS, temperature=case.temperature),
        prompts_per_rollout=PROMPTS,
        minibatches_per_rollout=case.minibatches,
        passes_per_rollout=case.passes,
        kl_coefficient=case.beta,
        learning_rate=LEARNING_RATES[optimizer],
        weight_decay=case.weight_decay,
        warmup_steps=case.warmup,
    )
    lightning_trainer(run, optimizer).fit(algorithm, datamodule=PromptDataModule(letter_rows(DATA)))
    run.weights = copy_weights(algorithm.policy.model)
    return run


def lightning_trainer(run: Run, optimizer: str) -> pl.Trainer:
    return pl.Trainer(
        accelerator="cpu",
        max_epochs=-1,
        max_steps=STEPS,
        limit_val_batches=0,
        accumulate_grad_batches=ACCUMULATE,
        gradient_clip_val=1.0 if optimizer == "adamw" else None,
        callbacks=[Recorder(run)],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )


class RecordedTRL(trl.GRPOTrainer):
    """TRL's trainer, which keeps what it computes."""

    def __init__(self, run: Run, **kwargs: Any) -> None:
        self.run = run
        self.window: list[tuple[float, int]] = []
        super().__init__(**kwargs)

    def _generate_and_score_completions(self, inputs):
        batch = super()._generate_and_score_completions(inputs)
        self.run.advantages.append(batch["advantages"].clone())
        return batch

    def _compute_loss(self, model, inputs):
        loss = super()._compute_loss(model, inputs)
        self.window.append((loss.item(), int(inputs["completion_mask"].sum())))
        return loss

    def log(self, logs, start_time=None):
        if self.window:
            losses, tokens = zip(*self.window, strict=True)
            # TRL logs the plain mean over micro-batches of their means over tokens; by tokens it is the mean over all.
            weights = {1: None, len(tokens): tokens}
            means = {k: np.average(v, weights=weights[len(v)]) for k, v in self._metrics["train"].items()}
            self.run.losses.append(sum(losses))
            self.run.metrics.append({**means, "grad_norm": logs["grad_norm"]})
            self.window = []
        super().log(logs, start_time)


class GradientRecorder(transformers.TrainerCallback):
    def __init__(self, run: Run) -> None:
        self.run = run

    def on_pre_optimizer_step(self, args, state, control, model=None, **kwargs):
        self.run.gradients.append(copy_gradients(model))


def scripted_rollouts(run: Run, prompts: list[Prompt]) -> Callable[..., dict[str, Any]]:
    """Return a function that answers TRL's prompts, each of which comes `GROUP` times in a row, by the script."""
    known = {prompt.text: prompt for prompt in prompts}

    def rollout(texts: list[str], trainer: Any) -> dict[str, Any]:
        asked = [known[text] for text in texts]
        ids = [script(len(run.completions), prompt, i % GROUP) for i, prompt in enumerate(asked)]
        run.prompts.append(asked[::GROUP])
        run.completions.append(ids)
        return {"prompt_ids": [prompt.ids for prompt in asked], "completion_ids": ids, "logprobs": None}

    return rollout


def scripted_reward(judge: Judge) -> Callable[..., list[float | None]]:
    def reward(prompts: list[str], completion_ids: list[list[int]], **kwargs: Any) -> list[float | None]:
        return [judge(prompt, ids) for prompt, ids in zip(prompts, completion_ids, strict=True)]

    reward.__name__ = judge.__name__
    return reward


def trl_config(case: Case, optimizer: str, folder: Path) -> Any:
    return trl.GRPOConfig(
        output_dir=str(folder / "trl"),
        loss_type="grpo",
        beta=case.beta,
        use_bias_correction_kl=False,
        num_iterations=case.passes,
        steps_per_generation=case.minibatches,
        per_device_train_batch_size=PROMPTS * GROUP // case.minibatches,
        gradient_accumulation_steps=ACCUMULATE,
        num_generations=GROUP,
        max_completion_length=MAX_TOKENS,
        temperature=case.temperature,
        reward_weights=[weight for _, weight in case.rewards],
        shuffle_dataset=False,
        max_steps=STEPS,
        optim="sgd" if optimizer == "sgd" else "adamw_torch",
        learning_rate=LEARNING_RATES[optimizer],
        lr_scheduler_type="linear",
        warmup_steps=case.warmup,
        weight_decay=case.weight_decay if optimizer == "adamw" else 0.0,
        max_grad_norm=1.0 if optimizer == "adamw" else 0.0,
        bf16=False,
        gradient_checkpointing=False,
        use_cpu=True,
        logging_steps=1,
        report_to="none",
        save_strategy="no",
        disable_tqdm=True,
    )


def train_trl(case: Case, optimizer: str, folder: Path, order: list[Prompt]) -> Run:
    run = Run()
    trainer = RecordedTRL(
        run,
        model=load_model(folder),
        reward_funcs=[scripted_reward(judge) for judge, _ in case.rewards],
        args=trl_config(case, optimizer, folder),
        train_dataset=datasets.Dataset.from_dict({"prompt": [prompt.text for prompt in order]}),
        processing_class=letter_tokenizer(),
        callbacks=[GradientRecorder(run)],
        rollout_func=scripted_rollouts(run, order),
    )
    trainer.remove_callback(transformers.PrinterCallback)
    trainer.train()
    run.weights = copy_weights(trainer.model)
    return run
