"""Episodes: what is read, what is learned from, why they end, and whose fault it was if one breaks."""

from __future__ import annotations

import asyncio
import json
import math
import random
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from tokenizers import Tokenizer, decoders, models
from transformers import PreTrainedTokenizerFast

from rlframework import (
    GRPO,
    BatchedSampler,
    Completions,
    DynamicSampling,
    EpisodeSampler,
    GenerateSampler,
    GroupSampler,
    RolloutWriter,
    evaluate,
)
from rlframework.callbacks.rollout_writer import read_rollouts
from rlframework.environments import CallFormat, Environment, Episode, Observation, PlainGlue
from rlframework.policies import CausalLMPolicy
from rlframework.prompt import Prompt
from rlframework.report.samples import write_samples
from rlframework.rewards import CorrectAnswer, EpisodeReturn, FunctionReward, RewardLimits, RowReward, as_reward
from rlframework.samplers import Conversation, Reply
from rlframework.testing import letter_prompts, letter_tokenizer, tiny_policy
from rlframework.turns import Call, Turn

TOKENIZER = letter_tokenizer()
STOP = TOKENIZER.eos_token_id


class Recording(GroupSampler):
    """Plays back what a policy said: of each row its turns, letter by letter; one that ends with ``~`` is cut there."""

    def __init__(self, *rows: Sequence[str], max_tokens: int = 100, group_size: int | None = None) -> None:
        self.rows = rows
        super().__init__(group_size=group_size or len(rows), max_tokens=max_tokens)
        self.asked: list[tuple[dict[int, int], dict[int, list[int]]]] = []

    def sample(self, policy: Any, prompts: Any, *, step: int = 0) -> Completions:
        raise AssertionError("an episode is no plain answer")

    def converse(
        self, policy: Any, prompts: Any, *, step: int = 0, stops: frozenset[int] = frozenset()
    ) -> Conversation:
        outer = self

        class Playing(Conversation):
            said = dict.fromkeys(range(len(prompts) * self.group_size), 0)

            def reply(self, budgets: Mapping[int, int], given: Mapping[int, Sequence[int]]) -> dict[int, Reply]:
                outer.asked.append((dict(budgets), {row: list(ids) for row, ids in given.items()}))
                return {row: self.turn(row, budgets[row]) for row in budgets}

            def turn(self, row: int, budget: int) -> Reply:
                text = outer.rows[row % len(outer.rows)][self.said[row]]
                self.said[row] += 1
                ids = [*TOKENIZER(text.strip("~"))["input_ids"], *([] if text.endswith("~") else [STOP])][:budget]
                return Reply(ids, [-0.5] * len(ids), "stop" if ids[-1] == STOP else "length")

        return Playing()


class Game(Environment):
    """Answers with a function of the turn, and remembers its episodes."""

    def __init__(self, answer: Callable[[Turn], Observation | None]) -> None:
        self.answer = answer
        self.episodes: list[Move] = []

    def start(self, row: Mapping[str, Any], luck: np.random.Generator) -> Episode:
        self.episodes.append(Move(self.answer, luck))
        return self.episodes[-1]


class Move(Episode):
    def __init__(self, answer: Callable[[Turn], Observation | None], luck: np.random.Generator) -> None:
        self.answer, self.luck = answer, luck
        self.turns: list[Turn] = []
        self.closed = 0

    def step(self, turn: Turn) -> Observation | None:
        self.turns.append(turn)
        return self.answer(turn)

    def close(self) -> None:
        self.closed += 1


def play(
    answer: Callable[[Turn], Observation | None],
    *rows: Sequence[str],
    max_tokens: int = 100,
    prompts: int = 1,
    **limits: Any,
) -> Completions:
    glue = PlainGlue(TOKENIZER, before="<", after=">")
    sampler = EpisodeSampler(Recording(*rows, max_tokens=max_tokens), Game(answer), glue=glue, **limits)
    return sampler.sample(tiny_policy(), letter_prompts(prompts))


