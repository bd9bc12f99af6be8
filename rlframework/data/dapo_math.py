"""Competition problems that were rewritten to have whole numbers as answers."""

from __future__ import annotations

from typing import Any

from rlframework.data.columns import ColumnMap
from rlframework.data.mapped import MappedData
from rlframework.data.source import Source


class DAPOMath(MappedData):
    """The problems of DAPO (arXiv:2503.14476) as processed by Open R1: 14,116 in English, each once.

    ``prompt`` becomes the prompt and ``solution``, which holds the bare number, the gold; ``data_source`` stays as a
    column. There is only a training split: see `MappedData` for what is held out.

    Args:
        path: Name on the hub, or a folder that it was downloaded to.
        config: ``"en"``, ``"cn"`` or ``"all"``.
        **options: Of `MappedData`.

    Example:
        >>> DAPOMath(max_prompt_quantile=0.9, heldout_share=0.02).sources["train"].configs
        ('en',)
    """

    def __init__(self, path: str = "open-r1/DAPO-Math-17k-Processed", config: str = "en", **options: Any) -> None:
        super().__init__(Source(path, (config,)), ColumnMap("prompt", "solution", keep=("data_source",)), **options)
