"""Lightning's own remarks: how loud its logger is while a context lasts."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def lightning_log(level: int) -> Iterator[None]:
    """Leave Lightning's remarks below a level out inside the context.

    The level of a logger belongs to the whole process: what sets it and returns has silenced the next run, too.

    Args:
        level: Of :mod:`logging`, such as ``logging.WARNING``.

    Example:
        >>> logger = logging.getLogger("pytorch_lightning")
        >>> before = logger.level
        >>> with lightning_log(logging.ERROR):
        ...     logger.isEnabledFor(logging.WARNING)
        False
        >>> logger.level == before
        True
    """
    logger = logging.getLogger("pytorch_lightning")
    before = logger.level
    logger.setLevel(level)
    try:
        yield
    finally:
        logger.setLevel(before)
