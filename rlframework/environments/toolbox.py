"""Toolbox: an environment of tools, which are functions or the methods of a class made anew for each row."""

from __future__ import annotations

import inspect
import json
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from rlframework.environments.base import Environment, Episode, Observation
from rlframework.environments.callers import SortingCaller
from rlframework.environments.calling import Caller, Job, Outcome
from rlframework.environments.calls import CallFormat
from rlframework.environments.hermes_calls import HermesCalls
from rlframework.environments.signatures import Tools, functions_of, misfit, schema_of
from rlframework.environments.tool_error import ToolError
from rlframework.turns import Call, Turn
from rlframework.utilities.arguments import at_least

_MOST_CHARACTERS = 1_000_000
# Of 4,000 digits; Python writes no integer of more than 4,300.
_MOST_BITS = 13_287


class Toolbox(Environment):
    """Lets the policy call functions. A turn without a call is its answer, and ends the episode.

    A tool is a plain function with type hints and a docstring that describes its arguments. Of a class, the public
    methods are the tools, and each row gets an object of its own: made of the row where the class takes one
    (``Workbench(row)``, or ``Workbench(row, luck)``), and told of it by a method ``start(row)`` if there is one. A
    method ``close()`` is called at the end. Rewards find the object as ``episode.workbench``.

    The policy is told in a line of each mistake of its own: a call that cannot be read, a tool that there is not,
    arguments that do not fit, too many calls, the errors of ``tells``, and a result that is endless or NaN. Any other
    exception of a tool, and a result that is no text, number or JSON value, is a failure of the environment: that row
    has no reward.

    Args:
        tools: Functions and `SharedTools` such as `PythonTool`, or a class.
        calls: How the policy writes a call.
        max_calls: Most calls of one turn that are run; the policy is told of those beyond.
        max_bad_turns: This many turns in a row in which no call could be run end the episode; None for any number.
        tells: Exceptions of a tool that its arguments cause, and that the policy is told of, besides `ToolError`.
        tools_are_shown: Whether prompts have to show the tools, by ``PromptDataModule(tools=...)``; a run whose prompts
            do not is refused. False for a policy that has learned what it can call.
        workers: Processes for plain functions, where one that hangs or crashes can be ended; 0 runs them in this one.
        limit_s: Seconds for one call, 10 unless told otherwise; needs ``workers``, or an async function. Past them the
            tool has failed.

    Raises:
        TypeError: A tool is no function with type hints and a docstring, or a class cannot be made of a row.
        ValueError: There is no tool, two have the same name, a limit is below 1 or could not be kept, or another
            process cannot import a function.

    Example:
        >>> def multiply(x: int, y: int) -> int:
        ...     '''Multiply two numbers.
        ...
        ...     Args:
        ...         x: The first.
        ...         y: The second.
        ...     '''
        ...     return x * y
        >>> episode = Toolbox([multiply]).start({}, np.random.default_rng(0))
        >>> turn = Turn(0, 1, "policy", "...", [Call("multiply", {"x": 6, "y": 7}), Call("multiply", {"x": "6"})])
        >>> episode.step(turn).texts
        ('42', 'Error: multiply needs the argument y; multiply takes x and y.')
        >>> [call.fault for call in turn.calls]
        [None, 'arguments']
    """

    def __init__(
        self,
        tools: Tools,
        calls: CallFormat | None = None,
        max_calls: int = 8,
        max_bad_turns: int | None = 3,
        tells: Sequence[type[Exception]] = (ValueError, LookupError, ArithmeticError),
        tools_are_shown: bool = True,
        workers: int = 0,
        limit_s: float | None = None,
    ) -> None:
        at_least(self, 0, workers=workers)
        at_least(self, 1e-3, limit_s=limit_s)
        at_least(self, 1, max_calls=max_calls, max_bad_turns=max_bad_turns)
        self.tools: list[Callable[..., Any]] = functions_of(tools)
        self.calls: CallFormat = HermesCalls() if calls is None else calls
        self.tools_are_shown = tools_are_shown
        self.max_calls = max_calls
        self.max_bad_turns = max_bad_turns
        self.tells: tuple[type[Exception], ...] = (ToolError, *tells)
        self.schemas = {function.__name__: schema_of(function) for function in self.tools}
        self._workbench = tools if isinstance(tools, type) else None
        if self._workbench is not None and workers:
            raise ValueError(f"workers={workers} for {self._workbench.__name__}: its objects live in this process")
        caller = SortingCaller(self.tools, workers, limit_s, self.tells)
        self.caller: Caller = caller
        self.at_once = caller.at_once
        self._takes = 0 if self._workbench is None else _takes(self._workbench)

    def start(self, row: Mapping[str, Any], luck: np.random.Generator) -> ToolEpisode:
        """Begin the episode of a row: with an object of its own, where the tools are those of a class."""
        if self._workbench is None:
            return ToolEpisode(self, {function.__name__: function for function in self.tools})
        workbench = self._workbench(*(row, luck)[: self._takes])
        if (start := getattr(workbench, "start", None)) is not None:
            start(row)
        return ToolEpisode(self, {name: getattr(workbench, name) for name in self.schemas}, workbench)


