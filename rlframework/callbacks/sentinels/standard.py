"""`Sentinels`, the sensible set of sentinels in one callback."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from rlframework.callbacks.sentinels.base import Sentinel
from rlframework.callbacks.sentinels.entropy_collapse import EntropyCollapse
from rlframework.callbacks.sentinels.gradient_spike import GradientSpike
from rlframework.callbacks.sentinels.hacking_alarm import HackingAlarm
from rlframework.callbacks.sentinels.length_drift import LengthDrift
from rlframework.callbacks.sentinels.no_spread import NoSpread
from rlframework.callbacks.sentinels.not_finite import NotFinite
from rlframework.callbacks.sentinels.parse_failures import ParseFailures
from rlframework.callbacks.sentinels.truncation import Truncation
from rlframework.callbacks.sentinels.zero_gradient import ZeroGradient
from rlframework.loop.callback import RolloutCallback


class Sentinels(RolloutCallback):
    """Watches a run for its usual faults: NaN ends it, everything else is a warning with numbers, causes and a way out.

    It holds `NotFinite`, `ZeroGradient`, `NoSpread`, `Truncation`, `ParseFailures`, `EntropyCollapse`, `LengthDrift`,
    `HackingAlarm` and `GradientSpike`. Their thresholds are silent on healthy runs; docs/sentinels.md has each of them,
    with its reasons.

    Args:
        sentinels: They take the place of those of their class, or join in.

    Raises:
        ValueError: Two of one class; add the second to the Trainer's callbacks.

    Example:
        >>> import pytorch_lightning as pl
        >>> from rlframework.callbacks.sentinels import EntropyCollapse
        >>> trainer = pl.Trainer(callbacks=[Sentinels([EntropyCollapse(action="stop")])], logger=False)
    """

    def __init__(self, sentinels: Sequence[Sentinel] = ()) -> None:
        usual: list[Sentinel] = [NotFinite(), ZeroGradient(), NoSpread(), Truncation(), ParseFailures()]
        usual += [EntropyCollapse(), LengthDrift(), HackingAlarm(), GradientSpike()]
        given = {type(sentinel): sentinel for sentinel in sentinels}
        if len(given) < len(sentinels):
            names = ", ".join(type(sentinel).__name__ for sentinel in sentinels)
            raise ValueError(f"Sentinels got two of one class: {names}. Add the second to the Trainer's callbacks")
        self.sentinels = list(({type(sentinel): sentinel for sentinel in usual} | given).values())

    def state_dict(self) -> dict[str, Any]:
        """Return what each has counted, by its class."""
        return {type(sentinel).__name__: sentinel.state_dict() for sentinel in self.sentinels}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on counting; a sentinel that the saved run did not have begins at 0."""
        for sentinel in self.sentinels:
            if (saved := state_dict.get(type(sentinel).__name__)) is not None:
                sentinel.load_state_dict(saved)


def _handed_on(name: str) -> Callable[..., None]:
    def hook(self: Sentinels, *args: Any, **kwargs: Any) -> None:
        for sentinel in self.sentinels:
            getattr(sentinel, name)(*args, **kwargs)

    return hook


# Every one that a callback has: a sentinel of a user may need another one than ours do.
for _name in ("setup", "teardown", *(name for name in dir(RolloutCallback) if name.startswith("on_"))):
    setattr(Sentinels, _name, _handed_on(_name))
