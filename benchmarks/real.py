"""A real pretrained model here and in TRL: SmolLM2-135M-Instruct learns word problems with LoRA, step by step in turn.

    make bench ARGS="--only real"              # a quarter of an hour of one core, and 16 GB for TRL's whole step
    make bench ARGS="--only real --rows 8"     # TRL takes the 64 rows of a step in 8 parts, in little memory

The same model, adapter, prompts in the same order, rewards, budget and optimizer on both sides; what each samples is
its own. Every side is a process, so that its peak of memory is its own, and one takes a step while the others wait.
Seconds are CPU seconds, medians over steps, the first left out. Afterwards the sides in bfloat16, which have taken as
many steps as each other, answer held-out problems greedily, all through the same sampler.
"""

from __future__ import annotations

import ctypes
import gc
import json
import multiprocessing
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import median
from typing import Any

import datasets
import numpy as np
import pytorch_lightning as pl
import torch
import transformers
from peft import LoraConfig
from transformers import AutoModelForCausalLM, AutoTokenizer

from measure import Figures, StepClock, count_tokens, memory, quiet
from rlframework import GRPO, CausalLMPolicy, SharedPrefixSampler, rewards
from rlframework.completions import Completion, Completions
from rlframework.policies import fastest_precision
from rlframework.prompt import Prompt
from rlframework.report.evaluation import evaluate
from rlframework.tasks.smollm2 import create_smollm2
from rlframework.tasks.word_problems import MAX_TOKENS, WordProblemsData
from table import facts, verdict
from theirs import compacted_head, trl

PROMPTS = GROUP = 8
N_HELDOUT, SEED = 64, 0
OPTIMIZER: dict[str, Any] = {"learning_rate": 5e-4, "warmup_steps": 2}
BETAS = (0.9, 0.99)
SEVEN = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
RIGHT = rewards.RightEquation()
RULES = RIGHT + 0.5 * rewards.EquationSetup() + 0.2 * rewards.EquationLayout()
RESULTS = Path(__file__).parent / "results" / "real_cpu.json"


@dataclass(frozen=True)
class Side:
    """One column of the comparison.

    Args:
        train: Takes its steps and returns the policy.
        steps: Optimizer steps, the first of which does not count.
        dtype: Of the frozen base; the adapter is in float32, and bfloat16 runs under autocast.
        trunk: Whether what all prompts begin with is read once; TRL cannot.
        judged: Whether held-out problems are answered afterwards.
    """

    train: Callable[[Side, Path, int, Turns], CausalLMPolicy]
    steps: int
    dtype: str
    trunk: bool = True
    judged: bool = False


@dataclass
class RealFigures(Figures):
    """What is measured of a side, with the tokens that were sampled and the prompts that were asked in every step."""

    completion_tokens: list[int] = field(default_factory=list)
    asked: list[list[int]] = field(default_factory=list)


class Turns:
    """Hands over to the next side after every step, and notes what the step took."""

    def __init__(self, connection: Connection) -> None:
        self.figures, self.connection = RealFigures(), connection
        self.clock = StepClock(self.figures)
        self.counted = 0

    def note(self, completions: Completions) -> None:
        """Note what was sampled."""
        self.figures.completion_tokens.append(sum(len(row.ids) for row in completions))
        self.figures.asked.append([group[0].prompt.index for group in completions.groups()])

    def tick(self) -> None:
        """End a step, with as many entries of every figure as there were steps."""
        self.clock.tick()
        tokens = self.figures.tokens
        tokens[self.counted :] = [sum(tokens[self.counted :])]
        self.counted = len(tokens)
        # A side that waits keeps no more than it needs.
        gc.collect()
        ctypes.CDLL(None).malloc_trim(0)
        self.connection.send(None)
        self.connection.recv()
        self.clock = StepClock(self.figures)


def adapter() -> LoraConfig:
    torch.manual_seed(SEED)
    return LoraConfig(r=16, lora_alpha=32, target_modules=SEVEN)


