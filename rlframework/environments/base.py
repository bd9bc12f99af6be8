"""Abstract environment: what answers the policy's turns in an episode, and may pay for them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from rlframework.environments.calls import CallFormat
from rlframework.turns import Turn
from rlframework.utilities.arguments import Checked


@dataclass(frozen=True)
class Observation:
    """Observation: an environment's answer to a turn of the policy.

    Args:
        texts: What the policy reads next: a text, or a list with one for each call of the turn, in their order.
        reward: Paid for the turn; ``EpisodeReturn`` adds them up.
        done: The environment ends the episode. The policy is not asked again, and does not read the texts.

    Example:
        >>> Observation("Too low.").texts
        ('Too low.',)
    """

    texts: str | Sequence[str]
    reward: float = 0.0
    done: bool = False

    def __post_init__(self) -> None:
        texts = (self.texts,) if isinstance(self.texts, str | bytes) else tuple(self.texts)
        object.__setattr__(self, "texts", texts)


class Episode(ABC):
    """One row's episode: it lives from the prompt to the last turn, and its end state is what rewards see."""

    @abstractmethod
    def step(self, turn: Turn) -> Observation | None:
        """Answer a turn of the policy; None if the policy has ended the episode with it.

        An exception is a failure of the environment: the row has no reward, is counted, and too many of them stop the
        run. What the policy did wrong is an `Observation`.

        Args:
            turn: What the policy said. Its ``calls`` are read already, if the environment has a format for them.
        """

    def close(self) -> None:  # noqa: B027
        """Let go of what the episode holds, such as files and processes; called once, also after a failure."""


class Environment(Checked, ABC):
    """Makes an episode for each row: a game, a simulator, or a `Toolbox`. There is one for the whole run.

    Override `start`. `EpisodeSampler` then lets the policy and the episode take turns.

    Attributes:
        tools: Functions that the policy may call; hand them to ``PromptDataModule(tools=...)`` too, which shows them to
            the policy.
        tools_are_shown: Whether prompts have to name the tools; False for a policy that has learned what it can call.
        calls: How a call is written, or None where the policy calls nothing.
        at_once: How many episodes' ``step`` may be called at the same time, each from a thread, where that saves time;
            0 for one after the other in the thread that samples.

    Example:
        A game of less than 20 lines:

        >>> class HigherLower(Environment):
        ...     def start(self, row, luck):
        ...         return Guessing(secret=row["secret"])
        >>> class Guessing(Episode):
        ...     def __init__(self, secret):
        ...         self.secret = secret
        ...     def step(self, turn):
        ...         try:
        ...             guess = int(turn.text)
        ...         except ValueError:
        ...             return Observation("Say a number.")
        ...         if guess == self.secret:
        ...             return Observation("Right.", reward=1.0, done=True)
        ...         return Observation("Higher." if guess < self.secret else "Lower.")
        >>> episode = HigherLower().start({"secret": 7}, np.random.default_rng(0))
        >>> episode.step(Turn(0, 1, "policy", "4")).texts
        ('Higher.',)
    """

    tools: Sequence[Callable[..., Any]] = ()
    tools_are_shown: bool = True
    calls: CallFormat | None = None
    at_once: int = 0

    @abstractmethod
    def start(self, row: Mapping[str, Any], luck: np.random.Generator) -> Episode:
        """Begin the episode of a row of data.

        The first state is a function of the row alone, as the prompt was made from it.

        Args:
            row: The row of data.
            luck: Random numbers for what happens on the way. All rows of a group have the same, so that their rewards
                differ by what the policy did; another rollout has others.
        """
