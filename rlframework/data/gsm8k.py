"""Grade-school word problems with whole-number answers."""

from __future__ import annotations

from typing import Any

from rlframework.data.columns import ColumnMap
from rlframework.data.mapped import MappedData
from rlframework.data.source import Source
from rlframework.data.splitters import after_hashes


class GSM8K(MappedData):
    """GSM8K (arXiv:2110.14168): 7,473 training and 1,319 test problems.

    ``question`` becomes the prompt, and what follows ``####`` in ``answer`` the gold; the worked solution before it is
    left out. The test split is validated, or ``validation_rows`` of it.

    Args:
        path: Name on the hub, or a folder that it was downloaded to.
        config: ``"main"``, or ``"socratic"`` with sub-questions in the solutions, which makes no difference here.
        **options: Of `MappedData`.

    Example:
        >>> GSM8K(validation_rows=256, max_prompt_quantile=0.9).sources["validation"].split
        'test'
    """

    def __init__(self, path: str = "openai/gsm8k", config: str = "main", **options: Any) -> None:
        columns = ColumnMap("question", "answer", after_hashes)
        super().__init__(Source(path, (config,)), columns, Source(path, (config,), "test"), **options)
