"""Adapter for Gymnasium and its like: any simulator with ``reset(seed=)`` and ``step(action)`` as an environment."""

from __future__ import annotations

import inspect
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple
from weakref import WeakValueDictionary

import numpy as np

from rlframework.environments.base import Environment, Episode, Observation
from rlframework.environments.tool_error import ToolError
from rlframework.turns import Call, CallFault, Turn
from rlframework.utilities.arguments import Checked

FIRST_OBSERVATION = "first_observation"
"""Column of what a prompt says of the first state, if the prompt was made from it."""


class ActionWords(Checked):
    """Reads an action that is one of some words; for ``StepEnvironment(read=...)``.

    Args:
        actions: The action of each word. Case and blanks around a word do not matter.

    Raises:
        ValueError: There are none.

    Example:
        >>> read = ActionWords({"left": 0, "down": 1})
        >>> read(" Down ")
        1
        >>> read("up")
        Traceback (most recent call last):
        ...
        rlframework.environments.tool_error.ToolError: Say one of: left, down.
    """

    def __init__(self, actions: Mapping[str, Any]) -> None:
        if not actions:
            raise ValueError("ActionWords got no actions; give a word for each, such as {'left': 0, 'right': 1}")
        self.actions = {word.strip().casefold(): action for word, action in actions.items()}
        self.hint = f"Say one of: {', '.join(actions)}."

    def __call__(self, text: str) -> Any:
        """Return the action that a text names.

        Args:
            text: What the policy said.

        Raises:
            ToolError: It is none of the words; the message lists them.
        """
        try:
            return self.actions[text.strip().casefold()]
        except KeyError:
            raise ToolError(self.hint) from None


