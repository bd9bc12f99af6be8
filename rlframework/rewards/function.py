"""Plain functions as rewards: one completion at a time, a batch at a time, or written for TRL."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeAlias

import torch

from rlframework.completions import Completion, Completions
from rlframework.rewards.base import RewardModel, as_scores
from rlframework.rewards.event_loop import EventLoop, run_async
from rlframework.rewards.judgement import Judgement
from rlframework.rewards.pool import CallResult, WorkerPool
from rlframework.rewards.template import AnswerTemplate
from rlframework.rewards.worker import called
from rlframework.utilities.arguments import at_least
from rlframework.utilities.ways_out import named

Score: TypeAlias = float | None
NAN = float("nan")
LIMIT_S, BATCH_LIMIT_S = 10.0, 120.0
_OF_EPISODES = ("turns", "calls", "episode")
Source: TypeAlias = RewardModel | type[RewardModel] | Callable[..., Any]


class FunctionReward(RewardModel):
    """A function of one completion, such as ``def f(completion, answer) -> float``, sync or async.

    Its parameters say what it gets: ``completion`` is the text, ``prompt`` the prompt's text, ``ids`` the token ids,
    ``parsed`` the answer within the template (None where it is broken or a limit cut it), and ``stop_reason`` why it
    ended, such as ``"stop"`` or ``"length"``. Of an episode ``completion`` is the policy's last turn, and there are
    ``turns`` and ``calls``, all of them, and ``episode``, which the environment made for the row, in its last state.
    Any other name is a column of the data. With ``**kwargs`` it gets all of these and
    every column. A parameter with a default keeps it where the row has no such column. None abstains. A function that
    raises has failed to check that row: the row abstains, the failure is counted, and many of them stop the run.

    Calls of an async function run together, in one event loop for all rollouts, so that a client may be shared. With
    ``workers`` a sync function runs in other processes: choose that for anything that can hang or crash. Both are given
    up after ``limit_s``, as failed checks.

    Args:
        function: What scores one completion.
        template: The layout that ``parsed`` is read by.
        workers: Processes for the calls; 0 calls in this one.
        limit_s: Seconds for one call, 10 unless told otherwise; needs ``workers``, or an async function.
        at_once: How many calls of an async function run together.
        name: Name of the component in logs; by default the function's.

    Raises:
        ValueError: A time limit for a sync function in this process, where nothing could enforce it; or workers for an
            async one.

    Example:
        >>> from rlframework.prompt import Prompt
        >>> def quotes(completion, answer):
        ...     return float(answer in completion)
        >>> rows = [Completion(Prompt([1], "?", {"answer": "42"}), [2], text, "stop") for text in ("It is 42.", "No.")]
        >>> FunctionReward(quotes).evaluate(Completions(rows, group_size=2)).total
        tensor([[1., 0.]])
    """

    def __init__(
        self,
        function: Callable[..., Score | Awaitable[Score]],
        *,
        template: AnswerTemplate | None = None,
        workers: int = 0,
        limit_s: float | None = None,
        at_once: int = 64,
        name: str | None = None,
    ) -> None:
        super().__init__(name or named(function))
        self.is_async = any(
            inspect.iscoroutinefunction(one) for one in (function, vars(type(function)).get("__call__"))
        )
        if workers and self.is_async:
            raise ValueError(
                f"{self.name} is async, and its calls run together without other processes; leave workers out"
            )
        if limit_s is not None and not workers and not self.is_async:
            raise ValueError(
                f"limit_s={limit_s} for {self.name} cannot be kept in this process; pass workers=1 or more"
            )
        self.function = function
        self.template = template or AnswerTemplate()
        self.limit_s = LIMIT_S if limit_s is None else limit_s
        at_least(self, 1, at_once=at_once)
        at_least(self, 1e-3, limit_s=self.limit_s)
        self.at_once = at_once
        self.parameters = dict(inspect.signature(function).parameters)
        self.pool = WorkerPool(function, workers, self.limit_s) if workers else None

    def score(self, completions: Completions) -> Judgement:
        """Call the function once for each completion."""
        calls = [self._arguments(row) for row in completions]
        if self.pool is not None:
            outcomes = self.pool.map(calls)
        elif self.is_async:
            run = functools.partial(called, self.function)
            outcomes = EventLoop.shared().gather(run, [(call,) for call in calls], self.limit_s, self.at_once)
        else:
            outcomes = [_outcome(self.function, call) for call in calls]
        return _judgement(self.name, outcomes)

    def _arguments(self, row: Completion) -> tuple[Any, ...] | dict[str, Any]:
        """Return what one call gets: by name, or by place where the function takes it no other way."""
        available: dict[str, Any] = {
            "completion": row.text,
            "prompt": row.prompt.text,
            "ids": row.ids,
            "stop_reason": row.stop_reason,
        }
        if _is_episode(row):
            available |= {"turns": row.turns, "calls": row.calls, "episode": row.episode}
        if _open_ended(self.parameters) or "parsed" in self.parameters:
            available["parsed"] = self.template.answer_of(row)
        arguments = _arguments_of(self.parameters, {**row.prompt.row, **available}, row.prompt.column)
        if any(parameter.kind is parameter.POSITIONAL_ONLY for parameter in self.parameters.values()):
            return tuple(arguments.values())
        return arguments


class BatchFunctionReward(RewardModel):
    """A function of all completions of a rollout at once: ``def f(completions, answer, ...) -> list[float | None]``.

    Every parameter is a list with one value for each completion, named as in `FunctionReward`, but that ``completions``
    and ``prompts`` are the texts. The rows of a group stand together; with ``**kwargs`` it gets every column. Rows
    whose environment failed are among them, maybe with an ``episode`` of None; what they are paid does not count.

    Args:
        function: What scores a batch, sync or async.
        limit_s: Seconds for an async one; then its check of all rows has failed.
        name: Name of the component in logs; by default the function's.

    Example:
        >>> from rlframework.prompt import Prompt
        >>> def shortest(completions):
        ...     least = min(map(len, completions))
        ...     return [float(len(text) == least) for text in completions]
        >>> rows = [Completion(Prompt([1], "?"), [2], text, "stop") for text in ("long", "no")]
        >>> BatchFunctionReward(shortest).evaluate(Completions(rows, group_size=2)).total
        tensor([[0., 1.]])
    """

    def __init__(
        self, function: Callable[..., Any], *, limit_s: float = BATCH_LIMIT_S, name: str | None = None
    ) -> None:
        super().__init__(name or named(function))
        self.function = function
        at_least(self, 1e-3, limit_s=limit_s)
        self.limit_s = limit_s
        self.parameters = dict(inspect.signature(function).parameters)

    def score(self, completions: Completions) -> Judgement:
        """Call the function once."""
        available = {
            "completions": [row.text for row in completions],
            "prompts": [row.prompt.text for row in completions],
            "ids": [row.ids for row in completions],
            "stop_reason": [row.stop_reason for row in completions],
        }
        if any(map(_is_episode, completions)):
            available |= {
                "turns": [row.turns for row in completions],
                "calls": [row.calls for row in completions],
                "episode": [row.episode for row in completions],
            }
        columns = {name: completions.column(name) for name in _shared_columns(completions)}
        arguments = _arguments_of(self.parameters, {**columns, **available}, completions.column)
        return _of_batch(self.name, self.function(**arguments), self.limit_s, len(completions))


class TRLReward(RewardModel):
    """A reward function written for TRL, called the way its ``GRPOTrainer`` does.

    It gets ``prompts``, ``completions`` and ``completion_ids``, every column of the data as a list, ``trainer_state``
    (None), and ``log_extra(name, values)`` and ``log_metric(name, value)``, which become columns and metrics of the
    `Judgement`. With ``chat`` prompts and completions are lists of messages, as with TRL's conversational data sets:
    the prompt those of the row's column ``prompt``, where it has them. None abstains.

    Args:
        function: ``f(prompts, completions, completion_ids, **columns) -> list[float | None]``, sync or async.
        chat: Whether it expects messages; None decides as TRL does: if the row's column ``prompt`` has messages.
        limit_s: Seconds for an async one; then its check of all rows has failed.
        name: Name of the component in logs; by default the function's.

    Example:
        >>> from rlframework.prompt import Prompt
        >>> def accuracy(completions, solution, **kwargs):
        ...     return [float(text == right) for text, right in zip(completions, solution)]
        >>> rows = [Completion(Prompt([1], "1+1?", {"solution": "2"}), [5], text, "stop") for text in ("2", "3")]
        >>> TRLReward(accuracy).evaluate(Completions(rows, group_size=2)).total
        tensor([[1., 0.]])
    """

    def __init__(
        self,
        function: Callable[..., Any],
        *,
        chat: bool | None = False,
        limit_s: float = BATCH_LIMIT_S,
        name: str | None = None,
    ) -> None:
        super().__init__(name or named(function))
        self.function = function
        at_least(self, 1e-3, limit_s=limit_s)
        self.limit_s = limit_s
        self.chat = chat
        self.parameters = dict(inspect.signature(function).parameters)

    def score(self, completions: Completions) -> Judgement:
        """Call the function once."""
        columns: dict[str, Sequence[Any]] = {}
        metrics: dict[str, torch.Tensor] = {}

        def log_metric(name: str, value: float) -> None:
            metrics[name] = torch.full((len(completions),), float(value))

        arguments: dict[str, Any] = {
            **{name: completions.column(name) for name in _shared_columns(completions)},
            "prompts": [self._prompt(row) for row in completions],
            "completions": [self._messages(row, row.text, "assistant") for row in completions],
            "completion_ids": [row.ids for row in completions],
            "trainer_state": None,
            "log_extra": columns.__setitem__,
            "log_metric": log_metric,
        }
        arguments = _arguments_of(self.parameters, arguments, completions.column)
        judgement = _of_batch(self.name, self.function(**arguments), self.limit_s, len(completions))
        return replace(judgement, columns=columns, metrics=metrics)

    def _prompt(self, row: Completion) -> Any:
        messages = row.prompt.row.get("prompt")
        text = self._messages(row, row.prompt.text, "user")
        return messages if text != row.prompt.text and isinstance(messages, list) else text

    def _messages(self, row: Completion, text: str, role: str) -> Any:
        chat = isinstance(row.prompt.row.get("prompt"), list) if self.chat is None else self.chat
        return [{"role": role, "content": text}] if chat else text


def as_reward(source: Source) -> RewardModel:
    """Return a reward made of what is given: a reward, its class, or a plain function.

    A function of ``completions`` becomes a `BatchFunctionReward`, one that also takes ``**kwargs`` a `TRLReward`, and
    any other a `FunctionReward`, which is called with one completion at a time.

    Raises:
        TypeError: It is none of these.

    Example:
        >>> def short(completion):
        ...     return float(len(completion) < 10)
        >>> as_reward(short).name
        'short'
    """
    if isinstance(source, RewardModel):
        return source
    if isinstance(source, type):
        if not issubclass(source, RewardModel):
            raise TypeError(f"{source.__name__} is no RewardModel; give a reward, its class, or a plain function")
        return source()
    if not callable(source):
        raise TypeError(f"expected a reward, its class, or a plain function; got {source!r}")
    parameters = inspect.signature(source).parameters
    if "completions" not in parameters:
        return FunctionReward(source)
    return TRLReward(source) if _open_ended(parameters) else BatchFunctionReward(source)


def _of_batch(name: str, result: Any, limit_s: float, rows: int) -> Judgement:
    """Return the scores of a batch, waiting for them if the function was async."""
    if not inspect.iscoroutine(result):
        return Judgement(as_scores(name, result))
    outcome = run_async(result, limit_s)
    if outcome.failure == "exception":
        raise RuntimeError(f"an async reward failed on all of its rows: {outcome.detail}")
    if outcome.failure:
        return Judgement(torch.full((rows,), NAN), torch.ones(rows, dtype=torch.bool), detail=outcome.detail)
    return Judgement(as_scores(name, outcome.value))


def _outcome(function: Callable[..., Any], arguments: tuple[Any, ...] | Mapping[str, Any]) -> CallResult:
    try:
        return CallResult(called(function, arguments))
    except Exception as error:
        return _raised(error)


def _raised(error: Exception) -> CallResult:
    return CallResult(failure="exception", detail=f"{type(error).__name__}: {error}")


def _judgement(name: str, outcomes: Sequence[CallResult]) -> Judgement:
    return Judgement(
        as_scores(name, [outcome.value for outcome in outcomes]),
        errors=torch.tensor([outcome.failure is not None for outcome in outcomes]),
        detail=next((outcome.detail for outcome in outcomes if outcome.failure), ""),
    )


def _shared_columns(completions: Completions) -> list[str]:
    """Return the columns that every row has; a mixture of data sets may lack some."""
    rows = [row.prompt.row for row in completions]
    return [name for name in rows[0] if all(name in row for row in rows)] if rows else []


def _arguments_of(
    parameters: Mapping[str, inspect.Parameter], available: Mapping[str, Any], column: Callable[[str], Any]
) -> dict[str, Any]:
    """Return what a function's parameters name, and with ``**kwargs`` all there is.

    Args:
        parameters: Of the function.
        available: What there is, by name.
        column: Says what there is where a name is missing, by raising.
    """
    found: dict[str, Any] = {}
    for name, parameter in parameters.items():
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            continue
        if name in available:
            found[name] = available[name]
        elif parameter.default is parameter.empty:
            found[name] = _of_an_episode(name, column) if name in _OF_EPISODES else column(name)
    return {**found, **available} if _open_ended(parameters) else found


def _is_episode(row: Completion) -> bool:
    return bool(row.turns) or row.failure is not None


def _of_an_episode(name: str, column: Callable[[str], Any]) -> Any:
    """Return the column of a name that an episode would have something for.

    Raises:
        KeyError: There is no such column either.
    """
    try:
        return column(name)
    except KeyError as error:
        raise KeyError(f"{error.args[0]}. Of episodes there is {name!r} too: sample with EpisodeSampler") from None


def _open_ended(parameters: Mapping[str, inspect.Parameter]) -> bool:
    return any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values())
