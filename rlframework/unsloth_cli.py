"""The command line for `UnslothPolicy`: ``python -m rlframework.unsloth_cli fit --config recipe.yaml``."""

from __future__ import annotations

import sys
from typing import Any

from rlframework.utilities.imports import require


def main(args: list[str] | None = None, **options: Any) -> Any:
    """Import Unsloth, which has to come before transformers, and run `rlframework.cli.lightning.main`.

    Args:
        args: Arguments instead of those of the process.
        **options: For ``LightningCLI``.

    Raises:
        ImportError: Unsloth or jsonargparse is not installed.
    """
    require("unsloth", "unsloth")
    from rlframework.cli.lightning import main as run

    return run(args, **options)


if __name__ == "__main__":
    ended = main()
    sys.exit(ended if isinstance(ended, int) else 0)