def echo(turn: Turn) -> Observation | None:
    """Say the turn again, until it is ``end``."""
    return None if turn.text == "end" else Observation(turn.text, reward=float(turn.text == "win"))


def spans(row: Any) -> list[tuple[str, str, str]]:
    """Return who wrote each span, its ids as text, and the turn's own text."""
    return [(turn.by, TOKENIZER.decode(row.ids[turn.start : turn.end]), turn.text) for turn in row.turns]


def test_an_episode_is_one_completion_whose_ids_hold_every_turn() -> None:
    row = play(echo, ["abc", "end"])[0]
    unknown = "<unk>"
    assert spans(row) == [
        ("policy", "abc<eos>", "abc"),
        ("environment", f"{unknown}abc{unknown}", "abc"),
        ("policy", "end<eos>", "end"),
    ]
    assert [turn.start for turn in row.turns] == [0, 4, 9]
    assert row.turns[-1].end == len(row.ids)
    assert (row.text, row.stop_reason, row.truncated, row.failure) == ("end", "stop", False, None)
    assert row.sampled == [True] * 4 + [False] * 5 + [True] * 4
    assert row.sampled_tokens == 8
    assert row.logprobs == [-0.5 if sampled else 0.0 for sampled in row.sampled]


def test_the_policy_is_asked_for_rows_that_go_on_with_what_was_said_to_them() -> None:
    sampler = Recording(["end"], ["ab", "end"], max_tokens=20)
    EpisodeSampler(sampler, Game(echo), glue=PlainGlue(TOKENIZER, "x", "y"), max_turn_tokens=9).sample(
        tiny_policy(), letter_prompts(1)
    )
    assert sampler.asked == [
        ({0: 9, 1: 9}, {0: [], 1: []}),
        ({1: 9}, {1: TOKENIZER("xaby")["input_ids"]}),
    ]


def test_6_a_tool_that_prints_the_right_answer_pays_nothing() -> None:
    right = "<SOLUTION>4</SOLUTION>"
    row = play(lambda turn: Observation(right, done=True), ["guess"])[0]
    row.prompt.row["answer"] = "4"
    assert right in row.transcript
    assert right not in row.text
    assert CorrectAnswer().evaluate(Completions([row], 1)).total.item() == 0


def test_15_half_a_turn_is_not_acted_on() -> None:
    game = Game(echo)
    sampler = EpisodeSampler(Recording(["abcdef~"]), game, glue=PlainGlue(TOKENIZER))
    row = sampler.sample(tiny_policy(), letter_prompts(1))[0]
    assert (row.stop_reason, row.truncated, row.text) == ("length", True, "abcdef")
    assert game.episodes[0].turns == []


def test_19_done_asks_for_no_further_turn() -> None:
    row = play(lambda turn: Observation("won", reward=2.0, done=True), ["go", "never said"])[0]
    assert (row.stop_reason, row.truncated) == ("environment", False)
    assert spans(row)[1] == ("environment", "", "won"), "nothing is appended that the policy does not read"
    assert row.ids[-1] == STOP
    assert row.sampled == [True] * 3


def test_20_the_last_turn_allowed_is_answered_and_one_more_is_not() -> None:
    going_on, ended, answered = play(echo, ["ab", "cd", "ef"], ["ab", "end"], ["end"], max_turns=2)
    assert (going_on.stop_reason, going_on.truncated, going_on.text) == ("turns", True, "cd")
    assert spans(going_on)[-1] == ("environment", "", "cd")
    assert [ended.stop_reason, answered.stop_reason] == ["stop", "stop"]


@pytest.mark.parametrize(("budget", "reason"), [(13, "stop"), (9, "length"), (8, "length")])
def test_21_what_does_not_fit_with_one_more_token_is_not_appended(budget: int, reason: str) -> None:
    row = play(echo, ["abc", "end"], max_tokens=budget)[0]
    assert row.stop_reason == reason
    assert len(row.ids) == (13 if reason == "stop" else 4)
    assert row.truncated == (reason == "length")
    one_more = play(echo, ["abc", "end"], max_tokens=10)[0]
    assert (one_more.stop_reason, len(one_more.ids), one_more.text) == ("length", 10, "e")


