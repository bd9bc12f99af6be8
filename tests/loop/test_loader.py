from __future__ import annotations

import io
import itertools
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch

from rlframework.loop.loader import KeepsPrecision, RolloutLoader, Upcoming
from rlframework.prompt import Prompt
from rlframework.rollout import Rollout
from rlframework.testing import letter_prompts


class Source:
    """Makes rollouts of two rows a prompt that carry their number; an epoch is as told, or one more each time."""

    minibatches_per_step = 1
    minibatches_per_epoch = float("inf")

    def __init__(self, epoch: Callable[[], int] | None = None) -> None:
        self.steps: list[int] = []
        self.begun: int | None = None
        self.epoch = epoch or itertools.count().__next__

    @property
    def current_epoch(self) -> int:
        self.epoch_of_prompts = self.epoch()
        return self.epoch_of_prompts

    @property
    def minibatches_done(self) -> int | None:
        # What was handed out is done.
        return None if self.begun is None else self.begun + 1

    def begin_step(self, done: int) -> None:
        self.begun = done

    def begin_minibatch(self, done: int) -> None:
        assert done == self.begun or done % self.minibatches_per_step

    def prepare_step(self, minibatches: list[Rollout]) -> list[Rollout]:
        return minibatches

    def expect(self, upcoming: Iterator[Upcoming]) -> None:
        self.upcoming = list(itertools.islice(upcoming, 5))

    def collect(self, prompts: list[Prompt], step: int) -> Rollout:
        assert self.upcoming[0][::3] == (step, prompts)
        self.steps.append(step)
        index = torch.tensor([prompt.index for prompt in prompts]).repeat_interleave(2)
        ids = index.unsqueeze(1)
        mask = torch.ones_like(ids, dtype=torch.bool)
        numbers = torch.full((len(ids),), float(step))
        return Rollout(
            prompt_ids=ids,
            prompt_mask=mask,
            completion_ids=ids,
            completion_mask=mask,
            truncated=~mask[:, 0],
            rewards=numbers,
            advantages=numbers.unsqueeze(1),
            weights=mask.float(),
            group=index,
            group_size=2,
        )


def loader(
    prompts: int = 13, source: Source | None = None, epoch: Callable[[], int] | None = None, **options: Any
) -> RolloutLoader:
    sizes = {"prompts_per_rollout": 4, "minibatches": 2, "passes": 2, **options}
    return RolloutLoader(letter_prompts(prompts), source or Source(epoch), **sizes)


def content(minibatch: KeepsPrecision) -> tuple[int, list[int]]:
    """Return the number of the rollout and the prompts of a minibatch."""
    rollout = minibatch.to("cpu")
    return int(rollout.rewards[0]), rollout.group[::2].tolist()


def epoch(of: RolloutLoader) -> list[tuple[int, list[int]]]:
    return [content(minibatch) for minibatch in of]


def saved(state: dict[str, Any]) -> dict[str, Any]:
    """Send a state through a file, read back the way Lightning reads checkpoints."""
    file = io.BytesIO()
    torch.save(state, file)
    file.seek(0)
    return torch.load(file, weights_only=True)


def test_length_counts_the_minibatches_of_whole_rollouts() -> None:
    stream = loader(prompts=13, prompts_per_rollout=4, minibatches=2, passes=3)
    assert len(stream) == 3 * 2 * 3 == len(epoch(stream))


def test_iter_alone_collects_nothing() -> None:
    source = Source()
    stream = loader(source=source)
    iter(stream)
    iterator = iter(stream)
    assert source.steps == []
    next(iterator)
    assert source.steps == [0]


def test_a_rollout_is_made_when_its_first_minibatch_is_asked_for_and_not_before() -> None:
    source = Source()
    made = [len(source.steps) for _ in loader(source=source)]
    assert made == [1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3]


def test_an_abandoned_iteration_does_not_shorten_the_next_epoch() -> None:
    stream = loader()
    for fetched in (5, len(stream)):
        iterator = iter(stream)
        for _ in range(fetched):
            next(iterator)
        # As Lightning does: it fetches len() minibatches and never asks for the StopIteration.
    assert [number for number, _ in epoch(stream)] == [6] * 4 + [7] * 4 + [8] * 4


def test_iterating_again_in_one_epoch_starts_it_again() -> None:
    stream = loader(epoch=lambda: 3)
    first = next(iter(stream))
    assert epoch(stream)[0] == content(first)


def test_order_is_a_function_of_seed_and_epoch() -> None:
    orders = {(seed, at): epoch(loader(seed=seed, epoch=lambda at=at: at)) for seed in (0, 1) for at in (0, 1)}
    prompts = {key: tuple(index for _, part in order for index in part) for key, order in orders.items()}
    assert len(set(prompts.values())) == 4
    stream = loader(seed=1)
    assert [epoch(stream), epoch(stream)] == [orders[1, 0], orders[1, 1]]


def test_every_epoch_has_each_prompt_at_most_once_and_drops_what_fills_no_rollout() -> None:
    stream = loader(prompts=13, prompts_per_rollout=4, passes=1)
    used = [[index for _, part in epoch(stream) for index in part] for _ in range(8)]
    assert all(len(indices) == len(set(indices)) == 12 for indices in used)
    left_out = {index for indices in used for index in set(range(13)) - set(indices)}
    assert len(left_out) > 1


def test_passes_repeat_the_same_minibatches_in_the_same_order() -> None:
    minibatches = list(loader(minibatches=2, passes=3))
    for start in range(0, len(minibatches), 6):
        first, second, third = (minibatches[start + 2 * k : start + 2 * k + 2] for k in range(3))
        assert all(a._minibatch is b._minibatch is c._minibatch for a, b, c in zip(first, second, third, strict=True))
        assert content(first[0]) != content(first[1])


