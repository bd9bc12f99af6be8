"""GSM8K: grade-school word problems with whole-number answers."""

from __future__ import annotations

from dataclasses import field

from rlframework.data.columns import ColumnMap
from rlframework.data.mapped import MappedData
from rlframework.data.source import Source
from rlframework.data.splitters import after_hashes


class GSM8K(MappedData):
    """GSM8K (arXiv:2110.14168): 7,473 training and 1,319 test problems.

    ``question`` becomes the prompt, and what follows ``####`` in ``answer`` the gold; the worked solution before it is
    left out. The test split is validated, or ``validation_rows`` of it.

    Example:
        >>> GSM8K(validation_rows=256, max_prompt_quantile=0.9).sources["validation"].split
        'test'
    """

    path: str = field(default="openai/gsm8k", kw_only=False)
    """Name on the hub, or a folder that it was downloaded to."""
    config: str = field(default="main", kw_only=False)
    """``"main"``, or ``"socratic"`` with sub-questions in the solutions, which makes no difference here."""
    source: Source = field(init=False)
    columns: ColumnMap = field(init=False)
    validation_source: Source | None = field(init=False)

    def __post_init__(self) -> None:
        """Name the sources and the columns."""
        self.source = Source(self.path, (self.config,))
        self.columns = ColumnMap("question", "answer", after_hashes)
        self.validation_source = Source(self.path, (self.config,), "test")
        super().__post_init__()
