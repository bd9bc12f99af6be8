r"""A real pretrained model learns to calculate with a tool, on a laptop: SmolLM2-135M-Instruct, SFT and then GRPO.

    .venv/bin/python recipes/calculator.py --seed 3

Word problems of two operations with numbers of three and four digits. A short SFT shows the form of a call,
`calculate(412 * 37 - 16)`, and of an answer; GRPO then pays for right answers and nothing else. With --without-tool
the model is shown equations in place of calls, and has to work them out itself. Figures: docs/calculator.md.
"""

from __future__ import annotations

import time
from argparse import Namespace
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import transformers
from peft import LoraConfig

from rlframework import GRPO, SFT, CausalLMPolicy, DemonstrationDataModule, PromptDataModule, rewards
from rlframework.callbacks import ProgressBar, RolloutWriter, RunWriter, SampleLogger, SavePolicy, Sentinels
from rlframework.environments import Toolbox
from rlframework.loggers import AppendingCSVLogger
from rlframework.policies import fastest_precision
from rlframework.report import Comparison, process_usage
from rlframework.run_report import save_run_report
from rlframework.samplers import EpisodeSampler, GroupSampler, SharedPrefixSampler
from rlframework.tasks import two_step_problems as task
from rlframework.tasks.calculator import LineCalls, calculate
from rlframework.tasks.smollm2 import create_smollm2
from rlframework.tasks.tiny.run import recipe_parser, sizes
from rlframework.utilities.paths import writable_folder

RIGHT = rewards.RightEquation()
MEASURES = {"accuracy": RIGHT, "new wording": rewards.Where(RIGHT, "wording", "new"), "setup": rewards.EquationSetup()}
PROMPTS, PARTS, SHOWN = 16, 4, 8  # of a rollout; its minibatches; demonstrations of a step of SFT
SETTINGS: dict[str, Any] = {"prompts_per_rollout": PROMPTS, "minibatches_per_rollout": PARTS, "betas": (0.9, 0.95)}


def main(options: Namespace) -> None:
    """Fetch the model, show it the form, train it, and compare before with after."""
    transformers.utils.logging.disable_progress_bar()
    seed, (steps, n_heldout) = options.seed, sizes(options)
    pl.seed_everything(seed, verbose=False)  # of the adapter's first weights
    logger = AppendingCSVLogger(options.output, name="calculator_control" if options.without_tool else "calculator")
    run = writable_folder(logger.log_dir)
    precision = fastest_precision()
    print(precision.reason)
    adapter = LoraConfig(r=16, lora_alpha=32, target_modules="all-linear")
    policy = CausalLMPolicy(options.model or create_smollm2(), lora=adapter, dtype=precision.dtype)
    shown = SHOWN * (2 if options.smoke else options.priming)
    problems = task.splits(seed, n_train=shown + PROMPTS * steps, n_heldout=n_heldout)

    lesson, asked = task.with_calculator, task.SYSTEM_PROMPT
    sampler: GroupSampler = SharedPrefixSampler(8, max_tokens=task.MAX_TOKENS, seed=seed)
    if options.without_tool:
        lesson, asked, sampler = task.without_calculator, task.WITHOUT_TOOL, sampler.replace(max_tokens=32)
    else:
        tools = Toolbox([calculate], calls=LineCalls())
        sampler = EpisodeSampler(sampler, tools, task.MAX_TURNS, task.MAX_TURN_TOKENS)
    lessons = DemonstrationDataModule([lesson(row) for row in problems.train[:shown]], system_prompt=asked)
    data = PromptDataModule(problems.train[shown:], problems.heldout, system_prompt=asked)
    comparison = Comparison(data.tokenize("validation", policy.tokenizer), sampler.for_evaluation(), MEASURES, 32)
    comparison.add("base", policy)

    everywhere: dict[str, Any] = {"accelerator": "cpu", "precision": precision.trainer, "gradient_clip_val": 1.0}
    everywhere |= {"log_every_n_steps": 1, "enable_checkpointing": False}
    sft = SFT(policy, demonstrations_per_step=SHOWN, learning_rate=1e-3, schedule="constant", seed=seed)
    pl.Trainer(max_epochs=1, logger=AppendingCSVLogger(run, "sft"), **everywhere).fit(sft, lessons)
    comparison.add("base + SFT", policy)
    comparison.print()

    grpo = GRPO(policy, RIGHT, sampler, learning_rate=options.rate, warmup_steps=2, seed=seed, **SETTINGS)
    callbacks = [RunWriter(), ProgressBar(), RolloutWriter(), SampleLogger(), Sentinels(), SavePolicy(run / "policy")]
    everywhere |= {"accumulate_grad_batches": PARTS, "limit_val_batches": 0, "callbacks": callbacks}
    trainer = pl.Trainer(max_steps=steps, logger=logger, **everywhere)  # an ordinary one, and it moves to GPUs
    started = time.perf_counter()
    trainer.fit(grpo, data)
    facts = {"seed": seed, "seconds_training": time.perf_counter() - started, "optimizer_steps": trainer.global_step}
    comparison.add("+ GRPO", policy)
    comparison.print(examples=6)
    comparison.save(run, {"algorithm": "GRPO", "dtype": precision.dtype, **facts, **process_usage()})
    save_run_report(run)
    print(f"Run folder, with report.html, curves.png, every completion and the adapter: {run}")


if __name__ == "__main__":
    parser = recipe_parser(__doc__, steps=12)
    parser.add_argument("--model", type=Path, help="folder of an instruction model, SmolLM2-135M-Instruct otherwise")
    parser.add_argument("--priming", type=int, default=5, help=f"steps of SFT, of {SHOWN} demonstrations each")
    parser.add_argument("--rate", type=float, default=5e-4, help="learning rate of GRPO")
    parser.add_argument("--without-tool", action="store_true", help="the control: equations, worked out by the model")
    main(parser.parse_args())
