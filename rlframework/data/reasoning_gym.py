"""Endless prompts of reasoning-gym, made when a rollout asks for them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import field, replace
from typing import Any

from rlframework.data.gym_items import GymItems, GymRows
from rlframework.data.module import PromptDataModule, Rows
from rlframework.data.source import Source
from rlframework.data.tokenize import TooLong, tokenize_rows
from rlframework.prompt import Prompt
from rlframework.rewards.template import AnswerTemplate


class ReasoningGymPrompts(PromptDataModule):
    """Prompts of one task of reasoning-gym or of a mixture; no training prompt is seen twice.

    Every epoch has ``epoch_length`` new items: those of epoch ``e`` are the items from ``e * epoch_length`` on. An item
    is a function of seed and index (`GymItems`). Rows have ``prompt``, ``answer``, ``task`` and ``entry``, which
    `rlframework.rewards.logic.ReasoningGym` reads. Give that the same tasks and configs: some scorers can be fooled,
    and it refuses those.

    Raises:
        ImportError: reasoning-gym is not installed.
        ValueError: A task that cannot be had, or a length or share that makes no sense.

    Example:
        >>> data = ReasoningGymPrompts(["chain_sum", "gcd"], epoch_length=100, validation_rows=10)
        >>> len(data.rows("train")), len(data.rows("validation"))
        (100, 10)
    """

    tasks: str | Sequence[str] | Mapping[str, float] = field(kw_only=False)
    """A task, several of equal weight, or the weight of each."""
    configs: Mapping[str, Mapping[str, Any]] | None = None
    """For each task that needs it, the arguments of its data set."""
    epoch_length: int = 1000
    """Training items in an epoch. A run looks through the first epoch before it starts."""
    validation_rows: int = 100
    """Held-out items; 0 skips validation."""
    heldout_share: float = 0.1
    """Share of the questions that are held out, by their text."""
    seed: int = 0
    """Seed of the items."""
    template: AnswerTemplate | None = None
    """Imposes its structured answer; `AnswerTemplate()` by default."""
    structured: bool = True
    """False leaves the prompts as they are."""
    max_prompt_tokens: int | None = None
    """Budget of a prompt. A longer one is refused: to drop it would change what an index means."""
    # Made of the items: no rows are given, and none is left out.
    train: Rows | Source | str = field(init=False)
    validation: Rows | Source | str | None = field(init=False)
    test: Rows | Source | str | None = field(init=False, default=None)
    prompt_column: str = field(init=False, default="prompt")
    plain_chat: bool = field(init=False, default=False)
    too_long: TooLong = field(init=False, default="refuse")
    max_prompt_quantile: float | None = field(init=False, default=None)
    verifiable: Callable[[str], bool] | None = field(init=False, default=None)
    answer_column: str = field(init=False, default="answer")

    def __post_init__(self) -> None:
        """Check the arguments and prepare the items of reasoning-gym."""
        length, share, rows = self.epoch_length, self.heldout_share, self.validation_rows
        if length < 1 or not 0 <= share < 1 or (rows and not share):
            raise ValueError(
                f"epoch_length={length} must be at least 1, and heldout_share={share} in [0, 1), above 0 for "
                f"validation_rows={rows}"
            )
        names = [self.tasks] if isinstance(self.tasks, str) else self.tasks
        weights = names if isinstance(names, Mapping) else dict.fromkeys(names, 1.0)
        items = GymItems(weights, self.configs, self.seed, share)
        self.train = GymRows(items, length, first=self._first)
        self.validation = GymRows(items, rows, held_out=True) if rows else None
        self.template = (self.template or AnswerTemplate()) if self.structured else None
        super().__post_init__()

    def tokenize(self, split: str, tokenizer: Any) -> Sequence[Prompt]:
        """Return the prompts of a split; those of ``"train"`` are made when read, and change with the epoch.

        Args:
            split: ``"train"`` or ``"validation"``.
            tokenizer: Of the policy.
        """
        if split == "train":
            return GymPrompts(self.rows(split), tokenizer, self.tokenization)
        return super().tokenize(split, tokenizer)

    def _first(self) -> int:
        if self.trainer is None or self.trainer.overfit_batches:  # type: ignore[attr-defined]
            return 0
        return self.trainer.current_epoch * self.epoch_length


class GymPrompts(Sequence[Prompt]):
    """Prompts that are made when they are first read, and kept until the next epoch.

    Args:
        rows: The rows to make prompts of.
        tokenizer: Of the policy.
        tokenization: Arguments of `tokenize_rows`.
    """

    def __init__(self, rows: Any, tokenizer: Any, tokenization: Mapping[str, Any]) -> None:
        self.rows = rows
        self.tokenizer = tokenizer
        self.budget = tokenization["max_prompt_tokens"]
        self.tokenization = {**tokenization, "max_prompt_tokens": None}
        self._made: dict[int, Prompt] = {}
        self._first = rows.first()

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, place: Any) -> Any:
        if isinstance(place, slice):
            return [self[i] for i in range(*place.indices(len(self)))]
        if self._first != self.rows.first():
            self._made, self._first = {}, self.rows.first()
        index = self.rows.index(int(place))
        if index not in self._made:
            self._made[index] = self._make(index, self.rows[int(place)])
        return self._made[index]

    def _make(self, index: int, row: Mapping[str, Any]) -> Prompt:
        [prompt] = tokenize_rows([row], self.tokenizer, **self.tokenization)
        if self.budget is not None and len(prompt.ids) > self.budget:
            raise ValueError(
                f"item {index}, of {row['task']}, has {len(prompt.ids)} tokens, more than "
                f"max_prompt_tokens={self.budget}; raise the budget, or make the items shorter by the task's config"
            )
        return replace(prompt, index=index)
