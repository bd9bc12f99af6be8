"""Which problems are held out: a function of the seed and the text, and of nothing else."""

from __future__ import annotations

from typing import Any

import pytest

from rlframework.data.heldout import is_held_out, problem_hash, sample, without_duplicates, without_problems


def problems(n: int) -> list[dict[str, Any]]:
    return [{"prompt": f"What is {i} + {i * i}?", "answer": str(i + i * i)} for i in range(n)]


def test_the_hash_never_changes() -> None:
    # Written down: another value would mean that held-out problems of old runs have become training problems.
    assert problem_hash("What is 3 + 4?") == pytest.approx(0.0819117898613595, abs=1e-15)
    assert problem_hash("What is 3 + 4?", seed=1) == pytest.approx(0.19146273822138393, abs=1e-15)


def test_blanks_make_no_other_problem_and_letters_do() -> None:
    assert problem_hash(" What is\n3 +  4?") == problem_hash("What is 3 + 4?")
    assert problem_hash("what is 3 + 4?") != problem_hash("What is 3 + 4?")


@pytest.mark.parametrize("share", [0.0, 0.02, 0.5])
def test_about_the_share_is_held_out(share: float) -> None:
    found = sum(is_held_out(row["prompt"], share) for row in problems(20_000)) / 20_000
    assert abs(found - share) <= 4 * (share * (1 - share) / 20_000) ** 0.5


def test_a_larger_share_holds_out_the_same_and_more() -> None:
    small, large = ({row["prompt"] for row in problems(500) if is_held_out(row["prompt"], s)} for s in (0.1, 0.2))
    assert small < large


def test_chat_messages_are_told_by_their_text() -> None:
    chat = [{"role": "user", "content": "hi"}]
    assert problem_hash(chat) == problem_hash([dict(chat[0])]) != problem_hash([{"role": "user", "content": "ho"}])


def test_a_problem_is_kept_once_with_its_first_gold() -> None:
    rows = [{"prompt": "a b", "answer": "1"}, {"prompt": "c", "answer": "2"}, {"prompt": "a  b", "answer": "3"}]
    assert without_duplicates(rows, "train") == rows[:2]


def test_problems_of_other_rows_are_left_out() -> None:
    assert without_problems(problems(5), problems(3)) == problems(5)[3:]


def test_a_sample_keeps_its_rows_in_order_and_does_not_depend_on_theirs() -> None:
    rows = problems(100)
    chosen = sample(rows, 10, seed=3)
    assert len(chosen) == 10
    assert chosen == [row for row in rows if row in chosen]
    assert sample(rows[::-1], 10, seed=3) == chosen[::-1]
    assert sample(rows, 10, seed=4) != chosen
    assert sample(rows, None) == sample(rows, 200) == rows
