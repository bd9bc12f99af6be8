"""The policy and prompts of the truth tables as classes of one argument, for a YAML file to name."""

from __future__ import annotations

from rlframework.data.module import PromptDataModule
from rlframework.policies.causal_lm import CausalLMPolicy
from rlframework.rewards.template import AnswerTemplate
from rlframework.tasks import truth_tables
from rlframework.tasks.tiny_base import create_base


class TruthTablesPolicy(CausalLMPolicy):
    """The primed tiny base of a seed, made or found in the cache.

    Args:
        seed: Of the base.
    """

    def __init__(self, seed: int = 0) -> None:
        super().__init__(create_base(seed, task=truth_tables).primed)


class TruthTablesData(PromptDataModule):
    """Truth tables with the instruction that imposes the structured answer.

    Args:
        seed: Of the training problems; the held-out ones are the same for every seed.
        n_train: Training problems.
        n_heldout: Held-out problems.
    """

    def __init__(self, seed: int = 0, n_train: int = 1024, n_heldout: int = 256) -> None:
        splits = truth_tables.splits(seed, n_train, n_heldout)
        super().__init__(splits.train, splits.heldout, template=AnswerTemplate())
