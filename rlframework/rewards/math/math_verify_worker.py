"""math-verify, for notation that is not read here: sums, integrals, congruences. In a process that can be killed.

It is asked only where both the gold and the answer are in such notation and are built alike, and it has to find them
equal in both directions. Whatever is read here is decided here: math-verify drops the base of a number, takes the last
side of an equation for its value, compares to six decimals, and takes sets, pairs and lists for one another.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence

from rlframework.rewards.math.answers import Words
from rlframework.rewards.math.chains import sides_of
from rlframework.rewards.pool import CallResult, WorkerPool

CPU_LIMIT_S = 1.0
# What hangs without computing; on a busy machine the processor time of a call may take long.
LIMIT_S = 60.0
MEMORY_MB = 1_024
LONGEST = 200

# Commands whose meaning math-verify knows and the reader here does not.
_NOTATION = re.compile(r"\\(?:i?int|oint|sum|prod|lim|equiv|p?mod|mathbb|partial|nabla|det|deg|arg|Re|Im)(?![A-Za-z])")
# What has to occur equally often on both sides: then a list is not a value, nor a case a solution.
_STRUCTURE = re.compile(r"[=<>,;()\[\]|]|\\[{}]|\\(?:le|ge|ne|in|equiv|pm|mp|cup|cap|text|mathbb|to)(?![A-Za-z])")


def open_question(gold: Words, answer: Words) -> tuple[str, str] | None:
    """Return what of a pair math-verify may judge: short, in notation not read here, with like relations and signs.

    Of two equations it is the one side that differs: whole, a sum that is 54 passes for the same sum that is 55.
    """
    sides = sides_of(gold.text), sides_of(answer.text)
    differing = [pair for pair in zip(*sides, strict=False) if pair[0] != pair[1]]
    if len(sides[0]) != len(sides[1]) or len(differing) != 1:
        return None
    built = [sorted(_STRUCTURE.findall(text)) for text in differing[0]]
    readable = all(len(text) <= LONGEST and _NOTATION.search(text) for text in differing[0])
    return differing[0] if readable and built[0] == built[1] else None


def ask_math_verify(pairs: Sequence[tuple[str, str]]) -> list[CallResult]:
    """Ask math-verify whether golds and answers are equal; the value of a result is a bool.

    Raises:
        ImportError: math-verify is not installed.
    """
    return _POOL.map(pairs)


def gold_is_quick(gold: str) -> bool:
    """Return whether the gold alone takes at most half of the limit, so that a call that fails is its answer's doing.

    Asked right after a failure, so under the same load, and beside a number, since beside itself nothing is worked out.
    """
    [alone] = ask_math_verify([(gold, "7")])
    return alone.failure is None and alone.cpu_s <= CPU_LIMIT_S / 2


def equal_both_ways(gold: str, answer: str) -> bool:
    """Return math-verify's opinion in both directions; called in a worker process.

    Its own time limits are off: they count the wall clock, do not work in C, and take an answer that came too late for
    a wrong one, as it does one on which it failed. The pool has the word.
    """
    from math_verify import LatexExtractionConfig, parse, verify
    from sympy import sympify

    logging.getLogger("math_verify").setLevel(logging.ERROR)  # It warns that its limits are off.
    reading = [LatexExtractionConfig()]
    sides = [
        parse(f"\\boxed{{{_without_i(text)}}}", reading, parsing_timeout=None, raise_on_error=True)
        for text in (gold, answer)
    ]
    # An empty reading equals nothing; a text that came back as text was not understood.
    if not all(sides) or any(isinstance(side[0], str) for side in sides):
        return False
    # Alike but for the name of what is summed over, as most right answers are: working them out may take seconds.
    if len({sympify(side[0]).as_dummy() for side in sides}) == 1:
        return True
    return all(verify(*order, timeout_seconds=None, strict=True, raise_on_error=True) for order in (sides, sides[::-1]))


def _without_i(text: str) -> str:
    """Return a sum over i as one over another letter: math-verify takes i for the imaginary unit."""
    if not re.search(r"\\(?:sum|prod)_\{i=", text) or "\\text" in text or "\\mathrm" in text:
        return text
    letter = next((letter for letter in "kjmrst" if not re.search(letter, re.sub(r"\\[A-Za-z]+", "", text))), "i")
    return re.sub(r"(\\[A-Za-z]+)|i", lambda found: found[1] or f"{{{letter}}}", text)


def compare_each_kind() -> None:
    """Compare a sum and an integral with a number: the first ones import half of sympy and fill its tables."""
    equal_both_ways(r"\sum_{k=1}^{n} k^2", "7")
    equal_both_ways(r"\int_0^1 x^2 dx", "7")


_POOL = WorkerPool(
    equal_both_ways, limit_s=LIMIT_S, memory_mb=MEMORY_MB, cpu_limit_s=CPU_LIMIT_S, prepare=compare_each_kind
)
