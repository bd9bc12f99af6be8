"""Errors as one line of text, with the place that raised them."""

from __future__ import annotations

import traceback
from pathlib import Path


def described(error: BaseException) -> str:
    """Return an exception in one line, with the file, line and function that raised it.

    Example:
        >>> described(ValueError("not a number"))
        'ValueError: not a number'
    """
    text = f"{type(error).__name__}: {error}".splitlines()[0][:300]
    frames = traceback.extract_tb(error.__traceback__)
    where = f" ({Path(frames[-1].filename).name}:{frames[-1].lineno}, in {frames[-1].name})" if frames else ""
    return text + where
