"""In bfloat16, on a real model: small faults of a shortcut are caught, and rounding is none."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from peft import LoraConfig, PeftModel
from torch import Tensor, nn

from rlframework.completions import Completions
from rlframework.policies import CausalLMPolicy
from rlframework.policies.decoding import fused_step
from rlframework.policies.decoding.fused_step import FusedDecoder
from rlframework.policies.decoding.group_cache import GroupRows, PromptLayer
from rlframework.policies.decoding.kv_cache import PreallocatedLayer
from rlframework.policies.scoring.prefix_tree import PrefixTree
from rlframework.policies.scoring.tree_attention import Span, TreeAttention
from rlframework.prompt import Prompt
from rlframework.rollout import Rollout
from rlframework.samplers import SharedPrefixSampler

pytestmark = pytest.mark.real

PROJECTIONS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
# The fault is in one layer of thirty.
LAYER = 14


@pytest.fixture(scope="module")
def learner(smollm2: Path) -> CausalLMPolicy:
    """A policy in bfloat16 whose adapter has learned something."""
    torch.manual_seed(0)
    policy = CausalLMPolicy(smollm2, dtype="bfloat16", lora=LoraConfig(r=8, target_modules=PROJECTIONS))
    with torch.no_grad():
        for name, weight in policy.named_parameters():
            if "lora_B" in name:
                weight.normal_(std=0.02)
    return policy


@pytest.fixture
def policy(learner: CausalLMPolicy) -> CausalLMPolicy:
    """The same weights, and no check done yet."""
    assert isinstance(learner.model, PeftModel)
    return CausalLMPolicy(learner.model, learner.tokenizer).eval()


@pytest.fixture(scope="module")
def asked(request: pytest.FixtureRequest, learner: CausalLMPolicy) -> list[Prompt]:
    """Prompts of unequal length that begin alike: below 128 tokens, or above if asked for by True."""
    filler = " Be brief, and write nothing but the sum. Do not explain how you found it." * (8 if request.param else 3)
    prompts = []
    for index, question in enumerate(("What is 17 + 25?", "Ann has 9 pens and buys 14 more. How many has she now?")):
        turns = [{"role": "system", "content": f"You add numbers.{filler}"}, {"role": "user", "content": question}]
        text = learner.tokenizer.apply_chat_template(turns, add_generation_prompt=True, tokenize=False)
        ids = learner.tokenizer(text, add_special_tokens=False).input_ids
        prompts.append(Prompt(ids, text, index=index))
    assert (min(len(prompt.ids) for prompt in prompts) > 128) == request.param
    return prompts


def sampled(policy: CausalLMPolicy, asked: list[Prompt]) -> Completions:
    return SharedPrefixSampler(group_size=3, max_tokens=8).sample(policy, asked)


@pytest.fixture(scope="module")
def rows(learner: CausalLMPolicy, asked: list[Prompt]) -> Rollout:
    """Completions of the prompts, as a minibatch."""
    with torch.no_grad():
        completions = sampled(CausalLMPolicy(learner.model, learner.tokenizer).eval(), asked)
    return Rollout.of(completions, pad_id=learner.pad_id)


def said(*actions: Callable[[], object]) -> list[str]:
    """Return what warnings say of shortcuts that were left."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for act in actions:
            act()
    return [text for warning in caught if (text := str(warning.message)).startswith("Left ")]


