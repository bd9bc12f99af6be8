"""What an environment gave is read and not scored: the same numbers, and fewer logits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor

from rlframework.functional.logprobs import TokenLogProbs
from rlframework.policies import CausalLMPolicy
from rlframework.policies import forward as forward_passes
from rlframework.policies.lm_head import TiledHead
from rlframework.policies.scoring.base import find_fault, read_tokens
from rlframework.policies.scoring.packed import PackedRows
from rlframework.policies.scoring.right_padded import RightPadded
from rlframework.rollout import Rollout
from tests.policies.scoring import test_packed, test_shared_prefix

Score = Callable[..., TokenLogProbs]


def episodes() -> Rollout:
    """Return groups whose rows hold given tokens: within, at the end, all of a row, and all of a group."""
    rollout = test_shared_prefix.batch()
    own = torch.rand(rollout.completion_mask.shape, generator=torch.Generator().manual_seed(3)) > 0.5
    own[0, :7] = torch.tensor([True, True, False, False, True, True, False])
    own[4] = False  # as of a truncated row that is masked
    own[8:12] = False
    return replace(rollout, loss_mask=rollout.completion_mask & own)


def learned(policy: CausalLMPolicy, rollout: Rollout, score: Score) -> tuple[Tensor, Tensor, Tensor]:
    """Return log-probabilities and entropies of loss tokens, and the gradient of a weighted sum of both."""
    policy.zero_grad()
    scored = score(entropy_gradient=True)
    logprobs, entropy = (part.masked_fill(~rollout.loss_mask, 0.0) for part in scored)
    slopes = torch.linspace(-1, 2, logprobs.numel(), dtype=logprobs.dtype).view_as(logprobs)
    (slopes * logprobs + 0.3 * slopes * entropy).sum().backward()
    gradient = torch.cat([p.grad.flatten() for p in policy.parameters() if p.grad is not None])
    return logprobs.detach(), entropy.detach(), gradient


def ways(kind: str) -> dict[str, tuple[CausalLMPolicy, Callable[[CausalLMPolicy, Rollout], Score]]]:
    tree, rows = test_shared_prefix.make(kind).double(), test_packed.make(kind).double()
    return {
        "tree": (tree, lambda policy, rollout: partial(policy.logprobs, rollout)),
        "packed": (rows, lambda policy, rollout: partial(PackedRows().score, policy, rollout)),
        "right-padded": (rows, lambda policy, rollout: partial(RightPadded().score, policy, rollout)),
        "padded": (rows, lambda policy, rollout: partial(policy.padded_logprobs, rollout)),
        "single": (rows, lambda policy, rollout: partial(policy.single_logprobs, rollout)),
    }


@pytest.mark.parametrize("kind", ["qwen3", "gpt2"])
@pytest.mark.parametrize("way", ["tree", "packed", "right-padded", "padded", "single"])
def test_loss_tokens_have_the_numbers_that_they_have_among_all(kind: str, way: str) -> None:
    policy, score = ways(kind)[way]
    rollout = episodes()
    everything = replace(rollout, loss_mask=rollout.completion_mask)
    expected = learned(policy, rollout, partial(policy.single_logprobs, everything))
    found = learned(policy, rollout, score(policy, rollout))
    for one, other in zip(found, expected, strict=True):
        assert (one - other).norm() <= 1e-7 * other.norm()  # norms of layers are float32
    assert expected[2].norm() > 1
    raw = score(policy, rollout)()
    assert all((part[~rollout.loss_mask] == 0).all() for part in raw)


@pytest.mark.parametrize("way", ["tree", "packed", "right-padded", "padded", "single"])
def test_no_logits_are_made_of_what_was_given(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    policy, score = ways("qwen3")[way]
    rollout = episodes()
    score(policy, rollout)()  # With the self-check.
    made: list[int] = []
    tokens, tiled = forward_passes.token_logprobs, TiledHead.score

    def counted(logits: Tensor, ids: Tensor, *arguments: Any, **options: Any) -> Any:
        made.append(ids.numel())
        return tokens(logits, ids, *arguments, **options)

    def counted_tiles(head: TiledHead, states: Tensor, ids: Tensor, *arguments: Any, **options: Any) -> Any:
        made.append(len(states))
        return tiled(head, states, ids, *arguments, **options)

    monkeypatch.setattr(forward_passes, "token_logprobs", counted)
    monkeypatch.setattr(TiledHead, "score", counted_tiles)
    score(policy, rollout)()
    # Padded rows have whole columns.
    columns = int(rollout.loss_mask.any(0).sum()) * len(rollout)
    assert sum(made) == (columns if way == "padded" else int(rollout.loss_mask.sum()))


def test_what_no_loss_token_follows_is_not_read() -> None:
    rollout = episodes()
    read = read_tokens(rollout)
    for mask, own, kept in zip(rollout.completion_mask, rollout.loss_mask, read, strict=True):
        last = int(own.nonzero().max()) if own.any() else 0
        assert kept.tolist() == [place < last for place in range(len(mask))]
    plain = replace(rollout, loss_mask=rollout.completion_mask)
    assert read_tokens(plain).sum() == (rollout.completion_mask.sum(1) - 1).clamp(min=0).sum()


def test_a_minibatch_of_nothing_to_learn_has_a_gradient_of_zero(monkeypatch: pytest.MonkeyPatch) -> None:
    """All of its rows were truncated and are masked, say. A step wants a graph, and not the memory of all logits."""
    policy = test_shared_prefix.make("qwen3")
    rollout = replace(episodes(), loss_mask=torch.zeros_like(episodes().completion_mask))
    monkeypatch.setattr(policy, "padded_logprobs", lambda *_, **__: pytest.fail("whole logits"))
    scored = policy.logprobs(rollout)
    scored.logprobs.masked_fill(~rollout.loss_mask, 0.0).sum().backward()
    assert all(weight.grad is not None and not weight.grad.any() for weight in policy.parameters())


class KeepsNumbers(CausalLMPolicy):
    keeps_columns = False


@pytest.mark.parametrize("way", ["padded_logprobs", "single_logprobs"])
def test_a_forward_that_keeps_a_number_of_columns_scores_the_same(way: str) -> None:
    policy, rollout = test_packed.make("qwen3"), episodes()
    expected = getattr(policy, way)(rollout)
    asked: list[Any] = []
    forward = policy.model.forward
    policy.model.forward = lambda *arguments, logits_to_keep, **options: (
        asked.append(logits_to_keep),
        forward(*arguments, logits_to_keep=logits_to_keep, **options),
    )[1]
    policy.__class__ = KeepsNumbers
    torch.testing.assert_close(getattr(policy, way)(rollout), expected)
    assert asked
    assert all(isinstance(number, int) for number in asked)


def test_the_check_of_a_way_looks_at_loss_tokens() -> None:
    class Constant(RightPadded):
        """Says 1 of every token."""

        def score(self, policy: Any, batch: Rollout, **options: Any) -> TokenLogProbs:
            return super().score(policy, batch, **options)._replace(logprobs=torch.ones(batch.loss_mask.shape))

    policy, rollout = test_packed.make("qwen3"), episodes()
    assert find_fault(policy, RightPadded(), rollout) is None
    assert "log-probabilities differ" in str(find_fault(policy, Constant(), rollout))


@pytest.mark.parametrize("make", [test_packed.make, test_shared_prefix.make])
def test_rows_that_begin_with_more_than_a_check_takes_are_checked_by_what_they_read(make: Any) -> None:
    policy, rollout = make("gpt2", n_positions=256), test_packed.batch((3, 5), (40, 44, 36, 50))
    rollout = replace(rollout, loss_mask=rollout.completion_mask & (torch.arange(50) >= 35), group_size=2)
    expected = learned(policy, rollout, partial(policy.single_logprobs, rollout))
    found = learned(policy, rollout, partial(policy.logprobs, rollout))
    assert (found[0] - expected[0]).abs().max() <= 1e-5
    assert (found[2] - expected[2]).norm() <= 1e-5 * expected[2].norm()