class StepEnvironment(Environment):
    """Lets the policy act in a simulator of Gymnasium, or any other with ``reset(seed=)`` and ``step(action)``.

    ``reset`` returns ``(observation, info)``, and ``step`` returns ``(observation, reward, terminated, truncated,
    info)``; a client may return an object with ``observation``, ``reward`` and ``done`` from both. Every row has a
    simulator of its own, which is closed at the end. Step rewards add up to the return, which `EpisodeReturn` pays.

    What the policy says wrong, it is told: a text that cannot be read, or an action outside of the simulator's
    ``action_space``. Such a turn is no step, and is counted in ``episode/calls``. What the simulator itself raises is a
    failure, and the row has no reward.

    A row's seed makes the first state, so that all rows of a group begin alike, and as the prompt says. What happens on
    the way follows the luck of the episode (`reseed`).

    Args:
        make: Makes the simulator of a row: ``make(row)`` if it has an argument without a default, else ``make()``.
        read: Turns what the policy said into an action. None, or an exception of a kind in ``tells``, tells the policy
            that it said none.
        show: Turns an observation into what the policy reads.
        seed: Column with the seed of a row's first state, or one number for all rows.
        tells: Kinds of exceptions of ``read`` whose message is for the policy, besides `ToolError`. Any other is a
            failure.
        uses_global_random: The simulator draws from the global random numbers of Python or NumPy, as the games of gem
            do. They are seeded around every call, by the row at its start and by luck later, and put back. Not for
            several threads.

    Raises:
        ValueError: A negative seed.
        TypeError: When an episode starts: actions are no texts, and there is no ``read``.

    Example:
        >>> class Walk:
        ...     def reset(self, seed=None):
        ...         self.place = seed
        ...         return self.place, {}
        ...     def step(self, action):
        ...         self.place += action
        ...         return self.place, float(self.place == 0), self.place == 0, False, {}
        >>> environment = StepEnvironment(Walk, ActionWords({"back": -1, "on": 1}), "You are at {}.".format)
        >>> episode = environment.start({"seed": 2}, np.random.default_rng(0))
        >>> [episode.step(Turn(0, 1, "policy", text)).texts[0] for text in ("back", "jump", "back")]
        ['You are at 1.', 'Say one of: back, on.', 'You are at 0.']
        >>> environment.first({"seed": 2})
        'You are at 2.'
    """

    def __init__(
        self,
        make: Callable[..., Any],
        read: Callable[[str], Any] = str,
        show: Callable[[Any], str] = str,
        seed: str | int = "seed",
        tells: Sequence[type[Exception]] = (ValueError, LookupError, ArithmeticError),
        uses_global_random: bool = False,
    ) -> None:
        if isinstance(seed, int) and seed < 0:
            raise ValueError(f"StepEnvironment got seed={seed}; a seed is 0 or more, or the name of a column")
        self.make = make
        self.read = read
        self.show = show
        self.seed = seed
        self.tells: tuple[type[Exception], ...] = (ToolError, *tells)
        self.uses_global_random = uses_global_random
        self._makes_by_row = _has_required_argument(make)

    def start(self, row: Mapping[str, Any], luck: np.random.Generator) -> StepEpisode:
        """Make the simulator of a row and reset it with the row's seed.

        Args:
            row: The row of data. If it has ``first_observation``, as those of `StepPrompts` do, the first state has to
                say the same.
            luck: Random numbers for what happens on the way.

        Raises:
            KeyError: The row has no seed.
            ValueError: The simulator belongs to another episode that is still open, or the first state is another than
                the one that the prompt was made from.
        """
        episode = self._open(row, luck)
        try:
            said, expected = self.show(episode.first_observation), row.get(FIRST_OBSERVATION)
            if expected is not None and said != expected:
                raise ValueError(
                    f"the first state says {said!r:.200}, and the prompt was made from {expected!r:.200}; it has to be "
                    "a function of the row alone: let the simulator draw it from what reset(seed=) seeds"
                )
            self.reseed(episode.simulator, luck)
        except Exception:
            episode.close()
            raise
        return episode

    def first(self, row: Mapping[str, Any]) -> str:
        """Return what the first state of a row says, of which prompts are made.

        Args:
            row: The row of data, or as much of it as there is: its seed.
        """
        episode = self._open(row, np.random.default_rng(0))
        try:
            return self.show(episode.first_observation)
        finally:
            episode.close()

    def reseed(self, simulator: Any, luck: np.random.Generator) -> None:
        """Hand a simulator its luck, after its first state; override it for one whose random numbers are elsewhere.

        Here the simulator's ``np_random``, as Gymnasium's have it, goes on from the luck's state. It is changed in
        place, so that parts of a simulator which hold the same generator follow. A simulator without one keeps what
        its seed brought: every episode of a row then has the same luck, in this rollout and in the next.

        Args:
            simulator: The simulator after its reset.
            luck: Random numbers for what happens on the way; the same in every row of a group, and others in the next
                rollout.
        """
        numbers = getattr(_inner(simulator), "np_random", None)
        if isinstance(numbers, np.random.Generator):
            numbers.bit_generator.state = luck.bit_generator.state

    def _open(self, row: Mapping[str, Any], luck: np.random.Generator) -> StepEpisode:
        """Return the episode of a row after its reset."""
        seed = self._seed_of(row)
        simulator = self.make(row) if self._makes_by_row else self.make()
        if (other := _OPEN.get(id(_inner(simulator)))) is not None and not other.closed:
            raise ValueError(
                f"make() returned a {type(simulator).__name__} in which another episode goes on; make one for every "
                "row, as in StepEnvironment(lambda: gymnasium.make(...))"
            )
        episode = StepEpisode(self, simulator, luck)
        try:
            self._refuse_unread(simulator)
            with global_numbers(seed if self.uses_global_random else None):
                episode.first_observation, episode.info = _after_reset(simulator.reset(seed=seed))
        except Exception:
            episode.close()
            raise
        return episode

    def _refuse_unread(self, simulator: Any) -> None:
        """Refuse a simulator that takes no texts where nothing makes an action of a text: each turn would be refused.

        Raises:
            TypeError: It says so by its ``action_space``, and ``read`` is the default.
        """
        space = getattr(simulator, "action_space", None)
        kind = getattr(getattr(space, "dtype", None), "kind", "U")
        if self.read is str and kind not in "UO":
            raise TypeError(
                f"the actions of {type(_inner(simulator)).__name__} are {space}, and what a policy says is text: pass "
                "StepEnvironment(read=...) a function from text to action, such as int or "
                "ActionWords({'left': 0, 'right': 1})"
            )

    def _seed_of(self, row: Mapping[str, Any]) -> int:
        if isinstance(self.seed, int):
            return self.seed
        if self.seed not in row:
            raise KeyError(
                f"the row has no column {self.seed!r}, only {', '.join(row)}; give it the seed of its first state, or "
                "pass StepEnvironment(seed=0) if all rows begin alike"
            )
        return int(row[self.seed])


