"""`grade` on labelled rows: written without sight of it, from the ways in which other verifiers are known to fail."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from rlframework.rewards.math import grade
from rlframework.rewards.verdict import Verdict
from tests.rewards.math.labelled import Row, right_row, wrong_row
from tests.rewards.math.labelled_attacks import GOLD_FAULTS, INJECTIONS, RESOURCES, UNICODE_RIGHT, UNICODE_WRONG
from tests.rewards.math.labelled_layout import LAYOUT_BROKEN, LAYOUT_KEPT
from tests.rewards.math.labelled_open import OPEN_RIGHT
from tests.rewards.math.labelled_right import RIGHT
from tests.rewards.math.labelled_right_blind_sets import RIGHT_BLIND_SETS
from tests.rewards.math.labelled_right_contests import RIGHT_CONTESTS
from tests.rewards.math.labelled_right_data_sets import RIGHT_DATA_SETS
from tests.rewards.math.labelled_right_forms import RIGHT_FORMS
from tests.rewards.math.labelled_right_second_author import RIGHT_SECOND_AUTHOR
from tests.rewards.math.labelled_right_second_draw import RIGHT_SECOND_DRAW
from tests.rewards.math.labelled_right_third_reader import RIGHT_THIRD_READER
from tests.rewards.math.labelled_wrong import WRONG
from tests.rewards.math.labelled_wrong_blind_sets import WRONG_BLIND_SETS
from tests.rewards.math.labelled_wrong_contests import WRONG_CONTESTS
from tests.rewards.math.labelled_wrong_data_sets import WRONG_DATA_SETS
from tests.rewards.math.labelled_wrong_forms import WRONG_FORMS
from tests.rewards.math.labelled_wrong_second_author import WRONG_SECOND_AUTHOR
from tests.rewards.math.labelled_wrong_second_draw import WRONG_SECOND_DRAW
from tests.rewards.math.labelled_wrong_third_reader import WRONG_THIRD_READER

LIMIT_S = 2.0  # of the processor; what workers do has a limit of its own (tests/rewards/test_pool_clock.py)
WALL_S = 60.0
REFUSED = (Verdict.INCORRECT, Verdict.MALFORMED)

Tables = dict[str, dict[str, list[tuple[str, str]]]]

RIGHT_ANSWERS: Tables = {
    "number": RIGHT,
    "form": RIGHT_FORMS,
    "second draw": RIGHT_SECOND_DRAW,
    "second author": RIGHT_SECOND_AUTHOR,
    "third reader": RIGHT_THIRD_READER,
    "blind sets": RIGHT_BLIND_SETS,
    "contests": RIGHT_CONTESTS,
    "data sets": RIGHT_DATA_SETS,
    "unicode": UNICODE_RIGHT,
}
WRONG_ANSWERS: Tables = {
    "number": WRONG,
    "form": WRONG_FORMS,
    "second draw": WRONG_SECOND_DRAW,
    "second author": WRONG_SECOND_AUTHOR,
    "third reader": WRONG_THIRD_READER,
    "blind sets": WRONG_BLIND_SETS,
    "contests": WRONG_CONTESTS,
    "data sets": WRONG_DATA_SETS,
    "unicode": UNICODE_WRONG,
    "resources": RESOURCES,
    "injection": INJECTIONS,
}


def whole_row(completion: str, gold: str) -> Row:
    return Row(completion, gold, completion)


def flat(tables: Tables, make: Callable[[str, str], Row]) -> dict[str, list[Row]]:
    return {
        f"{kind}: {category}": [make(*row) for row in rows]
        for kind, table in tables.items()
        for category, rows in table.items()
    }


ACCEPT = {**flat(RIGHT_ANSWERS, right_row), **flat({"layout": LAYOUT_KEPT}, whole_row)}
REFUSE = {**flat(WRONG_ANSWERS, wrong_row), **flat({"layout": LAYOUT_BROKEN}, whole_row)}


def failures(rows: list[Row], allowed: tuple[Verdict, ...], completion_of: Callable[[Row], str]) -> Iterator[str]:
    """Grade the rows and yield a line for each that raises, takes too long, or gets a verdict that is not allowed."""
    for row in rows:
        started = time.process_time(), time.monotonic()
        try:
            verdict = grade(completion_of(row), row.gold)
        except Exception as error:
            yield f"{row.shown[:80]!r} for {row.gold!r} raised {type(error).__name__}: {error}"
            continue
        busy, waited = time.process_time() - started[0], time.monotonic() - started[1]
        if busy > LIMIT_S or waited > WALL_S:
            yield f"{row.shown[:80]!r} for {row.gold!r} took {busy:.1f} s of the processor, {waited:.1f} s in all"
        if verdict not in allowed:
            yield f"{row.shown[:80]!r} for {row.gold!r} is {verdict}"


def as_written(row: Row) -> str:
    return row.completion


def report(lines: list[str], rows: int) -> str:
    return f"{len(lines)} of {rows} rows:\n" + "\n".join(lines)


@pytest.mark.parametrize("category", ACCEPT)
def test_right_answers_are_accepted(category: str) -> None:
    lines = list(failures(ACCEPT[category], (Verdict.CORRECT,), as_written))
    assert not lines, report(lines, len(ACCEPT[category]))


def test_golds_as_written_are_accepted() -> None:
    golds = dict.fromkeys(row.gold for rows in (*ACCEPT.values(), *REFUSE.values()) for row in rows)
    rows = [right_row(answer, gold) for gold in golds for answer in (gold, f"\\boxed{{{gold}}}", f" {gold}\n")]
    lines = list(failures(rows, (Verdict.CORRECT,), as_written))
    assert not lines, report(lines, len(rows))


@pytest.mark.parametrize("category", REFUSE)
def test_wrong_answers_are_refused(category: str, tmp_path: Path) -> None:
    canary = tmp_path / "canary"

    def completion_of(row: Row) -> str:
        return row.completion.replace("@CANARY@", str(canary))

    lines = list(failures(REFUSE[category], REFUSED, completion_of))
    assert not lines, report(lines, len(REFUSE[category]))
    assert not canary.exists(), f"an answer in {category!r} ran code"


@pytest.mark.parametrize("category", GOLD_FAULTS)
def test_a_gold_that_says_nothing_is_never_met(category: str) -> None:
    rows = [wrong_row(*row) for row in GOLD_FAULTS[category]]
    lines = list(failures(rows, (Verdict.GOLD_UNVERIFIABLE, Verdict.MALFORMED), as_written))
    assert not lines, report(lines, len(rows))


def test_a_gold_that_says_nothing_is_named() -> None:
    assert grade(right_row("5", "").completion, "") is Verdict.GOLD_UNVERIFIABLE


def test_open_rows_are_judged_in_time() -> None:
    rows = [right_row(*row) for table in OPEN_RIGHT.values() for row in table]
    lines = list(failures(rows, (Verdict.CORRECT, *REFUSED), as_written))
    assert not lines, report(lines, len(rows))


def test_the_set_is_large_enough_to_mean_something() -> None:
    accept, refuse = (sum(map(len, side.values())) for side in (ACCEPT, REFUSE))
    assert accept >= 180, f"{accept} right answers"
    assert accept + refuse >= 450, f"{accept} right and {refuse} wrong answers"
    everything = [(row.completion, row.gold) for side in (ACCEPT, REFUSE) for rows in side.values() for row in rows]
    assert len(set(everything)) == len(everything), "a row is written twice"
