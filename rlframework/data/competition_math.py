"""Competition problems with answers in LaTeX."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

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

    Args:
        path: Training set on the hub, or a folder that it was downloaded to; any set of these columns.
        configs: Its configurations, one a subject; none for a set that has only one.
        validation_path: Held-out set, likewise; None holds out a share of the training problems.
        validation_configs: Its configurations.
        validation_split: Its split.
        **options: Of `MappedData`.

    Example:
        >>> algebra = MATH(configs=["algebra"], validation_path=None, heldout_share=0.1)
        >>> algebra.sources["train"].configs
        ('algebra',)
    """

    def __init__(
        self,
        path: str = "EleutherAI/hendrycks_math",
        configs: Sequence[str] = SUBJECTS,
        validation_path: str | None = "HuggingFaceH4/MATH-500",
        validation_configs: Sequence[str] = (),
        validation_split: str = "test",
        **options: Any,
    ) -> None:
        validation = Source(validation_path, tuple(validation_configs), validation_split) if validation_path else None
        columns = ColumnMap("problem", "solution", last_boxed)
        super().__init__(Source(path, tuple(configs)), columns, validation, **options)

    def columns_of(self, there: Sequence[str]) -> ColumnMap:
        """Prefer a column with the answer to the box in the solution."""
        keep = tuple(name for name in ("level", "type", "subject", "unique_id") if name in there)
        if "answer" in there:
            return ColumnMap("problem", "answer", keep=keep)
        return ColumnMap("problem", "solution", last_boxed, keep)
