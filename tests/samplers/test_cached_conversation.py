"""Turns from a cache that is kept are those of prompts and turns that are read again, whatever rows wait or end."""

from __future__ import annotations

import random
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch
from peft import LoraConfig
from torch import Tensor
from transformers import CONFIG_MAPPING

from rlframework import BatchedSampler, EpisodeSampler, Rollout, SharedPrefixSampler, UncachedSampler
from rlframework.environments import Environment, Episode, Observation, PlainGlue
from rlframework.policies import CausalLMPolicy
from rlframework.policies.decoding.group_cache import PromptLayer
from rlframework.policies.decoding.kept_rows import KeptRows
from rlframework.prompt import Prompt
from rlframework.samplers import Reply
from rlframework.testing import letter_tokenizer
from rlframework.testing.tiny import tiny_qwen3
from tests.drawn import drawn
from tests.policies.tiny_architectures import tiny_architecture

TOKENIZER = letter_tokenizer()
GROUP = 3
EVERY = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]


def policy_for(lora: LoraConfig | None = None, **options: Any) -> CausalLMPolicy:
    model = tiny_qwen3(num_hidden_layers=2, max_position_embeddings=512)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        return CausalLMPolicy(model, TOKENIZER, lora=lora, **options).eval()


def prompts_of(longest: int, count: int = 3) -> list[Prompt]:
    """Return prompts of up to so many tokens, of unequal lengths."""
    luck = random.Random(0)
    lengths = [longest - index for index in range(count)]
    return [Prompt([luck.randint(3, 38) for _ in range(n)], "", index=index) for index, n in enumerate(lengths)]


Script = Callable[[int, int, int], tuple[int, list[int]] | None]


def ragged(prompt: int, member: int, turn: int) -> tuple[int, list[int]] | None:
    """Return the budget of a turn of a row and what it is given before it, or None if it is over."""
    luck = random.Random(f"{prompt} {member} {turn}")
    if turn > 4 or luck.random() < 0.1:
        return None
    given = [luck.randint(3, 38) for _ in range(luck.choice([0, 1, 2, 9]))] if turn else []
    return luck.randint(1, 8), given


def unequal(prompt: int, member: int, turn: int) -> tuple[int, list[int]] | None:
    """As `ragged`, with turns of very different budgets."""
    said, luck = ragged(prompt, member, turn), random.Random(f"{turn} {prompt} {member}")
    return said and (luck.choice([1, 4, 40]), said[1])


def talk(
    kind: type[BatchedSampler],
    policy: Any,
    prompts: Sequence[Prompt],
    script: Script = ragged,
    early: bool = False,
    **options: Any,
) -> dict[tuple[int, int], list[Reply]]:
    """Hold a conversation; return the turns of each row, by (prompt, row of it).

    Early, rows go on before all have ended their turns.
    """
    conversation = kind(**{"group_size": GROUP, "max_tokens": 100, "seed": 3, **options}).converse(policy, prompts)
    ask = conversation.early_replies if early else conversation.reply
    names = [(prompt.index, member) for prompt in prompts for member in range(GROUP)]
    said: dict[tuple[int, int], list[Reply]] = {name: [] for name in names}
    rows, heard = range(len(names)), set(range(len(names)))
    while asked := {row: turn for row in rows if (turn := script(*names[row], len(said[names[row]]))) is not None}:
        replies = ask(
            {row: budget for row, (budget, _) in asked.items()},
            {row: given for row, (_, given) in asked.items() if row in heard},
        )
        assert replies.keys() <= asked.keys()
        assert replies.keys() == asked.keys() or early
        for row, reply in replies.items():
            said[names[row]].append(reply)
        rows, heard = sorted(asked), set(replies)
    return said


def ids(said: dict[tuple[int, int], list[Reply]]) -> dict[tuple[int, int], list[tuple[list[int], str]]]:
    return {name: [(reply.ids, reply.reason) for reply in turns] for name, turns in said.items()}


def logprobs(said: dict[tuple[int, int], list[Reply]]) -> list[float]:
    return [score for name in sorted(said) for reply in said[name] for score in reply.logprobs]


@pytest.fixture
def resumed(monkeypatch: pytest.MonkeyPatch) -> list[tuple[type, int]]:
    """Collect the cache and the number of rows of every turn that goes on from what was kept."""
    turns: list[tuple[type, int]] = []
    resume = KeptRows.resume

    def noted(kept: KeptRows, seen: Any, room: int) -> Any:
        ids, mask, cache = resume(kept, seen, room)
        turns.append((type(getattr(cache, "cache", cache).layers[0]), len(ids)))
        return ids, mask, cache

    monkeypatch.setattr(KeptRows, "resume", noted)
    return turns


