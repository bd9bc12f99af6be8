"""Two rewards that can be had without the skill: the reward goes up, right answers go away.

    .venv/bin/python recipes/reward_hacking.py          # two runs on a CPU, about two minutes, one picture

`layout` pays for the exact format, whatever the answer is. `anywhere` pays when the expected number occurs anywhere in
the completion. Model, data and GRPO are those of chain_sums.py; only the reward differs. What it is measured by does
not: held-out accuracy, which the policy never sees. Seed 1: the rewards go from 0.79 and 0.29 to 1.00 and 0.95, right
answers from 0.18 to 0.07 and 0.00 (docs/rewards/hacking.md).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import transformers

from rlframework import GRPO, CausalLMPolicy, PromptDataModule, SharedPrefixSampler, rewards
from rlframework.loggers import AppendingCSVLogger
from rlframework.report import Comparison, Run, plot_reward_and_accuracy
from rlframework.run_report import save_run_report
from rlframework.tasks import chain_sums, create_base
from rlframework.tasks.tiny.run import recipe_parser, sizes, tiny_trainer
from rlframework.utilities.paths import writable_folder


def gold_anywhere(completion: str, answer: str) -> float:
    """The mistake: a completion that names every number has named the right one."""
    return float(answer in completion)


HACKS = {
    "layout": (rewards.ExactFormat(score=1.0), 7e-4, "format alone"),
    "anywhere": (rewards.FunctionReward(gold_anywhere), 1.4e-3, "gold anywhere in the text"),
}


def train(hack: str, seed: int, output: Path, steps: int, n_heldout: int) -> Run:
    """Train the primed base on a reward that can be hacked, and compare before with after."""
    reward, learning_rate, title = HACKS[hack]
    logger = AppendingCSVLogger(output, name=f"reward_hacking/{hack}")
    run = writable_folder(logger.log_dir)
    policy, sampler = CausalLMPolicy(create_base(seed).primed), SharedPrefixSampler(8, max_tokens=48, seed=seed)
    problems = chain_sums.splits(seed, n_train=16 * steps, n_heldout=n_heldout)
    data = PromptDataModule(problems.train, problems.heldout, template=rewards.AnswerTemplate())
    measures = {"accuracy": rewards.CorrectAnswer(), "the reward": reward}
    options: dict[str, Any] = {"betas": (0.9, 0.95), "warmup_steps": 5, "validation": measures, "seed": seed}
    # Sampled, as the rollouts are: of what the policy does, not only of what it does most.
    options["validation_sampler"] = sampler.replace(group_size=1)
    algorithm = GRPO(policy, reward, sampler, prompts_per_rollout=16, learning_rate=learning_rate, **options)
    comparison = Comparison(data.tokenize("validation", policy.tokenizer), algorithm.validation_sampler, measures)
    before = comparison.add("base + priming", policy)
    trainer = tiny_trainer(logger, steps)
    trainer.fit(algorithm, data)
    comparison.add(f"+ GRPO on {title}", policy)
    comparison.print(examples=3)
    comparison.save(run, {"hack": hack, "seed": seed, "optimizer_steps": trainer.global_step})
    save_run_report(run)
    return Run(run / "metrics.csv", before.share("accuracy"))


if __name__ == "__main__":
    options = recipe_parser(__doc__, steps=50, seed=1).parse_args()
    transformers.utils.logging.disable_progress_bar()
    runs = {HACKS[hack][2]: train(hack, options.seed, options.output, *sizes(options)) for hack in HACKS}
    print(f"Picture: {plot_reward_and_accuracy(runs, options.output / 'reward_hacking' / 'curves.png')}")