def test_22_a_prompt_and_the_budget_of_an_episode_have_to_be_within_the_positions() -> None:
    sampler = EpisodeSampler(BatchedSampler(group_size=2, max_tokens=64), Game(echo), glue=PlainGlue(TOKENIZER))
    with pytest.raises(ValueError, match="more than the 64 positions"):
        sampler.sample(tiny_policy(), letter_prompts(1))


def broken(turn: Turn) -> Observation | None:
    if turn.text == "break":
        raise ConnectionError("the table is gone")
    return echo(turn)


def test_23_a_row_that_fails_leaves_the_others_as_they_were() -> None:
    rows = [["ab", "end"], ["cd", "break", "ef"], ["gh", "ij", "end"]]
    with_one, without = play(broken, *rows), play(echo, rows[0], ["cd", "end"], rows[2])
    failed = with_one[1]
    assert (failed.stop_reason, failed.failure, failed.text) == (
        "failed",
        "ConnectionError: the table is gone",
        "break",
    )
    assert [asdict(with_one[place])["ids"] for place in (0, 2)] == [without[place].ids for place in (0, 2)]


class Length(RowReward):
    def score_row(self, completion: Any) -> float:
        return float(len(completion.text))


def test_25_a_failed_row_is_no_zero() -> None:
    completions = play(broken, ["abcd", "end"], ["break"], ["e", "f", "end"], ["end"])
    scores = (Length() + 0.5 * EpisodeReturn()).evaluate(completions)
    assert scores.total.isnan().tolist() == [[False, True, False, False]]
    for name in ("length", "episode_return"):
        judgement = scores.judgements[name]
        assert judgement.scores.isnan().tolist() == judgement.error_flags.tolist() == [[False, True, False, False]]
        assert "ConnectionError: the table is gone" in judgement.detail


@pytest.mark.parametrize("nested", [False, True])
def test_a_failed_row_has_no_reward_whatever_composes_it(nested: bool) -> None:
    completions = play(broken, ["break"], ["end"])
    gated = Length() * EpisodeReturn()
    scores = (gated + Length(name="again") if nested else gated).evaluate(completions)
    assert scores.total.isnan().tolist() == [[True, False]]


def test_start_is_tried_twice_before_it_has_failed() -> None:
    class Flaky(Game):
        tries = 0

        def start(self, row: Mapping[str, Any], luck: np.random.Generator) -> Episode:
            self.tries += 1
            if self.tries % self.often:
                raise OSError(f"busy, {luck.integers(1000)}")
            return super().start(row, luck)

    for often, failures in ((2, [None, None]), (5, ["OSError", "OSError"])):
        game = Flaky(echo)
        game.often = often
        sampler = EpisodeSampler(Recording(["end"], ["end"]), game, glue=PlainGlue(TOKENIZER))
        rows = sampler.sample(tiny_policy(), letter_prompts(1))
        assert [row.failure and row.failure[:7] for row in rows] == failures
    assert [row.ids for row in rows] == [[], []]
    assert rows[0].failure == rows[1].failure, "a second try has the same luck"


def test_what_an_episode_changes_in_its_row_of_data_no_other_row_sees() -> None:
    """Not the group, the next rollout nor a reward: a tool that sells out a shop would leave it empty for all."""

    class Selling(Game):
        def start(self, row: Mapping[str, Any], luck: np.random.Generator) -> Episode:
            stock = row["stock"]
            return Move(lambda turn: Observation(stock.pop()) if stock else None, luck)

    prompt = Prompt([5], "c", {"stock": ["a", "b"]})
    sampler = EpisodeSampler(Recording(["x"] * 3, ["x"] * 3), Selling(echo), glue=PlainGlue(TOKENIZER))
    for _ in range(2):
        rows = sampler.sample(tiny_policy(), [prompt])
        assert [[turn.text for turn in row.turns if turn.by == "environment"] for row in rows] == [["b", "a"]] * 2
        assert rows[0].prompt.row == {"stock": ["a", "b"]}


