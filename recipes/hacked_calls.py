"""A reward for each tool call beside the one for the answer: what it does to the calls, and to the answers.

    .venv/bin/python recipes/hacked_calls.py          # two runs on a CPU, about six minutes on one core, one picture

Task, base and GRPO are those of tool_use.py. The first run is paid 1 for a right answer, the second --pay for each call
as well, as one might to get a model to use its tools.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import transformers

from rlframework import GRPO, CausalLMPolicy, EpisodeSampler, PromptDataModule, SharedPrefixSampler, rewards
from rlframework.environments import Toolbox
from rlframework.loggers import AppendingCSVLogger
from rlframework.report import CallsRun, Comparison, plot_calls_and_accuracy
from rlframework.rewards import FunctionReward, RewardModel
from rlframework.run_report import save_run_report
from rlframework.tasks import create_lookup_base, lookup
from rlframework.tasks.tiny.run import recipe_parser, sizes, tiny_trainer
from rlframework.turns import Call
from rlframework.utilities.paths import writable_folder


def number_of_calls(calls: list[Call]) -> float:
    """What is watched, and what the mistake pays for."""
    return float(len(calls))


def train(name: str, reward: RewardModel, seed: int, output: Path, steps: int, n_heldout: int) -> CallsRun:
    """Train the primed base on a reward, and compare before with after."""
    logger = AppendingCSVLogger(output, name=f"hacked_calls/{name}")
    run = writable_folder(logger.log_dir)
    policy, turns = (
        CausalLMPolicy(create_lookup_base(seed).primed),
        SharedPrefixSampler(8, lookup.MAX_TOKENS, seed=seed),
    )
    sampler = EpisodeSampler(turns, Toolbox(lookup.Table), lookup.MAX_TURNS, lookup.MAX_TURN_TOKENS)
    problems = lookup.splits(seed, n_train=16 * steps, n_heldout=n_heldout)
    data = PromptDataModule(problems.train, problems.heldout, template=rewards.AnswerTemplate(), tools=lookup.Table)
    measures: dict[str, RewardModel] = {"accuracy": rewards.CorrectAnswer()}
    watched = {**measures, "calls": FunctionReward(number_of_calls)}
    options: dict[str, Any] = {"betas": (0.9, 0.95), "warmup_steps": 5, "validation": watched, "seed": seed}
    # Sampled, as the rollouts are: of what the policy does, not only of what it does most.
    options["validation_sampler"] = sampler.replace(group_size=1)
    algorithm = GRPO(policy, reward, sampler, prompts_per_rollout=16, learning_rate=7e-4, **options)
    comparison = Comparison(data.tokenize("validation", policy.tokenizer), algorithm.validation_sampler, measures)
    before = comparison.add("base + priming", policy)
    trainer = tiny_trainer(logger, steps)
    trainer.fit(algorithm, data)
    comparison.add(f"+ GRPO on {name}", policy)
    comparison.print(examples=2)
    comparison.save(run, {"reward": name, "seed": seed, "optimizer_steps": trainer.global_step})
    save_run_report(run)
    calls_before = sum(len(row.calls) for row in before.completions) / before.n
    return CallsRun(run / "metrics.csv", before.share("accuracy"), calls_before)


if __name__ == "__main__":
    parser = recipe_parser(__doc__, steps=60)
    parser.add_argument("--pay", type=float, default=0.5, help="for a call, where a right answer is worth 1")
    options = parser.parse_args()
    transformers.utils.logging.disable_progress_bar()
    answers = rewards.CorrectAnswer()
    paid = {
        "answers": answers,
        f"answers_and_{options.pay:g}_a_call": answers + options.pay * FunctionReward(number_of_calls),
    }
    runs = {name: train(name, one, options.seed, options.output, *sizes(options)) for name, one in paid.items()}
    print(f"Picture: {plot_calls_and_accuracy(runs, options.output / 'hacked_calls' / 'curves.png')}")
