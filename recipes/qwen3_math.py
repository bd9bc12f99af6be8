"""A base model learns to reason about mathematics, without labels: what prompt, priming and GRPO each bring to it.

    python recipes/qwen3_math.py --tiny      # a minute on a CPU: a tiny base, and sums in the layout of OpenR1-Math
    python recipes/qwen3_math.py             # Qwen3-4B-Base and OpenR1-Math-220k, sized for one GPU of 80 GB
    python recipes/qwen3_math.py --model FOLDER_OR_NAME --data FOLDER_OR_NAME

LoRA on any causal language model of transformers. qwen3_math_unsloth.py is the same recipe through Unsloth,
qwen3_math.yaml its GRPO for sweeps, and docs/qwen3_math.md what it reached.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from peft import LoraConfig
from pytorch_lightning.callbacks import ModelCheckpoint
from pytorch_lightning.loggers import CSVLogger

from rlframework import GRPO, SFT, CausalLMPolicy, GroupSampler, ProgressBar, RolloutWriter, SharedPrefixSampler
from rlframework.data import OpenR1Demonstrations, OpenR1Math, set_structured_chat_template
from rlframework.folders import writable_folder
from rlframework.report import Comparison
from rlframework.rewards import ApproximateFormat, ExactFormat, MathAnywhere, MathCheck, NumberCheck
from rlframework.tasks.math_run import Sizes, recipe_options

LORA = LoraConfig(
    r=32,
    lora_alpha=64,
    target_modules=["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"],
)
# Exact layout, approximate layout, right answer, right number. The answer check knows fractions, intervals, sets.
ANSWER = MathCheck(correct=5.0, incorrect=-2.5, malformed=-2.0, name="answer_check")
RULES = ExactFormat() + ApproximateFormat() + ANSWER + NumberCheck()
MEASURES = {"accuracy": MathCheck(), "solved": MathAnywhere(), "format": ExactFormat(score=1.0)}


def main(policy: CausalLMPolicy, sampler: GroupSampler, data: str, sizes: Sizes, run: Path, seed: int) -> None:
    """Measure, prime, measure, reinforce, measure: rows that differ in nothing but what was done to the policy."""
    set_structured_chat_template(policy.tokenizer)
    split: Any = {"heldout_share": sizes.heldout_share, "validation_rows": sizes.heldout, "seed": seed}
    problems = OpenR1Math(data, max_prompt_quantile=0.9, validation_batch_size=sizes.rows_at_once, **split)
    worked = OpenR1Demonstrations(data, max_tokens=sizes.sft_tokens, too_long="drop", **split)

    asked = problems.tokenize("validation", policy.tokenizer)
    bare = OpenR1Math(data, template=None, **split).tokenize("validation", policy.tokenizer)
    comparison = Comparison(asked, sampler.for_evaluation(), MEASURES, batch_size=sizes.rows_at_once)
    comparison.add("base", policy, bare)
    comparison.add("+ prompt", policy)

    prime(policy, worked, sizes, run, seed)
    comparison.add("+ SFT", policy)

    reinforce(policy, sampler, problems, sizes, run, seed)
    comparison.add("+ GRPO", policy)

    comparison.print(examples=1)
    comparison.save(run, {"seed": seed, **vars(sizes)})
    policy.save_pretrained(run / "adapter")


def prime(policy: CausalLMPolicy, worked: OpenR1Demonstrations, sizes: Sizes, run: Path, seed: int) -> None:
    """Show some worked solutions in the layout: from then on rewards differ, and GRPO has something to learn from."""
    sft = SFT(
        policy,
        demonstrations_per_step=sizes.sft_batch,
        learning_rate=sizes.sft_learning_rate,
        warmup_steps=5,
        seed=seed,
    )
    trainer(CSVLogger(run, "sft", ""), sizes.sft_steps, sizes.sft_accumulate).fit(sft, worked)


def reinforce(
    policy: CausalLMPolicy, sampler: GroupSampler, problems: OpenR1Math, sizes: Sizes, run: Path, seed: int
) -> None:
    """Pay for the right answer in the right layout."""
    grpo = GRPO(
        policy,
        RULES,
        sampler,
        prompts_per_rollout=sizes.prompts,
        minibatches_per_rollout=sizes.minibatches,
        learning_rate=sizes.learning_rate,
        warmup_steps=sizes.steps // 10,
        validation=MEASURES,
        seed=seed,
    )
    saver = ModelCheckpoint(run, "best", "val/accuracy", mode="max", save_last=True)
    trainer(CSVLogger(run.parent, "", run.name), sizes.steps, sizes.minibatches, saver, RolloutWriter()).fit(
        grpo, problems
    )


def trainer(logger: CSVLogger, steps: int, accumulate: int, *callbacks: pl.Callback) -> pl.Trainer:
    """Return an ordinary Trainer."""
    return pl.Trainer(
        max_steps=steps,
        accumulate_grad_batches=accumulate,
        gradient_clip_val=1.0,
        precision="bf16-mixed" if torch.cuda.is_available() else "32-true",
        logger=logger,
        log_every_n_steps=1,
        val_check_interval=max(1, steps // 4) * accumulate,
        check_val_every_n_epoch=None,
        limit_val_batches=1 if callbacks else 0,
        num_sanity_val_steps=0,
        enable_checkpointing=bool(callbacks),
        callbacks=[ProgressBar(), *callbacks],
    )


if __name__ == "__main__":
    options = recipe_options(__doc__, model="Qwen/Qwen3-4B-Base", data="open-r1/OpenR1-Math-220k")
    run = writable_folder(CSVLogger(options.output, "qwen3_math").log_dir)
    gpu, sizes = torch.cuda.is_available(), options.sizes
    pl.seed_everything(options.seed)  # the adapter's first weights
    policy = CausalLMPolicy(
        options.model, lora=LORA, dtype="bfloat16" if gpu else "float32", gradient_checkpointing=gpu
    )
    sampler = SharedPrefixSampler(sizes.group, sizes.max_tokens, seed=options.seed)
    main(policy, sampler, options.data, sizes, run, options.seed)
    policy.save_merged(run / "merged")
