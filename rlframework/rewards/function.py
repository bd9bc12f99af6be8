"""Plain functions as rewards: one completion at a time, a batch at a time, or written for TRL."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeAlias

import torch

from rlframework.completions import Completion, Completions
from rlframework.rewards.base import RewardModel
from rlframework.rewards.event_loop import EventLoop, run_async
from rlframework.rewards.judgement import Judgement
from rlframework.rewards.pool import Outcome, WorkerPool
from rlframework.rewards.template import AnswerTemplate

Score: TypeAlias = float | None
NAN = float("nan")
LIMIT_S, BATCH_LIMIT_S = 10.0, 120.0


class FunctionReward(RewardModel):
    """A function of one completion, such as ``def f(completion, answer) -> float``, sync or async.

    Its parameters say what it gets: ``completion`` is the text, ``prompt`` the prompt's text, ``ids`` the token ids,
    ``parsed`` the answer within the template (None where it is broken or the token budget cut it), ``stop_reason`` is
    ``"stop"`` or ``"length"``, and any other name is a column of the data. None abstains. A function that raises has
    failed to check that row: the row abstains, the failure is counted, and many of them stop the run.

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
        super().__init__(name or function.__name__)
        self.is_async = inspect.iscoroutinefunction(function)
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
        self.at_once = at_once
        self.wanted = [parameter.name for parameter in inspect.signature(function).parameters.values()]
        self.pool = WorkerPool(function, workers, self.limit_s) if workers else None

    def score(self, completions: Completions) -> Judgement:
        """Call the function once for each completion."""
        calls = [tuple(self._argument(name, row) for name in self.wanted) for row in completions]
        if self.pool is not None:
            return _judgement(self.pool.map(calls))
        if self.is_async:
            return _judgement(EventLoop.shared().gather(self.function, calls, self.limit_s, self.at_once))
        return _judgement([_called(self.function, call) for call in calls])

    def _argument(self, name: str, row: Completion) -> Any:
        known = {"completion": row.text, "prompt": row.prompt.text, "ids": row.ids, "stop_reason": row.stop_reason}
        if name == "parsed":
            return self.template.answer_of(row)
        return known[name] if name in known else row.prompt.column(name)


class BatchFunctionReward(RewardModel):
    """A function of all completions of a rollout at once: ``def f(completions, answer, ...) -> list[float | None]``.

    Every parameter is a list with one value for each completion, named as in `FunctionReward`, but that ``completions``
    and ``prompts`` are the texts. The rows of a group stand together.

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
        super().__init__(name or function.__name__)
        self.function = function
        self.limit_s = limit_s
        self.wanted = list(inspect.signature(function).parameters)

    def score(self, completions: Completions) -> Judgement:
        """Call the function once."""
        known = {
            "completions": [row.text for row in completions],
            "prompts": [row.prompt.text for row in completions],
            "ids": [row.ids for row in completions],
            "stop_reason": [row.stop_reason for row in completions],
        }
        arguments = {name: known[name] if name in known else completions.column(name) for name in self.wanted}
        return _of_batch(self.function(**arguments), self.limit_s, len(completions))


class TRLReward(RewardModel):
    """A reward function written for TRL, called the way its ``GRPOTrainer`` does.

    It gets ``prompts``, ``completions`` and ``completion_ids``, every column of the data as a list, ``trainer_state``
    (None), and ``log_extra(name, values)`` and ``log_metric(name, value)``, which become columns and metrics of the
    `Judgement`. With ``chat`` prompts and completions are lists of messages, as with TRL's conversational data sets.
    None abstains.

    Args:
        function: ``f(prompts, completions, completion_ids, **columns) -> list[float | None]``, sync or async.
        chat: Whether it expects messages.
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
        chat: bool = False,
        limit_s: float = BATCH_LIMIT_S,
        name: str | None = None,
    ) -> None:
        super().__init__(name or function.__name__)
        self.function = function
        self.limit_s = limit_s
        self.chat = chat

    def score(self, completions: Completions) -> Judgement:
        """Call the function once."""
        columns: dict[str, Sequence[Any]] = {}
        metrics: dict[str, torch.Tensor] = {}

        def log_metric(name: str, value: float) -> None:
            metrics[name] = torch.full((len(completions),), float(value))

        arguments: dict[str, Any] = {
            **{name: completions.column(name) for name in _shared_columns(completions)},
            "prompts": [self._messages(row.prompt.text, "user") for row in completions],
            "completions": [self._messages(row.text, "assistant") for row in completions],
            "completion_ids": [row.ids for row in completions],
            "trainer_state": None,
            "log_extra": columns.__setitem__,
            "log_metric": log_metric,
        }
        judgement = _of_batch(self.function(**_accepted(self.function, arguments)), self.limit_s, len(completions))
        return replace(judgement, columns=columns, metrics=metrics)

    def _messages(self, text: str, role: str) -> Any:
        return [{"role": role, "content": text}] if self.chat else text


def as_scores(values: Any) -> torch.Tensor:
    """Return numbers, with None for an abstention, as float32."""
    if isinstance(values, torch.Tensor):
        return values
    return torch.tensor([NAN if value is None else float(value) for value in values], dtype=torch.float32)


def _of_batch(result: Any, limit_s: float, rows: int) -> Judgement:
    """Return the scores of a batch, waiting for them if the function was async."""
    if not inspect.iscoroutine(result):
        return Judgement(as_scores(result))
    outcome = run_async(result, limit_s)
    if outcome.failure == "exception":
        raise RuntimeError(f"an async reward failed on all of its rows: {outcome.detail}")
    if outcome.failure:
        return Judgement(torch.full((rows,), NAN), torch.ones(rows, dtype=torch.bool), detail=outcome.detail)
    return Judgement(as_scores(outcome.value))


def _called(function: Callable[..., Any], arguments: tuple[Any, ...]) -> Outcome:
    try:
        return Outcome(function(*arguments))
    except Exception as error:
        return _raised(error)


def _raised(error: Exception) -> Outcome:
    return Outcome(failure="exception", detail=f"{type(error).__name__}: {error}")


def _judgement(outcomes: Sequence[Outcome]) -> Judgement:
    return Judgement(
        as_scores([outcome.value for outcome in outcomes]),
        errors=torch.tensor([outcome.failure is not None for outcome in outcomes]),
        detail=next((outcome.detail for outcome in outcomes if outcome.failure), ""),
    )


def _shared_columns(completions: Completions) -> list[str]:
    """Return the columns that every row has; a mixture of data sets may lack some."""
    rows = [row.prompt.row for row in completions]
    return [name for name in rows[0] if all(name in row for row in rows)] if rows else []


def _accepted(function: Callable[..., Any], arguments: Mapping[str, Any]) -> dict[str, Any]:
    parameters = inspect.signature(function).parameters
    if any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in parameters.values()):
        return dict(arguments)
    return {name: value for name, value in arguments.items() if name in parameters}
