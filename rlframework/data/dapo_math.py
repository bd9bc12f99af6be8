"""DAPO-Math: competition problems that were rewritten to have whole numbers as answers."""

from __future__ import annotations

from dataclasses import field

from rlframework.data.columns import ColumnMap
from rlframework.data.mapped import MappedData
from rlframework.data.source import Source


class DAPOMath(MappedData):
    """The problems of DAPO (arXiv:2503.14476) as processed by Open R1: 14,116 in English, each once.

    ``prompt`` becomes the prompt and ``solution``, which holds the bare number, the gold; ``data_source`` stays as a
    column. There is only a training split: see `MappedData` for what is held out.

    Example:
        >>> DAPOMath(max_prompt_quantile=0.9, heldout_share=0.02).sources["train"].configs
        ('en',)
    """

    path: str = field(default="open-r1/DAPO-Math-17k-Processed", kw_only=False)
    """Name on the hub, or a folder that it was downloaded to."""
    config: str = field(default="en", kw_only=False)
    """``"en"``, ``"cn"`` or ``"all"``."""
    source: Source = field(init=False)
    columns: ColumnMap = field(init=False)
    validation_source: Source | None = None

    def __post_init__(self) -> None:
        """Name the source and the columns."""
        self.source = Source(self.path, (self.config,))
        self.columns = ColumnMap("prompt", "solution", keep=("data_source",))
        super().__post_init__()
