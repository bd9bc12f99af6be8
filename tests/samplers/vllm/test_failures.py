"""Servers that do not answer, answer wrongly, die and come back."""

from __future__ import annotations

import threading
import time
from itertools import pairwise

import pytest

from rlframework.samplers import DiskSync, LoRASync, ServerError
from rlframework.samplers.vllm import BadAnswerError, DisagreementError, StaleWeightsError, patience
from tests.drawn import drawn
from tests.samplers.vllm.recording import PROMPTS
from tests.samplers.vllm.replay import key


@pytest.fixture(autouse=True)
def soon(monkeypatch):
    """A server is asked again ten times as soon, so that no test waits for the attempts that it is not about."""
    monkeypatch.setattr(patience, "_FIRST_DELAY", 0.01)


@pytest.fixture
def expected(sampler, adapted, second):
    """The ids of an undisturbed rollout, from another server."""
    return [row.ids for row in sampler(second.url).sample(adapted, PROMPTS)]


def ids_of(completions):
    return [row.ids for row in completions]


def group_requests(server):
    return [body for body in server.asked("/v1/completions") if body["n"] == 3]


def nth_completion(number, answer):
    """Have the server answer so when it is asked for its n-th group (from 1), once."""
    lock, seen = threading.Lock(), []

    def before(path, body):
        if path != "/v1/completions" or body["n"] != 3:
            return None
        with lock:
            seen.append(body)
            return answer() if len(seen) == number else None

    return before


@pytest.mark.parametrize("status", drawn({str(n): (n,) for n in (429, 500, 502, 503, 504)}, {"503"}))
def test_a_server_in_trouble_is_asked_again(status, replay, sampler, adapted, expected):
    left = [(status, {"error": "busy"})] * 4
    replay.before = lambda path, body: left.pop() if path == "/v1/completions" and left else None
    assert ids_of(sampler().sample(adapted, PROMPTS)) == expected
    assert not left


def test_attempts_are_further_and_further_apart(replay, sampler, adapted, monkeypatch):
    monkeypatch.setattr(patience, "_FIRST_DELAY", 0.1)
    made, times, left = sampler(concurrency=1), [], []
    made.sample(adapted, PROMPTS[:1])
    left = [(503, {})] * 4

    def before(path, body):
        if path == "/v1/completions":
            times.append(time.monotonic())
            return left.pop() if left else None
        return None

    replay.before = before
    made.sample(adapted, PROMPTS[:1])
    waits = [after - first for first, after in pairwise(times)]
    assert len(waits) == 4
    assert all(0.5 * 0.1 * 2**n <= wait <= 0.1 * 2**n + 0.25 for n, wait in enumerate(waits)), waits


def test_a_server_that_is_not_there_yet_is_waited_for(replay, sampler, adapted, expected):
    replay.stop()
    threading.Timer(0.3, replay.start).start()
    assert ids_of(sampler(patience=20).sample(adapted, PROMPTS)) == expected


@pytest.mark.parametrize("begun", [False, True])
def test_patience_runs_out(begun, replay, sampler, adapted):
    made = sampler(patience=0.8)
    if begun:
        made.sample(adapted, PROMPTS)
    replay.stop()
    started = time.monotonic()
    with pytest.raises(ServerError, match=r"gave no answer.*ConnectError.*patience=0.8.*Start the server") as caught:
        made.sample(adapted, PROMPTS, step=1)
    assert replay.url in str(caught.value)
    assert 0.7 < time.monotonic() - started < 5


def test_a_server_that_hangs_is_given_up(replay, sampler, adapted):
    made = sampler(timeout=0.5, patience=0.0)
    made.sample(adapted, PROMPTS)
    replay.before = lambda path, body: time.sleep(3) if path == "/v1/completions" else None
    with pytest.raises(ServerError, match="gave no answer to POST /v1/completions: ReadTimeout"):
        made.sample(adapted, PROMPTS, step=1)


