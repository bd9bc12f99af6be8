"""Worked solutions of OpenR1-Math as demonstrations in the layout asked for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rlframework.data.columns import ColumnMap
from rlframework.data.demonstrations import DemonstrationDataModule
from rlframework.data.heldout import Row
from rlframework.data.openr1_math import OpenR1Math
from rlframework.rewards.template import AnswerTemplate

GENERATIONS = ("generations", "correctness_math_verify")
END_OF_THOUGHT = "</think>"


class OpenR1Demonstrations(DemonstrationDataModule, OpenR1Math):
    """Shows, for problems of OpenR1-Math-220k, a reasoning model's own working and the gold as answer.

    Of each problem's ``generations`` the shortest is taken whose answer was checked (``correctness_math_verify``), as
    far as its thought has an end. Its thought, without its tags, becomes the working of the template. Problems without
    one are left out. The held-out problems are those of `OpenR1Math` with the same seed and share, so that none of them
    is shown.

    Args:
        *sources: ``path`` and ``config`` of `OpenR1Math`.
        template: The layout that a demonstration has, and that its prompt asks for.
        **options: Of `DemonstrationDataModule` and `OpenR1Math`.

    Example:
        >>> OpenR1Demonstrations(max_tokens=1024, too_long="drop").max_tokens
        1024
    """

    def __init__(self, *sources: Any, template: AnswerTemplate | None = None, **options: Any) -> None:
        self.layout = template or AnswerTemplate()
        super().__init__(*sources, template=self.layout, **options)
        kept = (*(self.columns.keep or ()), *GENERATIONS)
        self.columns = ColumnMap(self.columns.prompt, self.columns.answer, self.columns.splitter, kept)

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
        generations: What the reasoning model wrote.
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
