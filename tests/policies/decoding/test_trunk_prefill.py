"""What all prompts begin with is read once, and changes nothing."""

from __future__ import annotations

import pytest
import torch

from rlframework.completions import Completion, Completions
from rlframework.policies import CausalLMPolicy
from rlframework.policies.decoding import base as decoding
from rlframework.policies.decoding.trunk_prefill import read_behind_trunk
from rlframework.policies.scoring import tree_attention
from rlframework.policies.scoring.prefix_tree import PrefixTree, common_prefix
from rlframework.policies.scoring.shared_prefix import PrefixSharing
from rlframework.prompt import Prompt
from rlframework.rollout import Rollout
from rlframework.samplers import BatchedSampler, SharedPrefixSampler
from tests.drawn import drawn
from tests.policies.as_padded import assert_as_padded
from tests.policies.scoring.test_shared_prefix import ARCHITECTURES, V, make

TRUNK = [5, 9, 3, 7, 4, 8, 6]


def prompts(*tails: int, trunk: list[int] = TRUNK) -> list[Prompt]:
    """Return a prompt for each length of what follows the trunk."""
    generator = torch.Generator().manual_seed(1)
    draw = lambda n: torch.randint(3, V, (n,), generator=generator).tolist()  # noqa: E731
    return [Prompt([*trunk, index + 3, *draw(tail)], "", index=index) for index, tail in enumerate(tails)]


def batch(asked: list[Prompt]) -> Rollout:
    """Groups of three with ragged completions, one of a single token and one of none."""
    lengths = [(7, 2, 1), (5, 0, 12), (1, 1, 6), (4, 3, 2)]
    rows = [
        Completion(prompt, [3 + (index * 7 + place) % (V - 3) for place in range(length)], "", "stop")
        for index, prompt in enumerate(asked)
        for length in lengths[index]
    ]
    return Rollout.of(Completions(rows, 3), pad_id=0, temperature=0.8)


def trunk_of(policy: CausalLMPolicy, rollout: Rollout, monkeypatch: pytest.MonkeyPatch) -> int:
    """Return how long a trunk a minibatch is scored with."""
    found: list[int] = []
    of = PrefixTree.of
    monkeypatch.setattr(PrefixTree, "of", lambda part, trunk=0: (found.append(trunk), of(part, trunk))[1])
    policy.logprobs(rollout)
    monkeypatch.undo()
    return found[-1]


