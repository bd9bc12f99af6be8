"""Knights and knaves: the puzzle is solved, its solution unique, and the answer whole."""

from __future__ import annotations

import itertools
import time
from random import Random
from typing import Any

import pytest

from rlframework.rewards.logic import KnightsKnaves, UnverifiableError
from rlframework.rewards.logic.knights import read_roles, solutions, statement_formula
from tests.rewards.logic.rows import verdict, verdicts

# Ann: "Ben is a knave." Ben: "We are both knaves." So Ann is a knight and Ben a knave.
PUZZLE = {"people": ["Ann", "Ben"], "statements": [["Ann", ["knave", "Ben"]], ["Ben", "~Ann & ~Ben"]]}


@pytest.mark.parametrize(
    "answer",
    [
        "Ann is a knight and Ben is a knave.",
        "Ann is a knight, and Ben is a knave",
        "Ben is a knave, Ann is a knight.",
        "ann: knight, ben: knave",
        "Ann = knight; Ben = knave",
        "Ann is a Knight\nBen is a Knave\n",
        "Ann is  a   knight.  Ben is a knave.",
        "Ann is an knight, Ben is knave",
        "Ann:a knight,Ben:a knave",
    ],
)
def test_the_right_cast_in_any_order(answer: str) -> None:
    assert verdict(KnightsKnaves(), PUZZLE, answer) == "correct"


@pytest.mark.parametrize(
    "answer",
    [
        "Ann is a knave and Ben is a knight",
        "Ann is a knight and Ben is a knight",
        "Ann is a knight",
        "Ben is a knave.",
        "Ann is a knight, Ann is a knight",
        "Ann is a knight, Ann is a knave, Ben is a knave",
        "Ann is a knight, Ben is a knave, Ben is a knave",
        "Ann is a knight, Ben is a knave, Cid is a knave",
        "Ann is a knight, Cid is a knave",
        "Ann is a knight, Ben is a knight, Ann is a knave, Ben is a knave",
    ],
)
def test_wrong_missing_repeated_and_invented_people(answer: str) -> None:
    assert verdict(KnightsKnaves(), PUZZLE, answer) == "incorrect"


@pytest.mark.parametrize(
    "answer",
    [
        "Ann is a knight or a knave, Ben is a knave",
        "Ann is a knight or Ann is a knave and Ben is a knave",
        "Ann is not a knight and Ben is not a knave",
        "Ann is a knight/knave, Ben is a knave/knight",
        "Ann and Ben are knaves",
        "either Ann is a knight and Ben is a knave",
        "Ann is a knight, Ben is a knave, or the other way round",
        "I think Ann is a knight, Ben is a knave",
        "Ann knight Ben knave",
        "Ann is a knightBen is a knave",
        "Ann is a sage, Ben is a fool",
        "knight, knave",
        "Ann is a knight,,Ben is a knave",
        "Ann is a knight and and Ben is a knave",
        "yes",
        "Ann is a knight, Ben is a knave " + "!" * 3,
        "Ann is a knight, Ben is a knave." + " " * 3000 + "x",
    ],
)
def test_hedges_and_prose_are_no_answer(answer: str) -> None:
    assert verdict(KnightsKnaves(), PUZZLE, answer) == "malformed"


@pytest.mark.parametrize(
    ("statements", "why"),
    [
        ([], "4 solutions"),
        ([["Ann", ["knave", "Ann"]]], "0 solutions"),
        ([["Ann", ["knight", "Ben"]], ["Ben", ["knight", "Ann"]]], "2 solutions"),
        ([["Cid", ["knight", "Ann"]]], "do not fit|is nobody|operator|speaks"),
        ([["Ann", ["knight", "Cid"]], ["Ben", "Ann"]], "nobody"),
        ([["Ann", "Cid"], ["Ben", "Ann"]], "about"),
        ([["Ann", ["says", "Ben"]], ["Ben", "Ann"]], "no operator"),
        ([["Ann", ["not", ["knight", "Ann"], ["knight", "Ben"]]], ["Ben", "Ann"]], "no operator"),
        ([["Ann", ["and"]], ["Ben", "Ann"]], "operator and what it is about"),
        ([["Ann", "Ann &"], ["Ben", "Ann"]], "no statement"),
        ([["Ann", 5], ["Ben", "Ann"]], "operator"),
        ([["Ann", ["knight", 7]], ["Ben", "Ann"]], "nobody"),
        ("Ann", "list"),
        (None, "list"),
        ([["Ann", "Ben"]] * 65, "at most 64"),
    ],
)
def test_a_puzzle_without_one_solution_abstains(statements: Any, why: str) -> None:
    row = {**PUZZLE, "statements": statements}
    assert verdict(KnightsKnaves(), row, "Ann is a knight and Ben is a knave.") == "gold_unverifiable"
    with pytest.raises(UnverifiableError, match=why):
        KnightsKnaves().gold(type("Row", (), {"column": lambda self, name: row[name]})())


