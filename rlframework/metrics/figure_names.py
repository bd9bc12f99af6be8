"""Names of logged figures, such as ``train/reward/total``: every logger takes them, and none is a folder of another."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import TypeVar

T = TypeVar("T")

_OTHERS = re.compile(r"[^A-Za-z0-9_/@-]")
_RENAME = "rename one of them (the name= of a reward, its key in rewards=, or that of a measure in validation=)"


def figure_name(name: str) -> str:
    """Return a figure's name as loggers get it: ASCII letters, digits, ``_-@`` and ``/`` stay, all else is ``_``.

    MLflow refuses brackets and ``*``, and Lightning's MLFlowLogger takes what it does not know out of a name. So every
    logger, ``monitor=`` and ``metrics.csv`` have one and the same name. Only ``pass@8`` stays what the field calls it,
    and MLflow has ``pass8``.

    Args:
        name: As somebody gave it.

    Raises:
        ValueError: Nothing is left of it but ``_`` and ``/``.

    Example:
        >>> figure_name("exact_format*0.5 (strict)"), figure_name("maths/pass@8")
        ('exact_format_0_5__strict_', 'maths/pass@8')
    """
    found = "/".join(part for part in _OTHERS.sub("_", name).split("/") if part)
    if not found.strip("_/"):
        raise ValueError(f"a figure cannot be named {name!r}: give it a name with a letter or a digit, from a to z")
    return found


def figure_names(names: Iterable[str]) -> dict[str, str]:
    """Return the names of figures by those that somebody gave them; see `figure_name`.

    Args:
        names: All figures that are logged together.

    Raises:
        ValueError: Two figures would have one name, or the name of one is the folder of another (``val/maths`` and
            ``val/maths/hard``): MLflow keeps each figure in a file, and a file cannot be a folder.

    Example:
        >>> figure_names(["val/pass@8", "val/reward"])
        {'val/pass@8': 'val/pass@8', 'val/reward': 'val/reward'}
    """
    given: dict[str, str] = {}
    for name in names:
        found = figure_name(name)
        if found in given:
            raise ValueError(f"the figures {given[found]!r} and {name!r} would both be logged as {found!r}: {_RENAME}")
        given[found] = name
    for found, name in given.items():
        parts = found.split("/")
        folder = next((one for end in range(1, len(parts)) if (one := "/".join(parts[:end])) in given), None)
        if folder is not None:
            raise ValueError(
                f"the figure {given[folder]!r} is the folder of {name!r}, and loggers that keep a figure in a file "
                f"cannot have both: {_RENAME}"
            )
    return {name: found for found, name in given.items()}


def old_names(name: str) -> list[str]:
    """Return what a training figure was called before 0.2: callbacks may monitor it by that until then.

    Args:
        name: Its name after ``train/``.

    Example:
        >>> old_names("reward/total"), old_names("judgement/maths/errors"), old_names("kl")
        (['reward'], ['reward/maths/errors'], [])
    """
    if name == "reward/total":
        return ["reward"]
    return ["reward" + name.removeprefix("judgement")] if name.startswith("judgement/") else []


def with_new_names(figures: Mapping[str, T], prefix: str = "") -> dict[str, T]:
    """Return figures by the names that they have since 0.2, of a ``metrics.csv`` from before.

    Args:
        figures: Training figures by name, old or new.
        prefix: What stands before their names, such as ``train/``.

    Example:
        >>> with_new_names({"reward": 1, "reward/maths": 2, "reward/maths/errors": 3})
        {'reward/total': 1, 'reward/maths': 2, 'judgement/maths/errors': 3}
    """
    total = prefix + "reward"
    if total not in figures:
        return dict(figures)
    renamed = {name: re.sub(f"^{total}(/.+/)", rf"{prefix}judgement\1", name) for name in figures} | {
        total: f"{total}/total"
    }
    return {renamed[name]: value for name, value in figures.items()}
