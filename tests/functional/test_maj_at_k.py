"""The vote of several answers, against every case of it."""

from itertools import product

import pytest
import torch

from rlframework.functional.maj_at_k import maj_at_k

NAN = float("nan")


@pytest.mark.parametrize(
    ("answers", "right", "k", "expected"),
    [
        (["7", "7", "8"], [1, 1, 0], 3, 1.0),
        (["8", "7", "8"], [0, 1, 0], 3, 0.0),
        (["7", "8"], [1, 0], 2, 0.5),  # as often as each other
        (["7", "8", "9", "7"], [1, 0, 0, 1], 1, 0.5),  # the mean
        (["7", "7", "8", "8"], [1, 1, 0, 0], 2, 0.5),  # one vote right, one wrong
        (["7", "7", "8"], [1, 1, 0], 2, 1.0),  # the third is left over
        ([None, None, "7"], [0, 0, 1], 3, 1.0),  # without an answer no vote
        ([None, None], [0, 0], 2, 0.0),
        (["7", "7", "8"], [NAN, NAN, 1], 3, 1.0),
        (["7", "7"], [NAN, NAN], 2, NAN),
    ],
)
def test_a_vote(answers, right, k, expected):
    found = maj_at_k([answers], torch.tensor([right], dtype=torch.float32), k)
    assert found.item() == pytest.approx(expected, nan_ok=True)


def test_it_is_the_chance_that_a_vote_of_independent_answers_is_right():
    p, k = 0.7, 3
    votes = torch.tensor(list(product([1.0, 0.0], repeat=k)))
    chance = torch.tensor([p ** sum(row) * (1 - p) ** (k - sum(row)) for row in votes.tolist()])
    answers = [["7" if one else "8" for one in row] for row in votes.tolist()]
    expected = sum(count * p**won * (1 - p) ** (k - won) for won, count in ((2, 3), (3, 1)))
    assert (maj_at_k(answers, votes, k) * chance).sum().item() == pytest.approx(expected)


@pytest.mark.parametrize("k", [0, 3])
def test_more_votes_than_answers_are_refused(k):
    with pytest.raises(ValueError, match="choose k from 1 to 2"):
        maj_at_k([["7", "8"]], torch.ones(1, 2), k)
