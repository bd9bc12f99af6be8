"""A base model learns to reason about mathematics, without labels: what prompt, priming and GRPO each bring to it.

    python recipes/qwen3_math.py --tiny      # two minutes on a CPU: a tiny base, and sums in the layout of OpenR1-Math
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

from rlframework import (
    GRPO,
    SFT,
    CausalLMPolicy,
    GroupSampler,
    RolloutWriter,
    RunWriter,
    SampleLogger,
    SharedPrefixSampler,
)
from rlframework.data import OpenR1Demonstrations, OpenR1Math
from rlframework.loggers import AppendingCSVLogger
from rlframework.report import Comparison
from rlframework.rewards import ApproximateFormat, ExactFormat, LenientMathCheck, MathCheck, NumberCheck
from rlframework.run_report import save_run_report
from rlframework.tasks.math_run import Sizes, math_trainer, recipe_options
from rlframework.utilities.paths import writable_folder

SEVEN = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
LORA = LoraConfig(r=32, lora_alpha=64, target_modules=SEVEN)
# Exact layout, approximate layout, right answer, right number. The answer check knows fractions, intervals, sets.
ANSWER = MathCheck(correct=5.0, incorrect=-2.5, malformed=-2.0, name="answer_check")
RULES = ExactFormat() + ApproximateFormat() + ANSWER + NumberCheck()
MEASURES = {"accuracy": MathCheck(), "solved": LenientMathCheck(), "format": ExactFormat(score=1.0)}


def main(policy: CausalLMPolicy, sampler: GroupSampler, data: str, sizes: Sizes, run: Path, seed: int) -> None:
    """Measure, prime, measure, reinforce, measure: rows that differ in nothing but what was done to the policy."""
    split: Any = {"heldout_share": sizes.heldout_share, "validation_rows": sizes.heldout, "seed": seed}
    chat: Any = {"plain_chat": True, **split}
    problems = OpenR1Math(data, max_prompt_quantile=0.9, validation_batch_size=sizes.rows_at_once, **chat)
    worked = OpenR1Demonstrations(data, max_tokens=sizes.sft_tokens, too_long="drop", **chat)

    asked = problems.tokenize("validation", policy.tokenizer)
    bare = OpenR1Math(data, structured=False, **split).tokenize("validation", policy.tokenizer)
    comparison = Comparison(asked, sampler.for_evaluation(), MEASURES, batch_size=sizes.rows_at_once)
    comparison.add("base", policy, bare)
    comparison.add("+ prompt", policy)

    # From here on some completions have the layout, rewards differ, and there is something to learn from.
    sft = SFT(policy, demonstrations_per_step=sizes.sft_batch, learning_rate=sizes.sft_learning_rate, warmup_steps=5)
    math_trainer(AppendingCSVLogger(run, "sft", ""), sizes.sft_steps, sizes.sft_accumulate).fit(sft, worked)
    comparison.add("+ SFT", policy)

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
    best = ModelCheckpoint(run, "best", "val/accuracy", mode="max")
    last = ModelCheckpoint(run, "last", enable_version_counter=False)
    logger = AppendingCSVLogger(run.parent, "", run.name)
    math_trainer(logger, sizes.steps, sizes.minibatches, best, last, RunWriter(), RolloutWriter(), SampleLogger()).fit(
        grpo, problems
    )
    comparison.add("+ GRPO", policy)

    comparison.print(examples=1)
    comparison.save(run, {"algorithm": "GRPO", "seed": seed, **vars(sizes)})
    save_run_report(run)
    policy.save_pretrained(run / "adapter")


if __name__ == "__main__":
    options = recipe_options(__doc__, model="Qwen/Qwen3-4B-Base", data="open-r1/OpenR1-Math-220k")
    folder = writable_folder(AppendingCSVLogger(options.output, "qwen3_math").log_dir)
    gpu, sizes = torch.cuda.is_available(), options.sizes
    pl.seed_everything(options.seed)  # the adapter's first weights
    model = CausalLMPolicy(options.model, lora=LORA, dtype="bfloat16" if gpu else None, gradient_checkpointing=gpu)
    sampler = SharedPrefixSampler(sizes.group, sizes.max_tokens, seed=options.seed)
    main(model, sampler, options.data, sizes, folder, options.seed)
    model.save_merged(folder / "merged")