@pytest.mark.parametrize("kind", drawn(["adapted", "whole"], ["whole"]))
def test_a_server_that_was_started_anew_gets_the_weights_again(kind, replay, sampler, expected, request):
    policy, made = request.getfixturevalue(kind), sampler()
    made.sample(policy, PROMPTS)
    version = made.version
    replay.forget()
    assert ids_of(made.sample(policy, PROMPTS)) == expected
    assert made.version == version
    assert replay.adapters == {version} or replay.version == version


@pytest.mark.parametrize("kind", drawn(["adapted", "whole"], ["adapted"]))
def test_also_when_it_dies_between_two_prompts(kind, replay, sampler, expected, request):
    policy, made = request.getfixturevalue(kind), sampler(concurrency=2)
    made.sample(policy, PROMPTS[:1])

    def die():
        replay.stop()
        threading.Timer(0.2, replay.start).start()
        return 0, None

    replay.before = nth_completion(3, die)
    assert ids_of(made.sample(policy, PROMPTS)) == expected


def test_a_prompt_that_meets_the_loading_waits_for_it(replay, sampler, whole, expected):
    """Two prompts find the server started anew; while the first loads the weights, the second asks for the version."""
    made = sampler(concurrency=2, patience=0.0)
    made.sample(whole, PROMPTS[:1])
    replay.forget()
    lock, asked, both, loading, met = threading.Lock(), [], threading.Event(), threading.Event(), threading.Event()

    def before(path, body):
        if path == "/collective_rpc":
            loading.set()
            assert met.wait(10)
        if path != "/weight_info":
            return None
        with lock:
            asked.append(path)
            turn = len(asked)
        if turn == 1:
            assert both.wait(10)
        if turn != 2:
            return None
        both.set()
        assert loading.wait(10)
        answer = 200, {"weight_version": replay.version}
        met.set()
        return answer

    replay.before = before
    assert ids_of(made.sample(whole, PROMPTS)) == expected
    assert met.is_set()
    assert len(replay.asked("/collective_rpc")) == 2


def test_another_ranks_loading_is_waited_for_but_not_for_ever(replay, sampler, whole, expected):
    made = sampler(patience=1.2)
    made.sample(whole, PROMPTS)
    replay.version = f"loading-{made.version}"
    threading.Timer(0.3, setattr, (replay, "version", made.version)).start()
    assert ids_of(made.sample(whole, PROMPTS)) == expected
    assert len(replay.asked("/collective_rpc")) == 1
    replay.version = f"loading-{made.version}"
    with pytest.raises(ServerError, match=r"is being given policy-\w+ by another process.*patience=1.2"):
        made.sample(whole, PROMPTS)


def test_an_answer_that_a_restart_falls_into_is_not_taken(replay, sampler, whole, expected):
    """The server answers from its first weights, and another thread has given it ours before the version is read."""
    made, sync, done = sampler(concurrency=1), DiskSync(), []
    made.sample(whole, PROMPTS[:1])
    server = made._fleet.servers[0]

    def reload():
        server.loaded.clear()
        made._fleet._ready(server, made._fleet._kept[made.version], sync)
        done.append(True)

    replay.before = nth_completion(2, reload)
    asked = len(group_requests(replay))
    assert ids_of(made.sample(whole, PROMPTS)) == expected
    # Its answer was asked for again.
    assert len(group_requests(replay)) - asked == len(PROMPTS) + 1
    assert done


def test_one_that_always_forgets_is_an_error(replay, sampler, adapted):
    made = sampler()
    made.sample(adapted, PROMPTS)
    replay.before = nth_completion(1, replay.forget)
    made.sample(adapted, PROMPTS)
    replay.before = lambda path, body: replay.forget() if path == "/v1/completions" and body["n"] == 3 else None
    with pytest.raises(ServerError, match=r"after it was given them 3 times.*--max-loras"):
        made.sample(adapted, PROMPTS)


def test_weights_of_somebody_else_are_refused(replay, sampler, whole):
    made = sampler()
    made.sample(whole, PROMPTS)
    replay.version = "policy-ofanotherrun"
    with pytest.raises(StaleWeightsError, match=r"has weights policy-ofanotherrun where policy-.* its own servers"):
        made.sample(whole, PROMPTS)


