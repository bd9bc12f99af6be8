"""``rlframework check my_module:MyAlgorithm [--only NAME ...]``: the proof kit for an algorithm."""

from __future__ import annotations

import argparse
import ast
from collections.abc import Sequence
from typing import Any


def main(arguments: Sequence[str] | None = None) -> int:
    """Check one algorithm and print the report.

    Args:
        arguments: Instead of those of the process.

    Returns:
        The exit status: 0 if no check failed, 1 if some did.
    """
    options = argparse.ArgumentParser(prog="rlframework check", description="Prove an algorithm.")
    options.add_argument("algorithm", help="its class: module:Class, file.py:Class, or a name such as GRPO")
    options.add_argument("--only", action="append", metavar="NAME", help="run this check alone; may be repeated")
    options.add_argument(
        "--option", action="append", default=[], type=_option, metavar="NAME=VALUE", help="for the constructor"
    )
    given = options.parse_args(arguments)
    # Only now, so that --help does not wait for torch.
    from rlframework.testing.algorithms.checks import CHECKS
    from rlframework.testing.algorithms.kit import check_algorithm
    from rlframework.utilities.arguments import meant_by
    from rlframework.utilities.imports import find_attribute

    for name in given.only or ():
        if name not in CHECKS:
            options.error(f"--only {name}: there is no such check: {meant_by(name, CHECKS)}")
    try:
        algorithm = find_attribute(given.algorithm, "rlframework.algorithms")
    except ValueError as error:
        options.error(str(error))
    report = check_algorithm(algorithm, only=given.only, raise_on_failure=False, **dict(given.option))
    print(report)
    return 0 if report.ok else 1


def _option(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not equals:
        raise argparse.ArgumentTypeError(f"expected NAME=VALUE, got {text!r}")
    try:
        return name, ast.literal_eval(value)
    except (SyntaxError, ValueError):
        return name, value
