"""A base model that blurts learns to use its tool, on a CPU: what it is asked can only be looked up.

    make demo-tools                    # or: .venv/bin/python recipes/tool_use.py --seed 3

Each row has a hidden table in which a letter leads to another one or to a digit. The prompt is `f=?`, and the digit is
one to three looks away; guessing is right in one of ten cases. The tiny base is made here (cached): it was taught
conversations with the tool, then careless ones, of which 70 % answer at once. GRPO pays for the layout and the answer,
and nothing for a call. Two cores, about a minute; docs/tool_use.md has the figures, and what the two options show.
"""

from __future__ import annotations

import time
from argparse import Namespace
from random import Random
from typing import Any

import transformers

from rlframework import GRPO, CausalLMPolicy, PromptDataModule, SharedPrefixSampler, rewards
from rlframework.environments import Toolbox
from rlframework.loggers import AppendingCSVLogger
from rlframework.report import Comparison
from rlframework.run_report import save_run_report
from rlframework.samplers import EpisodeSampler, GroupSampler
from rlframework.tasks import create_lookup_base, lookup
from rlframework.tasks.tiny.run import recipe_parser, sizes, tiny_trainer
from rlframework.utilities.paths import writable_folder

MEASURES = {"accuracy": rewards.CorrectAnswer(), "format": rewards.ExactFormat(score=1.0)}
RULES = rewards.ExactFormat() + rewards.AnswerCheck()
SETTINGS: dict[str, Any] = {"prompts_per_rollout": 16, "learning_rate": 7e-4, "betas": (0.9, 0.95), "warmup_steps": 5}


def failing(share: float, seed: int) -> type[lookup.Table]:
    """Return a table whose tool breaks in a share of its calls: that is no mistake of the policy."""
    chance = Random(seed)

    class FailingTable(lookup.Table):
        def look(self, key: str) -> str:
            """Look up where a letter leads.

            Args:
                key: The letter.
            """
            if chance.random() < share:
                raise ConnectionError("the table does not answer")
            return super().look(key)

    return FailingTable


def main(options: Namespace) -> None:
    """Make the base, train it, and compare before with after."""
    transformers.utils.logging.disable_progress_bar()
    logger = AppendingCSVLogger(options.output, name="tool_use")
    run = writable_folder(logger.log_dir)
    started, (steps, n_heldout), seed = time.perf_counter(), sizes(options), options.seed
    base, primed = create_lookup_base(seed)
    facts = {"algorithm": "GRPO", "seed": seed, "seconds_base": time.perf_counter() - started}

    policy, turns = CausalLMPolicy(primed), SharedPrefixSampler(8, max_tokens=lookup.MAX_TOKENS, seed=seed)

    def with_table(table: type[lookup.Table]) -> GroupSampler:
        episodes = EpisodeSampler(turns, Toolbox(table), lookup.MAX_TURNS, lookup.MAX_TURN_TOKENS)
        return turns if options.without_tool else episodes

    sampler = with_table(failing(options.tool_fails, seed))
    test = with_table(lookup.Table).for_evaluation()
    problems = lookup.splits(seed, n_train=16 * steps, n_heldout=n_heldout)  # one epoch: no table twice
    data = PromptDataModule(problems.train, problems.heldout, template=rewards.AnswerTemplate(), tools=lookup.Table)
    algorithm = GRPO(policy, RULES, sampler, validation=MEASURES, validation_sampler=test, seed=seed, **SETTINGS)
    comparison = Comparison(data.tokenize("validation", policy.tokenizer), test, MEASURES)
    comparison.add("base", CausalLMPolicy(base))
    comparison.add("base + priming", policy)
    comparison.print()
    trainer = tiny_trainer(logger, steps)  # an ordinary Trainer; take your own, and it moves to GPUs
    started = time.perf_counter()
    trainer.fit(algorithm, data)
    facts |= {"seconds_training": time.perf_counter() - started, "optimizer_steps": trainer.global_step}
    facts["parameters"] = sum(parameter.numel() for parameter in policy.parameters())
    comparison.add("+ GRPO", policy)
    comparison.print(examples=3)
    comparison.save(run, facts)
    save_run_report(run)
    print(f"Run folder, with report.html, curves.png and every completion: {run}")


if __name__ == "__main__":
    parser = recipe_parser(__doc__, steps=16)
    parser.add_argument("--without-tool", action="store_true", help="take the tool away: a control that learns nothing")
    parser.add_argument("--tool-fails", type=float, default=0.0, metavar="SHARE", help="of the calls in training")
    main(parser.parse_args())