class SpeechlessError(Exception):
    def __str__(self) -> str:
        raise KeyError("response")


@pytest.mark.parametrize(
    ("error", "failure"),
    [
        (SpeechlessError(), "SpeechlessError: (its message cannot be read)"),
        (asyncio.CancelledError("by the server"), "CancelledError: by the server"),
    ],
)
def test_whatever_error_an_environment_raises_costs_its_own_row(error: BaseException, failure: str) -> None:
    def answer(turn: Turn) -> Observation | None:
        if turn.text == "break":
            raise error
        return None

    rows = play(answer, ["break"], ["end"])
    assert [row.failure for row in rows] == [failure, None]


def test_a_reward_is_not_asked_about_a_row_that_failed_and_has_no_episode() -> None:
    class Closed(Game):
        def start(self, row: Mapping[str, Any], luck: np.random.Generator) -> Episode:
            if row["answer"] == "b":
                raise OSError("closed")
            return super().start(row, luck)

    class Moves(RowReward):
        def score_row(self, completion: Any) -> float:
            return float(len(completion.episode.turns))

    prompts = [Prompt([5], "c", {"answer": answer}, index) for index, answer in enumerate("ab")]
    sampler = EpisodeSampler(Recording(["x", "end"]), Closed(echo), glue=PlainGlue(TOKENIZER))
    scores = Moves().evaluate(sampler.sample(tiny_policy(), prompts))
    assert scores.total.tolist() == [[2.0], [pytest.approx(math.nan, nan_ok=True)]]
    assert scores.failures() == [(1, "moves: the environment failed: OSError: closed")]


def test_a_call_is_read_as_the_policy_wrote_it() -> None:
    """Tokenizers that clean up what they decode take out the spaces before a full stop."""
    read = []

    class Noting(CallFormat):
        def calls(self, text: str) -> list[Call]:
            read.append(text)
            return []

    policy = tiny_policy()
    symbols = {symbol: id for id, symbol in enumerate(["<pad>", "<eos>", "say", "yes", "."])}
    words = Tokenizer(models.WordLevel(symbols))
    words.decoder = decoders.WordPiece(cleanup=False)
    policy.tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=words, eos_token="<eos>", pad_token="<pad>", clean_up_tokenization_spaces=True
    )
    game = Game(lambda turn: None)
    game.calls = Noting()

    class Fixed(Recording):
        def converse(self, *args: Any, **options: Any) -> Conversation:
            class Playing(Conversation):
                def reply(self, budgets: Mapping[int, int], given: Any) -> dict[int, Reply]:
                    return {row: Reply([2, 3, 4, STOP], [-0.5] * 4, "stop") for row in budgets}

            return Playing()

    EpisodeSampler(Fixed([]), game, glue=PlainGlue(policy.tokenizer, "say", "say")).sample(
        policy, [Prompt([2, 3], "say yes")]
    )
    assert read == ["say yes ."]


def test_26_every_episode_is_closed_and_a_failure_to_close_is_one() -> None:
    class Stuck(Move):
        def close(self) -> None:
            super().close()
            raise OSError("still open")

    class Room(Game):
        def start(self, row: Mapping[str, Any], luck: np.random.Generator) -> Episode:
            kind = Stuck if len(self.episodes) == 1 else Move
            self.episodes.append(kind(self.answer, luck))
            return self.episodes[-1]

    room = Room(broken)
    sampler = EpisodeSampler(Recording(["ab", "end"], ["end"], ["break"]), room, glue=PlainGlue(TOKENIZER))
    rows = sampler.sample(tiny_policy(), letter_prompts(1))
    assert [episode.closed for episode in room.episodes] == [1, 1, 1]
    assert [row.failure for row in rows] == [None, "OSError: still open", "ConnectionError: the table is gone"]


