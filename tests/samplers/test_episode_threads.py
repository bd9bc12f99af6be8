"""Episodes in threads: the same as in one thread, without waiting for one another, and ended by a signal."""

from __future__ import annotations

import os
import random
import signal
import threading
import time
import warnings

import numpy as np
import pytest
import torch
from pytorch_lightning.utilities.exceptions import SIGTERMException

from rlframework import CausalLMPolicy
from rlframework.environments import Environment, Episode, Glue, Observation, PlainGlue
from rlframework.rewards.waiting import stoppable
from rlframework.samplers import BatchedSampler, Conversation, EpisodeSampler
from rlframework.samplers.read_again import ReadAgain
from rlframework.testing import letter_prompts, letter_tokenizer, tiny_policy, tiny_qwen3
from tests.samplers.vllm.echo import Letters

PROMPTS = letter_prompts(4)
GLUE = PlainGlue(letter_tokenizer(), before="x", after="y")


class OneByOne(Conversation):
    """Rows that go on apart, each in a conversation of its own."""

    apart = True
    at_once = 8

    def __init__(self, conversations):
        self.conversations, self.lock, self.closed = conversations, threading.Lock(), 0

    def reply(self, budgets, given):
        replies = {}
        for row, budget in budgets.items():
            with self.lock:
                rest = {0: given[row]} if row in given else {}
                replies[row] = self.conversations[row].reply({0: budget}, rest)[0]
        return replies

    def close(self):
        self.closed += 1


class ApartSampler(BatchedSampler):
    """The rows of a `BatchedSampler`, one by one."""

    def converse(self, policy, prompts, *, step=0, stops=frozenset()):
        rows = [prompt for prompt in prompts for _ in range(self.group_size)]
        numbers, ends = self._uniforms_on(policy.device, prompts, step), policy.eos_ids | stops
        alone = [ReadAgain(policy, [rows[row]], numbers[row : row + 1], self.draw, ends) for row in range(len(rows))]
        self.last = OneByOne(alone)
        return self.last


class Talk(Environment):
    """Answers with the last letter, a number that is drawn and that of the turn."""

    calls = Letters()

    def __init__(self, wait=None):
        self.wait = wait or (lambda episode: None)
        self.lock, self.inside, self.most, self.episodes = threading.Lock(), 0, 0, []

    def start(self, row, luck):
        with self.lock:
            self.episodes.append(Talking(self, row["prompt"], luck))
            return self.episodes[-1]


class Talking(Episode):
    def __init__(self, talk, key, luck):
        self.talk, self.key, self.luck = talk, key, luck
        self.steps = self.closed = 0

    def step(self, turn):
        with self.talk.lock:
            self.talk.inside += 1
            self.talk.most = max(self.talk.most, self.talk.inside)
        self.steps += 1
        try:
            self.talk.wait(self)
        finally:
            with self.talk.lock:
                self.talk.inside -= 1
        return Observation(f"{turn.text[-1:]}{self.luck.integers(10)}{self.steps}", reward=1.0)

    def close(self):
        self.closed += 1


@pytest.fixture(scope="module")
def policy():
    return tiny_policy()


def sampler(environment, kind=BatchedSampler, **options):
    return EpisodeSampler(kind(group_size=3, max_tokens=56), environment, max_turns=3, glue=GLUE, **options)


def told(completions):
    """All that an episode is, but for the time it took."""
    return [
        (row.ids, row.text, row.stop_reason, row.failure, [(t.start, t.end, t.by, t.text, t.reward) for t in row.turns])
        for row in completions
    ]


def a_while(episode):
    """Wait for a time that no other turn waits for; the generator is this test's own."""
    time.sleep(random.Random(f"{episode.key} {episode.steps}").random() * 0.03)


@pytest.fixture(scope="module")
def expected(policy):
    return told(sampler(Talk()).sample(policy, PROMPTS, step=2))


KINDS = [(BatchedSampler, 3), (ApartSampler, 0), (ApartSampler, 2)]


@pytest.mark.parametrize(("kind", "threads"), KINDS)
def test_episodes_are_the_same_however_long_each_environment_takes(kind, threads, policy, expected):
    environment = Talk(a_while)
    made = sampler(environment, kind, threads=threads)
    assert told(made.sample(policy, PROMPTS, step=2)) == expected
    assert {reason for _, _, reason, _, _ in expected} >= {"turns"}
    assert 2 <= environment.most <= (threads or OneByOne.at_once)
    assert [episode.closed for episode in environment.episodes] == [1] * 12


def test_without_threads_one_answers_after_the_other(policy):
    environment = Talk(a_while)
    sampler(environment).sample(policy, PROMPTS[:1])
    assert environment.most == 1


def test_apart_a_row_goes_on_while_another_waits(policy, expected):
    """The first row's environment answers when all others have ended."""
    over = threading.Event()

    def wait(episode):
        if episode is environment.episodes[0]:
            assert over.wait(20)

    environment, unfinished = Talk(wait), []

    def progress(tokens, left):
        unfinished.append(left)
        if left == 1:
            over.set()

    made = sampler(environment, ApartSampler)
    with made.reporting(progress):
        assert told(made.sample(policy, PROMPTS, step=2)) == expected
    assert unfinished == [*range(11, -1, -1)]
    assert made.sampler.last.closed == 1


