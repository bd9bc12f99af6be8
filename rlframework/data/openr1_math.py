"""OpenR1-Math: problems of many sources, from school exercises to olympiads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import field

from rlframework.data.columns import ColumnMap
from rlframework.data.heldout import Row
from rlframework.data.mapped import MappedData
from rlframework.data.source import Source

# What its source writes where a problem has no answer.
NO_ANSWER = ("proof", "notfound")


def stated_answer(text: str) -> str | None:
    """Return the answer, unless it is one of the words for there being none.

    Example:
        >>> stated_answer("42"), stated_answer("proof")
        ('42', None)
    """
    return None if text.lower() in NO_ANSWER else text


class OpenR1Math(MappedData):
    """OpenR1-Math-220k: problems of NuminaMath 1.5 that a reasoning model solved.

    ``problem`` becomes the prompt and ``answer`` the gold; ``problem_type``, ``question_type``, ``source`` and ``uuid``
    stay as columns. Solutions and generations are not read. Of the about 225,000 rows of ``"all"``, some 164,000 are of
    the question type ``"math-word-problem"``; some 56,000 are ``"MCQ"``, which guessing solves one time in four or
    five, 3,700 are ``"proof"``, without an answer to compare with, and 220 are ``"other"``. There is only a training
    split: see `MappedData` for what is held out.

    Example:
        >>> OpenR1Math(question_types=["math-word-problem", "MCQ"], heldout_share=0.01).question_types
        ('math-word-problem', 'MCQ')
    """

    path: str = field(default="open-r1/OpenR1-Math-220k", kw_only=False)
    """Name on the hub, or a folder that it was downloaded to."""
    config: str = field(default="default", kw_only=False)
    """``"default"`` (94,000 rows), ``"extended"`` (131,000, mostly easier) or ``"all"``."""
    question_types: Sequence[str] | None = field(default=("math-word-problem",), kw_only=False)
    """The question types to keep; None keeps all."""
    source: Source = field(init=False)
    columns: ColumnMap = field(init=False)
    validation_source: Source | None = None

    def __post_init__(self) -> None:
        """Name the source and the columns."""
        self.source = Source(self.path, (self.config,))
        keep = ("problem_type", "question_type", "source", "uuid")
        self.columns = ColumnMap("problem", "answer", stated_answer, keep)
        self.question_types = None if self.question_types is None else tuple(self.question_types)
        super().__post_init__()

    def wanted(self, row: Row) -> bool:
        """Keep the question types asked for."""
        return self.question_types is None or row["question_type"] in self.question_types
