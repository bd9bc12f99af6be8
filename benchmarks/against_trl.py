"""One GRPO step here and in TRL, alternating in one process: same model, prompts and lengths of completions.

    make bench-trl                  # every shape: up to half an hour on two cores
    make bench-quick                # tiny, prompts of 64 and 256 tokens: about a minute

Real ``trl.GRPOTrainer.train()`` against real ``pl.Trainer.fit(GRPO(...))``: 4 prompts x 8 completions, no KL term, one
step per rollout, rewards that differ in every group, so that nothing can be skipped. Every row of either side ends at
the same token, and prompts are equally long, which spares TRL its padding. Times are medians of wall seconds, the first
step of each run left out; memory is the peak of the resident set over that before the run.
"""

from __future__ import annotations

import argparse
import ctypes
import gc
import json
import logging
import os
import platform
import tempfile
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from statistics import median
from typing import Any

import datasets
import numpy as np
import pytorch_lightning as pl
import torch
import transformers
from transformers import AutoModelForCausalLM, LogitsProcessor, LogitsProcessorList, Qwen3Config, Qwen3ForCausalLM

from rlframework import GRPO, CausalLMPolicy, PromptDataModule, SharedPrefixSampler
from rlframework.rewards import RowReward
from rlframework.testing import letter_tokenizer

os.environ["TRL_EXPERIMENTAL_SILENCE"] = "1"
import trl

PROMPTS, GROUP, STEPS, EOS, PAD = 4, 8, 3, 1, 0
BODIES: dict[str, dict[str, Any]] = {
    "tiny": {"vocab_size": 1024, "hidden_size": 128, "intermediate_size": 384, "head_dim": 32},
    "wide": {"vocab_size": 151_936, "hidden_size": 256, "intermediate_size": 768, "head_dim": 64},
}
QUICK = [("tiny", 64), ("tiny", 256)]
ALL = [*QUICK, ("tiny", 1024), ("wide", 64), ("wide", 256)]


@dataclass
class Figures:
    """What was measured, one entry per step (memory: per run)."""

    step: list[float] = field(default_factory=list)
    rollout: list[float] = field(default_factory=list)
    update: list[float] = field(default_factory=list)
    peak_mib: list[float] = field(default_factory=list)


def timed(function: Callable[..., Any], seconds: list[float]) -> Callable[..., Any]:
    """Return the function, noting how long each call takes."""

    def call(*arguments: Any, **options: Any) -> Any:
        started = time.perf_counter()
        result = function(*arguments, **options)
        seconds.append(time.perf_counter() - started)
        return result

    return call


def force(logits: torch.Tensor, ends: torch.Tensor, position: int) -> torch.Tensor:
    """Leave only the end token at a row's last position, and everything but it before."""
    logits = logits.clone()
    logits[:, EOS] = torch.where(ends == position + 1, 1e4, -1e4).to(logits)
    return logits


class ForcedSampler(SharedPrefixSampler):
    """Ends each row where it is told."""

    ends: torch.Tensor

    def draw(self, logits: torch.Tensor, uniforms: torch.Tensor, rows: torch.Tensor, position: int) -> Any:
        return super().draw(force(logits, self.ends[rows], position), uniforms, rows, position)


class ForcedLengths(LogitsProcessor):
    """The same for transformers' generate."""

    def __init__(self, ends: torch.Tensor, prompt: int) -> None:
        self.ends, self.prompt = ends, prompt

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        return force(scores, self.ends, input_ids.shape[1] - self.prompt)


class Reward(RowReward):
    """Differs within every group."""

    def score_row(self, completion: Any) -> float:
        return sum(completion.ids) % 17 / 17


def trl_reward(completion_ids: list[list[int]], **_: Any) -> list[float | None]:
    return [sum(ids) % 17 / 17 for ids in completion_ids]