def wrapped(owner: object, name: str, change: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    """Replace a method by ``change(method, *its arguments)``."""
    method = getattr(owner, name)
    monkeypatch.setattr(owner, name, lambda *given, **named: change(method, *given, **named))


def a_head_is_missing_in_the_step(patch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []

    def change(mix: Callable, *given: object) -> Tensor:
        calls.append(1)
        mixed = mix(*given)
        if len(calls) % 30 == LAYER:
            mixed[:, 4] = 0
        return mixed

    wrapped(PreallocatedLayer, "mix", change, patch)
    wrapped(PromptLayer, "mix", change, patch)


def a_column_is_stale(patch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []

    def change(update: Callable, layer: PreallocatedLayer, keys: Tensor, values: Tensor, **named: object) -> object:
        calls.append(1)
        stale = len(calls) % 30 == LAYER and len(calls) > 60
        return update(layer, 0 * keys if stale else keys, values, **named)

    wrapped(PreallocatedLayer, "update", change, patch)


def a_position_is_one_off_in_the_step(patch: pytest.MonkeyPatch) -> None:
    def change(rotation: Callable, decoder: FusedDecoder, positions: Tensor) -> tuple[Tensor, Tensor]:
        return rotation(decoder, positions - (torch.arange(len(positions)) == 0).long())

    wrapped(FusedDecoder, "_rotation", change, patch)


def an_adapter_is_forgotten_in_one_matrix(patch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []

    def change(weight: Callable, part: nn.Module) -> Tensor:
        calls.append(1)
        return part.weight if len(calls) % 210 == 7 * LAYER else weight(part)

    wrapped(fused_step, "_weight", change, patch)


def rows_change_places(patch: pytest.MonkeyPatch) -> None:
    def change(select: Callable, layer: PreallocatedLayer, rows: Tensor) -> None:
        select(layer, rows.flip(0) if len(rows) < 4 else rows)

    wrapped(PreallocatedLayer, "reorder_cache", change, patch)


def padding_is_seen(patch: pytest.MonkeyPatch) -> None:
    wrapped(GroupRows, "__init__", lambda make, rows, group, mask: make(rows, group, mask | True), patch)


def padding_stays_behind_the_trunk(patch: pytest.MonkeyPatch) -> None:
    patch.setattr("rlframework.policies.decoding.trunk_prefill._move_padding_to_the_left", lambda *_: None)


def a_step_rounds_too_much(patch: pytest.MonkeyPatch) -> None:
    def change(append: Callable, *given: object) -> Tensor:
        logits = append(*given)
        return (logits / 2).round() * 2 if logits.dtype == torch.bfloat16 else logits

    wrapped(FusedDecoder, "append", change, patch)


def a_head_is_missing_in_the_tree(patch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []

    def change(attend: Callable, *given: object) -> Tensor:
        calls.append(1)
        mixed = attend(*given)
        return mixed.index_fill(1, torch.tensor([4]), 0.0) if len(calls) % 30 == LAYER else mixed

    wrapped(TreeAttention, "attend", change, patch)


def a_position_is_one_off_in_the_tree(patch: pytest.MonkeyPatch) -> None:
    def change(of: Callable, *given: object) -> PrefixTree:
        tree = of(*given)
        return replace(tree, positions=tree.positions + ((tree.owner == 1) & (tree.group == 1)).long())

    wrapped(PrefixTree, "of", change, patch)


def a_token_is_seen_that_is_anothers(patch: pytest.MonkeyPatch) -> None:
    def change(of: Callable, before: object, own: slice, sees: Tensor) -> Span:
        seen = sees.clone()
        seen[-1, 0] = True
        return of(before, own, seen)

    wrapped(Span, "of", change, patch)


def the_trunk_lacks_a_token(patch: pytest.MonkeyPatch) -> None:
    def change(of: Callable, before: tuple[slice, ...], own: slice, sees: Tensor) -> Span:
        span = of(before, own, sees)
        span.mask[:, 5] = False
        return span

    wrapped(Span, "of", change, patch)


IN_SAMPLING = [
    a_head_is_missing_in_the_step,
    rows_change_places,
    padding_stays_behind_the_trunk,
    a_step_rounds_too_much,
]
MORE_IN_SAMPLING = [
    a_column_is_stale,
    a_position_is_one_off_in_the_step,
    an_adapter_is_forgotten_in_one_matrix,
    padding_is_seen,
]
IN_SCORING = [
    a_head_is_missing_in_the_tree,
    a_position_is_one_off_in_the_tree,
    a_token_is_seen_that_is_anothers,
    the_trunk_lacks_a_token,
]


@pytest.mark.parametrize(
    "fault",
    [*IN_SAMPLING, *(pytest.param(fault, marks=pytest.mark.slow) for fault in MORE_IN_SAMPLING)],
    ids=lambda fault: fault.__name__,
)
@pytest.mark.parametrize("asked", [False], indirect=True, ids=["below 128 tokens"])
def test_a_fault_of_sampling_is_caught(
    fault: Callable, policy: CausalLMPolicy, asked: list[Prompt], monkeypatch: pytest.MonkeyPatch
) -> None:
    fault(monkeypatch)
    with torch.no_grad():
        assert any("distributions" in text for text in said(lambda: sampled(policy, asked)))


@pytest.mark.parametrize("fault", IN_SCORING, ids=lambda fault: fault.__name__)
@pytest.mark.parametrize("asked", [False], indirect=True, ids=["below 128 tokens"])
def test_a_fault_of_scoring_is_caught(
    fault: Callable, policy: CausalLMPolicy, rows: Rollout, monkeypatch: pytest.MonkeyPatch
) -> None:
    fault(monkeypatch)
    with torch.no_grad():
        assert any("log-probabilities" in text for text in said(lambda: policy.logprobs(rows)))


@pytest.mark.parametrize(
    ("asked", "autocast"),
    [
        pytest.param(False, False, id="below 128 tokens-weights", marks=pytest.mark.slow),
        pytest.param(False, True, id="below 128 tokens-weights and products"),
        pytest.param(True, False, id="above-weights"),
        pytest.param(True, True, id="above-weights and products", marks=pytest.mark.slow),
    ],
    indirect=["asked"],
)
def test_rounding_is_no_fault(policy: CausalLMPolicy, asked: list[Prompt], autocast: bool) -> None:
    with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        with torch.no_grad():
            assert said(lambda: sampled(policy, asked)) == []
            rows = Rollout.of(sampled(policy, asked), pad_id=policy.pad_id)
        assert said(lambda: policy.logprobs(rows)) == []
    assert len(policy._decoding._holds) >= 2, "nothing was checked"
    assert all(policy._decoding._holds.values())
    assert policy._scoring._verified
