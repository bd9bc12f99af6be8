r"""Two-step word problems with numbers of three and four digits, and demonstrations of how a calculator solves them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice
from random import Random
from typing import Any, NamedTuple

from rlframework.tasks.calculator import calculate
from rlframework.tasks.tiny.task import Row, Splits
from rlframework.tasks.word_problems import NAMES, THINGS

# Two calls and an answer. A call has at most 26 tokens of SmolLM2's, and a result that is no error about 20 with what
# stands around it.
MAX_TURNS, MAX_TURN_TOKENS, MAX_TOKENS = 3, 32, 144

SYSTEM_PROMPT = r"You have a calculator. Write calculate(...) and read the result. Then answer with \boxed{result}."
WITHOUT_TOOL = "Answer with one equation."


class Wording(NamedTuple):
    """One wording of a problem.

    Args:
        equation: What is asked for, with places for the numbers ``a``, ``b`` and ``c``.
        text: With places for them, and for a ``name`` and for ``things``.
    """

    equation: str
    text: str


TRAINED = (
    Wording("{a} * {b} + {c}", "{name} has {a} boxes of {b} {things}, and {c} more. How many {things} is that?"),
    Wording(
        "{a} * {b} + {c}", "A hall has {a} rows of {b} {things}, and {c} are outside. How many {things} are there?"
    ),
    Wording("{a} * {b} - {c}", "{name} buys {a} bags of {b} {things} and gives {c} away. How many {things} are left?"),
    Wording("{a} * {b} - {c}", "Of {a} boxes with {b} {things} each, {c} {things} are broken. How many are whole?"),
    Wording("{a} + {b} - {c}", "{name} has {a} {things}, finds {b} and loses {c}. How many {things} are there now?"),
    Wording("{a} + {b} - {c}", "There are {a} red and {b} blue {things}. Then {c} are sold. How many {things} remain?"),
    Wording("{a} - {b} - {c}", "Of {a} {things}, {b} are sold on Monday and {c} on Tuesday. How many are left?"),
    Wording("{a} - {b} - {c}", "{name} had {a} {things}, lost {b} and gave {c} away. How many {things} are left?"),
    Wording("({a} + {b}) * {c}", "A box has {a} red and {b} blue {things}. How many {things} are in {c} such boxes?"),
    Wording("({a} + {b}) * {c}", "A day brings {a} {things} at noon and {b} at night. How many come in {c} days?"),
    Wording("({a} - {b}) * {c}", "{name} gets {a} {things} a day and sells {b} a day. How many are kept in {c} days?"),
    Wording("({a} - {b}) * {c}", "A box had {a} {things} and {b} were taken out. How many are in {c} such boxes?"),
)
NEW = (
    Wording(
        "{a} * {b} + {c}", "A truck brings {a} crates of {b} {things}, and {c} were here before. How many are here?"
    ),
    Wording("{a} * {b} - {c}", "A shop gets {a} packs of {b} {things} and sells {c} {things}. How many does it keep?"),
    Wording("{a} + {b} - {c}", "A ship carries {a} {things}, takes on {b} and unloads {c}. How many are on board?"),
    Wording("{a} - {b} - {c}", "A store had {a} {things}. A fire took {b} and a flood {c}. How many are still there?"),
    Wording("({a} + {b}) * {c}", "Each of {c} schools gets {a} new and {b} used {things}. How many do they all get?"),
    Wording("({a} - {b}) * {c}", "A shelf has room for {a} {things} and holds {b}. How many more fit on {c} shelves?"),
)

_HELDOUT = 512


def splits(seed: int, n_train: int = 320, n_heldout: int = 256) -> Splits:
    """Return training problems of this seed, and the held-out ones, which are the same for every seed.

    Rows have ``prompt``, ``answer``, ``equation`` and ``wording``: every other held-out problem is asked in a ``"new"``
    wording, in which nothing is trained. No held-out problem has the three numbers of a training problem.

    Raises:
        ValueError: More held-out problems than there are.

    Example:
        >>> problems = splits(0, n_train=2, n_heldout=2)
        >>> problems.train[0]["prompt"]
        'Of 8210 plums, 531 are sold on Monday and 1332 on Tuesday. How many are left?'
        >>> [(row["equation"], row["answer"], row["wording"]) for row in problems.heldout]
        [('789 * 536 + 403', '423307', 'trained'), ('505 * 414 + 837', '209907', 'new')]
    """
    if n_heldout > _HELDOUT:
        raise ValueError(f"there are {_HELDOUT} held-out problems, but n_heldout={n_heldout}")
    heldout = list(islice(_heldout(), _HELDOUT))
    kept = {_numbers(row) for row in heldout}
    random = Random(seed)
    drawn = (_problem(random.choice(TRAINED), random, "trained") for _ in iter(int, 1))
    return Splits(list(islice((row for row in drawn if _numbers(row) not in kept), n_train)), heldout[:n_heldout])


def _numbers(row: Row) -> frozenset[str]:
    return frozenset(re.findall(r"\d+", row["equation"]))


def _heldout() -> Iterator[Row]:
    random = Random(20_261_129)
    while True:
        # One after the other, so that a part of them has as many of each.
        for place, new in enumerate(NEW):
            yield _problem(TRAINED[2 * place + random.randrange(2)], random, "trained")
            yield _problem(new, random, "new")


def _problem(wording: Wording, random: Random, kind: str) -> Row:
    if "*" in wording.equation:
        b, a = sorted(random.sample(range(101, 1000), 2))
        c = random.randint(101, 999)
    else:
        a = random.randint(2001, 9999)
        b, c = random.randint(101, 999), random.randint(1001, a - 1000)
    equation = wording.equation.format(a=a, b=b, c=c)
    text = wording.text.format(a=a, b=b, c=c, name=random.choice(NAMES), things=random.choice(THINGS))
    return {"prompt": text, "answer": calculate(equation), "equation": equation, "wording": kind}


def with_calculator(row: Row) -> dict[str, Any]:
    r"""Return a row with a demonstration of the tool: its own equation as a call, the result, and the answer.

    Example:
        >>> [said["content"] for said in with_calculator({"equation": "12 * 3 + 4", "answer": "40"})["completion"]]
        ['calculate(12 * 3 + 4)', '40', '\\boxed{40}']
    """
    call, answer = f"calculate({row['equation']})", rf"\boxed{{{row['answer']}}}"
    said = [("assistant", call), ("tool", calculate(row["equation"])), ("assistant", answer)]
    return {**row, "completion": [{"role": role, "content": text} for role, text in said]}


def without_calculator(row: Row) -> dict[str, Any]:
    """Return a row with a demonstration of the control: its own equation, worked out.

    Example:
        >>> without_calculator({"equation": "12 * 3 + 4", "answer": "40"})["completion"]
        '12 * 3 + 4 = 40'
    """
    return {**row, "completion": f"{row['equation']} = {row['answer']}"}
