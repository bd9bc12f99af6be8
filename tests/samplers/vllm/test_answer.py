"""Answers that are not what was asked for: each is refused, and the message says what is wrong."""

from __future__ import annotations

import copy
import math

import pytest

from rlframework.samplers.vllm import BadAnswerError
from rlframework.samplers.vllm.answer import read_group
from tests.samplers.vllm import recording
from tests.samplers.vllm.recording import PROMPTS


@pytest.fixture
def exchange():
    """A group of three, of which one stopped and one ran out of its budget."""
    for one in recording.read():
        if one["path"] == "/v1/completions" and one["status"] == 200 and one["body"]["n"] == 3:
            reasons = [choice["finish_reason"] for choice in one["answer"]["choices"]]
            if reasons[:2] == ["stop", "length"]:
                return one["body"], copy.deepcopy(one["answer"])
    raise AssertionError("no such group was recorded")


def test_a_group_is_read_in_the_order_of_its_index(exchange):
    request, answer = exchange
    straight = read_group(answer, request, "it")
    answer["choices"].reverse()
    assert read_group(answer, request, "it") == straight
    assert [row.reason for row in straight][:2] == ["stop", "length"]


def first(**changes):
    return lambda answer: answer["choices"][0].update(changes)


def second(**changes):
    return lambda answer: answer["choices"][1].update(changes)


def scores(change):
    def apply(answer):
        change(answer["choices"][0]["logprobs"]["token_logprobs"])

    return apply


WRONG = {
    "no choices": (lambda answer: answer.pop("choices"), "no completions of a prompt where 3 were asked for"),
    "one too few": (lambda answer: answer["choices"].pop(), "2 completions of a prompt where 3"),
    "one too many": (lambda answer: answer["choices"].append(answer["choices"][0]), "4 completions of a prompt"),
    "no objects": (lambda answer: answer.update(choices=["a", "b", "c"]), "choices that are no objects"),
    "one twice": (first(index=1), "numbered 3 completions 1, 1, 2"),
    "an index missing": (first(index=None), "numbered 3 completions 1, 2, None"),
    "no ids": (lambda answer: answer["choices"][0].pop("token_ids"), "without token ids.*return_token_ids"),
    "ids of null": (first(token_ids=None), "without token ids"),
    "no tokens": (first(token_ids=[]), "without token ids"),
    "ids as text": (first(token_ids=["a", "b"]), "without token ids"),
    "another prompt": (second(prompt_token_ids=[5, 5, 5]), r"another prompt than was sent: \[5, 5, 5\]"),
    "no prompt": (lambda answer: answer["choices"][1].pop("prompt_token_ids"), "another prompt than was sent: None"),
    "no log-probabilities": (first(logprobs=None), "no log-probabilities for"),
    "one score too few": (scores(lambda values: values.pop()), "log-probabilities for"),
    "one score too many": (scores(lambda values: values.append(-1.0)), "log-probabilities for"),
    "a null": (scores(lambda values: values.__setitem__(0, None)), "log-probability that is no number: None"),
    "a NaN": (scores(lambda values: values.__setitem__(0, math.nan)), "log-probability that is no number: nan"),
    "an infinity": (scores(lambda values: values.__setitem__(0, -math.inf)), "no number: -inf"),
    "aborted": (first(finish_reason="abort"), "broke a completion off.*abort.*pause"),
    "no reason": (first(finish_reason=None), "broke a completion off"),
    "stopped elsewhere": (second(finish_reason="stop"), r"stopped at token .* ends with one of \[1\]"),
    "not at its end": (first(finish_reason="length"), "says that the budget of 6 tokens ended"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_answer_is_refused(name, exchange):
    request, answer = exchange
    change, message = WRONG[name]
    change(answer)
    with pytest.raises(BadAnswerError, match=message) as caught:
        read_group(answer, request, "http://127.0.0.1:8000")
    assert "http://127.0.0.1:8000" in str(caught.value)


def test_a_budget_that_the_server_cut_short_is_refused(exchange):
    request, answer = exchange
    for part in (answer["choices"][1]["token_ids"], answer["choices"][1]["logprobs"]["token_logprobs"]):
        part.pop()
    with pytest.raises(BadAnswerError, match=r"budget of 6 tokens ended a completion of 5 tokens.*--max-model-len"):
        read_group(answer, request, "it")


def test_a_stop_token_inside_is_refused(exchange):
    request, answer = exchange
    answer["choices"][1]["token_ids"][2] = 1
    with pytest.raises(BadAnswerError, match="stop tokens are"):
        read_group(answer, request, "it")


def test_a_sampler_refuses_it_too(replay, sampler, adapted):
    made = sampler()
    made.sample(adapted, PROMPTS)

    def drop(body, answer):
        for choice in answer["choices"]:
            choice.pop("token_ids")
        return answer

    replay.change = drop
    with pytest.raises(BadAnswerError, match=f"{replay.url} answered without token ids"):
        made.sample(adapted, PROMPTS, step=1)
