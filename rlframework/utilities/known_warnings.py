"""Warnings of libraries about each other that nobody who trains can act on: left out by their words and module."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple


class Known(NamedTuple):
    """A warning that is understood.

    Args:
        category: Its class.
        message: Its beginning, as a regular expression.
        module: The module that it is attributed to, as a regular expression.
    """

    category: type[Warning]
    message: str
    module: str


# Lightning asks torch in a way that torch deprecates, for every set of data loaders.
LEAF_SPEC = Known(
    FutureWarning, r"`isinstance\(treespec, LeafSpec\)` is deprecated", r"pytorch_lightning\.utilities\._pytree"
)
# A PromptDataModule without held-out rows hands Lightning an empty list.
NO_VALIDATION = Known(UserWarning, "Total length of `list` across ranks is zero", r"pytorch_lightning\.utilities\.data")
# An algorithm leaves prompts where they are, whoever loads them.
TRANSFER = Known(
    UserWarning,
    "You have overridden `transfer_batch_to_device` in `LightningModule` but have passed in",
    r"pytorch_lightning\.trainer\.connectors\.data_connector",
)
# jsonargparse hands over every default, and PEFT takes this one for a wish.
LOFTQ = Known(UserWarning, "`loftq_config` specified but will be ignored", r"peft\.tuners\.lora\.config")
# PEFT asks a model by a name that transformers deprecates.
CHECKPOINTING = Known(FutureWarning, "`is_gradient_checkpointing` is deprecated", r"transformers\.modeling_utils")


def leave_out(*known: Known) -> None:
    """Leave known warnings out from now on; asked twice it does nothing more."""
    for category, message, module in known:
        warnings.filterwarnings("ignore", message, category, module)


@contextmanager
def without(*known: Known) -> Iterator[None]:
    """Leave known warnings out inside the context.

    Example:
        >>> with without(CHECKPOINTING):
        ...     warnings.warn_explicit(
        ...         "`is_gradient_checkpointing` is deprecated", FutureWarning, "", 1, "transformers.modeling_utils"
        ...     )
    """
    with warnings.catch_warnings():
        leave_out(*known)
        yield
