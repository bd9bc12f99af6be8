"""Rows of a file: JSON lines, JSON, Parquet or CSV."""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import field
from pathlib import Path
from typing import Any

from rlframework.data.columns import ColumnMap, Splitter
from rlframework.data.mapped import MappedData
from rlframework.data.source import Source

FORMATS: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    ".jsonl": ("json", {}),
    ".json": ("json", {}),
    ".parquet": ("parquet", {}),
    ".csv": ("csv", {}),
    ".tsv": ("csv", {"sep": "\t"}),
}


class LocalFile(MappedData):
    r"""Prompts and golds of a file; its ending tells the format.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The ending is none of those.

    Example:
        >>> import json, pathlib, tempfile
        >>> file = pathlib.Path(tempfile.mkdtemp(), "sums.jsonl")
        >>> _ = file.write_text(json.dumps({"question": "3 + 4?", "solution": "It is 7.\n#### 7", "level": 1}))
        >>> from rlframework.data import after_hashes
        >>> LocalFile(file, prompt="question", answer="solution", splitter=after_hashes, heldout_share=0).rows("train")
        [{'prompt': '3 + 4?', 'answer': '7', 'level': 1}]
    """

    path: str | Path = field(kw_only=False)
    """A ``.jsonl``, ``.json``, ``.parquet``, ``.csv`` or ``.tsv`` file."""
    validation_path: str | Path | None = field(default=None, kw_only=False)
    """File of held-out rows; without one a share of the rows is held out."""
    prompt: str = "prompt"
    """Column of the prompt, a text or a list of chat messages."""
    answer: str = "answer"
    """Column that holds the gold."""
    splitter: Splitter | None = None
    """Takes the gold out of it, such as `rlframework.data.last_boxed`."""
    verifiable: Callable[[str], bool] | None = None
    """Tells whether a gold can be checked, such as `rlframework.data.math_gold`; by default none is asked."""
    source: Source = field(init=False)
    columns: ColumnMap = field(init=False)
    validation_source: Source | None = field(init=False)

    def __post_init__(self) -> None:
        """Name the files and the columns."""
        self.columns = ColumnMap(self.prompt, self.answer, self.splitter, keep=None)
        self.validation_source = _source(self.validation_path, self.columns) if self.validation_path else None
        self.source = _source(self.path, self.columns)
        super().__post_init__()


def _source(path: str | Path, columns: ColumnMap) -> Source:
    path = Path(path)
    if path.suffix.lower() not in FORMATS:
        raise ValueError(f"{path} ends with {path.suffix!r}; files that can be read end with {', '.join(FORMATS)}")
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {path} (looked for in {Path.cwd()})")
    name, options = FORMATS[path.suffix.lower()]
    # Without these a gold such as 007, 1e5 or NA would be read as another one, or as none.
    as_text = {"converters": {columns.prompt: str, columns.answer: str}, "keep_default_na": False, "na_values": [""]}
    if name == "csv":
        _check_cells(path, options.get("sep", ","))
    texts = as_text if name == "csv" else {}
    return Source(name, options={"data_files": str(path), **options, **texts})


def _check_cells(path: Path, separator: str) -> None:
    """Refuse a table in which a row has more cells than the header: each column would be read as another.

    Raises:
        ValueError: With the line, or that the file is no UTF-8.
    """
    with path.open(newline="", encoding="utf-8-sig") as file, suppress(csv.Error):
        rows = csv.reader(file, delimiter=separator)
        try:
            names = len(next(rows, []))
            for row in rows:
                if len(row) > names:
                    raise ValueError(
                        f"{path}, line {rows.line_num}: {len(row)} cells under a header of {names}. Quote a cell that "
                        f"holds a {separator!r}"
                    )
        except UnicodeDecodeError as error:
            raise ValueError(f"{path} is no UTF-8 ({error}); save it as such") from error