class Steps(pl.Callback):
    """Times what Lightning does."""

    def __init__(self, figures: Figures) -> None:
        self.figures, self.ended = figures, time.perf_counter()

    def on_train_batch_start(self, *arguments: Any) -> None:
        self.started = time.perf_counter()

    def on_after_backward(self, *arguments: Any) -> None:
        self.figures.update.append(time.perf_counter() - self.started)

    def on_train_batch_end(self, *arguments: Any) -> None:
        self.figures.step.append(time.perf_counter() - self.ended)
        self.ended = time.perf_counter()


def train_ours(folder: Path, rows: list[dict[str, str]], ends: torch.Tensor, figures: Figures) -> None:
    model = AutoModelForCausalLM.from_pretrained(folder, dtype="float32")
    sampler = ForcedSampler(group_size=GROUP, max_tokens=int(ends.max()))
    sampler.ends = ends
    algorithm = GRPO(CausalLMPolicy(model, letter_tokenizer()), Reward(), sampler, prompts_per_rollout=PROMPTS)
    sampler.sample = timed(sampler.sample, figures.rollout)  # type: ignore[method-assign]
    quiet: dict[str, Any] = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False}
    trainer = pl.Trainer(
        accelerator="cpu",
        max_steps=STEPS + 1,
        gradient_clip_val=1.0,
        callbacks=[Steps(figures)],
        enable_model_summary=False,
        limit_val_batches=0,
        **quiet,
    )
    trainer.fit(algorithm, PromptDataModule(rows))


class TimedTRL(trl.GRPOTrainer):
    """TRL's trainer, timed; ``collected`` holds the seconds of whole rollouts, rewards and all."""

    figures: Figures
    collected: list[float]

    def training_step(self, *arguments: Any, **options: Any) -> Any:
        prepared = len(self.figures.rollout)
        started = time.perf_counter()
        loss = super().training_step(*arguments, **options)
        whole = time.perf_counter() - started
        self.figures.update.append(whole - sum(self.collected[prepared:]))
        return loss


class StepEnds(transformers.TrainerCallback):
    def __init__(self, figures: Figures) -> None:
        self.figures, self.ended = figures, time.perf_counter()

    def on_step_end(self, *arguments: Any, **options: Any) -> None:
        self.figures.step.append(time.perf_counter() - self.ended)
        self.ended = time.perf_counter()


def train_trl(folder: Path, rows: list[dict[str, str]], ends: torch.Tensor, figures: Figures) -> None:
    model: Any = AutoModelForCausalLM.from_pretrained(folder, dtype="float32")
    config = trl.GRPOConfig(
        output_dir=str(folder / "trl"),
        loss_type="grpo",
        per_device_train_batch_size=PROMPTS * GROUP,
        num_generations=GROUP,
        max_completion_length=int(ends.max()),
        max_steps=STEPS + 1,
        max_grad_norm=1.0,
        bf16=False,
        gradient_checkpointing=False,
        use_cpu=True,
        report_to="none",
        save_strategy="no",
        logging_steps=1,
        disable_tqdm=True,
    )
    trainer = TimedTRL(
        model=model,
        reward_funcs=trl_reward,
        args=config,
        train_dataset=datasets.Dataset.from_list(rows),
        processing_class=letter_tokenizer(),
        callbacks=[StepEnds(figures)],
    )
    trainer.remove_callback(transformers.PrinterCallback)
    trainer.figures, trainer.collected = figures, []
    forced = LogitsProcessorList([ForcedLengths(ends, len(rows[0]["prompt"]))])
    generate = timed(model.generate, figures.rollout)
    model.generate = lambda *arguments, **options: generate(*arguments, logits_processor=forced, **options)
    collect = timed(trainer._generate_and_score_completions, trainer.collected)
    trainer._generate_and_score_completions = collect  # type: ignore[method-assign]
    trainer.train()