@pytest.mark.parametrize("longest", [6, 127, 128])
@pytest.mark.parametrize("fused", [True, False])
def test_turns_from_the_cache_are_those_that_are_read_again(
    longest: int, fused: bool, resumed: list[tuple[type, int]]
) -> None:
    policy, prompts = policy_for(fused_decode=fused).double(), prompts_of(longest)
    cached, again = (talk(kind, policy, prompts) for kind in (SharedPrefixSampler, BatchedSampler))
    assert ids(cached) == ids(again)
    assert {reply.reason for turns in cached.values() for reply in turns} == {"stop", "length"}
    # The fused step rotates by cosines in float32, as its model does in half precision.
    assert logprobs(cached) == (logprobs(again) if not fused else pytest.approx(logprobs(again), abs=1e-5))
    assert (PromptLayer in {kind for kind, _ in resumed}) == (longest > 100)
    _, *rows = [rows for _, rows in resumed]  # the first are the proof's
    assert rows[-1] < rows[0] < GROUP * len(prompts), "no row was over before others"


@pytest.mark.parametrize(
    ("longest", "options"),
    drawn(
        {
            "shared prefix-6": (6, {}),
            "shared prefix-128": (128, {}),
            "whole rows-6": (6, {"shared_prefix": False}),
            "whole rows-128": (128, {"shared_prefix": False}),
        },
        {"shared prefix-128", "whole rows-6"},
    ),
)
def test_rows_that_go_on_before_others_have_ended_their_turn_say_the_same(
    longest: int, options: dict[str, bool], resumed: list[tuple[type, int]]
) -> None:
    policy, prompts = policy_for(**options).double(), prompts_of(longest)
    again = talk(BatchedSampler, policy, prompts, unequal, max_tokens=300)
    assert ids(talk(BatchedSampler, policy, prompts, unequal, early=True, max_tokens=300)) == ids(again)
    talk(SharedPrefixSampler, policy, prompts, unequal, max_tokens=300)
    together = len(resumed)
    early = talk(SharedPrefixSampler, policy, prompts, unequal, early=True, max_tokens=300)
    assert ids(early) == ids(again)
    assert logprobs(early) == pytest.approx(logprobs(again), abs=1e-5)
    assert len(resumed) > 2 * together - 1, "all have waited for all"


@pytest.mark.parametrize("longest", drawn({"6": (6,), "128": (128,)}, {"128"}))
def test_turns_of_a_token_that_are_answered_at_unequal_length(longest: int) -> None:
    """Then nothing was kept that is padded, and what is read next is."""

    def script(prompt: int, member: int, turn: int) -> tuple[int, list[int]] | None:
        return (1 + 3 * turn, [5 + prompt] * (9 * turn * (member == 1))) if turn < 2 else None

    policy, prompts = policy_for().double(), prompts_of(longest)
    cached, again = (talk(kind, policy, prompts, script) for kind in (SharedPrefixSampler, BatchedSampler))
    assert ids(cached) == ids(again)
    assert logprobs(cached) == pytest.approx(logprobs(again), abs=1e-5)


class SevenFirst(SharedPrefixSampler):
    """Begins every turn with one token, wherever in their turns other rows are."""

    def draw(self, logits: Tensor, uniforms: Tensor, rows: Tensor, position: int | Tensor) -> tuple[Tensor, Tensor]:
        begins = torch.as_tensor(position).expand(len(rows)) == 0
        logits[:, 7] = torch.where(begins, 1e4, -1e4)
        return super().draw(logits, uniforms, rows, position)


def test_a_draw_is_told_the_place_in_the_turn() -> None:
    said = talk(SevenFirst, policy_for(), prompts_of(6), unequal, early=True, max_tokens=300)
    assert all(reply.ids.index(7) == 0 and reply.ids.count(7) == 1 for turns in said.values() for reply in turns)


def test_whole_rows_say_the_same() -> None:
    policy, prompts = policy_for().double(), prompts_of(6)

    def two_turns(prompt: int, member: int, turn: int) -> tuple[int, list[int]] | None:
        return (4 + member, [5] * turn * (prompt + 1)) if turn < 2 else None

    whole, again = (talk(kind, policy, prompts, two_turns) for kind in (UncachedSampler, BatchedSampler))
    assert ids(whole) == ids(again)
    assert logprobs(whole) == pytest.approx(logprobs(again), abs=1e-6)


