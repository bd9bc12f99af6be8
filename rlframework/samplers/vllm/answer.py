"""What a server answers, read with suspicion: ids and log-probabilities of one group, or a clear error."""

from __future__ import annotations

import math
from collections.abc import Collection
from typing import Any, NamedTuple

from rlframework.completions import StopReason
from rlframework.samplers.vllm.errors import BadAnswerError


class Answered(NamedTuple):
    """One completion: its ids up to and including the stop token, their log-probabilities, and why it ended."""

    ids: list[int]
    logprobs: list[float]
    reason: StopReason


def read_group(answer: dict[str, Any], request: dict[str, Any], who: str) -> list[Answered]:
    """Return the ``n`` completions of one prompt, in the order of their index.

    Args:
        answer: Of ``/v1/completions``.
        request: What was sent: ``prompt``, ``n``, ``max_tokens`` and ``stop_token_ids`` are compared.
        who: Address of the server, for messages.

    Raises:
        BadAnswerError: Anything is missing, or differs from what was asked for; the message says what.

    Example:
        >>> choice = {"index": 0, "prompt_token_ids": [5], "token_ids": [7, 1], "finish_reason": "stop"}
        >>> answer = {"choices": [{**choice, "logprobs": {"token_logprobs": [-0.5, -0.1]}}]}
        >>> asked = {"prompt": [5], "n": 1, "max_tokens": 4, "stop_token_ids": [1]}
        >>> read_group(answer, asked, "http://127.0.0.1:8000")
        [Answered(ids=[7, 1], logprobs=[-0.5, -0.1], reason='stop')]
    """
    choices = answer.get("choices")
    if not isinstance(choices, list) or len(choices) != request["n"]:
        count = len(choices) if isinstance(choices, list) else "no"
        raise BadAnswerError(f"{who} answered with {count} completions of a prompt where {request['n']} were asked for")
    if any(not isinstance(choice, dict) for choice in choices):
        raise BadAnswerError(f"{who} answered with choices that are no objects: {str(choices)[:200]}")
    indices = sorted(str(choice.get("index")) for choice in choices)
    if indices != sorted(str(index) for index in range(request["n"])):
        raise BadAnswerError(f"{who} numbered {request['n']} completions {', '.join(indices)}")
    return [_read(choice, request, who) for choice in sorted(choices, key=lambda choice: choice["index"])]


def _read(choice: dict[str, Any], request: dict[str, Any], who: str) -> Answered:
    ids = choice.get("token_ids")
    if not isinstance(ids, list) or not ids or not all(type(token) is int for token in ids):
        raise BadAnswerError(
            f"{who} answered without token ids (token_ids: {str(ids)[:80]}): ids are never made from text here. A vLLM "
            "server returns them for return_token_ids; a proxy in between, or another server, may drop them"
        )
    if choice.get("prompt_token_ids") != request["prompt"]:
        raise BadAnswerError(
            f"{who} answered another prompt than was sent: {str(choice.get('prompt_token_ids'))[:120]} instead of "
            f"{str(request['prompt'])[:120]}"
        )
    scores = (choice.get("logprobs") or {}).get("token_logprobs")
    if not isinstance(scores, list) or len(scores) != len(ids):
        count = len(scores) if isinstance(scores, list) else "no"
        raise BadAnswerError(f"{who} answered with {count} log-probabilities for {len(ids)} tokens")
    if not all(isinstance(score, (int, float)) and math.isfinite(score) for score in scores):
        wrong = next(score for score in scores if not isinstance(score, (int, float)) or not math.isfinite(score))
        raise BadAnswerError(f"{who} answered with a log-probability that is no number: {wrong}")
    reason = choice.get("finish_reason")
    _check_end(ids, reason, request["max_tokens"], request["stop_token_ids"], who)
    return Answered(ids, [float(score) for score in scores], reason)  # type: ignore[arg-type]


def _check_end(ids: list[int], reason: Any, budget: int, stops: Collection[int], who: str) -> None:
    """Refuse a completion that did not end as the policy ends one: at its first stop token, or at the budget."""
    if reason not in ("stop", "length"):
        raise BadAnswerError(
            f"{who} broke a completion off after {len(ids)} tokens (finish_reason: {reason}); does somebody else pause "
            "or abort its requests?"
        )
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