def test_episodes_are_closed_where_the_sampler_fails_or_the_run_is_interrupted() -> None:
    game = Game(echo)
    sampler = EpisodeSampler(Recording(["ab"], ["cd", "end"]), game, glue=PlainGlue(TOKENIZER))
    with pytest.raises(IndexError):
        sampler.sample(tiny_policy(), letter_prompts(1))
    assert [episode.closed for episode in game.episodes] == [1, 1]

    def interrupt(turn: Turn) -> Observation:
        raise KeyboardInterrupt

    game = Game(interrupt)
    sampler = EpisodeSampler(Recording(["ab"], ["cd"]), game, glue=PlainGlue(TOKENIZER))
    with pytest.raises(KeyboardInterrupt):
        sampler.sample(tiny_policy(), letter_prompts(1))
    assert [episode.closed for episode in game.episodes] == [1, 1]


@pytest.mark.parametrize(
    ("said", "failure"),
    [
        ("a plain string", "TypeError: step() returned 'a plain string'; it has to return an Observation"),
        (Observation(b"\xff"), "TypeError: step() said b'\\xff' (bytes)"),
        (Observation(["one", 2]), "TypeError: step() said 2 (int)"),
        (Observation(["one", "two"]), "ValueError: step() gave 2 texts for 0 calls"),
        (Observation([]), "ValueError: step() gave 0 texts"),
        (Observation("x", reward=math.nan), "ValueError: step() paid nan"),
        (Observation("half a pair: \ud800"), "TypeError"),
    ],
)
def test_37_what_is_no_observation_is_a_failure_of_the_environment(said: Any, failure: str) -> None:
    row = play(lambda turn: said, ["ab", "end"])[0]
    assert row.stop_reason == "failed"
    assert row.failure.startswith(failure), row.failure


def test_37_an_empty_observation_is_one() -> None:
    row = play(lambda turn: None if turn.text == "end" else Observation(""), ["ab", "end"])[0]
    assert (row.stop_reason, spans(row)[1]) == ("stop", ("environment", "<unk><unk>", ""))


@pytest.mark.parametrize("most", [None, 8, 60])
def test_37_a_long_text_is_cut_in_the_middle_and_says_so(most: int | None) -> None:
    long = "a" * 50_000 + "b" * 50_000
    row = play(
        lambda turn: None if turn.text == "end" else Observation(long), ["x", "end"], max_observation_tokens=most
    )[0]
    if most is None:
        assert (row.stop_reason, len(row.ids)) == ("length", 2), "more than the budget of the episode"
        return
    words = row.turns[1]
    assert (row.stop_reason, words.shortened) == ("stop", len(long) - most)
    assert words.text.startswith("a")
    assert words.text.endswith("b")
    assert words.end - words.start == most + 2


def test_the_note_of_a_cut_says_how_much_is_missing() -> None:
    policy = tiny_policy()
    policy.tokenizer = letter_tokenizer("abcdefghijklmnopqrstuvwxyz0123456789 []")
    game = Game(lambda turn: Observation("a" * 30 + "b" * 70))
    sampler = EpisodeSampler(Recording(["x"]), game, glue=PlainGlue(TOKENIZER), max_observation_tokens=40, max_turns=1)
    words = sampler.sample(policy, letter_prompts(1))[0].turns[1]
    assert (words.text, words.shortened) == ("aaaaaaaaa [60 tokens left out] bbbbbbbbb", 60)


def test_33_global_random_numbers_are_put_back_and_it_is_said_once() -> None:
    def seeds_all(turn: Turn) -> Observation:
        random.seed(1)
        np.random.seed(1)
        torch.manual_seed(1)
        return echo(turn)

    before = random.random(), np.random.random(), torch.rand(1).item()
    states = random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        play(seeds_all, ["ab", "cd", "end"], ["ab", "end"])
    assert [str(one.message)[:71] for one in said] == [
        "Game used the global random numbers of Python and NumPy and torch. They"
    ]
    assert states == (random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist())
    assert before != (random.random(), np.random.random(), torch.rand(1).item())