def test_a_row_says_the_same_alone_and_in_any_company() -> None:
    policy, prompts = policy_for().double(), prompts_of(70)
    together = ids(talk(SharedPrefixSampler, policy, prompts))
    assert ids(talk(SharedPrefixSampler, policy, prompts[::-1])) == together
    alone = ids(talk(SharedPrefixSampler, policy, prompts[2:]))
    assert alone == {name: turns for name, turns in together.items() if name[0] == 2}


@pytest.mark.parametrize("longest", drawn({"6": (6,), "70": (70,)}, {"70"}))
def test_a_row_that_waits_and_one_that_needs_more_room_than_there_was(longest: int) -> None:
    """One row of each group says a word and waits for the others; then all are given more than they have said."""

    def script(prompt: int, member: int, turn: int) -> tuple[int, list[int]] | None:
        if turn == 0:
            return (1 if member == 1 else 12), []
        return (30, [4 + prompt] * (60 + 7 * member)) if turn == 1 else None

    policy, prompts = policy_for().double(), prompts_of(longest)
    cached, again = (
        talk(kind, policy, prompts, script, max_tokens=60) for kind in (SharedPrefixSampler, BatchedSampler)
    )
    assert ids(cached) == ids(again)
    assert max(len(turns[1].ids) for turns in cached.values()) > 12


class Silent(Environment):
    def start(self, row: Any, luck: Any) -> Episode:
        return Said()


class Said(Episode):
    def step(self, turn: Any) -> Observation | None:
        return None


@pytest.mark.parametrize("longest", drawn({"6": (6,), "70": (70,)}, {"6"}))
def test_episodes_of_one_turn_are_what_the_sampler_samples(longest: int) -> None:
    policy, prompts = policy_for(), prompts_of(longest)
    sampler = SharedPrefixSampler(group_size=4, max_tokens=20, seed=2)
    glue = PlainGlue(TOKENIZER, before="x", after="y")
    plain = sampler.sample(policy, prompts, step=3)
    episodes = EpisodeSampler(sampler, Silent(), glue=glue).sample(policy, prompts, step=3)
    for episode, answer in zip(episodes, plain, strict=True):
        assert (episode.ids, episode.logprobs, episode.text, episode.stop_reason) == (
            (answer.ids, answer.logprobs, answer.text, answer.stop_reason)
        )


class Talking(Environment):
    def start(self, row: Any, luck: Any) -> Episode:
        return Answering()


class Answering(Episode):
    def __init__(self) -> None:
        self.turns = 0

    def step(self, turn: Any) -> Observation | None:
        self.turns += 1
        return Observation(turn.text[:3] * 2, done="a" in turn.text)


def episodes(policy: CausalLMPolicy, longest: int) -> Rollout:
    sampler = EpisodeSampler(
        SharedPrefixSampler(group_size=4, max_tokens=80, seed=5),
        Talking(),
        max_turns=4,
        glue=PlainGlue(TOKENIZER, before="x", after="y"),
    )
    return Rollout.of(sampler.sample(policy, prompts_of(longest, 4)), pad_id=policy.pad_id)


ADAPTER = LoraConfig(r=2, lora_alpha=1, target_modules=EVERY, init_lora_weights=False)


@pytest.mark.parametrize(
    ("longest", "lora"),
    drawn(
        {"whole-6": (6, None), "whole-128": (128, None), "lora-6": (6, ADAPTER), "lora-128": (128, ADAPTER)},
        {"whole-128", "lora-6"},
    ),
)
def test_the_scorer_agrees_with_every_sampled_token(
    longest: int, lora: LoraConfig | None, resumed: list[tuple[type, int]]
) -> None:
    policy = policy_for(lora)
    batch = episodes(policy, longest)
    with torch.no_grad():
        gap = policy.logprobs(batch).logprobs - batch.sampler_logprobs
    assert len(resumed) >= 2
    assert float(gap[batch.loss_mask].abs().max()) <= 1e-5
    assert (batch.completion_mask & ~batch.loss_mask).sum() > 50


