"""The side of this library: a case trained by `pl.Trainer.fit`, and all that it computes on the way."""

import functools
from collections.abc import Sequence
from typing import Any

import pytorch_lightning as pl
import torch
from transformers import get_scheduler

from rlframework.algorithms import PolicyGradient, PolicyModule
from rlframework.completions import Completion, Completions
from rlframework.data.module import PromptDataModule
from rlframework.loop.callback import RolloutCallback
from rlframework.policies.causal_lm import CausalLMPolicy
from rlframework.rewards.base import RowReward, optional
from rlframework.samplers.base import GroupSampler
from rlframework.testing import letter_rows
from tests.trl.runs import (
    DATA,
    GROUP,
    MAX_TOKENS,
    Case,
    Judge,
    Run,
    copy_gradients,
    copy_weights,
    letter_tokenizer,
    load_model,
    ranked,
    sampled,
    sampler_noise,
    turns_of,
)


class ScriptedSampler(GroupSampler):
    def __init__(self, run: Run, case: Case) -> None:
        super().__init__(group_size=GROUP, max_tokens=MAX_TOKENS, temperature=case.temperature)
        self.run = run
        self.case = case

    def sample(self, policy, prompts, *, step=0):
        rows = []
        for prompt in prompts:
            for row in range(self.group_size):
                ids = self.case.script(step, prompt, row)
                reason = "stop" if not ids or ids[-1] in policy.eos_ids else "length"
                turns = turns_of(sampled(step, prompt, row, len(ids))) if self.case.given else []
                rows.append(Completion(prompt, ids, policy.decode(ids), reason, turns=turns))
        if self.case.sampler_known:
            self.add_logprobs(policy, rows, step)
        self.run.prompts.append(list(prompts))
        self.run.completions.append([row.ids for row in rows])
        self.run.sampler_logprobs.append([row.logprobs for row in rows])
        return Completions(rows, self.group_size)

    def add_logprobs(self, policy, rows: list[Completion], step: int) -> None:
        whole = [torch.tensor([*row.prompt.ids, *row.ids]) for row in rows]
        # Padding on the right is behind all that is read.
        logits = policy.model(torch.nn.utils.rnn.pad_sequence(whole, batch_first=True)).logits
        for i, (row, scored) in enumerate(zip(rows, logits / self.temperature, strict=True)):
            start = len(row.prompt.ids) - 1
            exact = scored[start : start + len(row.ids)].log_softmax(-1)[range(len(row.ids)), row.ids]
            noise = sampler_noise(step, row.prompt, i % self.group_size, len(row.ids))
            row.logprobs = (exact + torch.as_tensor(noise)).tolist()


class RankingPolicy(CausalLMPolicy):
    """Before an optimizer step entropies are only ranked; within one they are what is reported, of idle groups too."""

    def logprobs(self, batch, **options):
        scored = super().logprobs(batch, **options)
        return scored if self.training else scored._replace(entropy=ranked(scored.entropy))


class JudgeReward(RowReward):
    def __init__(self, judge: Judge) -> None:
        super().__init__(judge.__name__)
        self.judge = judge

    def score_row(self, completion):
        return self.judge(completion.prompt.text, completion.ids)


class AlongTheGradient(PolicyModule):
    """Goes in front of an algorithm: without AdamW it steps along the gradient itself."""

    optimizer_name: str

    def configure_optimizers(self):
        if self.optimizer_name == "adamw":
            return super().configure_optimizers()
        optimizer = torch.optim.SGD([p for p in self.policy.parameters() if p.requires_grad], self.optimization["lr"])
        steps = int(self.trainer.estimated_stepping_batches)
        scheduler = get_scheduler(self.schedule, optimizer, self.warmup_steps, num_training_steps=steps)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}


class Recorded(AlongTheGradient, PolicyGradient):
    """Goes in front of an algorithm and keeps what it computes."""

    run: Run

    def minibatch_order(self, rollout):
        # Log-probabilities are compared minibatch by minibatch. test_reducer shows that the order changes no gradient.
        return torch.arange(len(rollout))

    def diagnostics(self, logprobs, batch):
        self.run.logprobs.append(logprobs[batch.loss_mask].clone())
        return super().diagnostics(logprobs, batch)

    def log(self, name, value, *args, **kwargs):
        if len(self.run.metrics) < self.trainer.global_step:
            self.run.metrics.append({})
        self.run.metrics[-1][name] = value
        super().log(name, value, *args, **kwargs)


class Recorder(RolloutCallback):
    def __init__(self, run: Run, accumulate: int) -> None:
        self.run = run
        self.accumulate = accumulate
        self.window: list[float] = []

    def on_rollout_end(self, trainer, pl_module, collected):
        self.run.advantages.append(collected.rollout.advantages.squeeze(1).clone())

    def on_before_optimizer_step(self, trainer, pl_module, optimizer):
        self.run.gradients.append(copy_gradients(pl_module.policy.model))

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        # Lightning has divided by the accumulation here.
        self.window.append(outputs["loss"].item())
        if len(self.window) == self.accumulate:
            self.run.losses.append(sum(self.window))
            self.window = []


def train_ours(case: Case, optimizer: str, **trainer_options: Any) -> Run:
    run = Run()
    algorithm = make_algorithm(case, optimizer, run)
    trainer = pl.Trainer(
        accelerator="cpu",
        max_epochs=-1,
        max_steps=case.steps,
        limit_val_batches=0,
        accumulate_grad_batches=case.accumulate,
        gradient_clip_val=1.0 if optimizer == "adamw" else None,
        callbacks=[Recorder(run, case.accumulate)],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        **trainer_options,
    )
    trainer.fit(algorithm, datamodule=PromptDataModule(letter_rows(DATA)))
    run.weights = copy_weights(algorithm.policy.model)
    return run


def make_algorithm(case: Case, optimizer: str, run: Run) -> PolicyGradient:
    # TRL adds up whatever has a number: every reward is one that a row can do without.
    rewards: Sequence[Any] = [optional(weight * JudgeReward(judge)) for judge, weight in case.rewards]
    recorded = type(f"Recorded{case.kind.__name__}", (Recorded, case.kind), {})
    algorithm = recorded(
        policy=RankingPolicy(load_model(case.lora), letter_tokenizer()),
        reward=functools.reduce(lambda left, right: left + right, rewards),
        sampler=ScriptedSampler(run, case),
        prompts_per_rollout=case.prompts_per_rollout,
        minibatches_per_rollout=case.minibatches,
        passes_per_rollout=case.passes,
        learning_rate=case.learning_rate(optimizer),
        weight_decay=case.weight_decay,
        warmup_steps=case.warmup,
        **case.ours(),
    )
    algorithm.run, algorithm.optimizer_name = run, optimizer
    return algorithm
