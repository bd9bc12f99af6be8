"""Groups are dealt evenly, stay whole, and stay in their optimizer step."""

from __future__ import annotations

from rlframework.completions import Completion, Completions
from rlframework.loop.minibatches import balanced_order
from rlframework.prompt import Prompt
from rlframework.rollout import Rollout


def groups_of(*lengths: int) -> Completions:
    """Groups of two, with a prompt of one token, whose longer completion has the given length."""
    rows = [
        Completion(Prompt([5], "", index=index), [7] * size, "", "stop")
        for index, longer in enumerate(lengths)
        for size in (longer, 1)
    ]
    return Completions(rows, 2)


def tokens(part: Rollout) -> int:
    return int(part.completion_mask.sum())


def test_minibatches_of_a_step_get_about_as_many_tokens() -> None:
    uneven = groups_of(90, 80, 70, 60, 10, 20, 30, 40)
    order = balanced_order(uneven, minibatches=4, per_step=4)
    rollout = Rollout.of(uneven, pad_id=0)
    assert [tokens(part) for part in rollout.split(4)] == [172, 132, 32, 72]
    assert [tokens(part) for part in rollout.select(order).split(4)] == [102] * 4
    assert order.view(-1, 2).diff(dim=1).eq(1).all()
    assert order.sort().values.tolist() == list(range(16))


def test_a_group_stays_in_its_optimizer_step() -> None:
    uneven = groups_of(90, 80, 10, 20, 1, 1, 50, 50)
    groups = balanced_order(uneven, minibatches=4, per_step=2).view(-1, 2)[:, 0] // 2
    assert set(groups[:4].tolist()) == {0, 1, 2, 3}
    assert balanced_order(uneven, minibatches=4, per_step=1).tolist() == list(range(16))