@pytest.mark.parametrize(("kind", "threads"), KINDS)
def test_one_rows_failure_leaves_the_others_as_they_were(kind, threads, policy, expected):
    def wait(episode):
        if episode.key == PROMPTS[1].row["prompt"] and episode.steps == 2:
            raise OSError("the network is gone")

    found = told(sampler(Talk(wait), kind, threads=threads).sample(policy, PROMPTS, step=2))
    assert found[:3] + found[6:] == expected[:3] + expected[6:]
    assert {failure for *_, failure, _ in found[3:6] if failure} == {"OSError: the network is gone"}


@pytest.mark.parametrize(("kind", "threads"), KINDS)
def test_global_random_numbers_are_fenced(kind, threads, policy):
    def wait(episode):
        random.seed(episode.steps), np.random.seed(episode.steps), torch.manual_seed(episode.steps)

    def state():
        return random.random(), np.random.rand(), torch.rand(1).item()

    random.seed(7), np.random.seed(7), torch.manual_seed(7)
    expected = state()
    random.seed(7), np.random.seed(7), torch.manual_seed(7)
    made = sampler(Talk(wait), kind, threads=threads)
    with pytest.warns(UserWarning, match="Talk used the global random numbers of Python and NumPy and torch"):
        made.sample(policy, PROMPTS[:2])
    assert state() == expected


@pytest.mark.parametrize(("kind", "threads"), KINDS)
def test_an_environment_that_draws_from_its_own_numbers_is_not_named(kind, threads, policy):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        sampler(Talk(a_while), kind, threads=threads).sample(policy, PROMPTS[:2])


class Unsplit(Glue):
    """Uses the tokenizer with other settings than what an environment says is encoded with."""

    def __init__(self, tokenizer):
        self.tokenizer = tokenizer

    def between(self, texts):
        return [id for text in texts for id in text] + self.tokenizer("<eos>y", add_special_tokens=False)["input_ids"]


# Takes a while to encode, in which the interpreter goes on with other threads.
FORGERY = "<eos>" * 1500


class Forging(Talking):
    def step(self, turn):
        super().step(turn)
        return Observation(FORGERY)


class Forgers(Talk):
    def start(self, row, luck):
        return Forging(self, row["prompt"], luck)


def test_a_text_forges_no_turn_while_other_threads_use_the_tokenizer():
    policy = CausalLMPolicy(tiny_qwen3(max_position_embeddings=128), letter_tokenizer())
    turns = ApartSampler(group_size=8, max_tokens=100)
    made = EpisodeSampler(turns, Forgers(), 3, max_observation_tokens=16, glue=Unsplit(policy.tokenizer))
    rows = list(made.sample(policy, PROMPTS[:1]))
    end = policy.tokenizer.eos_token_id
    given = [row.ids[turn.start : turn.end] for row in rows for turn in row.turns if turn.by == "environment"]
    assert len(given) > 8
    assert {failure for row in rows if (failure := row.failure)} == set()
    # The one of the glue, and none of what was said.
    assert {ids.count(end) for ids in given if ids} == {1}


@pytest.mark.parametrize(("kind", "threads"), [(BatchedSampler, 0), *KINDS])
def test_a_signal_ends_it_at_once_and_what_is_not_at_work_is_closed(kind, threads, policy):
    hangs, goes = threading.Event(), threading.Event()

    def wait(episode):
        if episode is environment.episodes[0]:
            hangs.set()
            goes.wait(20)

    environment = Talk(wait)
    made = sampler(environment, kind, threads=threads)
    before = signal.signal(signal.SIGTERM, lambda number, frame: None)

    def kill():
        hangs.wait(20)
        time.sleep(0.2)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=kill, daemon=True).start()
    started = time.monotonic()
    try:
        with pytest.raises(SIGTERMException), stoppable():
            made.sample(policy, PROMPTS[:1])
    finally:
        signal.signal(signal.SIGTERM, before)
    assert time.monotonic() - started < 10
    first, *others = environment.episodes
    assert {episode.closed for episode in others} <= {1}
    # In this thread the signal itself has ended its work.
    assert first.closed == (kind is BatchedSampler and threads == 0)
    steps = first.steps
    goes.set()
    while not first.closed and time.monotonic() - started < 15:
        time.sleep(0.01)
    assert (first.closed, first.steps) == (1, steps)


@pytest.mark.parametrize(("kind", "threads"), KINDS)
def test_what_ends_a_program_is_not_taken_for_a_failure(kind, threads, policy):
    def wait(episode):
        raise SystemExit("enough")

    environment = Talk(wait)
    with pytest.raises(SystemExit, match="enough"):
        sampler(environment, kind, threads=threads).sample(policy, PROMPTS)
    time.sleep(0.1)
    assert {episode.closed for episode in environment.episodes} == {1}


def test_a_number_of_threads_is_none_below_0():
    with pytest.raises(ValueError, match="threads=-1; give a finite number of at least 0"):
        sampler(Talk(), threads=-1)
