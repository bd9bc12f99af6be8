"""Demonstrations from the worked solutions of OpenR1-Math, in the layout asked for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import field, replace

from rlframework.data.demonstrations import DemonstrationDataModule
from rlframework.data.golds import math_gold
from rlframework.data.heldout import Row
from rlframework.data.module import Rows
from rlframework.data.openr1_math import OpenR1Math
from rlframework.data.source import Source
from rlframework.rewards.template import AnswerTemplate

GENERATIONS = ("generations", "correctness_math_verify")
END_OF_THOUGHT = "</think>"


class OpenR1Demonstrations(DemonstrationDataModule, OpenR1Math):
    """Shows, for problems of OpenR1-Math-220k, a reasoning model's own working and the gold as answer.

    Of each problem's ``generations`` the shortest is taken whose answer was checked (``correctness_math_verify``), as
    far as its thought has an end. Its thought, without its tags, becomes the working of the template. Problems without
    one are left out. The held-out problems are those of `OpenR1Math` with the same seed and share, so that none of them
    is shown.

    Example:
        >>> OpenR1Demonstrations(max_tokens=1024, too_long="drop").max_tokens
        1024
    """

    template: AnswerTemplate | None = None
    """The layout that a demonstration has, and that its prompt asks for."""
    # Of the bases that follow, `OpenR1Math` decides where rows come from.
    prompt_column: str = field(init=False, default="prompt")
    train: Rows | Source | str = field(init=False)
    validation: Rows | Source | str | None = field(init=False)
    verifiable: Callable[[str], bool] | None = math_gold

    def __post_init__(self) -> None:
        """Add the generations to the columns that are read."""
        self.layout = self.template = self.template or AnswerTemplate()
        super().__post_init__()
        self.columns = replace(self.columns, keep=(*(self.columns.keep or ()), *GENERATIONS))

    def wanted(self, row: Row) -> bool:
        """Keep problems with a worked solution that was checked."""
        return super().wanted(row) and isinstance(row["answer"], str) and self._working(row) is not None

    def shaped(self, row: Row) -> Row:
        """Put the demonstration in the place of the generations."""
        completion = self.layout.written(str(self._working(row)), row["answer"])
        return {**{name: row[name] for name in row if name not in GENERATIONS}, "completion": completion}

    def _working(self, row: Row) -> str | None:
        generations, checks = (row[name] for name in GENERATIONS)
        return shortest_right(generations, checks, self.layout.tags)


def shortest_right(
    generations: Sequence[str] | None, checks: Sequence[bool] | None, tags: Sequence[str] = ()
) -> str | None:
    """Return the thought of the shortest generation whose answer was checked; None if there is none.

    Args:
        generations: Texts of the reasoning model.
        checks: Whether each answer is right.
        tags: A thought that holds one of these is passed over: it would be misread.

    Example:
        >>> shortest_right(["<think>Add them up.</think> 7", "<think>7</think> 7", "<think>No"], [True, False, True])
        'Add them up.'
    """
    thoughts = [
        text.partition(END_OF_THOUGHT)[0].replace("<think>", "").strip()
        for text, right in zip(generations or [], checks or [], strict=True)
        if right and END_OF_THOUGHT in text
    ]
    clean = [thought for thought in thoughts if thought and not any(tag in thought for tag in tags)]
    return min(clean, key=len, default=None)
