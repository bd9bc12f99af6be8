"""What VLLMSampler asks and makes of the answers, against recorded answers of a real server."""

from __future__ import annotations

import copy
import pickle
import random
import re
import sys
import threading
import time
from pathlib import Path

import jsonargparse
import pytest

from rlframework import GRPO, DynamicSampling, VLLMSampler, rewards
from rlframework.samplers import BatchedSampler, GroupSampler
from rlframework.samplers.vllm.answer import ServerCompletion
from rlframework.terms import TokenMask, TokenTruncation
from rlframework.testing import letter_prompts
from tests.samplers.vllm.recording import PROMPTS


def recorded_ids(replay, prompt, seeds):
    """The ids of a prompt's group, as recorded, straight from the file."""
    groups = [
        one["answer"]["choices"]
        for one in replay.exchanges
        if one["path"] == "/v1/completions" and one["status"] == 200 and one["body"]["n"] == 3
        if one["body"]["prompt"] == prompt.ids and one["body"]["seed"] in seeds
    ]
    return [choice["token_ids"] for choice in groups[0]]


def seeds_of(replay):
    return {body["seed"] for body in replay.asked("/v1/completions")}


@pytest.mark.parametrize("kind", ["adapted", "whole"])
def test_groups_are_what_the_server_answered_in_the_order_of_the_prompts(kind, replay, sampler, request):
    late = random.Random(0)
    replay.before = lambda path, body: time.sleep(late.random() * 0.2)
    made = sampler(concurrency=4)
    completions = made.sample(request.getfixturevalue(kind), PROMPTS)
    assert [row.prompt.index for row in completions] == [prompt.index for prompt in PROMPTS for _ in range(3)]
    for group, prompt in zip(completions.groups(), PROMPTS, strict=True):
        assert [row.ids for row in group] == recorded_ids(replay, prompt, seeds_of(replay))
    assert 2 <= replay.peak <= 4


def test_answers_that_arrive_the_other_way_round_are_put_in_order(replay, sampler, adapted):
    arrived = []

    def last_first(path, body):
        if path == "/v1/completions" and body["n"] == 3:
            place = [prompt.ids for prompt in PROMPTS].index(body["prompt"])
            time.sleep(0.1 * (len(PROMPTS) - place))
            arrived.append(place)

    replay.before = last_first
    completions = sampler().sample(adapted, PROMPTS)
    assert arrived == [5, 4, 3, 2, 1, 0]
    assert [row.prompt.index for row in completions] == sorted([*range(6)] * 3)


def test_one_after_the_other_if_that_is_wanted(replay, sampler, adapted):
    replay.before = lambda path, body: time.sleep(0.02)
    sampler(concurrency=1).sample(adapted, PROMPTS)
    assert replay.peak == 1


def test_rows_end_with_their_stop_token_and_the_text_does_not(replay, sampler, adapted):
    rows = list(sampler().sample(adapted, PROMPTS))
    end = adapted.tokenizer.eos_token_id
    assert {row.stop_reason for row in rows} == {"stop", "length"}
    for row in rows:
        assert len(row.logprobs) == len(row.ids) <= 6
        assert (row.ids[-1] == end) == (row.stop_reason == "stop")
        assert end not in row.ids[:-1]
        assert row.text == adapted.decode(row.ids[:-1] if row.stop_reason == "stop" else row.ids)


def test_a_request_leaves_nothing_to_the_defaults_of_the_server(replay, sampler, adapted):
    replay.change = lambda body, answer: answer
    sampler().sample(adapted, PROMPTS)
    body = replay.asked("/v1/completions")[-1]
    assert {name: value for name, value in body.items() if name not in ("prompt", "model", "seed")} == {
        "n": 3,
        "max_tokens": 6,
        "temperature": 0.7,
        "top_k": 0,
        "top_p": 1.0,
        "min_p": 0.0,
        "repetition_penalty": 1.0,
        "presence_penalty": 0.0,
        "frequency_penalty": 0.0,
        "ignore_eos": True,
        "stop_token_ids": [adapted.tokenizer.eos_token_id],
        "logprobs": 0,
        "return_token_ids": True,
    }


def test_truncation_is_passed_on_and_the_canary_is_without(replay, sampler, adapted):
    truncating = sampler(top_k=5, top_p=0.9, min_p=0.01)
    # With the server's own weights, altered ones, and the policy's.
    canary = [{"prompt": PROMPTS[0].ids, "top_k": 0, "top_p": 1.0, "min_p": 0.0}] * 3
    with pytest.raises(RuntimeError, match="not recorded"):
        truncating.sample(adapted, PROMPTS[:1])
    asked = [{name: body[name] for name in canary[0]} for body in replay.asked("/v1/completions")]
    assert asked == [*canary, {**canary[0], "top_k": 5, "top_p": 0.9, "min_p": 0.01}]


def test_seeds_are_a_function_of_seed_step_and_prompt(sampler, adapted):
    def seed(prompt, step=0, **options):
        return sampler(**options)._request(prompt, [1], step)["seed"]

    first, second = letter_prompts(2)
    assert seed(first) == seed(first)
    others = [seed(second), seed(first, step=1), seed(first, seed=1)]
    assert len({seed(first), *others}) == 4
    # Rows count up from a request's seed.
    assert min(abs(seed(first) - other) for other in others) > 1000