def test_35_a_group_shares_its_luck_and_another_step_has_another() -> None:
    def drawn(step: int, seed: int = 0) -> list[int]:
        game = Game(echo)
        inner = Recording(["end"], ["end"]).replace(seed=seed)
        EpisodeSampler(inner, game, glue=PlainGlue(TOKENIZER)).sample(tiny_policy(), letter_prompts(2), step=step)
        return [int(episode.luck.integers(2**31)) for episode in game.episodes]

    first, again, second, reseeded = drawn(0), drawn(0), drawn(1), drawn(0, seed=5)
    assert first == again
    assert first[0] == first[1]
    assert first[2] == first[3]
    assert len({first[0], first[2], second[0], second[2], reseeded[0], reseeded[2]}) == 6


def test_luck_is_no_stream_that_a_row_draws_its_tokens_from() -> None:
    game = Game(echo)
    sampler = EpisodeSampler(Recording(["end"], ["end"]), game, glue=PlainGlue(TOKENIZER))
    sampler.sample(tiny_policy(), letter_prompts(1), step=3)
    lucky = game.episodes[0].luck.random()
    streams = [np.random.default_rng(key).random() for key in ((0, 3, 0), (0, 3, 0, 0), (0, 3, 0, 1))]
    assert lucky not in streams


def test_38_without_a_second_turn_an_episode_is_the_plain_answer() -> None:
    policy, prompts = tiny_policy(), letter_prompts(3)
    plain = BatchedSampler(group_size=3, max_tokens=6, seed=2)
    episodes = EpisodeSampler(plain, Game(lambda turn: None), glue=PlainGlue(TOKENIZER))
    for one, other in zip(plain.sample(policy, prompts, step=1), episodes.sample(policy, prompts, step=1), strict=True):
        assert (one.ids, one.text, one.stop_reason, one.logprobs) == (
            other.ids,
            other.text,
            other.stop_reason,
            other.logprobs,
        )
        assert (one.sampled, one.sampled_tokens, one.truncated) == (
            other.sampled,
            other.sampled_tokens,
            other.truncated,
        )


def test_39_a_step_pays_also_where_its_answer_was_never_read() -> None:
    def pays(turn: Turn) -> Observation:
        return Observation("x" * 50, reward=1.0)

    rows = [play(pays, ["ab"], max_tokens=20)[0], play(pays, ["ab"], max_turns=1)[0]]
    assert [row.stop_reason for row in rows] == ["length", "turns"]
    assert [EpisodeReturn().score_row(row) for row in rows] == [1.0, 1.0]


def test_a_turn_behind_another_end_token_is_acted_on_and_ends_the_episode() -> None:
    class Ends(PlainGlue):
        end_of_turn = frozenset({TOKENIZER("z")["input_ids"][0]})

    sampler = EpisodeSampler(Recording(["win", "never said"]), Game(echo), glue=Ends(TOKENIZER))
    row = sampler.sample(tiny_policy(), letter_prompts(1))[0]
    assert (row.stop_reason, row.turns[0].reward, spans(row)[-1]) == ("stop", 1.0, ("environment", "", "win"))


def test_calls_are_read_with_special_tokens_and_handed_to_the_environment() -> None:
    class Letters(CallFormat):
        def calls(self, text: str) -> list[Call]:
            return [Call(letter) for letter in text]

    class Phone(Game):
        calls = Letters()

    def answer(turn: Turn) -> Observation | None:
        return Observation([f"{call.name}1" for call in turn.calls]) if len(turn.calls) == 2 else None

    sampler = EpisodeSampler(Recording(["ab", "end"]), Phone(answer), glue=PlainGlue(TOKENIZER, "x", "y"))
    row = sampler.sample(tiny_policy(), letter_prompts(1))[0]
    assert spans(row)[1] == ("environment", "xa1xb1y", "a1\nb1")
    assert [call.name for call in row.calls] == ["a", "b", "e", "n", "d"]


