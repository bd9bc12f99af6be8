"""Episodes by vLLM servers: what is asked in each turn, and servers that die between two, against recorded answers."""

from __future__ import annotations

import threading
import time

import pytest

from rlframework.samplers import ServerError
from rlframework.samplers.vllm import BadAnswerError, StaleWeightsError, patience
from tests.samplers.vllm.echo import STOPS, TURNS, Echo, Echoing, episodes
from tests.samplers.vllm.recording import EPISODE_TOKENS, PROMPTS
from tests.samplers.vllm.tiny_qwen import disturb, policy

THREE = PROMPTS[:3]


@pytest.fixture(autouse=True)
def soon(monkeypatch):
    monkeypatch.setattr(patience, "_FIRST_DELAY", 0.01)


@pytest.fixture
def talking(sampler, adapted):
    """Return a maker of samplers of the episodes that were recorded, whose servers have the weights."""

    def make(*servers, environment=None, **options):
        plain = sampler(*servers, **options)
        plain.sample(adapted, PROMPTS[:1])
        return episodes(plain.replace(max_tokens=EPISODE_TOKENS), environment)

    return make


@pytest.fixture
def expected(talking, adapted, second):
    """The ids of an undisturbed rollout, from another server."""
    return [row.ids for row in talking(second.url).sample(adapted, THREE)]


class Kept(Echo):
    """Keeps its episodes, to see what became of them."""

    def __init__(self):
        self.episodes = []

    def start(self, row, luck):
        self.episodes.append(Echoing())
        return self.episodes[-1]


def turn_requests(server):
    """What was asked for single rows; canaries come first, and their ends are the policy's alone."""
    return [body for body in server.asked("/v1/completions") if set(body["stop_token_ids"]) > STOPS]


def ids_of(completions):
    return [row.ids for row in completions]


def on_turn(number, answer):
    """Have the server answer so when it is asked for its n-th turn (from 1), once."""
    lock, seen = threading.Lock(), []

    def before(path, body):
        if path != "/v1/completions" or not set(body["stop_token_ids"]) > STOPS:
            return None
        with lock:
            seen.append(body)
            return answer() if len(seen) == number else None

    return before


def test_each_turn_is_one_request_whose_prompt_is_all_ids_so_far(replay, talking, adapted):
    made = talking()
    rows = list(made.sample(adapted, THREE))
    asked = {body["seed"]: body for body in turn_requests(replay)}
    assert len(asked) == len(turn_requests(replay)) == sum(turn.by == "policy" for row in rows for turn in row.turns)
    for number, row in enumerate(rows):
        for count, turn in enumerate(turn for turn in row.turns if turn.by == "policy"):
            # The first turn is row i of the plain sampler's request, whose seed the server counts up.
            body = asked.pop(made.sampler._request(row.prompt, [], 0, count)["seed"] + number % 3)
            assert body["prompt"] == [*row.prompt.ids, *row.ids[: turn.start]]
            assert (body["n"], body["max_tokens"]) == (1, EPISODE_TOKENS - turn.start)
            assert set(body["stop_token_ids"]) == STOPS | adapted.eos_ids
    assert not asked
    assert max(len(row.turns) for row in rows) == 2 * TURNS


def test_rows_have_log_probabilities_of_what_was_sampled(talking, adapted):
    for row in talking().sample(adapted, THREE):
        assert len(row.logprobs) == len(row.ids)
        assert all((score < 0) == sampled for score, sampled in zip(row.logprobs, row.sampled, strict=True))


def test_greedy_episodes_have_no_log_probability(talking, adapted):
    rows = list(talking().for_evaluation().sample(adapted, THREE))
    assert len(rows) == 3
    assert {score for row in rows for score in row.logprobs} == {0.0}


def test_a_prompts_episodes_are_the_same_alone_and_in_any_order(talking, adapted, expected):
    assert ids_of(talking().sample(adapted, THREE[1:2])) == expected[3:6]
    backwards = talking().sample(adapted, THREE[::-1])
    assert [row.ids for group in list(backwards.groups())[::-1] for row in group] == expected


