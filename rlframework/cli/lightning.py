"""``rlframework fit`` and ``validate``: Lightning's command line, options by the constructors' types."""

from __future__ import annotations

import re
from typing import Any, NoReturn

from pytorch_lightning.cli import LightningArgumentParser, LightningCLI

import rlframework.algorithms  # noqa: F401  # `--model GRPO`: short names are those of classes that are imported.
from rlframework.data import PromptDataModule
from rlframework.loop.algorithm import Algorithm
from rlframework.utilities.imports import require
from rlframework.utilities.known_warnings import LOFTQ, without
from rlframework.utilities.other_names import COUNTERPARTS


class RecipeParser(LightningArgumentParser):
    """Lightning's parser, which answers the option names of TRL and transformers with the names used here."""

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        """End with the message and the answers to it."""
        unknown = re.findall(
            r"Option '(\w+)' is not accepted|Key '(?:\w+\.)*(\w+)' is not expected|--\S*?(\w+)=", message
        )
        names = dict.fromkeys("".join(found) for found in unknown)
        answers = [f"{name!r}: here it is {COUNTERPARTS[name]}" for name in names if name in COUNTERPARTS]
        super().error("\n".join([message, *answers]), ex)


class RecipeCLI(LightningCLI):
    """LightningCLI over any algorithm, `SFT` too, and any `PromptDataModule`.

    Args:
        args: Arguments instead of those of the process.
        **options: For ``LightningCLI``.
    """

    def __init__(self, args: list[str] | None = None, **options: Any) -> None:
        super().__init__(
            Algorithm,
            PromptDataModule,
            subclass_mode_model=True,
            subclass_mode_data=True,
            args=args,
            **{"parser_class": RecipeParser, **options},
        )

    def _parse_ckpt_path(self) -> None:
        """Let the command line have the last word: Lightning would put a checkpoint's settings in place of its own."""

    def instantiate_classes(self) -> None:
        """Construct the policy, the algorithm and the data module, without PEFT's warning of a default nobody set."""
        with without(LOFTQ):
            super().instantiate_classes()


def main(args: list[str] | None = None, **options: Any) -> RecipeCLI:
    """Run Lightning's command line; the configuration is saved next to the logs.

    Args:
        args: Arguments instead of those of the process: a subcommand, then its options.
        **options: For ``LightningCLI``.

    Raises:
        ImportError: jsonargparse is not installed.
    """
    require("jsonargparse", "cli")
    return RecipeCLI(args, **{"save_config_kwargs": {"overwrite": True}, **options})