def measured(train: Callable[..., None], *arguments: Any) -> Figures:
    """Train once and return the figures of all steps but the first."""
    figures = Figures()
    gc.collect()
    # What the other side has freed goes back to the system; else it would hide what this one takes.
    ctypes.CDLL(None).malloc_trim(0)
    resident = memory("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")
    train(*arguments, figures)
    kept = {name: values[-STEPS:] for name, values in vars(figures).items()}
    return Figures(**{**kept, "peak_mib": [memory("VmHWM") - resident]})


def memory(name: str) -> float:
    """Return an entry of /proc/self/status in MiB."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(name))
    return int(line.split()[1]) / 1024


def compare(body: str, prompt: int, rounds: int, folder: Path) -> dict[str, Any]:
    """Return the medians of both sides and their ratios."""
    special: dict[str, Any] = {
        "eos_token_id": EOS,
        "pad_token_id": PAD,
        "bos_token_id": None,
        "max_position_embeddings": 2048,
    }
    heads: dict[str, Any] = {"num_hidden_layers": 4, "num_attention_heads": 4, "num_key_value_heads": 2}
    torch.manual_seed(0)
    Qwen3ForCausalLM(Qwen3Config(**BODIES[body], **heads, **special, tie_word_embeddings=True)).save_pretrained(folder)
    rng = np.random.default_rng(0)
    ends = torch.tensor(8 + rng.exponential(40, PROMPTS * GROUP).clip(max=112).astype(int))
    letters = np.array(list("abcdefghijklmnopqrstuvwxyz"))
    rows = [{"prompt": "".join(rng.choice(letters, prompt))} for _ in range(PROMPTS * (STEPS + 1))]
    sides: dict[str, list[Figures]] = {"trl": [], "rlframework": []}
    for _ in range(rounds):
        for name, train in (("trl", train_trl), ("rlframework", train_ours)):
            sides[name].append(measured(train, folder, rows, ends))
    medians = {
        name: {part: median(chain.from_iterable(getattr(run, part) for run in runs)) for part in vars(runs[0])}
        for name, runs in sides.items()
    }
    ratios = {part: medians["trl"][part] / medians["rlframework"][part] for part in medians["trl"]}
    return {"model": body, "prompt_tokens": prompt, "completion_tokens": int(ends.sum()), **medians, "ratio": ratios}


def show(results: list[dict[str, Any]]) -> None:
    print(f"{'':14}{'step':>24}{'rollout':>24}{'forward+backward':>24}{'peak MiB':>24}")
    for result in results:
        cells = []
        for part, digits in (("step", 2), ("rollout", 2), ("update", 2), ("peak_mib", 0)):
            theirs, own = result["trl"][part], result["rlframework"][part]
            cells.append(f"{theirs:.{digits}f} -> {own:.{digits}f}  x{result['ratio'][part]:.1f}".rjust(24))
        print(f"{result['model']:<6}P {result['prompt_tokens']:<6}" + "".join(cells))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="tiny models, prompts of 64 and 256 tokens")
    parser.add_argument("--rounds", type=int, default=2, help=f"runs of {STEPS} measured steps on each side, in turn")
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    options = parser.parse_args()
    warnings.filterwarnings("ignore")
    logging.disable(logging.WARNING)
    transformers.utils.logging.disable_progress_bar()
    results = []
    for body, prompt in QUICK if options.quick else ALL:
        with tempfile.TemporaryDirectory() as folder:
            results.append(compare(body, prompt, options.rounds, Path(folder)))
    show(results)
    facts = {"threads": torch.get_num_threads(), "machine": platform.machine(), "torch": torch.__version__}
    if options.json:
        options.json.write_text(json.dumps({**facts, "trl": trl.__version__, "results": results}, indent=2) + "\n")
    by_shape = {(result["model"], result["prompt_tokens"]): result["ratio"] for result in results}
    print(f"step_ratio_tiny256={by_shape['tiny', 256]['step']:.2f}")
    print(f"memory_ratio_tiny256={by_shape['tiny', 256]['peak_mib']:.2f}")