@pytest.mark.parametrize("longest", drawn({"6": (6,), "128": (128,)}, {"128"}))
def test_in_half_precision_the_cache_is_kept_and_rounds_as_the_model_does(
    longest: int, resumed: list[tuple[type, int]]
) -> None:
    policy = policy_for().bfloat16()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        batch = episodes(policy, longest)
    assert len(resumed) >= 2
    with torch.no_grad():
        own, exact = policy.single_logprobs(batch).logprobs, policy.float().single_logprobs(batch).logprobs
    own_error, error = ((part - exact)[batch.loss_mask].abs().mean() for part in (own, batch.sampler_logprobs))
    assert float(error) <= 3 * float(own_error) + 0.02


@pytest.mark.parametrize("kind", [kind for kind in ("lfm2_moe", "mistral") if kind in CONFIG_MAPPING])
def test_a_model_whose_layers_hold_something_else_reads_its_rows_again(
    kind: str, resumed: list[tuple[type, int]]
) -> None:
    policy, prompts = CausalLMPolicy(tiny_architecture(kind), TOKENIZER).eval(), prompts_of(7, 2)
    cached, whole = (talk(sampler, policy, prompts) for sampler in (SharedPrefixSampler, UncachedSampler))
    assert ids(cached) == ids(whole)
    assert not resumed


def a_position_is_one_off(ids: Tensor, mask: Tensor, cache: Any) -> tuple[Tensor, Tensor, Any]:
    """The first row that waited counts its positions from one token later."""
    mask = mask.clone()
    mask[0, mask[0].long().argmax()] = False
    return ids, mask, cache


def padding_is_seen(ids: Tensor, mask: Tensor, cache: Any) -> tuple[Tensor, Tensor, Any]:
    return ids, mask | True, cache


def the_last_token_is_not_read(ids: Tensor, mask: Tensor, cache: Any) -> tuple[Tensor, Tensor, Any]:
    return ids.roll(1, 1), mask, cache


def rows_change_places(ids: Tensor, mask: Tensor, cache: Any) -> tuple[Tensor, Tensor, Any]:
    return ids.flip(0), mask, cache


def padding_of_the_rows_is_seen(ids: Tensor, mask: Tensor, cache: Any) -> tuple[Tensor, Tensor, Any]:
    for layer in getattr(cache, "cache", cache).layers:
        layer._padded = False
    return ids, mask, cache


FAULTS = [a_position_is_one_off, padding_is_seen, the_last_token_is_not_read, rows_change_places]


@pytest.mark.parametrize(
    ("fault", "longest"),
    drawn(
        {
            **{f"{fault.__name__}-{longest}": (fault, longest) for fault in FAULTS for longest in (6, 70)},
            "padding_of_the_rows_is_seen-70": (padding_of_the_rows_is_seen, 70),
        },
        {f"{fault.__name__}-70" for fault in [*FAULTS, padding_of_the_rows_is_seen]},
    ),
)
def test_a_fault_in_what_is_resumed_is_found_and_the_rows_are_read_again(
    fault: Callable, longest: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    resume = KeptRows.resume
    monkeypatch.setattr(KeptRows, "resume", lambda *given, **named: fault(*resume(*given, **named)))
    policy, prompts = policy_for().double(), prompts_of(longest)
    with pytest.warns(
        UserWarning, match=r"Left the cache across turns, with .*: distributions differ by .* in float32"
    ):
        cached = talk(SharedPrefixSampler, policy, prompts)
    monkeypatch.undo()
    assert ids(cached) == ids(talk(BatchedSampler, policy, prompts))


@pytest.mark.parametrize("longest", [6, 70])
def test_what_a_row_drew_behind_its_end_is_found_if_it_is_kept(longest: int, monkeypatch: pytest.MonkeyPatch) -> None:
    put = KeptRows.put
    monkeypatch.setattr(
        KeptRows,
        "put",
        lambda kept, cache, places, rows, mask: put(kept, cache, places, rows, mask | (mask.cumsum(1) > 0)),
    )
    with pytest.warns(UserWarning, match="Left the cache across turns"):
        talk(SharedPrefixSampler, policy_for(), prompts_of(longest))


def test_numbers_of_a_row_go_on_where_its_last_turn_ended() -> None:
    """The same tokens come of one long turn and of short ones without anything given in between."""
    policy, prompts = policy_for().double(), prompts_of(6)
    long = talk(SharedPrefixSampler, policy, prompts, lambda prompt, member, turn: None if turn else (12, []))
    short = talk(SharedPrefixSampler, policy, prompts, lambda prompt, member, turn: (4, []) if turn < 3 else None)
    for name, (whole,) in long.items():
        joined = [token for turn in short[name] for token in turn.ids]
        assert joined[: len(whole.ids)] == whole.ids
