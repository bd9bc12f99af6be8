"""``python -m rlframework.unsloth_cli``: the command ``rlframework`` with Unsloth imported first, named or not."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from rlframework.utilities.imports import require


def main(arguments: Sequence[str] | None = None) -> int:
    """Import Unsloth, which has to come before transformers, and run `rlframework.cli.commands.main`.

    Args:
        arguments: Instead of those of the process.

    Returns:
        The exit status.

    Raises:
        ImportError: Unsloth is not installed.
    """
    require("unsloth", "unsloth")
    from rlframework.cli.commands import main as run

    return run(arguments)


if __name__ == "__main__":
    sys.exit(main())