@pytest.mark.parametrize(
    "people",
    [
        [],
        ["Ann", "Ann"],
        ["Ann", "ann"],
        "Ann",
        ["Ann", 5],
        ["Ann", "and"],
        float("nan"),
        None,
        {"Ann": 1},
        ["Ann Lee", "Ben"],
        list("abcdefghijklmnopqr"),
    ],
)
def test_people_who_cannot_be_told_apart(people: Any) -> None:
    row = {"people": people, "statements": [["Ann", "true"]]}
    assert verdict(KnightsKnaves(), row, "Ann is a knight") == "gold_unverifiable"


def test_deep_trees_are_refused() -> None:
    tree: Any = ["knight", "Ann"]
    for _ in range(2000):
        tree = ["not", tree]
    with pytest.raises(UnverifiableError, match="nested deeper"):
        statement_formula(tree, ["Ann"])


def test_other_words_for_the_two_kinds() -> None:
    reward = KnightsKnaves(knight="sage", knave="fool")
    assert verdicts(reward, PUZZLE, "Ann is a sage, Ben is a fool", "Ann is a knight, Ben is a knave") == [
        "correct",
        "malformed",
    ]
    with pytest.raises(ValueError, match="both called 'sage'"):
        KnightsKnaves(knight="sage", knave="Sage")


def holds(tree: Any, cast: dict[str, bool]) -> bool:
    """Return whether a statement is true, by the meaning of its words."""
    operator, *parts = tree
    if operator in ("knight", "knave"):
        return cast[parts[0]] == (operator == "knight")
    values = [holds(part, cast) for part in parts]
    meaning = {
        "not": lambda: not values[0],
        "and": lambda: all(values),
        "or": lambda: any(values),
        "implies": lambda: values[1] if values[0] else True,
        "iff": lambda: values[0] == values[1],
    }
    return meaning[operator]()


def random_statement(random: Random, people: list[str], depth: int) -> list[Any]:
    if depth == 0 or random.random() < 0.3:
        return [random.choice(["knight", "knave"]), random.choice(people)]
    operator = random.choice(["not", "and", "or", "implies", "iff"])
    parts = {"not": 1, "and": random.randint(1, 3), "or": random.randint(1, 3)}.get(operator, 2)
    return [operator, *(random_statement(random, people, depth - 1) for _ in range(parts))]


def test_solutions_against_a_plain_walk_over_all_casts() -> None:
    random, found = Random(1), set()
    for _ in range(300):
        people = ["Ann", "Ben", "Cid", "Dan"][: random.randint(1, 4)]
        said = [(speaker, random_statement(random, people, 3)) for speaker in people]
        expected = {
            frozenset(name for name in people if cast[name])
            for cast in (
                dict(zip(people, values, strict=True))
                for values in itertools.product([False, True], repeat=len(people))
            )
            if all(cast[speaker] == holds(statement, cast) for speaker, statement in said)
        }
        assert set(solutions(people, said)) == expected
        found.add(len(expected))
    assert {0, 1, 2} <= found


def test_sixteen_people_are_quick() -> None:
    people = [f"p{number}" for number in range(16)]
    said = [(speaker, " xor ".join(people)) for speaker in people]
    started = time.perf_counter()
    assert len(solutions(people, said)) == 1  # all knaves: with an even number of knights nobody tells the truth
    assert time.perf_counter() - started < 2.0


def test_the_puzzles_of_reasoning_gym_are_understood_and_have_one_solution() -> None:
    create_dataset = pytest.importorskip("reasoning_gym").create_dataset
    for item in create_dataset("knights_knaves", size=20, seed=4, n_people=3):
        metadata = item["metadata"]
        terms = metadata["knight_knave_terms"]
        reward = KnightsKnaves(knight=terms["knight"], knave=terms["knave"])
        row = {"people": [str(name) for name in metadata["names"]], "statements": metadata["statements"]}
        assert verdict(reward, row, item["answer"]) == "correct"
        swapped = item["answer"].replace(terms["knight"], "?").replace(terms["knave"], terms["knight"])
        assert verdict(reward, row, swapped.replace("?", terms["knave"])) == "incorrect"


def test_reading_is_fast_on_hostile_texts() -> None:
    started = time.perf_counter()
    for text in (
        "a" * 2000,
        "a is " * 400,
        " " * 2000,
        "," * 2000,
        "a: knight" + " " * 1900,
        "a: knight" + "\n" * 1900 + "!",
    ):
        read_roles(text)
    assert time.perf_counter() - started < 1.0