class ToolEpisode(Episode):
    """Episode of a row with the tools of a `Toolbox`.

    Args:
        toolbox: Whose limits and schemas hold.
        functions: The tools of this row, by name.
        workbench: The object whose methods they are, if there is one.

    Attributes:
        workbench: For rewards: the object in its last state; None where the tools are plain functions.
    """

    def __init__(self, toolbox: Toolbox, functions: Mapping[str, Callable[..., Any]], workbench: Any = None) -> None:
        self.workbench = workbench
        self._toolbox = toolbox
        self._functions = functions
        self._bad_turns = 0

    def step(self, turn: Turn) -> Observation | None:
        """Run the calls of a turn; None if there is none, which makes the turn the answer.

        Raises:
            Exception: What a tool raised, if it is none of ``tells``.
            TypeError: A tool returned something else than a text, a number or a JSON value.
        """
        if not turn.calls:
            return None
        for place, call in enumerate(turn.calls):
            self._check(call, place)
        ready = [call for call in turn.calls if call.fault is None]
        jobs = [Job(self._functions[call.name], call.arguments) for call in ready]
        for call, outcome in zip(ready, self._toolbox.caller.run(jobs), strict=True):
            self._take(call, outcome)
        self._bad_turns = 0 if ready else self._bad_turns + 1
        done = self._toolbox.max_bad_turns is not None and self._bad_turns >= self._toolbox.max_bad_turns
        return Observation([call.result for call in turn.calls], done=done)

    def _check(self, call: Call, place: int) -> None:
        """Note what is wrong with a call before it is run."""
        schemas, most = self._toolbox.schemas, self._toolbox.max_calls
        if call.fault is not None:
            return
        if place >= most:
            call.fault, call.result = "too_many", f"Error: not run; at most {most} calls are run in a turn."
        elif call.name not in schemas:
            call.fault = "unknown"
            call.result = f"Error: there is no tool {call.name!r:.60}; there are: {', '.join(schemas)}."
        elif (wrong := misfit(schemas[call.name], call.arguments)) is not None:
            call.fault, call.result = "arguments", f"Error: {wrong}."

    def _take(self, call: Call, outcome: Outcome) -> None:
        """Note what a tool returned, or what the policy is told of.

        Raises:
            Exception: What the tool raised, if the policy is not told of it.
            TypeError: It returned something that the policy cannot read.
        """
        error = outcome.error
        if error is None:
            if (why := _unwritable(outcome.value)) is not None:
                call.fault, call.result = "told", f"Error: {call.name} gives {why}."
            else:
                call.result = _within(_text(call.name, outcome.value))
        elif isinstance(error, self._toolbox.tells):
            said = str(error) if isinstance(error, ToolError) else f"{type(error).__name__}: {error}"
            call.fault, call.result = "told", f"Error: {said}"
        else:
            raise error

    def close(self) -> None:
        """Close the object of the row, if it can be."""
        if (close := getattr(self.workbench, "close", None)) is not None:
            close()


def _takes(workbench: type) -> int:
    """Return how many of (row, luck) a class is made of.

    Raises:
        TypeError: It wants more.
    """
    try:
        parameters = list(inspect.signature(workbench).parameters.values())
    except ValueError:  # A class written in C does not say.
        return 0
    places = [one for one in parameters if one.kind in (one.POSITIONAL_ONLY, one.POSITIONAL_OR_KEYWORD)]
    wanted = [one for one in places if one.default is one.empty]
    named = [one for one in parameters if one.kind is one.KEYWORD_ONLY and one.default is one.empty]
    if named or len(wanted) > 2:
        raise TypeError(
            f"{workbench.__name__} is made for each row as {workbench.__name__}(row), ...(row, luck) or ...() and "
            f"wants {', '.join(one.name for one in [*wanted, *named])}; give the others a default"
        )
    return max(len(wanted), 1 if places and places[0].name == "row" else 0)


def _within(text: str) -> str:
    """Return a text without the middle of an endless one, which would take minutes to encode."""
    left_out = len(text) - _MOST_CHARACTERS
    if left_out <= 0:
        return text
    half = _MOST_CHARACTERS // 2
    return f"{text[:half]} [{left_out} characters left out] {text[-half:]}"


def _unwritable(value: Any) -> str | None:
    """Return why a number cannot be written, which is its arguments' doing; None for any other result."""
    if isinstance(value, float) and not math.isfinite(value):
        return f"{value}, which is no finite number"
    if type(value) is int and value.bit_length() > _MOST_BITS:
        return "an integer of more than 4,000 digits"
    return None


def _text(name: str, value: Any) -> str:
    """Return what a tool returned as a text: a text as it is, anything else as JSON.

    Raises:
        TypeError: It is something that JSON has no word for.
    """
    if isinstance(value, str):
        return value
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise TypeError(
            f"the tool {name} returned {value!r:.80} ({type(value).__name__}), which is no text, number or JSON value: "
            f"{error}; return str(...), or raise ToolError to tell the policy of a mistake"
        ) from error
