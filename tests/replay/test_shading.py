"""Shades of tokens: the strongest is 1, ratios count by their logarithm, and slopes with their sign turned around."""

from __future__ import annotations

import math

import pytest

from rlframework.replay.shading import chosen, clipped, coloured_terms, notes, shades
from tests.replay.replays import completion, replayed


def test_the_strongest_token_of_the_step_is_one() -> None:
    rows = replayed().completions
    advantages = shades(rows, "advantage")
    assert set(advantages[0]) == {1.0}
    assert set(advantages[1]) == {-0.5}
    assert advantages[2] == [0.0]
    ratios = shades(rows, "ratio")
    assert ratios[1] == pytest.approx([-1.0, 1.0, 0.0])
    assert ratios[0][0] == pytest.approx(math.log(1.5) / math.log(2))
    assert shades(rows, "slope")[0][0] == 1.0
    assert shades([completion(["a"], 0.0, [1.0])], "advantage") == [[0.0]]


def test_numbers_that_are_none_have_no_colour() -> None:
    rows = [completion(["a", "b", "c"], 1.0, [math.nan, 2.0, math.inf])]
    assert shades(rows, "ratio") == [[0.0, 1.0, 1.0]]
    assert shades([completion(["a"], math.nan, [0.0])], "advantage") == [[0.0]]
    assert shades([completion(["a"], 1.0, [0.0])], "ratio") == [[0.0]]


def test_what_is_clipped_says_on_which_side() -> None:
    rows = replayed().completions
    assert clipped(rows[0])[:2] == ["high", ""]
    assert clipped(rows[1]) == ["low", "", ""]
    assert coloured_terms(replayed()) == ["advantage", "ratio", "slope", "entropy"]


def test_notes_name_every_term_and_who_wrote_the_token() -> None:
    first, given, last = notes(replayed().completions[1])
    assert first.splitlines() == ["advantage -1", "ratio 0.5", "clipped, low", "slope 0.5", "entropy 0.5"]
    assert given == "given by the environment"
    assert "clipped" not in last


def test_whole_groups_are_shown() -> None:
    assert [len(group) for group in chosen(replayed(), None)] == [2, 2]
    assert len(chosen(replayed(), 1)) == 1
