"""MATH and MATH-500: competition problems with answers in LaTeX."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import field

from rlframework.data.columns import ColumnMap
from rlframework.data.mapped import MappedData
from rlframework.data.source import Source
from rlframework.data.splitters import last_boxed

SUBJECTS = (
    "algebra",
    "counting_and_probability",
    "geometry",
    "intermediate_algebra",
    "number_theory",
    "prealgebra",
    "precalculus",
)


class MATH(MappedData):
    r"""MATH (arXiv:2103.03874): 7,500 training problems of seven subjects, and MATH-500 for validation.

    ``problem`` becomes the prompt. The gold is ``answer`` where a set has that column, as MATH-500 has, and otherwise
    the last ``\boxed{}`` of ``solution``. ``level``, and ``type`` or ``subject``, stay as columns. MATH-500 is taken
    from MATH's test split, of which the training split holds nothing.

    Example:
        >>> algebra = MATH(configs=["algebra"], validation_path=None, heldout_share=0.1)
        >>> algebra.sources["train"].configs
        ('algebra',)
    """

    path: str = field(default="EleutherAI/hendrycks_math", kw_only=False)
    """Training set on the hub, or a folder that it was downloaded to; any set of these columns."""
    configs: Sequence[str] = field(default=SUBJECTS, kw_only=False)
    """Its configurations, one a subject; none for a set that has only one."""
    validation_path: str | None = field(default="HuggingFaceH4/MATH-500", kw_only=False)
    """Held-out set, on the hub or in a folder; None holds out a share of the training problems."""
    validation_configs: Sequence[str] = field(default=(), kw_only=False)
    """Configurations of the held-out set."""
    validation_split: str = field(default="test", kw_only=False)
    """Split of the held-out set."""
    source: Source = field(init=False)
    columns: ColumnMap = field(init=False)
    validation_source: Source | None = field(init=False)

    def __post_init__(self) -> None:
        """Name the sources and the columns."""
        self.source = Source(self.path, tuple(self.configs))
        self.columns = ColumnMap("problem", "solution", last_boxed)
        held_out = self.validation_path and Source(
            self.validation_path, tuple(self.validation_configs), self.validation_split
        )
        self.validation_source = held_out or None
        super().__post_init__()

    def columns_of(self, there: Sequence[str]) -> ColumnMap:
        """Return the column map: the answer's own column if there is one, else the box in the solution."""
        keep = tuple(name for name in ("level", "type", "subject", "unique_id") if name in there)
        if "answer" in there:
            return ColumnMap("problem", "answer", keep=keep)
        return ColumnMap("problem", "solution", last_boxed, keep)