class StepEpisode(Episode):
    """Episode in a simulator; rewards see it in its last state.

    Args:
        environment: What reads and shows.
        simulator: The row's own simulator.
        luck: Random numbers for what happens on the way.

    Attributes:
        simulator: The simulator, closed when rewards see it.
        first_observation: What its reset returned.
        info: What it told last besides the observation.
        steps: Number of its steps; turns without an action are none.
        over: Whether the simulator has ended the episode.
        closed: Whether it was closed.
    """

    def __init__(self, environment: StepEnvironment, simulator: Any, luck: np.random.Generator) -> None:
        self.simulator = simulator
        self.first_observation: Any = None
        self.info: Any = None
        self.steps = 0
        self.over = False
        self.closed = False
        self._environment = environment
        self._luck = luck
        _OPEN[id(_inner(simulator))] = self

    def step(self, turn: Turn) -> Observation:
        """Do what the policy said, or tell it that it said no action.

        Args:
            turn: What the policy said.

        Raises:
            RuntimeError: The episode is over.
            TypeError: The simulator returned neither the five values of Gymnasium nor an object with their names.
        """
        if self.over:
            raise RuntimeError("the simulator has ended the episode; it cannot take another step")
        try:
            action = self._environment.read(turn.text)
        except self._environment.tells as error:
            # A KeyError says its key alone, which tells nobody anything.
            return _told(turn, "malformed", "" if type(error) is KeyError else str(error))
        if action is None:
            return _told(turn, "malformed")
        space = getattr(self.simulator, "action_space", None)
        if space is not None and hasattr(space, "contains") and not space.contains(action):
            return _told(turn, "arguments", f"That is not an action; there are {space}.")
        seed = int(self._luck.integers(2**32)) if self._environment.uses_global_random else None
        with global_numbers(seed):
            result = _after_step(self.simulator.step(action))
        self.steps += 1
        self.over, self.info = result.done, result.info
        return Observation(self._environment.show(result.observation), result.reward, result.done)

    def close(self) -> None:
        """Close the simulator, if it can be."""
        self.closed = True
        close = getattr(self.simulator, "close", None)
        if close is not None:
            close()


# Some errors repeat the text that they are about, whatever its length.
_MOST_CHARACTERS = 300

# Episodes by the id of their simulator, so that two of them cannot share one. Weak: an episode keeps its simulator, and
# nothing keeps an episode that is over.
_OPEN: WeakValueDictionary[int, StepEpisode] = WeakValueDictionary()


class _Result(NamedTuple):
    observation: Any
    reward: float
    done: bool
    info: Any


@contextmanager
def global_numbers(seed: int | None) -> Iterator[None]:
    """Enter a context with the global random numbers of Python and NumPy seeded; behind it they are as before.

    Args:
        seed: Their seed; None leaves them alone.

    Example:
        >>> with global_numbers(3):
        ...     one = random.random()
        >>> with global_numbers(3):
        ...     one == random.random()
        True
    """
    if seed is None:
        yield
        return
    before = random.getstate(), np.random.get_state(legacy=False)
    random.seed(seed)
    np.random.seed(seed % 2**32)
    try:
        yield
    finally:
        random.setstate(before[0])
        np.random.set_state(before[1])


def _told(turn: Turn, fault: CallFault, message: str = "") -> Observation:
    message = message[:_MOST_CHARACTERS] or "That is not an action."
    turn.calls.append(Call(fault=fault, result=message))
    return Observation(message)


def _after_reset(result: Any) -> tuple[Any, Any]:
    """Return the observation and what else was told."""
    if isinstance(result, tuple) and len(result) == 2:
        return result[0], result[1]
    if hasattr(result, "observation"):
        return result.observation, result
    raise TypeError(
        f"reset() returned {result!r:.80}; it has to return (observation, info), as Gymnasium's do, or an object with "
        "an observation"
    )


def _after_step(result: Any) -> _Result:
    if isinstance(result, tuple) and len(result) == 5:
        observation, reward, terminated, truncated, info = result
        return _Result(observation, float(reward), bool(terminated) or bool(truncated), info)
    if hasattr(result, "observation") and hasattr(result, "done"):
        reward = getattr(result, "reward", None)
        return _Result(result.observation, 0.0 if reward is None else float(reward), bool(result.done), result)
    raise TypeError(
        f"step() returned {result!r:.80}; it has to return (observation, reward, terminated, truncated, info), as "
        "Gymnasium's do, or an object with observation, reward and done"
    )


def _inner(simulator: Any) -> Any:
    """Return the simulator inside of its wrappers."""
    return getattr(simulator, "unwrapped", simulator)


def _has_required_argument(make: Callable[..., Any]) -> bool:
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    arguments = inspect.signature(make).parameters.values()
    return any(one.kind in kinds and one.default is inspect.Parameter.empty for one in arguments)
