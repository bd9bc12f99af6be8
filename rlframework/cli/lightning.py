"""YAML files and ``--help`` from the constructors' types: ``python -m rlframework.cli fit --config recipe.yaml``."""

from __future__ import annotations

import sys
from typing import Any

from rlframework.data import PromptDataModule
from rlframework.loop.algorithm import Algorithm
from rlframework.utilities.imports import require


def main(args: list[str] | None = None, **options: Any) -> Any:
    """Run Lightning's command line over any algorithm, `SFT` too, and any `PromptDataModule`; or ``probe``.

    Args:
        args: Arguments instead of those of the process.
        **options: For ``LightningCLI``.

    Raises:
        ImportError: jsonargparse is not installed.
    """
    require("jsonargparse", "cli")
    from rlframework.cli.recipe import RecipeCLI

    given = sys.argv[1:] if args is None else args
    if given[:1] == ["probe"]:
        from rlframework.cli.probe import main as probe

        return probe(given[1:])
    return RecipeCLI(
        Algorithm,
        PromptDataModule,
        subclass_mode_model=True,
        subclass_mode_data=True,
        save_config_kwargs={"overwrite": True},
        args=args,
        **options,
    )


if __name__ == "__main__":
    ended = main()
    sys.exit(ended if isinstance(ended, int) else 0)
