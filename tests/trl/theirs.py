"""TRL's side: the same case trained by its trainers, unmodified but for keeping what they compute."""

import tempfile
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import datasets
import numpy as np
import pytest
import transformers
from torch.nn.utils import get_total_norm

from rlframework.prompt import Prompt
from tests.trl.runs import (
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
)

trl = pytest.importorskip("trl")
gmpo = pytest.importorskip("trl.experimental.gmpo")


class Recorded:
    """Goes in front of a trainer and keeps what it computes."""

    def __init__(self, run: Run, **kwargs: Any) -> None:
        self.run = run
        self.window: list[tuple[float, int]] = []
        super().__init__(**kwargs)

    def _generate_and_score_completions(self, inputs):
        batch = super()._generate_and_score_completions(inputs)
        self.run.advantages.append(batch["advantages"].clone())
        return batch

    def _get_per_token_logps_and_entropies(self, *args, **kwargs):
        self.scored = super()._get_per_token_logps_and_entropies(*args, **kwargs)
        return self.scored

    def get_high_entropy_mask(self, entropies, mask, threshold):
        return super().get_high_entropy_mask(ranked(entropies), mask, threshold)

    def _compute_loss(self, model, inputs):
        loss = super()._compute_loss(model, inputs)
        mask = inputs["completion_mask"].bool()
        if "tool_mask" in inputs:
            mask = mask & inputs["tool_mask"].bool()
        self.run.logprobs.append(self.scored[0].detach()[mask].clone())
        self.window.append((self.loss_of_window(loss, inputs), int(mask.sum())))
        return loss

    def loss_of_window(self, loss, inputs) -> float:
        """Return what this micro-batch adds to the loss of its optimizer step."""
        return loss.item()

    def log(self, logs, start_time=None):
        if "loss" in logs:
            losses, tokens = zip(*self.window, strict=True)
            # TRL logs the plain mean over micro-batches of their means over tokens; by tokens it is the mean over all.
            means = {
                name: np.average(
                    values, weights=tokens if len(values) == len(tokens) > 1 and self.by_token(name) else None
                )
                for name, values in self._metrics["train"].items()
            }
            self.run.losses.append(sum(losses))
            # transformers 4 tells it only of gradients that it clips.
            norm = get_total_norm([*self.run.gradients[-1].values()]).item()
            self.run.metrics.append({**means, "grad_norm": logs.get("grad_norm", norm)})
        self.window = []
        super().log(logs, start_time)

    def by_token(self, name: str) -> bool:
        """Whether a metric is a mean over tokens; ratios of whole completions are clipped by row."""
        return not (name.startswith("clip_ratio") and self.args.importance_sampling_level == "sequence")


class RecordedGRPO(Recorded, trl.GRPOTrainer):
    pass


def constant(inputs: dict[str, Any]) -> Any:
    """Return what masked rows add to a loss that is one number per row: their advantage, without gradient."""
    return (inputs["advantages"] * (inputs["completion_mask"].sum(1) == 0)).mean()


class RecordedGMPO(Recorded, gmpo.GMPOTrainer):
    def loss_of_window(self, loss, inputs) -> float:
        return (loss + constant(inputs) / self.args.gradient_accumulation_steps).item()


class RecordedRLOO(Recorded, trl.RLOOTrainer):
    """Answers by the script as well: the trainer takes no rollout function."""

    def __init__(self, run: Run, rollout_func: Callable[..., dict[str, Any]], **kwargs: Any) -> None:
        super().__init__(run, **kwargs)
        self.answers = rollout_func

    def _generate_single_turn(self, prompt_ids, images, multimodal_fields):
        texts = [self.processing_class.decode(ids) for ids in prompt_ids]
        return self.answers(texts, self)["completion_ids"]

    def loss_of_window(self, loss, inputs) -> float:
        # It is the Trainer that divides by the accumulation here.
        return (loss + constant(inputs)).item() / self.args.gradient_accumulation_steps

    def by_token(self, name: str) -> bool:
        return not name.startswith("clip_ratio")


KINDS = {
    "grpo": (RecordedGRPO, trl.GRPOConfig),
    "gmpo": (RecordedGMPO, gmpo.GMPOConfig),
    "rloo": (RecordedRLOO, trl.RLOOConfig),
}


class GradientRecorder(transformers.TrainerCallback):
    def __init__(self, run: Run) -> None:
        self.run = run

    def on_pre_optimizer_step(self, args, state, control, model=None, **kwargs):
        self.run.gradients.append(copy_gradients(model))


