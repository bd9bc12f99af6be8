"""The rollout: cutting, joining, trimming and saving it loses nothing."""

from __future__ import annotations

from dataclasses import fields, replace

import pytest
import torch

from rlframework.rollout import Rollout

# Two tokens at most in the prompts of the first two groups, three in the third; completions likewise.
PROMPTS = [[5], [5], [6, 7], [6, 7], [8, 9, 10], [8, 9, 10]]
COMPLETIONS = [[1], [2, 3], [4], [11], [12, 13, 14, 15], []]


def rollout(advantages_per_token: bool = False, complete: bool = True) -> Rollout:
    """Six rows in three groups of two; every tensor holds numbers that tell its row and column."""
    P, T = 3, 4
    prompt_ids = torch.tensor([[0] * (P - len(ids)) + ids for ids in PROMPTS])
    completion_ids = torch.tensor([ids + [0] * (T - len(ids)) for ids in COMPLETIONS])
    mask = torch.tensor([[column < len(ids) for column in range(T)] for ids in COMPLETIONS])
    numbers = torch.arange(24.0).view(6, T)
    return Rollout(
        prompt_ids=prompt_ids,
        prompt_mask=prompt_ids > 0,
        completion_ids=completion_ids,
        completion_mask=mask,
        truncated=torch.tensor([False, True, False, True, True, False]),
        rewards=torch.arange(6.0),
        advantages=(numbers + 100) * mask if advantages_per_token else torch.arange(6.0).view(6, 1) + 100,
        weights=(numbers + 200) * mask,
        group=torch.tensor([0, 0, 1, 1, 2, 2]),
        group_size=2,
        temperature=0.7,
        sampler_logprobs=(numbers + 300) * mask if complete else None,
        old_logprobs=(numbers + 400) * mask if complete else None,
        reference_logprobs=(numbers + 500) * mask if complete else None,
        loss_mask=mask & (torch.arange(6) != 3).unsqueeze(1) if complete else None,
        sampler_correction=(numbers + 600) * mask if complete else None,
        entropy_mask=mask & (numbers > 8) if complete else None,
        entropy_weights=(numbers + 700) * mask if complete else None,
    )


def assert_same(a: Rollout, b: Rollout) -> None:
    for field in fields(Rollout):
        left, right = getattr(a, field.name), getattr(b, field.name)
        if isinstance(left, torch.Tensor):
            torch.testing.assert_close(left, right, rtol=0, atol=0, msg=lambda text, name=field.name: f"{name}: {text}")
        else:
            assert left == right, field.name


def test_sizes() -> None:
    assert (len(rollout()), rollout().num_groups) == (6, 3)


@pytest.mark.parametrize("per_token", [False, True])
@pytest.mark.parametrize("complete", [False, True])
def test_split_and_cat_are_a_round_trip(per_token: bool, complete: bool) -> None:
    whole = rollout(per_token, complete)
    parts = whole.split(3)
    assert [len(part) for part in parts] == [2, 2, 2]
    assert_same(Rollout.cat(parts), whole)


def test_split_trims_each_part_to_its_own_longest_row() -> None:
    first, second, third = rollout(advantages_per_token=True).split(3)
    assert first.prompt_ids.tolist() == [[5], [5]]
    assert first.prompt_mask.tolist() == [[True], [True]]
    assert first.completion_ids.tolist() == [[1, 0], [2, 3]]
    assert first.completion_mask.tolist() == [[True, False], [True, True]]
    assert first.weights.tolist() == [[200.0, 0.0], [204.0, 205.0]]
    assert first.advantages.tolist() == [[100.0, 0.0], [104.0, 105.0]]
    assert first.sampler_logprobs.tolist() == [[300.0, 0.0], [304.0, 305.0]]
    assert first.old_logprobs.shape == first.reference_logprobs.shape == (2, 2)
    assert second.prompt_ids.tolist() == [[6, 7], [6, 7]]
    assert second.completion_ids.tolist() == [[4], [11]]
    assert third.prompt_ids.shape == (2, 3)
    assert third.completion_ids.tolist() == [[12, 13, 14, 15], [0, 0, 0, 0]]
    assert third.group.tolist() == [2, 2]
    assert third.rewards.tolist() == [4.0, 5.0]