def test_a_greedy_evaluation_asks_once_and_has_no_log_probability(replay, sampler, whole):
    evaluation = sampler().for_evaluation()
    completions = evaluation.sample(whole, PROMPTS[:2])
    greedy = [body for body in replay.asked("/v1/completions") if body["temperature"] == 0]
    assert [body["n"] for body in greedy] == [1, 1]
    assert [set(row.logprobs) for row in completions] == [{0.0}, {0.0}]
    group = evaluation.replace(group_size=4).sample(whole, PROMPTS[:2])
    assert [row.ids for row in group] == [row.ids for row in completions for _ in range(4)]


def test_copies_share_what_the_servers_have(replay, sampler, adapted):
    made = sampler()
    made.sample(adapted, PROMPTS[:2])
    loads = len(replay.adapters_given())
    for other in (made.replace(temperature=0.7), copy.copy(made), copy.deepcopy(made)):
        other.sample(adapted, PROMPTS[:2])
        assert other.version == made.version is not None
    assert len(replay.adapters_given()) == loads == 1


def test_a_pickled_sampler_brings_the_weights_over_itself(replay, sampler, adapted):
    made = sampler()
    made.sample(adapted, PROMPTS[:2])
    other = pickle.loads(pickle.dumps(made))
    assert other.version is None
    assert [row.ids for row in other.sample(adapted, PROMPTS)] == [row.ids for row in made.sample(adapted, PROMPTS)]
    assert len({body["lora_path"] for body in replay.adapters_given()}) == 2


def test_the_correction_is_on_by_default_and_can_be_another_or_none(sampler, adapted):
    def correction_of(made, **options):
        return GRPO(adapted, rewards.ExactFormat(), made, **options).sampler_correction

    assert isinstance(correction_of(sampler()), TokenTruncation)
    assert isinstance(correction_of(sampler(correction=TokenMask())), TokenMask)
    assert correction_of(sampler(correction=None)) is None
    assert isinstance(correction_of(sampler(correction=None), sampler_correction=TokenMask()), TokenMask)
    assert isinstance(correction_of(DynamicSampling(sampler(), rewards.ExactFormat(), keep=1)), TokenTruncation)
    assert correction_of(BatchedSampler(2, 4)) is None
    assert not sampler().samples_policy_itself


def test_an_interrupted_rollout_leaves_no_thread_that_the_end_waits_for(replay, sampler, adapted):
    made, answered = sampler(), threading.Event()
    made.sample(adapted, PROMPTS[:1])
    before = set(threading.enumerate())
    replay.before = lambda path, body: None if body.get("prompt") == PROMPTS[0].ids else answered.wait(20)

    def interrupt(tokens, unfinished):
        raise KeyboardInterrupt

    made.progress = interrupt
    started = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        made.sample(adapted, PROMPTS)
    waiting = [thread for thread in threading.enumerate() if thread not in before and not thread.daemon]
    answered.set()
    assert time.monotonic() - started < 10
    assert not waiting


def test_progress_is_told(sampler, adapted):
    told, made = [], sampler()
    made.progress = lambda tokens, unfinished: told.append((tokens, unfinished))
    made.sample(adapted, PROMPTS)
    assert [unfinished for _, unfinished in told] == [15, 12, 9, 6, 3, 0]
    assert told[-1][0] == 6


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"concurrency": 0}, "concurrency must be at least 1, got 0"),
        ({"patience": -1.0}, "patience=-1"),
        ({"timeout": 0.0}, "timeout=0"),
        ({"tolerance": 0.0}, "tolerance=0"),
        ({"temperature": -1.0}, "must not be negative"),
        ({"temperature": 0.01}, r"temperatures of 0.04 to 2, or greedily at 0; got 0.01"),
        ({"temperature": 2.5}, r"temperatures of 0.04 to 2, or greedily at 0; got 2.5"),
    ],
)
def test_numbers_out_of_range_are_refused(options, message, sampler):
    with pytest.raises(ValueError, match=message):
        sampler(**options)


def test_addresses_are_looked_at():
    with pytest.raises(ValueError, match=r"at least one server.*got 0 servers"):
        VLLMSampler([], 2, 4)
    with pytest.raises(ValueError, match=r"such as http://127.0.0.1:8000, got 'localhost:8000'"):
        VLLMSampler("localhost:8000", 2, 4)


def test_prompts_must_leave_room(sampler, adapted):
    with pytest.raises(ValueError, match="more than the 256 positions"):
        sampler(max_tokens=256).sample(adapted, PROMPTS)


def test_the_yaml_of_the_page_makes_one():
    page = Path(__file__).parents[3] / "docs" / "vllm.md"
    (block,) = re.findall(r"^```yaml\n(.*?)^```", page.read_text(), re.DOTALL | re.MULTILINE)
    parser = jsonargparse.ArgumentParser()
    parser.add_subclass_arguments(GroupSampler, "sampler")
    made = parser.instantiate_classes(parser.parse_string(block)).sampler
    assert isinstance(made, VLLMSampler)
    assert [server.url for server in made._fleet.servers] == ["http://127.0.0.1:8000", "http://127.0.0.1:8001"]
    assert isinstance(made.correction, TokenTruncation)


def test_without_httpx_the_extra_is_named(sampler, adapted, monkeypatch):
    monkeypatch.setitem(sys.modules, "httpx", None)
    with pytest.raises(ImportError, match=r"pip install 'rlframework\[vllm\]'"):
        sampler().sample(adapted, PROMPTS)


def test_a_stop_token_that_has_a_letter_is_not_in_the_text(sampler, adapted):
    stopped = sampler()._completion(adapted, PROMPTS[0], ServerCompletion([5, 6], [-1.0, -1.0], "stop"))
    cut = sampler()._completion(adapted, PROMPTS[0], ServerCompletion([5, 6], [-1.0, -1.0], "length"))
    assert (stopped.text, cut.text) == ("c", "cd")