@pytest.mark.parametrize("minibatches", [1, 2, 4])
def test_replicas_share_the_minibatches_of_a_single_one(minibatches: int) -> None:
    sizes = {"prompts_per_rollout": 8, "minibatches": minibatches, "prompts": 20}
    whole = epoch(loader(**sizes))
    shares = [epoch(loader(**sizes, rank=rank, replicas=2)) for rank in range(2)]
    for (step, prompts), *parts in zip(whole, *shares, strict=True):
        assert [number for number, _ in parts] == [step, step]
        assert [len(share) for _, share in parts] == [len(prompts) // 2] * 2
        assert parts[0][1] + parts[1][1] == prompts


def test_rollouts_are_numbered_through_the_epochs() -> None:
    source = Source()
    stream = loader(source=source)
    for _ in range(3):
        epoch(stream)
    assert source.steps == list(range(9))


@pytest.mark.parametrize("position", range(24))
def test_state_at_every_position_reproduces_the_rest_of_the_stream(position: int) -> None:
    clock = {"epoch": 0}
    source = Source(lambda: clock["epoch"])
    original = loader(source=source)
    stream, state = [], original.state_dict()
    for number in range(2):
        clock["epoch"] = number
        for minibatch in original:
            stream.append(content(minibatch))
            if len(stream) == position:
                state = saved(original.state_dict())
    assert len(stream) == 24

    made = Source(lambda: clock["epoch"])
    resumed = loader(source=made)
    resumed.load_state_dict(state)
    rest = []
    for number in range(position // 12, 2):
        clock["epoch"] = number
        rest += epoch(resumed)
    assert rest == stream[position:]
    # Inside a rollout the minibatches in hand go on: only the rollouts not begun are made.
    assert made.steps == [step for step in source.steps if step >= -(-position // 4)]


def test_a_state_is_of_the_moment_it_was_taken() -> None:
    stream = loader()
    iterator = iter(stream)
    next(iterator)
    state = stream.state_dict()
    rest = [content(minibatch) for minibatch in iterator]
    other = loader()
    other.load_state_dict(state)
    assert epoch(other) == rest


def test_a_resumed_loader_counts_its_own_epochs() -> None:
    original, resumed = loader(), loader()
    next(iter(original))
    resumed.load_state_dict(original.state_dict())
    assert len(epoch(resumed)) == 11
    assert epoch(resumed) == epoch(original)


def two_ranks(fetched: int) -> tuple[list[list[tuple[int, list[int]]]], dict[str, Any]]:
    """Return what is left to each of two ranks after some minibatches, and their common state."""
    ranks = [loader(rank=rank, replicas=2) for rank in range(2)]
    iterators = [iter(stream) for stream in ranks]
    for iterator in iterators:
        for _ in range(fetched):
            next(iterator)
    states = [stream.state_dict() for stream in ranks]
    state = {**states[0], "buffers": [buffer for own in states for buffer in own["buffers"]]}
    return [[content(minibatch) for minibatch in iterator] for iterator in iterators], state


@pytest.mark.parametrize("fetched", [3, 4])
def test_ranks_find_their_own_minibatches_in_the_common_state(fetched: int) -> None:
    rest, state = two_ranks(fetched)
    for rank in range(2):
        resumed = loader(rank=rank, replicas=2)
        resumed.load_state_dict(state)
        assert epoch(resumed) == rest[rank]


def test_state_is_gathered_from_all_ranks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rlframework.loop.loader.all_gather_object", lambda own: [own, "of the other"])
    stream = loader(replicas=2)
    next(iter(stream))
    own, other = stream.state_dict()["buffers"]
    assert len(own) == 2
    assert other == "of the other"


def test_resuming_between_rollouts_may_change_the_number_of_ranks() -> None:
    (first, second), state = two_ranks(fetched=4)
    resumed = loader()
    resumed.load_state_dict(state)
    assert epoch(resumed) == [(step, a + b) for (step, a), (_, b) in zip(first, second, strict=True)]


def test_resuming_inside_a_rollout_on_another_number_of_ranks_is_refused() -> None:
    _, state = two_ranks(fetched=3)
    with pytest.raises(ValueError, match="inside a rollout of 2 ranks and this run has 1"):
        loader().load_state_dict(state)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"prompts": 17}, "prompts=13 is now 17"),
        ({"prompts_per_rollout": 6}, "prompts_per_rollout=4 is now 6"),
        # As many minibatches an epoch as before, of other prompts.
        ({"minibatches": 4, "passes": 1}, "minibatches=2 is now 4, passes=2 is now 1"),
        ({"seed": 5}, "seed=0 is now 5"),
    ],
)
def test_resuming_in_another_stream_is_refused(change: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        loader(**change).load_state_dict(loader().state_dict())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"prompts": 0}, "no training prompts"),
        ({"prompts": 3}, "3 prompts do not fill one rollout of prompts_per_rollout=4"),
        ({"prompts_per_rollout": 0}, "prompts_per_rollout=0"),
        ({"minibatches": 0}, "minibatches=0"),
        ({"passes": 0}, "passes=0"),
        ({"minibatches": 3}, r"prompts_per_rollout=4 must be a multiple of 3 \(1 ranks x 3 minibatches\)"),
        ({"replicas": 3}, r"prompts_per_rollout=4 must be a multiple of 6 \(3 ranks x 2 minibatches\)"),
    ],
)
def test_sizes_that_do_not_fit_are_refused_with_their_numbers(options: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        loader(**options)