def problems(steps: int) -> WordProblemsData:
    return WordProblemsData(SEED, PROMPTS * max(steps, 1), N_HELDOUT)


class LightningTurns(pl.Callback):
    def __init__(self, turns: Turns) -> None:
        self.turns = turns

    def on_train_batch_end(self, *arguments: Any) -> None:
        self.turns.tick()


class NotedSampler(SharedPrefixSampler):
    """Tells what it has sampled."""

    turns: Turns

    def sample(self, policy: Any, prompts: Any, *, step: int = 0) -> Completions:
        completions = super().sample(policy, prompts, step=step)
        self.turns.note(completions)
        return completions


def train_here(side: Side, model: Path, rows: int, turns: Turns) -> CausalLMPolicy:
    """Train by Lightning's Trainer, the rows of a step in one minibatch."""
    policy = CausalLMPolicy(model, lora=adapter(), dtype=side.dtype, shared_trunk=side.trunk)
    count_tokens(policy.model.get_base_model(), turns.figures)
    sampler = NotedSampler(group_size=GROUP, max_tokens=MAX_TOKENS, seed=SEED)
    sampler.turns = turns
    algorithm = GRPO(policy, RULES, sampler, prompts_per_rollout=PROMPTS, betas=BETAS, seed=SEED, **OPTIMIZER)
    silent: dict[str, Any] = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False}
    trainer = pl.Trainer(
        accelerator="cpu",
        precision="bf16-mixed" if side.dtype == "bfloat16" else "32-true",
        max_steps=side.steps,
        gradient_clip_val=1.0,
        callbacks=[LightningTurns(turns)],
        enable_model_summary=False,
        limit_val_batches=0,
        num_sanity_val_steps=0,
        **silent,
    )
    trainer.fit(algorithm, problems(side.steps))
    return policy


class TRLTurns(transformers.TrainerCallback):
    def __init__(self, turns: Turns) -> None:
        self.turns = turns

    def on_step_end(self, *arguments: Any, **options: Any) -> None:
        self.turns.tick()


def train_trl(side: Side, model: Path, rows: int, turns: Turns) -> CausalLMPolicy:
    """Train by TRL's GRPOTrainer, ``rows`` rows of a step at a time."""
    with tempfile.TemporaryDirectory() as folder:
        trainer = trainer_for(side, model, rows, turns, folder)
        trainer.train()
        # As whoever loads it later has it: in the trainer its forward pass is wrapped in autocast.
        trainer.save_model(folder)
        return CausalLMPolicy(model, lora=folder, dtype=side.dtype)


def trainer_for(side: Side, model: Path, rows: int, turns: Turns, folder: str) -> trl.GRPOTrainer:
    """Return TRL's trainer: no KL term, one step per rollout, and the optimizer of this side."""
    tokenizer = AutoTokenizer.from_pretrained(model)
    prompts = problems(side.steps).tokenize("train", tokenizer)
    # The order in which `RolloutLoader` takes them.
    order = np.random.default_rng((SEED, 0)).permutation(len(prompts))
    parts = PROMPTS * GROUP // rows
    config = trl.GRPOConfig(
        output_dir=folder,
        loss_type="grpo",
        per_device_train_batch_size=rows,
        gradient_accumulation_steps=parts,
        steps_per_generation=parts,
        num_generations=GROUP,
        max_completion_length=MAX_TOKENS,
        max_steps=side.steps,
        max_grad_norm=1.0,
        adam_beta1=BETAS[0],
        adam_beta2=BETAS[1],
        bf16=side.dtype == "bfloat16",
        shuffle_dataset=False,
        gradient_checkpointing=False,
        use_cpu=True,
        report_to="none",
        save_strategy="no",
        disable_tqdm=True,
        seed=SEED,
        **OPTIMIZER,
    )
    trainer = trl.GRPOTrainer(
        model=AutoModelForCausalLM.from_pretrained(model, dtype=side.dtype),
        reward_funcs=reward_for(prompts, tokenizer, turns),
        args=config,
        train_dataset=datasets.Dataset.from_list([{"prompt": prompts[i].text, "place": int(i)} for i in order]),
        processing_class=tokenizer,
        peft_config=adapter(),
        callbacks=[TRLTurns(turns)],
    )
    trainer.remove_callback(transformers.PrinterCallback)
    trained: Any = trainer.model
    count_tokens(trained.get_base_model(), turns.figures)
    return trainer


