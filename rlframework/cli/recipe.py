"""Lightning's command line over YAML recipes, as ``fit`` and ``probe`` use it."""

from __future__ import annotations

import re
from typing import Any, NoReturn

from pytorch_lightning.cli import LightningArgumentParser, LightningCLI

from rlframework.utilities.library_warnings import LOFTQ, without
from rlframework.utilities.other_names import COUNTERPARTS


class RecipeParser(LightningArgumentParser):
    """Says beside each name that nothing in a recipe has what serves in its place here."""

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        """End with the message and the answers to it."""
        unknown = re.findall(
            r"Option '(\w+)' is not accepted|Key '(?:\w+\.)*(\w+)' is not expected|--\S*?(\w+)=", message
        )
        names = dict.fromkeys("".join(found) for found in unknown)
        answers = [f"{name!r}: here it is {COUNTERPARTS[name]}" for name in names if name in COUNTERPARTS]
        super().error("\n".join([message, *answers]), ex)


class RecipeCLI(LightningCLI):
    """Makes the objects of a recipe without what PEFT says of defaults that nobody set."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **{"parser_class": RecipeParser, **options})

    def instantiate_classes(self) -> None:
        """Construct the policy, the algorithm and the data module of a recipe."""
        with without(LOFTQ):
            super().instantiate_classes()
