"""The proof kit from the command line: ``python -m rlframework.testing my_module:MyAlgorithm [--only NAME ...]``."""

from __future__ import annotations

import argparse
import ast
import sys
from collections.abc import Sequence
from typing import Any

from rlframework.algorithms.base import PolicyGradient
from rlframework.testing.algorithms.checks import CHECKS
from rlframework.testing.algorithms.kit import check_algorithm
from rlframework.utilities.imports import named_module


def main(arguments: Sequence[str] | None = None) -> int:
    """Check one algorithm and print the report.

    Args:
        arguments: Instead of those of the process.

    Returns:
        The exit status: 0 if no check failed, 1 if some did.
    """
    parser = argparse.ArgumentParser(prog="python -m rlframework.testing", description="Prove an algorithm.")
    parser.add_argument("algorithm", help="its class, as module:Class or path/to/file.py:Class")
    parser.add_argument("--only", action="append", choices=list(CHECKS), help="run this check alone; may be repeated")
    parser.add_argument(
        "--option", action="append", default=[], type=_option, metavar="NAME=VALUE", help="for the constructor"
    )
    asked = parser.parse_args(arguments)
    try:
        algorithm = find(asked.algorithm)
    except (ImportError, AttributeError, ValueError) as error:
        parser.error(str(error))
    report = check_algorithm(algorithm, only=asked.only, raise_on_failure=False, **dict(asked.option))
    print(report)
    return 0 if report.ok else 1


def find(name: str) -> type[PolicyGradient]:
    """Import a class.

    Args:
        name: ``module:Class`` or ``path/to/file.py:Class``.

    Raises:
        AttributeError: The module has no such class.
        ImportError: There is no such module or file.
        ValueError: The name has no colon.
    """
    place, colon, kind = name.rpartition(":")
    if not colon:
        raise ValueError(f"expected module:Class or file.py:Class, got {name!r}")
    found: type[PolicyGradient] = getattr(named_module(place), kind)
    return found


def _option(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not equals:
        raise argparse.ArgumentTypeError(f"expected NAME=VALUE, got {text!r}")
    try:
        return name, ast.literal_eval(value)
    except (SyntaxError, ValueError):
        return name, value


if __name__ == "__main__":
    sys.exit(main())