@pytest.mark.parametrize("in_vain", [tree_attention.IN_VAIN, 0], ids=["a call for all", "a call each"])
@pytest.mark.parametrize("kind", ARCHITECTURES)
def test_every_architecture_scores_behind_a_trunk_as_it_scores_rows(
    kind: str, in_vain: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    policy, rollout = make(kind), batch(prompts(2, 0, 6, 3))
    assert trunk_of(policy, rollout, monkeypatch) == len(TRUNK)
    monkeypatch.setattr(tree_attention, "IN_VAIN", in_vain)
    assert_as_padded(policy, rollout, policy.logprobs)


def test_a_trunk_is_read_once() -> None:
    rollout = batch(prompts(2, 0, 6, 3))
    apart, together = PrefixTree.of(rollout), PrefixTree.of(rollout, len(TRUNK))
    assert apart.ids.numel() - together.ids.numel() == 3 * len(TRUNK)
    assert together.ids[0, : len(TRUNK)].tolist() == TRUNK


@pytest.mark.parametrize(
    "asked",
    [
        prompts(30, 28, 25, 29, trunk=TRUNK[:1]),
        prompts(4),
        [Prompt(TRUNK, "", index=index) for index in range(1)],
        [Prompt([3 + index, *TRUNK], "", index=index) for index in range(4)],
    ],
    ids=["too little", "one group", "one prompt", "nothing"],
)
def test_where_it_cannot_pay_prompts_are_read_apart(asked: list[Prompt]) -> None:
    policy, rollout = make("qwen3"), batch(asked)
    assert type(policy._scoring.choose(policy, rollout)) is PrefixSharing
    assert_as_padded(policy, rollout, policy.logprobs)


def test_prompts_that_are_all_the_same_keep_a_token_each() -> None:
    policy, rollout = make("qwen3"), batch([Prompt(TRUNK, "", index=index) for index in range(4)])
    assert common_prefix(rollout.prompt_ids, rollout.prompt_mask) == len(TRUNK) - 1
    assert_as_padded(policy, rollout, policy.logprobs)


def test_it_can_be_switched_off() -> None:
    policy = make("qwen3")
    plain = CausalLMPolicy(policy.model, policy.tokenizer, shared_trunk=False)
    assert type(plain._scoring.choose(plain, batch(prompts(2, 0, 6, 3)))) is PrefixSharing


@pytest.mark.parametrize(
    ("kind", "tails"),
    drawn(
        {
            f"{name}-{kind}": (kind, tails)
            for kind in ("qwen3", "llama", "gpt2", "phi3")
            for name, tails in {"ragged": (2, 0, 6, 3), "even": (3, 3, 3, 3)}.items()
        },
        {"ragged-qwen3", "even-qwen3", "ragged-gpt2", "even-phi3"},
    ),
)
@pytest.mark.parametrize("long_prompt", [decoding.LONG_PROMPT, 1], ids=["copied prompts", "shared prompts"])
def test_samples_behind_a_trunk_are_those_of_the_plain_sampler(
    kind: str, tails: tuple[int, ...], long_prompt: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[int] = []
    monkeypatch.setattr(decoding, "LONG_PROMPT", long_prompt)
    monkeypatch.setattr(
        decoding, "read_behind_trunk", lambda *given: (read.append(given[-1]), read_behind_trunk(*given))[1]
    )
    policy, asked = make(kind).eval(), prompts(*tails)
    settings = {"group_size": 3, "max_tokens": 16, "seed": 2}
    fast, plain = (list(cls(**settings).sample(policy, asked)) for cls in (SharedPrefixSampler, BatchedSampler))
    assert [row.ids for row in fast] == [row.ids for row in plain]
    for left, right in zip(fast, plain, strict=True):
        assert left.logprobs == pytest.approx(right.logprobs, abs=1e-5)
    assert read[-1] == len(TRUNK)


def test_a_trunk_that_is_read_wrongly_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    policy, asked = make("qwen3").eval(), prompts(2, 0, 6, 3)
    monkeypatch.setattr("rlframework.policies.decoding.trunk_prefill._move_padding_to_the_left", lambda *_: None)
    sampler = {"group_size": 3, "max_tokens": 8}
    with pytest.warns(UserWarning, match=r"Left shared_trunk=True: distributions differ by .* in float32"):
        fast = list(SharedPrefixSampler(**sampler).sample(policy, asked))
    plain = list(BatchedSampler(**sampler).sample(policy, asked))
    assert [row.ids for row in fast] == [row.ids for row in plain]


LONG = {"rope_type": "longrope", "factor": 4.0, "rope_theta": 1e4, "short_factor": [1.0] * 4, "long_factor": [4.0] * 4}


@pytest.mark.parametrize(
    "rotation",
    [{**LONG, "original_max_position_embeddings": 200}, {"rope_type": "dynamic", "factor": 4.0, "rope_theta": 1e4}],
    ids=["longrope", "dynamic"],
)
def test_a_rotation_that_depends_on_the_longest_row_is_read_whole(
    rotation: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The trunk is shorter than the length at which the angles change, and the prompts are longer."""
    positions = 800 if rotation["rope_type"] == "longrope" else 200
    policy = make("llama", max_position_embeddings=positions, rope_parameters=rotation).eval()
    monkeypatch.setattr(CausalLMPolicy, "max_positions", 800)
    asked = prompts(100, 90, trunk=[3 + place % (V - 3) for place in range(150)])
    for row in SharedPrefixSampler(group_size=2, max_tokens=1).sample(policy, asked):
        with torch.no_grad():
            exact = policy.model(torch.tensor([row.prompt.ids]), use_cache=False).logits[0, -1].log_softmax(-1)
        assert row.logprobs[0] == pytest.approx(float(exact[row.ids[0]]), abs=1e-4)