def train_trl_compacted(side: Side, model: Path, rows: int, turns: Turns) -> CausalLMPolicy:
    """Train by TRL with its head as on a GPU, where it leaves out prompts and padding."""
    with compacted_head():
        return train_trl(side, model, rows, turns)


def reward_for(prompts: Any, tokenizer: Any, turns: Turns) -> Callable[..., list[float | None]]:
    """Return the rewards of this side as a function that TRL calls."""

    def completed(prompt: Prompt, ids: list[int]) -> Completion:
        text = tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)
        return Completion(prompt, ids, text, "stop" if ids[-1] == tokenizer.eos_token_id else "length")

    def reward(completion_ids: list[list[int]], place: list[int], **_: Any) -> list[float | None]:
        rows = [completed(prompts[i], ids) for i, ids in zip(place, completion_ids, strict=True)]
        completions = Completions(rows, GROUP)
        turns.note(completions)
        return RULES.evaluate(completions).total.flatten().tolist()

    return reward


def untrained(side: Side, model: Path, rows: int, turns: Turns) -> CausalLMPolicy:
    return CausalLMPolicy(model, lora=adapter(), dtype=side.dtype)


SIDES = {
    "base": Side(untrained, 0, "bfloat16", judged=True),
    "TRL float32": Side(train_trl, 3, "float32"),
    "TRL float32 compacted": Side(train_trl_compacted, 3, "float32"),
    "here float32 no trunk": Side(train_here, 5, "float32", trunk=False),
    "here float32": Side(train_here, 5, "float32"),
    "TRL bfloat16": Side(train_trl, 8, "bfloat16", judged=True),
    "here bfloat16": Side(train_here, 8, "bfloat16", judged=True),
}
# (the side that takes more, the side that takes less, of what, how many times as much at least)
BARS = [
    ("TRL float32", "here float32 no trunk", "step_cpu", 5.0),
    ("TRL float32", "here float32", "step_cpu", 7.0),
    ("TRL bfloat16", "here bfloat16", "step_cpu", 5.0),
    ("here float32", "here bfloat16", "step_cpu", 1 / 0.6),
    ("TRL float32", "here float32", "peak_mib", 2.5),
    ("TRL bfloat16", "here bfloat16", "peak_mib", 2.5),
]


def take_turns(side: Side, model: Path, rows: int, threads: int, connection: Connection) -> None:
    """Run a side, in a process of its own, and send what it measured."""
    torch.set_num_threads(threads)
    quiet()
    connection.recv()
    resident = memory("VmRSS")
    turns = Turns(connection)
    policy = side.train(side, model, rows, turns)
    turns.figures.peak_mib.append(memory("VmHWM") - resident)
    result: dict[str, Any] = asdict(turns.figures)
    if side.judged:
        result["held_out"] = judged(policy, problems(side.steps))
    connection.send({part: values for part, values in result.items() if values})


def judged(policy: CausalLMPolicy, data: WordProblemsData) -> dict[str, Any]:
    """Return the share of held-out problems that are answered right, greedily, with its 95 % Wilson interval."""
    sampler = SharedPrefixSampler(group_size=1, max_tokens=MAX_TOKENS, temperature=0.0)
    prompts = data.tokenize("validation", policy.tokenizer)
    row = evaluate("held out", policy, prompts, sampler, {"accuracy": RIGHT}, batch_size=32)
    return {"n": row.n, "accuracy": row.share("accuracy"), "interval": row.interval("accuracy")}