def test_a_sampler_that_cannot_go_on_is_refused_by_name() -> None:
    sampler = EpisodeSampler(GenerateSampler(group_size=2, max_tokens=8), Game(echo), glue=PlainGlue(TOKENIZER))
    with pytest.raises(TypeError, match=r"GenerateSampler answers a prompt once .* use SharedPrefixSampler"):
        sampler.sample(tiny_policy(), letter_prompts(1))


@pytest.mark.parametrize("limits", [{"max_turns": 0}, {"max_turn_tokens": 0}, {"max_observation_tokens": 3}])
def test_limits_that_leave_nothing_are_refused(limits: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=next(iter(limits))):
        EpisodeSampler(Recording(["a"]), Game(echo), **limits)


def test_for_evaluation_and_replace_reach_the_sampler_inside() -> None:
    sampler = EpisodeSampler(BatchedSampler(group_size=4, max_tokens=30), Game(echo), max_turns=3)
    greedy = sampler.for_evaluation()
    assert isinstance(greedy, EpisodeSampler)
    assert greedy.max_turns == 3
    assert (greedy.sampler.group_size, greedy.sampler.temperature, sampler.sampler.group_size) == (1, 0.0, 4)
    assert (sampler.replace(max_tokens=20).sampler.max_tokens, sampler.replace(max_turns=5).max_turns) == (20, 5)


def test_functions_as_rewards_get_turns_calls_and_episode() -> None:
    completions = play(echo, ["ab", "win", "end"], ["end"])

    def judge(completion: str, turns: list[Turn], calls: list[Call], episode: Move) -> float:
        assert completion == "end"
        assert calls == []
        return len(turns) + 10 * len(episode.turns)

    def judge_all(completions: list[str], episode: list[Move]) -> list[float]:
        return [float(len(one.turns)) for one in episode]

    assert FunctionReward(judge).evaluate(completions).total.tolist() == [[35.0, 11.0]]
    assert as_reward(judge_all).evaluate(completions).total.tolist() == [[3.0, 1.0]]


# In a run, with a real policy.


class Vowel(Environment):
    """Says the first letter of each turn again and pays for vowels."""

    fails: float = 0.0

    def start(self, row: Mapping[str, Any], luck: np.random.Generator) -> Episode:
        return Vowels(self.fails)


class Vowels(Episode):
    made = 0

    def __init__(self, fails: float) -> None:
        Vowels.made += 1
        # Spread evenly over the episodes.
        self.fails = int(Vowels.made * fails) > int((Vowels.made - 1) * fails)

    def step(self, turn: Turn) -> Observation:
        return Observation(turn.text[:1] + "q", reward=sum(letter in "aeiou" for letter in turn.text))

    def close(self) -> None:
        # Here and not in a step, which few rows of an untrained policy come to.
        if self.fails:
            raise ConnectionError("the tool is gone")


def episodes(policy: CausalLMPolicy, group_size: int = 4, fails: float = 0.0) -> EpisodeSampler:
    environment = Vowel()
    environment.fails = fails
    Vowels.made = 0
    glue = PlainGlue(policy.tokenizer, "x", "y")
    return EpisodeSampler(BatchedSampler(group_size, max_tokens=30), environment, max_turns=3, glue=glue)


def trained(fit: Callable[..., pl.Trainer], folder: Path, fails: float = 0.0, rows: int = 16, **options: Any) -> GRPO:
    policy = tiny_policy()
    module = GRPO(
        policy, EpisodeReturn(), episodes(policy, 8, fails), prompts_per_rollout=rows, learning_rate=1e-2, **options
    )
    fit(module, max_steps=3, max_epochs=3, prompts=rows, callbacks=[RolloutWriter(folder)])
    return module


