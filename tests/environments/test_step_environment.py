"""Simulators of others: Gymnasium's toy text, games that seed the world, clients; and a frozen lake that is learned."""

from __future__ import annotations

import random
import warnings
from collections import Counter
from types import SimpleNamespace
from typing import Any, ClassVar

import numpy as np
import pytest
import pytorch_lightning as pl
import torch

from rlframework.algorithms import GRPO
from rlframework.data import PromptDataModule
from rlframework.environments import ActionWords, PlainGlue, StepEnvironment, ToolError
from rlframework.policies import CausalLMPolicy
from rlframework.prompt import Prompt
from rlframework.rewards import EpisodeReturn
from rlframework.samplers import BatchedSampler, EpisodeSampler
from rlframework.testing import check_environment, letter_tokenizer, tiny_qwen3
from rlframework.turns import Turn

gym = pytest.importorskip("gymnasium")

PLACES = "0123456789ABCDEF"
MOVES = ActionWords({"l": 0, "d": 1, "r": 2, "u": 3})


def said(text: str) -> Turn:
    return Turn(0, len(text), "policy", text)


def numbers(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def lake(slippery: bool = False) -> Any:
    return gym.make("FrozenLake-v1", is_slippery=slippery, disable_env_checker=True)


def frozen_lake(slippery: bool = False) -> StepEnvironment:
    return StepEnvironment(lambda: lake(slippery), MOVES, PLACES.__getitem__, seed=0)


def seen(episode: Any, texts: str) -> list[str]:
    return [episode.step(said(text)).texts[0] for text in texts]


class Numbered:
    """A simulator without anything that it does not need."""

    closed: ClassVar[Counter[str]] = Counter()

    def __init__(self, name: str = "") -> None:
        self.name = name

    def reset(self, seed: int | None = None) -> tuple[int, dict[str, Any]]:
        self.at = seed or 0
        return self.at, {"asked": seed}

    def step(self, action: int) -> tuple[int, float, bool, bool, dict[str, Any]]:
        self.at += action
        return self.at, 0.5 * action, self.at == 9, self.at > 9, {"at": self.at}

    def close(self) -> None:
        self.closed[self.name] += 1


def test_the_way_over_the_lake_is_paid_at_its_end():
    episode = frozen_lake().start({}, numbers())
    answers = [episode.step(said(move)) for move in "ddrrdr"]
    assert [answer.texts[0] for answer in answers] == ["4", "8", "9", "A", "E", "F"]
    assert [answer.reward for answer in answers] == [0.0] * 5 + [1.0]
    assert [answer.done for answer in answers] == [False] * 5 + [True]
    assert (episode.over, episode.steps, type(answers[-1].reward)) == (True, 6, float)
    with pytest.raises(RuntimeError, match="has ended the episode"):
        episode.step(said("d"))


def test_truncated_ends_it_too():
    environment = StepEnvironment(
        lambda: gym.make("FrozenLake-v1", is_slippery=False, max_episode_steps=2), MOVES, seed=0
    )
    episode = environment.start({}, numbers())
    assert [episode.step(said("l")).done for _ in range(2)] == [False, True]


def test_what_is_no_action_is_told_and_counted_and_is_no_step():
    def read(text: str) -> int | None:
        if text == "pass":
            return None
        if text == "fault":
            raise MemoryError("a bug of the reader")
        return int(text)

    episode = StepEnvironment(lake, read, seed=0).start({}, numbers())
    turns = [said(text) for text in ("go", "pass", "7", "1")]
    told = [episode.step(turn).texts[0] for turn in turns]
    assert told[0] == "invalid literal for int() with base 10: 'go'"
    assert told[1:] == ["That is not an action.", "That is not an action; there are Discrete(4).", "4"]
    faults = [[(call.fault, call.result) for call in turn.calls] for turn in turns]
    assert faults == [[("malformed", told[0])], [("malformed", told[1])], [("arguments", told[2])], []]
    assert episode.steps == 1
    with pytest.raises(MemoryError):
        episode.step(said("fault"))


def test_words_and_errors_with_an_empty_or_endless_message():
    keys = StepEnvironment(Numbered, {"on": 1}.__getitem__, seed=0).start({}, numbers())
    assert seen(keys, ["on", "off"]) == ["1", "That is not an action."]
    endless = StepEnvironment(Numbered, float, seed=0).start({}, numbers())
    assert len(endless.step(said("x" * 10**6)).texts[0]) == 300
    with pytest.raises(ToolError, match=r"Say one of: l, d, r, u\."):
        MOVES("left")
    with pytest.raises(ValueError, match="got no actions"):
        ActionWords({})


def test_a_simulator_of_numbers_is_refused_where_nothing_reads_them():
    with pytest.raises(TypeError, match=r"actions of FrozenLakeEnv are Discrete\(4\).*read=.*ActionWords"):
        StepEnvironment(lake, seed=0).start({}, numbers())

    class Talking(Numbered):
        action_space = gym.spaces.Text(10, charset="0123456789")

    StepEnvironment(Talking, seed=0).start({}, numbers())


def test_what_the_simulator_raises_is_a_failure():
    class Broken(Numbered):
        def step(self, action: Any) -> Any:
            raise ValueError("a bug of the simulator")

    with pytest.raises(ValueError, match="a bug of the simulator"):
        StepEnvironment(Broken, seed=0).start({}, numbers()).step(said("1"))


def test_make_gets_the_row_if_it_asks_for_one():
    made: list[Any] = []

    def by_row(row: Any) -> Numbered:
        made.append(row)
        return Numbered()

    StepEnvironment(by_row, int, seed="start").start({"start": "3"}, numbers())
    assert made == [{"start": "3"}]
    StepEnvironment(Numbered, int, seed=0).start({}, numbers())  # All of its arguments have defaults.


def test_every_simulator_is_closed_also_after_a_failed_start():
    Numbered.closed.clear()
    environment = StepEnvironment(lambda row: Numbered(row["name"]), int)
    environment.start({"name": "played", "seed": 1}, numbers()).close()
    environment.first({"name": "asked", "seed": 1})
    with pytest.raises(ValueError, match="the first state says '1', and the prompt was made from '2'"):
        environment.start({"name": "other", "seed": 1, "first_observation": "2"}, numbers())
    assert Numbered.closed == {"played": 1, "asked": 1, "other": 1}


def test_a_row_without_seed_and_a_negative_one_are_refused():
    with pytest.raises(KeyError, match="no column 'seed', only prompt"):
        StepEnvironment(Numbered).start({"prompt": "?"}, numbers())
    with pytest.raises(ValueError, match="seed=-1"):
        StepEnvironment(Numbered, seed=-1)


def test_a_simulator_is_not_shared_between_rows():
    one = lake()
    for make in (lambda: one, lambda: gym.wrappers.TimeLimit(one, 5)):
        environment = StepEnvironment(make, MOVES, seed=0)
        first = environment.start({}, numbers())
        with pytest.raises(ValueError, match="in which another episode goes on; make one for every row"):
            environment.start({}, numbers())
        first.close()
        environment.start({}, numbers()).close()  # After it was closed it may be had again.


def test_group_mates_share_their_luck_and_the_first_state_and_the_next_rollout_has_other_luck():
    environment, moves = frozen_lake(slippery=True), "rddlruddlr"

    def walk(luck: int) -> list[str]:
        episode = environment.start({}, numbers(luck))
        walked = [PLACES[episode.first_observation]]
        for move in moves:
            answer = episode.step(said(move))
            walked += answer.texts
            if answer.done:
                break
        return walked

    walks = [walk(luck) for luck in range(6)]
    assert walks == [walk(luck) for luck in range(6)]
    assert {way[0] for way in walks} == {"0"}
    assert len({tuple(way) for way in walks}) > 1


def test_the_hidden_part_of_the_first_state_follows_the_seed_and_not_luck():
    environment = StepEnvironment(lambda: gym.make("Blackjack-v1", disable_env_checker=True), ActionWords({"stick": 0}))
    dealers = [
        [environment.start({"seed": s}, numbers(luck)).simulator.unwrapped.dealer for luck in (0, 1)] for s in (1, 2, 3)
    ]
    assert all(one == other for one, other in dealers)
    assert dealers[0] != dealers[1]


def test_luck_reaches_a_part_that_holds_the_same_generator():
    class Part(Numbered):
        def reset(self, seed: int | None = None) -> Any:
            self.np_random = np.random.default_rng(seed)
            self.dice = self.np_random
            return super().reset(seed)

        def step(self, action: Any) -> Any:
            return int(self.dice.integers(1000)), 0.0, False, False, {}

    environment = StepEnvironment(Part, seed=0)
    assert seen(environment.start({}, numbers(1)), "abc") == seen(environment.start({}, numbers(1)), "abc")
    assert seen(environment.start({}, numbers(1)), "abc") != seen(environment.start({}, numbers(2)), "abc")


class SeedsTheWorld(Numbered):
    """As the games of gem: reset seeds the global random numbers, and they are drawn from."""

    def reset(self, seed: int | None = None) -> Any:
        random.seed(seed)
        np.random.seed(seed)
        return super().reset(random.randrange(1000))

    def step(self, action: Any) -> Any:
        return f"{random.randrange(10**6)} {np.random.randint(10**6)}", 0.0, False, False, {}


def tiny(**sizes: Any) -> CausalLMPolicy:
    tokenizer = letter_tokenizer(PLACES + "ldru")
    return CausalLMPolicy(tiny_qwen3(vocab_size=len(tokenizer), max_position_embeddings=128, **sizes), tokenizer)


def episodes(environment: StepEnvironment, row: Any, policy: CausalLMPolicy, **limits: Any) -> Any:
    sampler = EpisodeSampler(
        BatchedSampler(group_size=4, max_tokens=40), environment, glue=PlainGlue(policy.tokenizer, "", ""), **limits
    )
    return sampler.sample(policy, [Prompt([3], "0", row)])


def test_a_game_that_seeds_the_world_is_fenced_and_named():
    state = random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()
    with pytest.warns(UserWarning, match="StepEnvironment used the global random numbers of Python and NumPy"):
        episodes(StepEnvironment(SeedsTheWorld), {"seed": 3}, tiny(), max_turns=3)
    assert (random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()) == state


def test_a_game_that_seeds_the_world_is_tamed_when_it_is_said():
    environment = StepEnvironment(SeedsTheWorld, uses_global_random=True)
    state = random.getstate(), np.random.get_state()[1].tolist()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert not any(row.failure for row in episodes(environment, {"seed": 3}, tiny(), max_turns=3))
    ways = [seen(environment.start({"seed": 3}, numbers(luck)), "abc") for luck in (0, 0, 1)]
    assert ways[0] == ways[1] != ways[2]
    assert len(set(ways[0])) == 3
    assert environment.first({"seed": 3}) == environment.first({"seed": 3}) != environment.first({"seed": 4})
    assert (random.getstate(), np.random.get_state()[1].tolist()) == state
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert check_environment(environment, [{"seed": 3}, {"seed": 4}], ["a", "b"], episodes=20).ok


class Client:
    """As a client of a server has it: an object from both, no generator, nothing else."""

    def reset(self, seed: int | None = None) -> SimpleNamespace:
        self.left = 2
        return SimpleNamespace(observation={"left": self.left}, reward=None, done=False)

    def step(self, action: str) -> SimpleNamespace:
        self.left -= 1
        return SimpleNamespace(observation={"left": self.left}, reward=None if self.left else 1, done=not self.left)


def test_a_client_that_returns_objects():
    environment = StepEnvironment(Client, show=lambda observation: f"{observation['left']} left", seed=0)
    episode = environment.start({}, numbers())
    answers = [episode.step(said("take")) for _ in range(2)]
    episode.close()  # It has nothing to close.
    assert [(a.texts[0], a.reward, a.done) for a in answers] == [("1 left", 0.0, False), ("0 left", 1.0, True)]


@pytest.mark.parametrize(("name", "result"), [("reset", 3), ("step", (3, 1.0, False, {}))])
def test_what_returns_something_else_is_refused(name: str, result: Any):
    broken = type("Old", (Numbered,), {name: lambda *_, **__: result})
    with pytest.raises(TypeError, match=rf"{name}\(\) returned .*it has to return"):
        StepEnvironment(broken, int, seed=0).start({}, numbers()).step(said("1"))


@pytest.mark.parametrize(
    ("name", "words", "show"),
    [
        ("Taxi-v4", "ldru01", lambda observation: PLACES[observation % 16]),
        ("CliffWalking-v1", "urdl", lambda observation: PLACES[observation % 16]),
        ("Blackjack-v1", "ld", lambda observation: PLACES[observation[0] % 16]),
    ],
)
def test_a_rollout_of_toy_text(name: str, words: str, show: Any):
    actions = ActionWords({word: action for action, word in enumerate(words)})
    environment = StepEnvironment(lambda: gym.make(name, disable_env_checker=True), actions, show)
    rollout = episodes(environment, {"seed": 5}, tiny(initializer_range=0.02), max_turns=6, max_turn_tokens=40)
    assert not any(row.failure for row in rollout)
    assert all(row.turns[0].by == "policy" for row in rollout)
    report = check_environment(
        environment,
        [{"seed": 5}, {"seed": 6}],
        list(words)[:2],
        only=["determinism", "interleaving", "hostile_turns", "done"],
    )
    assert report.ok


def test_a_policy_of_random_moves_learns_to_cross_the_lake(tmp_path):
    places, turns = "abcdefghijklmnop", 10
    tokenizer = letter_tokenizer()
    sizes = {"hidden_size": 32, "intermediate_size": 64, "head_dim": 16, "max_position_embeddings": 128}
    policy = CausalLMPolicy(tiny_qwen3(initializer_range=0.1, **sizes), tokenizer)
    prime_with_random_moves(policy, places, turns, seed=0)
    environment = StepEnvironment(lake, MOVES, places.__getitem__, seed=0)
    sampler = EpisodeSampler(
        BatchedSampler(group_size=32, max_tokens=3 * turns),
        environment,
        max_turns=turns,
        glue=PlainGlue(tokenizer, "", ""),
    )

    def mean_return() -> float:
        prompts = [Prompt(tokenizer(places[0])["input_ids"], places[0], {}, index) for index in range(8)]
        rollout = sampler.replace(group_size=64).sample(policy, prompts, step=10_000)
        return sum(turn.reward for row in rollout for turn in row.turns) / len(rollout)

    start = mean_return()
    algorithm = GRPO(policy, EpisodeReturn(), sampler=sampler, prompts_per_rollout=4, learning_rate=3e-3)
    quiet = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False}
    trainer = pl.Trainer(
        accelerator="cpu", max_steps=14, default_root_dir=tmp_path, enable_model_summary=False, **quiet
    )
    trainer.fit(algorithm, PromptDataModule([{"prompt": places[0]}] * 4))
    end = mean_return()
    print(f"return {start:.4f} -> {end:.4f}")
    assert start > 0
    assert end >= 5 * start


def prime_with_random_moves(policy: CausalLMPolicy, places: str, turns: int, seed: int) -> None:
    """Teach the policy to say one of four moves, all alike, wherever it is."""
    tokenizer, model = policy.tokenizer, policy.model
    moves, fields = (torch.tensor(tokenizer.convert_tokens_to_ids(list(letters))) for letters in ("ldru", places))
    optimizer = torch.optim.Adam(model.parameters(), 1e-2)
    draws = torch.Generator().manual_seed(seed)
    for _ in range(60):
        said = moves[torch.randint(4, (32, turns), generator=draws)]
        read = fields[torch.randint(len(places), (32, turns + 1), generator=draws)]
        end = torch.full_like(said, tokenizer.eos_token_id)
        ids = torch.stack([read[:, :turns], said, end], dim=-1).flatten(1)  # (32, 3 * turns)
        labels = ids.clone()
        labels[:, ::3] = -100  # What is read is not learned.
        optimizer.zero_grad()
        model(input_ids=ids, labels=labels).loss.backward()
        optimizer.step()
