r"""A real pretrained model learns to calculate with a tool, on a laptop: SmolLM2-135M-Instruct, SFT and then GRPO.

    .venv/bin/python recipes/calculator.py --seed 3        # a processor thread, about ten minutes

Word problems of two operations with numbers of three and four digits, which this model cannot work out. A short SFT
shows it the form of a call, `calculate(412 * 37 - 16)`, and of an answer; GRPO pays for right answers and nothing else.
With --without-tool it is shown equations instead, and has to work them out. Figures: docs/calculator.md.
"""

from __future__ import annotations

import time
from argparse import Namespace
from pathlib import Path

import pytorch_lightning as pl
import transformers
from peft import LoraConfig

from rlframework import GRPO, SFT, CausalLMPolicy, DemonstrationDataModule, PromptDataModule, SharedPrefixSampler, rewards
from rlframework.callbacks import ProgressBar, RolloutWriter, SampleLogger, SavePolicy, Sentinels
from rlframework.environments import Toolbox
from rlframework.loggers import AppendingCSVLogger
from rlframework.policies import fastest_precision
from rlframework.report import Comparison, process_usage
from rlframework.samplers import EpisodeSampler
from rlframework.tasks import two_step_problems as task
from rlframework.tasks.calculator import LineCalls, calculate
from rlframework.tasks.smollm2 import create_smollm2
from rlframework.tasks.tiny.run import recipe_parser, sizes
from rlframework.utilities.paths import writable_folder

RIGHT = rewards.RightEquation()
MEASURES = {"accuracy": RIGHT, "new wording": rewards.Where(RIGHT, "wording", "new"), "setup": rewards.EquationSetup()}
PROMPTS, PARTS, SHOWN = 16, 4, 8  # of a rollout; its minibatches; demonstrations of a step of SFT


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

    sampler = turns = SharedPrefixSampler(8, max_tokens=task.MAX_TOKENS, seed=seed)
    demonstrate, system_prompt = task.without_calculator, task.WITHOUT_TOOL
    if options.without_tool:
        sampler = turns.replace(max_tokens=task.MAX_TURN_TOKENS)
    else:
        tools = Toolbox([calculate], calls=LineCalls())
        sampler = EpisodeSampler(turns, tools, max_turns=task.MAX_TURNS, max_turn_tokens=task.MAX_TURN_TOKENS)
        demonstrate, system_prompt = task.with_calculator, task.SYSTEM_PROMPT
    demonstrations = DemonstrationDataModule(list(map(demonstrate, problems.train[:shown])), system_prompt=system_prompt)
    data = PromptDataModule(
        problems.train[shown:], problems.heldout, system_prompt=system_prompt, validation_batch_size=32
    )
    algorithm = GRPO(
        policy,
        RIGHT,
        sampler,
        prompts_per_rollout=PROMPTS,
        minibatches_per_rollout=PARTS,
        learning_rate=5e-4,
        betas=(0.9, 0.95),
        warmup_steps=2,
        validation=MEASURES,
        seed=seed,
    )
    heldout = data.tokenize("validation", policy.tokenizer)
    comparison = Comparison(heldout, algorithm.validation_sampler, MEASURES, batch_size=32)
    comparison.add("base", policy)
    sft = SFT(policy, demonstrations_per_step=SHOWN, learning_rate=1e-3, warmup_steps=2, seed=seed)
    everywhere = {"accelerator": "cpu", "precision": precision.trainer, "gradient_clip_val": 1.0, "log_every_n_steps": 1}
    sft_logger = AppendingCSVLogger(run, "sft")
    callbacks = [ProgressBar(), RolloutWriter(), SampleLogger(), Sentinels(), SavePolicy(run / "policy")]
    pl.Trainer(**everywhere, max_epochs=1, logger=sft_logger, enable_checkpointing=False).fit(sft, demonstrations)
    comparison.add("base + SFT", policy)
    comparison.print()
    started = time.perf_counter()
    trainer = pl.Trainer(
        **everywhere,
        max_steps=steps,
        accumulate_grad_batches=PARTS,
        logger=logger,
        limit_val_batches=0,
        enable_checkpointing=False,
        callbacks=callbacks,
    )
    trainer.fit(algorithm, data)
    facts = {"seed": seed, "seconds_training": time.perf_counter() - started, "optimizer_steps": trainer.global_step}
    comparison.add("+ GRPO", policy)
    comparison.print(examples=6)
    comparison.save(run, {"algorithm": "GRPO", "dtype": precision.dtype, **facts, **process_usage()})
    print(f"Run folder, with curves.png, every completion and the adapter: {run}")


if __name__ == "__main__":
    parser = recipe_parser(__doc__, steps=12)
    parser.add_argument("--model", type=Path, help="folder of an instruction model, SmolLM2-135M-Instruct otherwise")
    parser.add_argument("--priming", type=int, default=16, help=f"steps of SFT, of {SHOWN} demonstrations each")
    parser.add_argument("--without-tool", action="store_true", help="the control: equations, worked out by the model")
    main(parser.parse_args())