def test_an_answer_from_another_adapter_is_refused(replay, sampler, adapted):
    made = sampler()
    made.sample(adapted, PROMPTS)
    replay.change = lambda body, answer: {**answer, "model": "policy-before"}
    with pytest.raises(StaleWeightsError, match=r"asked for policy-.* and answered from policy-before"):
        made.sample(adapted, PROMPTS)


def test_after_an_error_the_run_goes_on(replay, sampler, adapted, expected):
    made = sampler(patience=0.0)
    replay.stop()
    with pytest.raises(ServerError):
        made.sample(adapted, PROMPTS)
    replay.start()
    assert ids_of(made.sample(adapted, PROMPTS)) == expected


def test_after_a_failure_the_other_prompts_are_not_asked_for(replay, sampler, adapted):
    made = sampler(concurrency=1)
    made.sample(adapted, PROMPTS[:1])
    before = len(group_requests(replay))
    # Sampling takes a while: what is asked before the failure is known is another matter.
    replay.change = lambda body, answer: time.sleep(0.1) or {**answer, "choices": []}
    with pytest.raises(BadAnswerError):
        made.sample(adapted, PROMPTS)
    time.sleep(0.5)
    assert len(group_requests(replay)) - before <= 2


def test_prompts_are_dealt_to_two_servers_group_by_group(replay, second, sampler, adapted, expected):
    made = sampler(replay.url, second.url)
    assert ids_of(made.sample(adapted, PROMPTS)) == expected
    shares = [[body["prompt"] for body in group_requests(server)] for server in (replay, second)]
    assert sorted(shares[0]) == sorted(prompt.ids for prompt in PROMPTS[::2])
    assert sorted(shares[1][-3:]) == sorted(prompt.ids for prompt in PROMPTS[1::2])


def test_prompts_of_a_dead_server_go_to_the_other_and_back_when_it_returns(replay, second, sampler, adapted, expected):
    made = sampler(replay.url, second.url, patience=3.0)
    made.sample(adapted, PROMPTS)
    replay.stop()
    before = len(group_requests(second))
    assert ids_of(made.sample(adapted, PROMPTS)) == expected
    assert len(group_requests(second)) - before == len(PROMPTS)
    replay.start()
    before = len(group_requests(replay))
    assert ids_of(made.sample(adapted, PROMPTS)) == expected
    assert len(group_requests(replay)) - before == len(PROMPTS) // 2
    assert replay.adapters == {made.version}


def test_a_run_starts_with_the_servers_that_are_there(replay, second, sampler, adapted, expected):
    second.stop()
    assert ids_of(sampler(replay.url, second.url).sample(adapted, PROMPTS)) == expected


def test_a_server_that_comes_back_otherwise_is_refused(replay, sampler, adapted):
    made = sampler()
    made.sample(adapted, PROMPTS)
    replay.forget()

    def wrong(body, answer):
        for choice in answer["choices"]:
            choice["logprobs"]["token_logprobs"] = [score - 0.3 for score in choice["logprobs"]["token_logprobs"]]
        return answer

    replay.change = wrong
    with pytest.raises(DisagreementError, match=r"off by 0.3 nats per token"):
        made.sample(adapted, PROMPTS)


@pytest.mark.parametrize("sync", [DiskSync(), LoRASync()])
def test_refused_weights_say_what_the_server_needs(sync, replay, sampler, whole, adapted):
    needs = {"/collective_rpc": "VLLM_SERVER_DEV_MODE=1", "/v1/load_lora_adapter": "--enable-lora, --max-lora-rank"}
    refused = {one["path"]: (one["status"], one["answer"]) for one in replay.exchanges if one["status"] != 200}
    replay.before = lambda path, body: refused[path] if path in needs else None
    path, policy = ("/collective_rpc", whole) if isinstance(sync, DiskSync) else ("/v1/load_lora_adapter", adapted)
    with pytest.raises(ServerError, match=needs[path]) as caught:
        sampler(sync=sync, patience=0.2).sample(policy, PROMPTS)
    assert f"status {refused[path][0]}" in str(caught.value)
    assert "sync_folder" in str(caught.value)


