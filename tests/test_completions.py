"""Completions are cut by whole groups only."""

from __future__ import annotations

import pytest

from rlframework import Completion, Completions
from rlframework.testing import letter_prompts


@pytest.fixture
def completions() -> Completions:
    prompts = letter_prompts(4)
    rows = [Completion(prompt, [number], str(number), "stop") for prompt in prompts for number in range(3)]
    return Completions(rows, group_size=3)


def test_a_row_is_a_completion(completions: Completions) -> None:
    assert completions[4] is completions.rows[4]
    assert completions[-1] is completions.rows[-1]
    with pytest.raises(IndexError):
        completions[12]


@pytest.mark.parametrize(
    ("cut", "groups"),
    [
        (slice(0, 6), [0, 1]),
        (slice(3, None), [1, 2, 3]),
        (slice(-3, None), [3]),
        (slice(6, 99), [2, 3]),
        (slice(9, 3), []),
    ],
)
def test_a_slice_holds_whole_groups(completions: Completions, cut: slice, groups: list[int]) -> None:
    part = completions[cut]
    assert isinstance(part, Completions)
    assert part.group_size == 3
    assert [group[0].prompt.index for group in part.groups()] == groups


@pytest.mark.parametrize(
    ("cut", "message"),
    [
        (slice(0, 4), r"rows 0 to 4 cut a group of 3 completions; slice by whole groups, such as \[0:6\]"),
        (slice(2, 7), r"rows 2 to 7 .* such as \[0:9\]"),
        (slice(None, -1), "rows 0 to 11 cut"),
        (slice(None, None, 3), "a step of 3 tears groups of 3 apart"),
        (slice(None, None, -1), "a step of -1"),
    ],
)
def test_a_slice_that_cuts_a_group_is_refused(completions: Completions, cut: slice, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        completions[cut]