def test_a_run_of_episodes_logs_and_records_them(fit: Callable[..., pl.Trainer], tmp_path: Path) -> None:
    module = trained(fit, tmp_path, minibatches_per_rollout=2, kl_coefficient=0.1)
    figures = {name: float(value) for name, value in module.trainer.callback_metrics.items()}
    assert 1 < figures["train/episode/turns"] <= 3
    assert figures["train/episode/ended_by/failed"] == 0
    ends = [value for name, value in figures.items() if "ended_by" in name]
    assert sum(ends) == pytest.approx(1.0)
    assert figures["train/episode/return"] == pytest.approx(figures["train/reward/total"])
    rows = read_rollouts(tmp_path / "rollouts.jsonl")
    assert len(rows) == 2 * 16 * 8, "three steps of two a rollout"
    for row in rows:
        turns = row["turns"]
        assert [turn["by"] for turn in turns] == (["policy", "environment"] * 3)[: len(turns)]
        assert row["reward"] == sum(turn["reward"] for turn in turns)
        assert "seconds" not in turns[0]
        assert turns[-1]["end"] == len(row["completion_ids"])


@pytest.mark.parametrize("stage", ["train", "validation"])
def test_24_few_failures_cost_their_rows_and_many_stop_the_run(
    fit: Callable[..., pl.Trainer], tmp_path: Path, stage: str
) -> None:
    if stage == "train":
        module = trained(fit, tmp_path / "few", fails=0.04, rows=32)
        assert 0.02 < float(module.trainer.callback_metrics["train/episode/ended_by/failed"]) < 0.06
        with pytest.raises(RuntimeError, match=r"failed to check .* limit 5%.* the tool is gone"):
            trained(fit, tmp_path / "many", fails=0.08, rows=32)
        return
    policy = tiny_policy()
    options = {"validation_sampler": episodes(policy, 1, fails=0.2), "prompts_per_rollout": 4}
    module = GRPO(policy, EpisodeReturn(), episodes(policy), **options)
    with pytest.raises(RuntimeError, match=r"failed to check .* the tool is gone"):
        fit(module, max_steps=2, prompts=8, held_out=64)


def test_41_filters_evaluation_and_samples_take_episodes(fit: Callable[..., pl.Trainer], tmp_path: Path) -> None:
    policy = tiny_policy()
    sampler = episodes(policy)
    filtered = DynamicSampling(sampler, EpisodeReturn(), keep=2)
    module = GRPO(policy, EpisodeReturn(), filtered, prompts_per_rollout=4)
    fit(module, max_steps=2, prompts=8, held_out=4)
    assert "val/reward" in module.trainer.callback_metrics

    found = evaluate("after", policy, letter_prompts(4), filtered.for_evaluation(), {"return": EpisodeReturn()})
    assert found.length == sum(row.sampled_tokens for row in found.completions) / 4
    path = write_samples(tmp_path / "samples.jsonl", found.completions, found.scores, None)
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [len(line["turns"]) for line in lines] == [len(row.turns) for row in found.completions]


def test_alone_together_and_in_another_order_episodes_are_the_same() -> None:
    policy, prompts = tiny_policy(), letter_prompts(4)
    sampler = episodes(policy)
    together = sampler.sample(policy, prompts, step=2)
    backwards = sampler.sample(policy, prompts[::-1], step=2)
    for place, prompt in enumerate(prompts):
        alone = [row.ids for row in sampler.sample(policy, [prompt], step=2)]
        assert alone == [row.ids for row in together[4 * place : 4 * place + 4]]
        assert alone == [row.ids for row in backwards[4 * (3 - place) : 4 * (3 - place) + 4]]
    assert {row.stop_reason for row in together} >= {"turns", "length"} or len({len(row.ids) for row in together}) > 1


def test_limits_of_failures_are_the_algorithms_own(fit: Callable[..., pl.Trainer], tmp_path: Path) -> None:
    module = trained(fit, tmp_path, fails=0.2, rows=16, reward_limits=RewardLimits(errors=0.5))
    assert module.trainer.global_step == 3
