"""Prompts from the first observations of a simulator, such as a game's opening: a seed makes a prompt."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import field
from typing import Any

from rlframework.data.heldout import Row
from rlframework.data.module import PromptDataModule, Rows
from rlframework.data.source import Source
from rlframework.environments.step_environment import FIRST_OBSERVATION, StepEnvironment
from rlframework.utilities.random_fence import RandomFence


class StepPrompts(PromptDataModule):
    """Prompts of a `StepEnvironment`: each begins with what the simulator shows after its reset with a seed.

    Rows have ``prompt``, the seed in the environment's column for it, and ``first_observation``. When an episode
    starts, its first state has to say the same again; a simulator that does not follow its seed fails. The simulators
    of all seeds are made and reset once before training.

    Raises:
        ValueError: A seed that occurs twice, an environment with one seed for all rows, or a ``wording`` without
            ``{observation}``.

    Example:
        >>> class Countdown:
        ...     def reset(self, seed=None):
        ...         return 10 + seed, {}
        >>> environment = StepEnvironment(Countdown, int, "{} left".format)
        >>> data = StepPrompts(environment, seeds=range(2), wording="Take some: {observation}.")
        >>> data.rows("train")[1]
        {'prompt': 'Take some: 11 left.', 'seed': 1, 'first_observation': '11 left'}
    """

    environment: StepEnvironment = field(kw_only=False)
    """Makes the simulators; the same goes into `EpisodeSampler`."""
    seeds: Sequence[int] = field(kw_only=False)
    """Seeds of the training prompts, such as ``range(1000)``."""
    validation_seeds: Sequence[int] = ()
    """Seeds of held-out prompts; none skips validation."""
    wording: str = "{observation}"
    """The prompt, with ``{observation}`` where the simulator speaks."""
    # Made of the simulators: no rows are given.
    train: Rows | Source | str = field(init=False)
    validation: Rows | Source | str | None = field(init=False)
    test: Rows | Source | str | None = field(init=False, default=None)
    prompt_column: str = field(init=False, default="prompt")
    verifiable: Callable[[str], bool] | None = field(init=False, default=None)
    answer_column: str = field(init=False, default="answer")

    def __post_init__(self) -> None:
        """Check the arguments and lay out the rows."""
        if not isinstance(self.environment.seed, str):
            raise ValueError(
                f"the environment resets every row with seed={self.environment.seed}, so that all prompts would be the "
                "same; leave its seed out, or name a column"
            )
        seeds = [*self.seeds, *self.validation_seeds]
        if len(set(seeds)) < len(seeds):
            raise ValueError(
                f"{len(seeds) - len(set(seeds))} of {len(seeds)} seeds occur twice; give seeds and validation_seeds "
                "that do not overlap, such as range(1000) and range(1000, 1100)"
            )
        if "{observation}" not in self.wording:
            raise ValueError(f"wording={self.wording!r} says nothing of the first state; put {{observation}} into it")
        self.train = StepRows(self.environment, self.seeds, self.wording)
        self.validation = (
            StepRows(self.environment, self.validation_seeds, self.wording) if self.validation_seeds else None
        )
        super().__post_init__()


class StepRows(Sequence[Row]):
    """Rows of a simulator, made when they are read: one for each seed.

    Args:
        environment: Makes the simulators.
        seeds: Of their first states.
        wording: The prompt, with ``{observation}`` in it.
    """

    def __init__(self, environment: StepEnvironment, seeds: Sequence[int], wording: str) -> None:
        self.environment = environment
        self.seeds = seeds
        self.wording = wording
        self._fence = RandomFence(type(environment).__name__)

    def __len__(self) -> int:
        return len(self.seeds)

    def __getitem__(self, place: Any) -> Any:
        if isinstance(place, slice):
            return [self[i] for i in range(*place.indices(len(self)))]
        row = {str(self.environment.seed): int(self.seeds[place])}
        with self._fence:
            said = self.environment.first(row)
        return {"prompt": self.wording.replace("{observation}", said), **row, FIRST_OBSERVATION: said}
