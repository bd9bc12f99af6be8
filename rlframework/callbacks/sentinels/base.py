"""Base of sentinels: callbacks that watch the figures of a run, and warn of it or stop it when something is wrong."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from copy import deepcopy
from difflib import get_close_matches
from typing import Any, ClassVar, Literal, TypeAlias

import pytorch_lightning as pl
from pytorch_lightning.trainer.states import TrainerFn
from pytorch_lightning.utilities.rank_zero import rank_zero_warn

from rlframework.loop.callback import RolloutCallback, RolloutRecord
from rlframework.metrics.tally import Tally
from rlframework.utilities.arguments import at_least, one_of

Action: TypeAlias = Literal["warn", "stop"]


class SentinelWarning(UserWarning):
    """Warning of a sentinel; a filter of warnings may turn it into an error, and `RunWriter` keeps it apart."""


class Sentinel(RolloutCallback, ABC):
    """A callback that looks at the figures of a run, and says what is wrong with them, since when, and why that may be.

    Override `look`, and name in ``needs`` the figures that it takes. They are those of the log, ``train/entropy`` after
    an optimizer step and ``val/accuracy`` after a validation, and what `measure` adds of each rollout. `look` is called
    whenever all of them are new. They are over all ranks, so that every rank comes to the same decision.

    What goes on from look to look belongs in ``self.memory``, which is part of checkpoints: a resumed run goes on
    counting.

    Args:
        action: ``"warn"`` says it once, and again when it was over and has come back. ``"stop"`` ends the run as well,
            as ``EarlyStopping`` does: after this step, on all ranks together, with a checkpoint where one is due.
        patience: Looks in a row that have to find something.

    Attributes:
        needs: Names of the figures without which there is nothing to look at.
        causes: What it usually comes from, in words.
        way_out: What to do, in words.
        memory: Anything that a checkpoint can hold.

    Raises:
        ValueError: Another action, or ``patience`` below 1.

    Example:
        >>> import torch
        >>> class Apologies(Sentinel):
        ...     needs = ("apologies",)
        ...     causes = "the reward pays for an answer that gives up as much as for a wrong one"
        ...     way_out = "read some of them (RolloutWriter), and pay less for them"
        ...     def measure(self, tally, record):
        ...         tally.mean("apologies", torch.tensor([float("sorry" in row.text) for row in record.completions]))
        ...     def look(self, figures):
        ...         share = figures["apologies"]
        ...         return f"{share:.0%} of the completions apologise" if share > 0.2 else None
        >>> Apologies(action="stop", patience=3).look({"apologies": 0.5})
        '50% of the completions apologise'
    """

    needs: ClassVar[tuple[str, ...]] = ()
    causes: ClassVar[str] = ""
    way_out: ClassVar[str] = ""

    def __init__(self, action: Action = "warn", patience: int = 1) -> None:
        one_of(self, "action", action, ("warn", "stop"))
        at_least(self, 1, patience=patience)
        self.action = action
        self.patience = patience
        self.memory: dict[str, Any] = {}
        self._measured: dict[str, float] = {}
        self._seen: set[str] = set()
        self._since: int | None = None
        self._looks = 0
        self._told = False

    @abstractmethod
    def look(self, figures: dict[str, float]) -> str | None:
        """Return in words what is wrong, with the numbers, or None if nothing is.

        Args:
            figures: The new figures by name; those that it needs are there.
        """

    def measure(self, tally: Tally, record: RolloutRecord) -> None:
        """Add figures of this rank's part of a rollout, under the same names on every rank; by default there are none.

        They are not logged. `look` gets them after the first optimizer step on the rollout, over all ranks.

        Args:
            tally: Takes means, sums and maxima.
            record: The rollout.
        """

    def ready(self, figures: dict[str, float]) -> bool:
        """Return whether there is something to look at: every figure that it needs is there and a number.

        Args:
            figures: The new figures by name.
        """
        return not any(math.isnan(figures.get(name, math.nan)) for name in self.needs)

    def figures(self, trainer: pl.Trainer, pl_module: Any) -> dict[str, float]:
        """Return the figures of the optimizer step that is done, and what was measured of the rollout that began it.

        Args:
            trainer: The Trainer.
            pl_module: The algorithm.
        """
        measured, self._measured = self._measured, {}
        return {**{f"train/{name}": value for name, value in pl_module.step_figures.items()}, **measured}

    def stop(self, trainer: pl.Trainer, message: str) -> None:
        """End the run, on every rank: all have found the same.

        Args:
            trainer: The Trainer.
            message: What was found.
        """
        rank_zero_warn(f"{message} The run stops here: action='stop'.", category=SentinelWarning)
        trainer.should_stop = True

    def observe(self, trainer: pl.Trainer, figures: dict[str, float]) -> None:
        """Look, count, and act when `patience` is over.

        Args:
            trainer: The Trainer.
            figures: The new figures by name.
        """
        self._seen |= figures.keys()
        if not self.ready(figures):
            return
        seen = self.look(figures)
        if seen is None:
            self._since, self._looks, self._told = None, 0, False
            return
        self._since = trainer.global_step if self._since is None else self._since
        self._looks += 1
        if self._looks >= self.patience and not self._told:
            self._told = True
            self.act(trainer, self._message(seen))

    def act(self, trainer: pl.Trainer, message: str) -> None:
        """Warn or stop, as ``action`` says.

        Args:
            trainer: The Trainer.
            message: What was found.
        """
        if self.action == "stop":
            self.stop(trainer, message)
        else:
            rank_zero_warn(message, category=SentinelWarning)

    def _message(self, seen: str) -> str:
        parts = [f"{type(self).__name__}, since step {self._since}: {seen}."]
        parts += [f"Usual causes: {self.causes}."] if self.causes else []
        parts += [f"What to do: {self.way_out}."] if self.way_out else []
        return " ".join(parts)

    def on_rollout_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule, record: RolloutRecord) -> None:
        """Measure the rollout, on all ranks."""
        tally = Tally()
        self.measure(tally, record)
        self._measured = tally.values(trainer)

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        """Look at an optimizer step that is done; called before checkpoints are saved."""
        if not trainer.fit_loop._should_accumulate():
            self.observe(trainer, self.figures(trainer, pl_module))

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Warn if a figure that it needs never came: it has not looked at anything."""
        for name in sorted(set(self.needs) - self._seen) if self._seen else ():
            near = get_close_matches(name, self._seen, n=1)
            rank_zero_warn(
                f"{type(self).__name__} has looked at nothing: it needs {name!r}, which this run did not have"
                + (f"; it had {near[0]!r}" if near else "")
            )

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Look at a validation during training; not at Lightning's trial of a few batches before it."""
        if trainer.state.fn == TrainerFn.FITTING and not trainer.sanity_checking:
            shown = {name: float(value) for name, value in trainer.callback_metrics.items()}
            self.observe(trainer, {name: value for name, value in shown.items() if name.startswith("val/")})

    def state_dict(self) -> dict[str, Any]:
        """Return what it has counted so far, for a checkpoint."""
        counted = {"since": self._since, "looks": self._looks, "told": self._told}
        return {**counted, "measured": dict(self._measured), "memory": deepcopy(self.memory)}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on counting where `state_dict` was taken."""
        self._since, self._looks, self._told = (state_dict[name] for name in ("since", "looks", "told"))
        self._measured, self.memory = dict(state_dict["measured"]), deepcopy(state_dict["memory"])