def scripted_rollouts(case: Case, ours: Run) -> Callable[..., dict[str, Any]]:
    """Return a function that answers TRL's prompts, each of which comes `GROUP` times in a row, by the script."""
    known = {prompt.text: prompt for prompts in ours.prompts for prompt in prompts}

    def rollout(texts: list[str], trainer: Any) -> dict[str, Any]:
        run, asked = trainer.run, [known[text] for text in texts]
        step = len(run.completions)
        ids = [case.script(step, prompt, i % GROUP) for i, prompt in enumerate(asked)]
        run.prompts.append(asked[::GROUP])
        run.completions.append(ids)
        answer = {"prompt_ids": [prompt.ids for prompt in asked], "completion_ids": ids, "logprobs": None}
        if case.sampler_known:
            place = {prompt.index: i * GROUP for i, prompt in enumerate(ours.prompts[step])}
            rows = [place[prompt.index] + i % GROUP for i, prompt in enumerate(asked)]
            answer["logprobs"] = [ours.sampler_logprobs[step][row] for row in rows]
        if case.given:
            rows = zip(asked, ids, strict=True)
            masks = [sampled(step, prompt, i % GROUP, len(row)) for i, (prompt, row) in enumerate(rows)]
            answer["env_mask"] = [[int(mine) for mine in mask] for mask in masks]
        return answer

    return rollout


def scripted_reward(judge: Judge) -> Callable[..., list[float | None]]:
    def reward(prompts: list[str], completion_ids: list[list[int]], **kwargs: Any) -> list[float | None]:
        return [judge(prompt, ids) for prompt, ids in zip(prompts, completion_ids, strict=True)]

    reward.__name__ = judge.__name__
    return reward


def training_options(optimizer: str) -> dict[str, Any]:
    """Return what every trainer of TRL is told of an optimizer, and to keep quiet."""
    return {
        "optim": "sgd" if optimizer == "sgd" else "adamw_torch",
        "lr_scheduler_type": "linear",
        "max_grad_norm": 1.0 if optimizer == "adamw" else 0.0,
        "bf16": False,
        "gradient_checkpointing": False,
        "use_cpu": True,
        "logging_steps": 1,
        "report_to": "none",
        "save_strategy": "no",
        "disable_tqdm": True,
    }


def make_config(case: Case, optimizer: str, folder: str, processes: int) -> Any:
    rows = case.prompts_per_rollout * GROUP // case.minibatches // processes
    return KINDS[case.trainer][1](
        output_dir=folder,
        num_iterations=case.passes,
        steps_per_generation=case.minibatches,
        per_device_train_batch_size=rows,
        per_device_eval_batch_size=rows,
        gradient_accumulation_steps=case.accumulate,
        num_generations=GROUP,
        max_completion_length=MAX_TOKENS,
        temperature=case.temperature,
        reward_weights=[weight for _, weight in case.rewards],
        shuffle_dataset=False,
        max_steps=case.steps,
        learning_rate=case.learning_rate(optimizer),
        warmup_steps=case.warmup,
        weight_decay=case.weight_decay if optimizer == "adamw" else 0.0,
        **training_options(optimizer),
        **{"beta": 0.0, **case.theirs},
    )


def train_theirs(case: Case, optimizer: str, ours: Run, order: list[Prompt], processes: int = 1) -> Run:
    """Train on prompts in the order in which all processes of our run together asked for them."""
    run = Run()
    with tempfile.TemporaryDirectory() as folder:
        trainer = KINDS[case.trainer][0](
            run,
            model=load_model(case.lora),
            reward_funcs=[scripted_reward(judge) for judge, _ in case.rewards],
            args=make_config(case, optimizer, folder, processes),
            train_dataset=dataset(order),
            processing_class=letter_tokenizer(),
            callbacks=[GradientRecorder(run)],
            rollout_func=scripted_rollouts(case, ours),
        )
        trainer.remove_callback(transformers.PrinterCallback)
        if case.vllm is not None:
            sample_with_vllm(trainer, case)
        if case.evaluate:
            run.eval_loss = evaluate(trainer, ours.prompts[0])
        trainer.train()
    run.weights = copy_weights(trainer.model)
    return run


def dataset(prompts: list[Prompt]) -> datasets.Dataset:
    return datasets.Dataset.from_dict({"prompt": [prompt.text for prompt in prompts]})


def sample_with_vllm(trainer: Any, case: Case) -> None:
    """Make the trainer believe that its completions, which are the script's, came from vLLM."""
    trainer.use_vllm = True
    trainer.vllm_importance_sampling_correction = True
    trainer.vllm_generation = SimpleNamespace(sync_weights=lambda: None)
    trainer._last_loaded_step = -1
    for name, value in case.vllm.items():
        assert hasattr(trainer, f"vllm_importance_sampling_{name}")
        setattr(trainer, f"vllm_importance_sampling_{name}", value)


def evaluate(trainer: Any, prompts: list[Prompt]) -> float:
    """Return the loss in eval mode, and leave no trace in the record of the training."""
    kept, trainer.run = trainer.run, Run()
    loss = trainer.evaluate(dataset(prompts))["eval_loss"]
    trainer.run, trainer.window = kept, []
    return loss
