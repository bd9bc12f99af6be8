"""Policies and prompts of the small tasks as classes of a few numbers, for a YAML file to name."""

from __future__ import annotations

from dataclasses import field
from typing import ClassVar

from rlframework.data.module import PromptDataModule, Rows
from rlframework.data.source import Source
from rlframework.environments.signatures import Tools
from rlframework.environments.toolbox import Toolbox
from rlframework.policies.causal_lm import CausalLMPolicy
from rlframework.rewards.template import AnswerTemplate
from rlframework.tasks import chain_sums, lookup, truth_tables
from rlframework.tasks.lookup_base import create_lookup_base
from rlframework.tasks.tiny.base import create_base
from rlframework.tasks.tiny.task import Splits, TinyTask


class TinyPolicy(CausalLMPolicy):
    """The primed tiny base of a seed, made or found in the cache. A subclass says of which task.

    Args:
        seed: Of the base.
    """

    task: ClassVar[TinyTask]

    def __init__(self, seed: int = 0) -> None:
        super().__init__(create_base(seed, task=self.task).primed)


class TinyData(PromptDataModule):
    """Problems with the instruction that imposes the structured answer. A subclass says of which task."""

    task: ClassVar[TinyTask]

    seed: int = field(default=0, kw_only=False)
    """Of the training problems; the held-out ones are the same for every seed."""
    n_train: int = field(default=1024, kw_only=False)
    """Training problems."""
    n_heldout: int = field(default=256, kw_only=False)
    """Held-out problems."""
    train: Rows | Source | str = field(init=False)
    validation: Rows | Source | str | None = field(init=False)
    prompt_column: str = field(init=False, default="prompt")

    def __post_init__(self) -> None:
        """Make the problems."""
        splits = self.splits()
        self.train, self.validation = splits.train, splits.heldout
        self.template = self.template or AnswerTemplate()
        super().__post_init__()

    def splits(self) -> Splits:
        """Return the problems."""
        return self.task.splits(self.seed, self.n_train, self.n_heldout)


class ChainSumsPolicy(TinyPolicy):
    """The base that adds up."""

    task: ClassVar[TinyTask] = chain_sums


class ChainSumsData(TinyData):
    """The prompts of chain sums, as a data module."""

    task: ClassVar[TinyTask] = chain_sums


class TruthTablesPolicy(TinyPolicy):
    """The base that works out columns."""

    task: ClassVar[TinyTask] = truth_tables


class TruthTablesData(TinyData):
    """The prompts of truth tables, as a data module."""

    task: ClassVar[TinyTask] = truth_tables


class LookupPolicy(CausalLMPolicy):
    """The base that looks things up.

    Args:
        seed: Of the base.
    """

    def __init__(self, seed: int = 0) -> None:
        super().__init__(create_lookup_base(seed).primed)


class LookupData(TinyData):
    """The prompts of hidden tables, as a data module that shows the tool."""

    tools: Tools | None = field(init=False, default=lookup.Table)

    def splits(self) -> Splits:
        """Return the problems."""
        return lookup.splits(self.seed, self.n_train, self.n_heldout)


class LookupTools(Toolbox):
    """The tool of each row, as an environment."""

    def __init__(self) -> None:
        super().__init__(lookup.Table)
