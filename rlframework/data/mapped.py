"""Prompts and golds from a data set of any layout: a source, a column map, and what is held out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import field

from datasets import Dataset
from pytorch_lightning.utilities.rank_zero import rank_zero_info

from rlframework.data.columns import ColumnMap
from rlframework.data.golds import math_gold
from rlframework.data.heldout import Row, is_held_out, sample, without_duplicates, without_problems
from rlframework.data.module import PromptDataModule, Rows
from rlframework.data.source import Source
from rlframework.rewards.template import AnswerTemplate

READ_ROWS = 1000


class MappedData(PromptDataModule):
    """Prompts and golds of a data set on the hub, in a folder or in files. A subclass says which, and no more.

    Every row becomes ``prompt`` (the problem), ``answer`` (the gold, as text) and the columns that the map keeps. Where
    the data set has no held-out split, a share of its problems is held out, by a hash of the seed and the problem's
    text: a problem's side does not depend on the rest of the data set, and one that occurs twice never stands on both.
    Where it has one, training rows that repeat a problem of it are left out.

    Override `columns_of`, `wanted` or `shaped` where one map does not do.

    Raises:
        ValueError: A share that is not in [0, 1).

    Example:
        >>> from rlframework.data import last_boxed
        >>> class Olympiad(MappedData):
        ...     source: Source = Source("someone/olympiad")
        ...     columns: ColumnMap = ColumnMap("question", "solution", last_boxed)
        >>> Olympiad(heldout_share=0.05, max_prompt_quantile=0.9).columns.prompt
        'question'
    """

    source: Source = field(kw_only=False)
    """Source of the training rows."""
    columns: ColumnMap = field(kw_only=False)
    """Column map from a row to a prompt and its gold."""
    validation_source: Source | None = field(default=None, kw_only=False)
    """Source of the held-out rows; without one they are taken from the training rows."""
    heldout_share: float = 0.02
    """Share of the problems to hold out if there is no ``validation_source``; 0 skips validation."""
    validation_rows: int | None = None
    """At most so many held-out rows are validated, chosen by the seed; the others stay unused."""
    seed: int = 0
    """Seed of the choice of held-out problems."""
    drop_duplicates: bool = True
    """Keep a problem that occurs more than once only once, with its first gold."""
    template: AnswerTemplate | None = None
    """Imposes its structured answer; `AnswerTemplate()` by default."""
    structured: bool = True
    """False leaves the prompts as they are."""
    verifiable: Callable[[str], bool] | None = math_gold
    """Tells whether a gold can be checked; rows whose gold cannot be are left out with a warning."""
    prompt_column: str = field(init=False, default="prompt")
    train: Rows | Source | str = field(init=False)
    validation: Rows | Source | str | None = field(init=False)
    test: Rows | Source | str | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        """Take the source for training rows, and for held-out ones if there are no others."""
        if not 0 <= self.heldout_share < 1:
            raise ValueError(f"heldout_share={self.heldout_share} must lie in [0, 1): it is a share of the problems")
        self.train = self.source
        self.validation = self.validation_source or (self.source if self.heldout_share else None)
        self.template = (self.template or AnswerTemplate()) if self.structured else None
        super().__post_init__()

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
                f"no {split} rows are left of {self.sources[split].name!r}; raise heldout_share={self.heldout_share} "
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
            rank_zero_info(f"{len(table) - len(rows)} of {len(table)} {split} rows of {source.name} are not wanted")
        return rows


def _read(table: Dataset) -> Iterator[Row]:
    """Yield the rows of a data set, in a fraction of the time that its own iterator takes."""
    for batch in table.iter(batch_size=READ_ROWS):
        names = list(batch)
        for values in zip(*batch.values(), strict=True):
            yield dict(zip(names, values, strict=True))
