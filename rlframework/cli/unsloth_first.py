"""Unsloth imported before transformers, where a YAML file or an argument names one of its classes."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from rlframework.utilities.imports import require

CLASSES = frozenset({"UnslothPolicy", "UnslothSampler", "UnslothEngineSampler"})


def import_unsloth_first(arguments: Sequence[str]) -> None:
    """Import Unsloth, which replaces parts of transformers and has to come before it, and say so in one line.

    Does nothing where no class of Unsloth is named, or where it is not installed: the class itself says how to get it.

    Args:
        arguments: Those of the command line; YAML files among them are read.
    """
    found = next(_unsloth_classes(arguments), None)
    if found is None or "unsloth" in sys.modules or find_spec("unsloth") is None:
        return
    print(f"importing Unsloth before transformers, for the {found[0]} of {found[1]}", file=sys.stderr)
    require("unsloth", "unsloth")


def _unsloth_classes(arguments: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield the classes of Unsloth that are named, and where."""
    for argument in arguments:
        option, _, value = argument.rpartition("=")
        path = Path(value)
        words = [value]
        if path.suffix in (".yaml", ".yml") and path.is_file():
            words = list(_words_of(path))
        for word in words:
            name = word.rpartition(".")[2]
            if name in CLASSES:
                yield name, value if words != [value] else option or "the command line"


def _words_of(path: Path) -> Iterator[str]:
    """Yield every text in a YAML file; what is wrong with it is for the parser of the command line to say."""
    # Only now, and it is there: Lightning cannot do without it.
    yaml = import_module("yaml")

    def texts(value: Any) -> Iterator[str]:
        if isinstance(value, str):
            yield value
        elif isinstance(value, (dict, list)):
            for one in value.values() if isinstance(value, dict) else value:
                yield from texts(one)

    try:
        yield from texts(yaml.safe_load(path.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError, yaml.YAMLError):
        return
