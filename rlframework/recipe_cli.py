"""Lightning's command line over YAML recipes, as ``fit`` and ``probe`` use it."""

from __future__ import annotations

from pytorch_lightning.cli import LightningCLI

from rlframework.quiet import LOFTQ, without


class RecipeCLI(LightningCLI):
    """Makes the objects of a recipe without what PEFT says of defaults that nobody set."""

    def instantiate_classes(self) -> None:
        """Make them."""
        with without(LOFTQ):
            super().instantiate_classes()
