"""Answers that are not what was asked for: each is refused, and the message says what is wrong."""

from __future__ import annotations

import copy
import math

import pytest

from rlframework.samplers.vllm import BadAnswerError
from rlframework.samplers.vllm.answer import ServerCompletion, check_vocabulary, read_group
from rlframework.samplers.vllm.canary import vocabulary
from tests.samplers.vllm.recording import PROMPTS
from tests.samplers.vllm.replay import read


@pytest.fixture
def exchange():
    """A group of three, of which one stopped and one ran out of its budget."""
    for one in read():
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


def ids(change):
    return lambda answer: change(answer["choices"][0]["token_ids"])


def number(change):
    def apply(answer):
        for choice in answer["choices"]:
            choice["index"] = change(choice["index"])

    return apply


def in_floats(choice):
    choice["prompt_token_ids"] = [float(token) for token in choice["prompt_token_ids"]]


def lengthen(choice):
    """A completion that its stop token ends, and that is longer than the budget."""
    more = 7 - len(choice["token_ids"])
    choice["token_ids"][:0] = [5] * more
    choice["logprobs"]["token_logprobs"][:0] = [-1.0] * more


def nested(depth):
    made = []
    for _ in range(depth):
        made = [made]
    return made


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
    "a score of true": (scores(lambda values: values.__setitem__(0, True)), "no number: True"),
    "a score as text": (scores(lambda values: values.__setitem__(0, "-0.5")), "no number: '-0.5'"),
    "scores in a list": (scores(lambda values: values.__setitem__(0, [-0.5])), r"no number: \[-0.5\]"),
    "above 0": (scores(lambda values: values.__setitem__(0, 0.3)), "log-probability 0.3 of token.*above 0"),
    "just above 0": (scores(lambda values: values.__setitem__(-1, 2e-4)), "log-probability 0.0002 of token.*above 0"),
    "an integer above 0": (scores(lambda values: values.__setitem__(0, 1)), "log-probability 1 of token"),
    "an integer beyond all floats": (scores(lambda values: values.__setitem__(0, 10**400)), "log-probability 1000"),
    "one far below 0": (scores(lambda values: values.__setitem__(0, -(10**400))), "not sampled"),
    "minus infinity, as vLLM writes it": (scores(lambda values: values.__setitem__(0, -9999.0)), "-9999 for minus inf"),
    "scores that are no object": (first(logprobs=[-0.5, -0.5]), "no log-probabilities for"),
    "scores as text": (first(logprobs="-0.5"), "no log-probabilities for"),
    "scores by name": (first(logprobs={"token_logprobs": {"0": -0.5}}), "no log-probabilities for"),
    "a negative id": (ids(lambda values: values.__setitem__(0, -3)), "token id -3, and ids begin at 0"),
    "an id with a fraction": (ids(lambda values: values.__setitem__(0, 5.5)), "without token ids"),
    "an id as a float": (ids(lambda values: values.__setitem__(0, 5.0)), "without token ids"),
    "an id of true": (ids(lambda values: values.__setitem__(0, True)), "without token ids"),
    "an id as text": (ids(lambda values: values.__setitem__(0, "5")), "without token ids"),
    "an id of null": (ids(lambda values: values.__setitem__(0, None)), "without token ids"),
    "ids by name": (first(token_ids={"0": 5}), "without token ids"),
    "one number for ids": (first(token_ids=5), "without token ids"),
    "a prompt of floats": (lambda answer: in_floats(answer["choices"][0]), r"another prompt than was sent: \[\d+\.0"),
    "numbered as text": (number(str), "numbered 3 completions '0', '1', '2'"),
    "numbered by floats": (number(float), r"numbered 3 completions 0\.0, 1\.0, 2\.0"),
    "numbered by truth": (first(index=False), "numbered 3 completions 1, 2, False"),
    "numbered from 1": (number(lambda index: index + 1), "numbered 3 completions 1, 2, 3"),
    "more tokens than asked for": (lambda answer: lengthen(answer["choices"][0]), "with 7 tokens where 6 at most"),
    "an ending of no kind": (first(finish_reason=["stop"]), r"broke a completion off.*\['stop'\]"),
    "a deep ending": (first(finish_reason=nested(5000)), "broke a completion off"),
    "a deep id": (first(token_ids=[nested(5000)]), "without token ids"),
    "deep choices": (lambda answer: answer.update(choices=nested(5000)), "1 completions of a prompt where 3"),
    "three deep choices": (lambda answer: answer.update(choices=[nested(5000)] * 3), "choices that are no objects"),
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
    assert len(str(caught.value)) < 600


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


@pytest.mark.parametrize("value", [1e-7, 1e-4, 0, 0.0, -0.0])
def test_what_rounding_takes_above_0_is_0(value, exchange):
    request, answer = exchange
    answer["choices"][0]["logprobs"]["token_logprobs"][0] = value
    assert read_group(answer, request, "it")[0].logprobs[0] == 0.0


@pytest.mark.parametrize("value", [-1e-7, -60, -9998.9])
def test_what_is_unlikely_is_taken_as_it_is(value, exchange):
    request, answer = exchange
    answer["choices"][0]["logprobs"]["token_logprobs"][0] = value
    assert read_group(answer, request, "it")[0].logprobs[0] == value


def test_ids_are_below_the_size_of_the_vocabulary():
    rows = [ServerCompletion([0, 9], [-1.0, -1.0], "length"), ServerCompletion([4], [-1.0], "stop")]
    check_vocabulary(rows, 10, "it")
    with pytest.raises(BadAnswerError, match="it answered with token id 9, and the policy's vocabulary has 9: 0 to 8"):
        check_vocabulary(rows, 9, "it")


@pytest.mark.parametrize("begun", [False, True])
@pytest.mark.parametrize("token", ["the first beyond", 999_999, 2**63, 10**400, -1], ids=lambda token: str(token)[:20])
@pytest.mark.parametrize("kind", ["adapted", "whole"])
def test_a_sampler_refuses_ids_that_its_policy_has_not_got(kind, token, begun, replay, sampler, request):
    policy, made = request.getfixturevalue(kind), sampler()
    size = policy.model.get_input_embeddings().weight.shape[0]
    if begun:
        made.sample(policy, PROMPTS)

    def foreign(body, answer):
        answer["choices"][0]["token_ids"][0] = size if token == "the first beyond" else token
        return answer

    replay.change = foreign
    with pytest.raises(BadAnswerError, match=f"{replay.url} answered with token id"):
        made.sample(policy, PROMPTS, step=0)


def test_the_last_id_of_the_model_is_a_policys_though_its_tokenizer_has_none(adapted):
    assert vocabulary(adapted) == adapted.model.get_output_embeddings().weight.shape[0]
    adapted.model.get_base_model().resize_token_embeddings(100)
    assert vocabulary(adapted) == 100