@pytest.mark.parametrize("options", [{"concurrency": 1}, {"concurrency": 64}])
def test_as_many_rows_are_asked_for_as_belong_to_the_prompts_in_flight(options, replay, talking, adapted, expected):
    replay.before = lambda path, body: time.sleep(0.05) if path == "/v1/completions" else None
    assert ids_of(talking(**options).sample(adapted, THREE)) == expected
    assert replay.peak == (3 if options["concurrency"] == 1 else 9)


def test_nobody_waits_for_an_environment_of_another(replay, talking, adapted, expected):
    """The first row's environment answers when all others have ended."""
    over = threading.Event()

    class Slow(Echo):
        def start(self, row, luck):
            return Waiting(row["answer"])

    class Waiting(Echoing):
        def __init__(self, letter):
            super().__init__()
            self.letter = letter

        def step(self, turn):
            if self.letter == THREE[0].row["answer"]:
                assert over.wait(20)
            return super().step(turn)

    made, told = talking(environment=Slow()), []

    def progress(tokens, unfinished):
        told.append(unfinished)
        if unfinished == 3:
            over.set()

    with made.reporting(progress):
        assert ids_of(made.sample(adapted, THREE)) == expected
    assert told == [*range(8, -1, -1)]


def test_all_turns_of_a_prompt_go_to_the_same_server(replay, second, talking, adapted, expected):
    assert ids_of(talking(replay.url, second.url).sample(adapted, THREE)) == expected
    for server, prompts in ((replay, [THREE[0], THREE[2]]), (second, THREE[1:2])):
        asked = turn_requests(server)[-len(turn_requests(server)) :]
        starts = {tuple(body["prompt"][: len(prompt.ids)]) for body in asked for prompt in prompts}
        assert {tuple(prompt.ids) for prompt in prompts} <= starts


@pytest.mark.parametrize("number", [2, 12])
def test_rows_of_a_server_that_dies_go_on_with_the_other(number, replay, second, talking, adapted, expected):
    made = talking(replay.url, second.url)
    replay.before = on_turn(number, lambda: replay.stop() or (0, None))
    assert ids_of(made.sample(adapted, THREE)) == expected


def test_a_server_that_is_started_anew_between_two_turns_gets_the_weights_again(replay, talking, adapted, expected):
    made = talking()
    version = made.sampler.version
    replay.before = on_turn(12, replay.forget)
    assert ids_of(made.sample(adapted, THREE)) == expected
    assert replay.adapters == {version}


def test_patience_runs_out_in_the_middle_and_every_episode_is_closed(replay, talking, adapted):
    environment = Kept()
    made = talking(environment=environment, patience=0.3)
    replay.before = on_turn(12, lambda: replay.stop() or (0, None))
    with pytest.raises(ServerError, match=r"gave no answer to POST .*patience=0.3\. Start the server"):
        made.sample(adapted, THREE)
    assert max(episode.steps for episode in environment.episodes) > 0
    assert [episode.closed for episode in environment.episodes] == [1] * len(environment.episodes)
    time.sleep(0.2)
    steps = sum(episode.steps for episode in environment.episodes)
    replay.start()
    time.sleep(0.3)
    assert sum(episode.steps for episode in environment.episodes) == steps


def test_an_answer_that_is_none_ends_all_at_once(replay, talking, adapted):
    made = talking(concurrency=1)
    before = len(turn_requests(replay))
    replay.change = lambda body, answer: time.sleep(0.1) or {**answer, "choices": []}
    with pytest.raises(BadAnswerError, match="answered with 0 completions"):
        made.sample(adapted, THREE)
    time.sleep(0.3)
    assert len(turn_requests(replay)) - before <= 6


def test_other_weights_in_the_middle_are_refused(talking, adapted):
    """Somebody samples with a copy of the sampler and other weights while episodes are going on."""
    made, other = talking(), policy(lora=True)
    disturb(other, 1e-8)

    class Meddling(Echo):
        def start(self, row, luck):
            return Meddler()

    class Meddler(Echoing):
        def step(self, turn):
            made.sampler.replace(max_tokens=6).sample(other, THREE)
            return super().step(turn)

    with pytest.raises(StaleWeightsError, match=r"have weights policy-\w+, and this rollout began with policy-\w+"):
        made.replace(environment=Meddling()).sample(adapted, THREE[:1])
