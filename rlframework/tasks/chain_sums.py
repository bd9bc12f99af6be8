"""The demo's task: add up a short chain of digits, and the texts that its tiny base model is taught with."""

from __future__ import annotations

import re
from random import Random

from rlframework.rewards.template import AnswerTemplate
from rlframework.tasks.tiny.task import CARELESS, Care, ProblemSet, Row, break_a_tag

# What problems and solutions are written in, and the stray signs about them.
CHARACTERS = "0123456789+-=?;>:,. \n"
MAX_TOKENS = 48

MIN_TERMS, MAX_TERMS = 3, 5
LARGEST_TOTAL = 20


def random_problem(random: Random) -> Row:
    """Draw one problem whose running totals all lie in ``0..20``.

    Example:
        >>> random_problem(Random(1))
        {'prompt': '3-2+4-4+7=?', 'answer': '8'}
    """
    total = random.randint(1, 9)
    prompt = str(total)
    for _ in range(random.randint(MIN_TERMS, MAX_TERMS) - 1):
        steps = [step for step in range(-9, 10) if step and 0 <= total + step <= LARGEST_TOTAL]
        step = random.choice(steps)
        total += step
        prompt += f"{step:+d}"
    return {"prompt": f"{prompt}=?", "answer": str(total)}


_SET = ProblemSet(random_problem, reserve_seed=20_250_814)
problems, reserved_prompts, splits = _SET.problems, _SET.reserved_prompts, _SET.splits


def worked(row: Row) -> str:
    """Return the working of a problem, one step for each operation.

    Example:
        >>> worked({"prompt": "9+2-7-2=?", "answer": "2"})
        '9+2=11;11-7=4;4-2=2'
    """
    return ";".join(f"{before}{term:+d}={before + term}" for before, term in _steps(row))


def sloppy_demonstration(
    row: Row, random: Random, template: AnswerTemplate | None = None, care: Care = CARELESS
) -> str:
    """Return a completion such as a careless corpus has: mostly blurted answers, slips, and broken tags.

    Unless ``care`` says otherwise, 70 % blurt an answer after an empty working, of which 30 % is right and the rest
    within 8 of it; 30 % write the working with a slip in 5 % of its steps. In 25 % of all one tag is missing.
    """
    working, answer = careless_answer(row, random, care)
    return break_a_tag(working, answer, random, template or AnswerTemplate())


def careless_answer(row: Row, random: Random, care: Care) -> tuple[str, str]:
    """Return a working, empty if the answer is blurted, and an answer: each as careless as ``care`` says.

    Example:
        >>> careless_answer({"prompt": "9+2-7-2=?", "answer": "2"}, Random(0), Care(blurted=0.0, slips=0.0))
        ('9+2=11;11-7=4;4-2=2', '2')
    """
    if random.random() >= care.blurted:
        return _slipping(row, random, care.slips)
    if random.random() < care.right:
        return "", row["answer"]
    return "", str(int(row["answer"]) + random.choice([error for error in range(-8, 9) if error]))


def _slipping(row: Row, random: Random, slips: float) -> tuple[str, str]:
    """Return a working in which a share of the steps is off by one or two, and the answer that it leads to."""
    terms = [term for _, term in _steps(row)]
    total = _steps(row)[0][0]
    lines = []
    for term in terms:
        before, total = total, total + term
        if random.random() < slips:
            total = max(0, total + random.choice([-2, -1, 1, 2]))
        lines.append(f"{before}{term:+d}={total}")
    return ";".join(lines), str(total)


def _steps(row: Row) -> list[tuple[int, int]]:
    """Return (total so far, next term) for each operation."""
    total, *terms = map(int, re.findall(r"[+-]?\d+", row["prompt"]))
    steps = []
    for term in terms:
        steps.append((total, term))
        total += term
    return steps
