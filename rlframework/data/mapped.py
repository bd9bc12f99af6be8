"""Prompts and golds from a data set of any layout: a source, a column map, and what is held out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from datasets import Dataset
from pytorch_lightning.utilities.rank_zero import rank_zero_info

from rlframework.data.columns import ColumnMap
from rlframework.data.golds import math_gold
from rlframework.data.heldout import Row, is_held_out, sample, without_duplicates, without_problems
from rlframework.data.module import PromptDataModule
from rlframework.data.source import Source
from rlframework.rewards.template import AnswerTemplate

READ_ROWS = 1000


class MappedData(PromptDataModule):
    """Prompts and golds of a data set on the hub, in a folder or in files. A subclass says which, and no more.

    Every row becomes ``prompt`` (the problem), ``answer`` (the gold, as text) and the columns that the map keeps. Where
    the data set has no held-out split, a share of its problems is held out, by a hash of the seed and the problem's
    text: a problem stands on one side whatever else is in the data set, and one that occurs twice never stands on both.
    Where it has one, training rows that repeat a problem of it are left out.

    Override `columns_of`, `wanted` or `shaped` where one map does not do.

    Args:
        source: Where the training rows are.
        columns: What they become.
        validation_source: Where the held-out rows are; without one they are taken from the training rows.
        heldout_share: Share of the problems to hold out if there is no ``validation_source``; 0 skips validation.
        validation_rows: At most so many held-out rows are validated, chosen by the seed; the others stay unused.
        seed: Of the held-out problems.
        drop_duplicates: Keep a problem that occurs more than once only once, with its first gold.
        template: Imposes its structured answer; `AnswerTemplate()` by default.
        structured: False leaves the prompts as they are.
        verifiable: Tells whether a gold can be checked; rows whose gold cannot be are left out with a warning.
        **options: Of `PromptDataModule`.

    Raises:
        ValueError: A share that is not in [0, 1).

    Example:
        >>> from rlframework.data import last_boxed
        >>> class Olympiad(MappedData):
        ...     def __init__(self, path: str = "someone/olympiad", **options):
        ...         super().__init__(Source(path), ColumnMap("question", "solution", last_boxed), **options)
        >>> Olympiad(heldout_share=0.05, max_prompt_quantile=0.9).columns.prompt
        'question'
    """

    def __init__(
        self,
        source: Source,
        columns: ColumnMap,
        validation_source: Source | None = None,
        *,
        heldout_share: float = 0.02,
        validation_rows: int | None = None,
        seed: int = 0,
        drop_duplicates: bool = True,
        template: AnswerTemplate | None = None,
        structured: bool = True,
        verifiable: Callable[[str], bool] | None = math_gold,
        **options: Any,
    ) -> None:
        if not 0 <= heldout_share < 1:
            raise ValueError(f"heldout_share={heldout_share} must lie in [0, 1): it is a share of the problems")
        validation = validation_source or (source if heldout_share else None)
        layout = (template or AnswerTemplate()) if structured else None
        super().__init__(source, validation, prompt_column="prompt", template=layout, verifiable=verifiable, **options)
        self.columns = columns
        self.validation_source = validation_source
        self.heldout_share = heldout_share
        self.validation_rows = validation_rows
        self.seed = seed
        self.drop_duplicates = drop_duplicates

    def columns_of(self, there: Sequence[str]) -> ColumnMap:
        """Return the map for a data set with these columns; by default the one that was passed."""
        return self.columns

    def wanted(self, row: Row) -> bool:
        """Whether to keep a mapped row; by default all are."""
        return True

    def shaped(self, row: Row) -> Row:
        """Return a wanted row as it is kept, for instance without long columns that have been read."""
        return row

    def rows(self, split: str) -> list[Row]:
        """Return the mapped rows of a split, ``"train"`` or ``"validation"``, before any gold is looked at."""
        rows = self._mapped(self.sources[split], split)
        if self.validation_source is None:
            held_out = split == "validation"
            rows = [row for row in rows if is_held_out(row["prompt"], self.heldout_share, self.seed) is held_out]
        elif split == "train":
            rows = without_problems(rows, self._mapped(self.validation_source, "validation"))
        if self.drop_duplicates:
            rows = without_duplicates(rows, split)
        if not rows:
            raise ValueError(
                f"no {split} rows are left of {self.sources[split].path!r}; raise heldout_share={self.heldout_share} "
                "if the data set is small, or look at the options that leave rows out"
            )
        return sample(rows, self.validation_rows, self.seed) if split == "validation" else rows

    def _mapped(self, source: Source, split: str) -> list[Row]:
        table = source.load()
        columns = self.columns_of(table.column_names)
        columns.check(table.column_names)
        mapped = map(columns, _read(table.select_columns(columns.columns(table.column_names))))
        rows = [self.shaped(row) for row in mapped if self.wanted(row)]
        if len(rows) < len(table):
            rank_zero_info(f"{len(table) - len(rows)} of {len(table)} {split} rows of {source.path} are not wanted")
        return rows


def _read(table: Dataset) -> Iterator[Row]:
    """Yield the rows of a data set, in a fraction of the time that its own iterator takes."""
    for batch in table.iter(batch_size=READ_ROWS):
        names = list(batch)
        for values in zip(*batch.values(), strict=True):
            yield dict(zip(names, values, strict=True))