def test_what_is_no_vllm_server_is_named(replay, sampler, whole):
    replay.before = lambda path, body: (200, {"hello": 1}) if path == "/v1/models" else None
    with pytest.raises(BadAnswerError, match=r"lists no base model.*'hello'.*is it a vLLM server"):
        sampler().sample(whole, PROMPTS)
    replay.before = lambda path, body: (200, "<html>") if path == "/v1/completions" else None
    with pytest.raises(BadAnswerError, match="<html>"):
        sampler().sample(whole, PROMPTS)


def test_a_wrong_model_name_is_the_servers_to_explain(replay, sampler, whole):
    with pytest.raises(ServerError, match=r"status 404.*The model `another` does not exist. Valid aliases: tiny"):
        sampler(model="another").sample(whole, PROMPTS)


def test_after_a_failure_nobody_goes_on_waiting(replay, sampler, adapted):
    made = sampler(patience=30.0)
    made.sample(adapted, PROMPTS)

    def before(path, body):
        if path != "/v1/completions":
            return None
        return (503, {}) if body["prompt"] == PROMPTS[0].ids else time.sleep(0.3)

    replay.before = before
    replay.change = lambda body, answer: {**answer, "choices": []}
    with pytest.raises(BadAnswerError):
        made.sample(adapted, PROMPTS[:2])
    time.sleep(0.2)
    asked = len(replay.log)
    time.sleep(1.0)
    assert len(replay.log) == asked


def lines(caplog, word):
    ours = [record.getMessage() for record in caplog.records if record.name.startswith("pytorch_lightning")]
    return [line for line in ours if word in line]


def test_the_log_says_once_when_it_waits_and_when_it_goes_on(replay, sampler, adapted, caplog):
    caplog.set_level("INFO")
    made = sampler(patience=20)
    made.sample(adapted, PROMPTS)
    replay.stop()
    threading.Timer(1.0, replay.start).start()
    made.sample(adapted, PROMPTS)
    (waits,), (again,), (anew,) = (lines(caplog, word) for word in ("gave no answer", "answers again", "anew"))
    assert f"{replay.url} gave no answer" in waits
    assert "at most 20 s" in waits
    assert "after 1 s" in again or "after 2 s" in again
    assert made.version in anew
    made.sample(adapted, PROMPTS)
    assert len(lines(caplog, replay.url)) == 4  # and how far it was off when it was started


def test_a_server_that_was_started_anew_is_given_altered_weights_first(replay, sampler, adapted):
    made = sampler()
    made.sample(adapted, PROMPTS)
    loads = [body["lora_name"] for body in replay.asked("/v1/load_lora_adapter")]
    assert loads == [f"{made.version}-altered", made.version]
    replay.forget()
    made.sample(adapted, PROMPTS, step=1)
    assert [body["lora_name"] for body in replay.asked("/v1/load_lora_adapter")] == loads * 2
    assert replay.adapters == {made.version}


@pytest.mark.parametrize("begun", [False, True])
def test_one_that_does_not_follow_altered_weights_is_refused(begun, replay, sampler, adapted):
    """It answers as if it had been given nothing."""
    made = sampler()
    if begun:
        made.sample(adapted, PROMPTS)
        replay.forget()

    def as_before(body, answer):
        if not body["model"].endswith("-altered"):
            return answer
        body = {**body, "seed": sampler()._request(PROMPTS[0], body["stop_token_ids"], 0)["seed"]}
        return {**replay.recorded[key(body)], "model": answer["model"]}

    replay.change = as_before
    with pytest.raises(DisagreementError, match=r"was given the policy.s weights|otherwise than before"):
        made.sample(adapted, PROMPTS, step=1)
    assert group_requests(replay) == [] if not begun else len(group_requests(replay)) <= 2 * len(PROMPTS)