def alternate(sides: dict[str, Side], model: Path, rows: int, threads: int) -> dict[str, dict[str, Any]]:
    """Let every side take a step in turn until all have taken theirs, and return what they measured.

    Raises:
        RuntimeError: The process of a side ended early.
    """
    spawn = multiprocessing.get_context("spawn")
    running: dict[str, tuple[Any, Connection]] = {}
    for name, side in sides.items():
        mine, yours = spawn.Pipe()
        process = spawn.Process(target=take_turns, args=(side, model, rows, threads, yours), daemon=True)
        process.start()
        yours.close()
        running[name] = process, mine
    results: dict[str, dict[str, Any]] = {}
    while running:
        for name, (process, connection) in list(running.items()):
            connection.send(None)
            try:
                result = connection.recv()
            except EOFError:
                process.join()
                raise RuntimeError(
                    f"{name} ended with status {process.exitcode}; -9 is how a system out of memory ends it, and then "
                    "--rows 8 has TRL take a step in parts"
                ) from None
            if result is not None:
                results[name] = result
                print(f"{name} done", flush=True)
                del running[name]
    return {name: results[name] for name in sides}


def middle(figures: dict[str, Any], part: str) -> float:
    """Return the median of a figure over all steps but the first; memory has one entry."""
    values = figures[part]
    return median(values if part == "peak_mib" else values[1:])


def table(results: dict[str, dict[str, Any]]) -> str:
    """Return a line for every side, and one for every bar whose sides were measured."""
    lines = [f"{'':24}{'step, CPU':>11}{'per token':>11}{'tokens':>8}{'read':>8}{'memory':>11}  held out"]
    for name, figures in results.items():
        line = f"{name:24}"
        if "step_cpu" in figures:
            cpu, tokens = middle(figures, "step_cpu"), middle(figures, "completion_tokens")
            line += f"{cpu:>9.1f} s{per_token(figures) * 1000:>8.1f} ms{tokens:>8.0f}{middle(figures, 'tokens'):>8.0f}"
            line += f"{middle(figures, 'peak_mib'):>7.0f} MiB"
        if "held_out" in figures:
            low, high = figures["held_out"]["interval"]
            line = f"{line:73}  {figures['held_out']['accuracy']:.2f} [{low:.2f}, {high:.2f}]"
        lines.append(line)
    for other, own, part, least in BARS:
        if other in results and own in results:
            ratio = middle(results[other], part) / middle(results[own], part)
            lines.append(f"{part:10}{other} / {own}: {ratio:.2f}  {verdict(ratio, least)}")
    if "TRL bfloat16" in results and "here bfloat16" in results:
        low, own = results["TRL bfloat16"]["held_out"]["interval"][0], results["here bfloat16"]["held_out"]["accuracy"]
        lines.append(f"accuracy at equal steps: {own:.2f}  >= {low:.2f}  {'met' if own >= low else 'MISSED'}")
    return "\n".join(lines)


def per_token(figures: dict[str, Any]) -> float:
    """Return CPU seconds for a sampled token, over all steps but the first."""
    return sum(figures["step_cpu"][1:]) / sum(figures["completion_tokens"][1:])


def compare(rows: int, threads: int, names: list[str], steps: int | None, path: Path | None) -> None:
    """Measure the sides and print their table; write the figures too where a path is given."""
    sides = {name: SIDES[name] for name in names or SIDES}
    if steps is not None:
        sides = {name: replace(side, steps=(steps + 1) * (side.steps > 0)) for name, side in sides.items()}
    results = alternate(sides, create_smollm2(), rows, threads)
    said = {
        "precision": fastest_precision().reason,
        "trl_rows_at_a_time": rows,
        "prompts": PROMPTS,
        "group_size": GROUP,
        "max_tokens": MAX_TOKENS,
        "steps": {name: side.steps for name, side in sides.items()},
    }
    if path is not None:
        path.write_text(json.dumps({"runs": [{**facts(), **said, "sides": results}]}, indent=2) + "\n")
        print(f"figures in {path}")
    print(f"TRL takes {rows} of {PROMPTS * GROUP} rows at a time")
    print(table(results))