def test_advantages_of_rows_keep_their_one_column() -> None:
    assert [part.advantages.tolist() for part in rollout().split(3)] == [
        [[100.0], [101.0]],
        [[102.0], [103.0]],
        [[104.0], [105.0]],
    ]


def test_trim_keeps_one_column_of_rows_without_tokens() -> None:
    empty = rollout().select(torch.tensor([5]))
    assert empty.trim().completion_ids.shape == (1, 1)
    assert not empty.trim().completion_mask.any()


def test_trim_changes_nothing_that_is_tight() -> None:
    assert_same(rollout().trim(), rollout())


def test_select_takes_rows_by_slice_index_and_mask() -> None:
    whole = rollout()
    indices = torch.tensor([4, 5, 0, 1])
    assert whole.select(slice(2, 4)).completion_ids.tolist() == [[4, 0, 0, 0], [11, 0, 0, 0]]
    assert whole.select(indices).group.tolist() == [2, 2, 0, 0]
    assert whole.select(whole.truncated).rewards.tolist() == [1.0, 3.0, 4.0]
    assert_same(whole.select(indices).select(torch.tensor([2, 3])), whole.select(slice(0, 2)))


def test_cat_pads_prompts_on_the_left_and_completions_on_the_right() -> None:
    narrow, wide = rollout().select(slice(0, 2)).trim(), rollout().select(slice(4, 6)).trim()
    joined = Rollout.cat([narrow, wide])
    assert joined.prompt_ids.tolist() == [[0, 0, 5], [0, 0, 5], [8, 9, 10], [8, 9, 10]]
    assert joined.prompt_mask.tolist() == [[False, False, True]] * 2 + [[True] * 3] * 2
    assert joined.completion_mask.tolist()[1] == [True, True, False, False]
    assert joined.weights.tolist()[1] == [204.0, 205.0, 0.0, 0.0]
    assert joined.advantages.tolist() == [[100.0], [101.0], [104.0], [105.0]]
    assert joined.prompt_mask.dtype == joined.completion_mask.dtype == torch.bool
    assert joined.temperature == 0.7


def test_cat_takes_an_iterator() -> None:
    assert len(Rollout.cat(iter(rollout().split(3)))) == 6


@pytest.mark.parametrize("changes", [{"group_size": 3}, {"temperature": 1.0}])
def test_cat_refuses_what_does_not_belong_together(changes: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="must agree in group size and temperature"):
        Rollout.cat([rollout(), replace(rollout(), **changes)])


def test_split_refuses_parts_that_would_cut_a_group() -> None:
    with pytest.raises(ValueError, match="3 groups cannot be cut into 2 minibatches"):
        rollout().split(2)


@pytest.mark.parametrize("complete", [False, True])
def test_state_dict_round_trip_through_a_file(tmp_path, complete: bool) -> None:
    whole = rollout(complete=complete)
    torch.save(whole.state_dict(), tmp_path / "rollout.pt")
    # Plain tensors and numbers only, so that a checkpoint loads without trusting code in it.
    assert_same(Rollout.from_state_dict(torch.load(tmp_path / "rollout.pt", weights_only=True)), whole)


def test_to_moves_every_tensor_and_leaves_the_original() -> None:
    whole = rollout()
    moved = whole.to("meta")
    tensors = [field.name for field in fields(Rollout) if isinstance(getattr(whole, field.name), torch.Tensor)]
    assert len(tensors) == 16
    assert all(getattr(moved, name).device.type == "meta" for name in tensors)
    assert all(getattr(whole, name).device.type == "cpu" for name in tensors)
    assert (moved.group_size, moved.temperature) == (2, 0.7)


def test_to_leaves_what_is_missing_missing() -> None:
    assert rollout(complete=False).to("cpu").old_logprobs is None


@pytest.mark.parametrize("order", [(True, False), (False, True)])
def test_cat_refuses_a_field_that_only_some_have(order: tuple[bool, bool]) -> None:
    with pytest.raises(ValueError, match="old_logprobs"):
        Rollout.cat([rollout(complete=complete) for complete in order])
