"""What a task has to bring for a tiny base to be made that can do it, and how it deals its problems."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from random import Random
from typing import NamedTuple, Protocol

from rlframework.rewards.template import AnswerTemplate

Row = dict[str, str]


class TinyTask(Protocol):
    """A module of one task, such as `chain_sums`. Its problems are rows with at least ``prompt`` and ``answer``.

    The prompt ends with ``=?`` and the working holds a ``=``: the tags are placed beside these signs when the base is
    primed, and the share of samples that show their working is counted by them.
    """

    __name__: str
    __file__: str | None
    CHARACTERS: str
    MAX_TOKENS: int

    def random_problem(self, random: Random) -> Row:
        """Draw one problem."""

    def problems(self, n: int, seed: int, exclude: Iterable[str] = ()) -> list[Row]:
        """Return ``n`` distinct problems."""

    def reserved_prompts(self) -> tuple[str, ...]:
        """Return the prompts that are kept for evaluation, and that no base is trained on."""

    def worked(self, row: Row) -> str:
        """Return the right working of a problem."""

    def sloppy_demonstration(self, row: Row, random: Random, template: AnswerTemplate | None = None) -> str:
        """Return a careless completion in the layout asked for."""


class Splits(NamedTuple):
    """A training pool and the held-out problems."""

    train: list[Row]
    heldout: list[Row]


def distinct_problems(draw: Callable[[Random], Row], n: int, seed: int, exclude: Iterable[str] = ()) -> list[Row]:
    """Return ``n`` distinct problems; a larger ``n`` with the same seed begins with the same problems.

    Args:
        draw: Makes one problem.
        n: How many problems.
        seed: Which problems.
        exclude: Prompts that must not occur.

    Raises:
        ValueError: Not enough distinct problems were found.
    """
    random, seen = Random(seed), set(exclude)
    rows: list[Row] = []
    for _ in range(50 * n):
        if len(rows) == n:
            break
        row = draw(random)
        if row["prompt"] not in seen:
            seen.add(row["prompt"])
            rows.append(row)
    if len(rows) < n:
        raise ValueError(f"found only {len(rows)} distinct problems in {50 * n} draws, but {n} were asked for")
    return rows


def break_a_tag(working: str, answer: str, random: Random, template: AnswerTemplate) -> str:
    """Return a completion in the layout asked for, of which one in four misses a tag."""
    tags = [template.end_working, template.start_answer, template.end_answer]
    if random.random() < 0.25:
        tags[random.randrange(len(tags))] = ""
    end_working, start_answer, end_answer = tags
    return f"{working}{end_working}{start_answer}{answer}{end_answer}"
