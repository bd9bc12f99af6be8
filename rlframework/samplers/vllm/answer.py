"""Answers of a server, read with suspicion: ids and log-probabilities of one group, or a clear error."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

from rlframework.completions import StopReason
from rlframework.samplers.vllm.errors import BadAnswerError, shown

# Nats. Rounding takes a log-probability above 0: by 6e-5 where a float32 logit of 1,000 is subtracted from another.
_ROUNDING = 1e-4
# What vLLM writes for minus infinity, which JSON has not got.
_IMPOSSIBLE = -9999.0


class ServerCompletion(NamedTuple):
    """One completion: its ids up to and including the stop token, their log-probabilities, and why it ended."""

    ids: list[int]
    logprobs: list[float]
    reason: StopReason


def read_group(answer: dict[str, Any], request: dict[str, Any], who: str) -> list[ServerCompletion]:
    """Return the ``n`` completions of one prompt, in the order of their index.

    Args:
        answer: Answer of ``/v1/completions``.
        request: The request: ``prompt``, ``n``, ``max_tokens`` and ``stop_token_ids`` are compared.
        who: Address of the server, for messages.

    A log-probability that rounding took above 0, by 1e-4 at most, is 0.

    Raises:
        BadAnswerError: Anything is missing, is no probability, or differs from what was asked for; the message names
            it.

    Example:
        >>> choice = {"index": 0, "prompt_token_ids": [5], "token_ids": [7, 1], "finish_reason": "stop"}
        >>> answer = {"choices": [{**choice, "logprobs": {"token_logprobs": [-0.5, -0.1]}}]}
        >>> asked = {"prompt": [5], "n": 1, "max_tokens": 4, "stop_token_ids": [1]}
        >>> read_group(answer, asked, "http://127.0.0.1:8000")
        [ServerCompletion(ids=[7, 1], logprobs=[-0.5, -0.1], reason='stop')]
    """
    choices = answer.get("choices")
    if not isinstance(choices, list) or len(choices) != request["n"]:
        count = len(choices) if isinstance(choices, list) else "no"
        raise BadAnswerError(f"{who} answered with {count} completions of a prompt where {request['n']} were asked for")
    if any(not isinstance(choice, dict) for choice in choices):
        raise BadAnswerError(f"{who} answered with choices that are no objects: {shown(choices)}")
    indices = [choice.get("index") for choice in choices]
    if not _are_ids(indices) or sorted(indices) != list(range(request["n"])):
        numbers = ", ".join(sorted(shown(index) for index in indices))
        raise BadAnswerError(f"{who} numbered {request['n']} completions {numbers}")
    return [_read(choice, request, who) for choice in sorted(choices, key=lambda choice: choice["index"])]


def check_vocabulary(rows: Sequence[ServerCompletion], size: int, who: str) -> None:
    """Refuse token ids that are outside of a policy's vocabulary.

    Args:
        rows: The completions answered.
        size: Size of the vocabulary; ids are below it.
        who: Address of the server, for messages.

    Raises:
        BadAnswerError: With the largest id.
    """
    highest = max(max(row.ids) for row in rows)
    if highest >= size:
        raise BadAnswerError(
            f"{who} answered with token id {shown(highest)}, and the policy's vocabulary has {size}: 0 to {size - 1}. "
            "Does it serve another model?"
        )


def _are_ids(values: Any) -> bool:
    """Return whether it is a list of integers; true is one in Python, and 5.0 equals 5."""
    return isinstance(values, list) and all(type(value) is int for value in values)


def _read(choice: dict[str, Any], request: dict[str, Any], who: str) -> ServerCompletion:
    ids = choice.get("token_ids")
    if not _are_ids(ids) or not ids:
        raise BadAnswerError(
            f"{who} answered without token ids (token_ids: {shown(ids)}): ids are never made from text here. A vLLM "
            "server returns them for return_token_ids; a proxy in between, or another server, may drop them"
        )
    if min(ids) < 0:
        raise BadAnswerError(f"{who} answered with token id {shown(min(ids))}, and ids begin at 0")
    prompt = choice.get("prompt_token_ids")
    if not _are_ids(prompt) or prompt != request["prompt"]:
        raise BadAnswerError(
            f"{who} answered another prompt than was sent: {shown(prompt)} instead of {shown(request['prompt'])}"
        )
    given = choice.get("logprobs")
    scores = given.get("token_logprobs") if isinstance(given, dict) else None
    if not isinstance(scores, list) or len(scores) != len(ids):
        count = len(scores) if isinstance(scores, list) else "no"
        raise BadAnswerError(f"{who} answered with {count} log-probabilities for {len(ids)} tokens")
    logprobs = [_logprob(score, token, who) for score, token in zip(scores, ids, strict=True)]
    reason = choice.get("finish_reason")
    _check_end(ids, reason, request["max_tokens"], request["stop_token_ids"], who)
    return ServerCompletion(ids, logprobs, reason)  # type: ignore[arg-type]


def _logprob(score: Any, token: int, who: str) -> float:
    """Return the log-probability of a token, which was sampled, so that it is above minus infinity."""
    if type(score) not in (int, float) or not -math.inf < score < math.inf:
        raise BadAnswerError(f"{who} answered with a log-probability that is no number: {shown(score)}")
    if score > _ROUNDING:
        raise BadAnswerError(
            f"{who} answered with log-probability {shown(score)} of token {token}: above 0, by more than the "
            f"{_ROUNDING:g} that rounding explains. Is it a probability, or a logit?"
        )
    if score <= _IMPOSSIBLE:
        raise BadAnswerError(
            f"{who} answered with log-probability {shown(score)} of token {token}: vLLM writes {_IMPOSSIBLE:g} for "
            "minus infinity, and what has no probability is not sampled"
        )
    return min(float(score), 0.0)


def _check_end(ids: list[int], reason: Any, budget: int, stops: Collection[int], who: str) -> None:
    """Refuse a completion that did not end as the policy ends one: at its first stop token, or at the budget."""
    if reason not in ("stop", "length"):
        raise BadAnswerError(
            f"{who} broke a completion off after {len(ids)} tokens (finish_reason: {shown(reason)}); does somebody "
            "else pause or abort its requests?"
        )
    if len(ids) > budget:
        raise BadAnswerError(f"{who} answered with {len(ids)} tokens where {budget} at most were asked for")
    end = next((position for position, token in enumerate(ids) if token in stops), None)
    if reason == "stop" and end != len(ids) - 1:
        raise BadAnswerError(
            f"{who} stopped at token {ids[-1]}, or after it; a completion of this policy ends with one of "
            f"{sorted(stops)}. Does the server add stop tokens (--override-generation-config), or serve another model?"
        )
    if reason == "length" and (end is not None or len(ids) != budget):
        raise BadAnswerError(
            f"{who} says that the budget of {budget} tokens ended a completion of {len(ids)} tokens, ending with "
            f"{ids[-1]}; stop tokens are {sorted(stops)}. Is its --max-model-len shorter than prompt and budget?"
        )
