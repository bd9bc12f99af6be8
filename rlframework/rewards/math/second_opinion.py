"""math-verify, for notation that is not read here: sums, integrals, congruences. In a process that can be killed.

It is asked only where both the gold and the answer are in such notation and are built alike, and it has to find them
equal in both directions. Whatever is read here is decided here: math-verify drops the base of a number, takes the last
side of an equation for its value, compares to six decimals, and takes sets, pairs and lists for one another.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from rlframework.rewards.math.answers import Words
from rlframework.rewards.pool import Outcome, WorkerPool

LIMIT_S = 1.5
MEMORY_MB = 1_024
LONGEST = 200

# Commands whose meaning math-verify knows and the reader here does not.
_NOTATION = re.compile(
    r"\\(?:i?int|oint|sum|prod|lim|equiv|p?mod|mathbb|partial|nabla|det|deg|arg|Re|Im|overrightarrow|vec)(?![A-Za-z])"
)
# What has to occur equally often on both sides: then a list is not a value, nor a case a solution.
_STRUCTURE = re.compile(r"[=<>,;()\[\]|]|\\[{}]|\\(?:le|ge|ne|in|equiv|pm|mp|cup|cap|text|mathbb|to)(?![A-Za-z])")


def may_ask(gold: Words, answer: Words) -> bool:
    """Whether both are short, in notation that is not read here, and alike in relations, brackets, separators."""
    texts = gold.text, answer.text
    built = [sorted(_STRUCTURE.findall(text)) for text in texts]
    known = all(len(text) <= LONGEST and _NOTATION.search(text) for text in texts)
    return known and built[0] == built[1]


def ask(pairs: Sequence[tuple[str, str]]) -> list[Outcome]:
    """Ask whether golds and answers are equal; the value of an outcome is a bool.

    Raises:
        ImportError: math-verify is not installed.
    """
    return _POOL.map(pairs)


def equal(gold: str, answer: str) -> bool:
    """Return math-verify's opinion in both directions; called in a worker process.

    Its own time limits are signals, which work in the main thread of a process only and not in C: the pool has the last
    word.
    """
    from math_verify import LatexExtractionConfig, parse, verify

    limit = int(LIMIT_S)
    reading = [LatexExtractionConfig()]
    sides = [parse(f"\\boxed{{{text}}}", reading, parsing_timeout=limit) for text in (gold, answer)]
    # An empty reading equals nothing; a text that came back as text was not understood.
    if not all(sides) or any(isinstance(side[0], str) for side in sides):
        return False
    return all(verify(*order, timeout_seconds=limit, strict=True) for order in (sides, sides[::-1]))


_POOL = WorkerPool(equal, limit_s=LIMIT_S, memory_mb=MEMORY_MB)
