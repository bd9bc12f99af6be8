"""Grading: the verdict on a mathematical answer, from a completion and the gold."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import TypeAlias

from rlframework.rewards.math.answers import NO_SOLUTION, Answer, Letter, Words, read_answer
from rlframework.rewards.math.chains import as_number, computation, is_open_sum, is_value, last_side
from rlframework.rewards.math.choices import letters_of_list, letters_of_run
from rlframework.rewards.math.compare import same
from rlframework.rewards.math.math_verify_worker import ask_math_verify, gold_is_quick, open_question
from rlframework.rewards.math.normalize import normalize
from rlframework.rewards.math.parser import read
from rlframework.rewards.math.ratios import same_ratio
from rlframework.rewards.math.syntax import (
    SCALARS,
    Collection,
    Degree,
    Node,
    Quantity,
    Relation,
    UnreadableError,
    has_variables,
)
from rlframework.rewards.numerals import parse_number
from rlframework.rewards.pool import CallResult
from rlframework.rewards.template import AnswerTemplate
from rlframework.rewards.verdict import Verdict

Question: TypeAlias = tuple[str, str]

DEFAULT_TEMPLATE = AnswerTemplate()
END_TOKENS = ("<|im_end|>", "<|endoftext|>", "<|eot_id|>", "<|end_of_text|>", "<end_of_turn>", "<eos>", "</s>")
# Read from the end, backwards: once over it in C.
_ENDING = re.compile("(?:" + "|".join([r"\s", *(re.escape(token[::-1]) for token in END_TOKENS)]) + ")*+")


def grade(completion: str, gold: str, *, template: AnswerTemplate = DEFAULT_TEMPLATE) -> Verdict:
    r"""Judge the answer section of a completion against the expected answer.

    The section is found by one strict reading of the layout, in linear time: the working once, the answer once, nothing
    after it but blanks and an end token. What stands in the working is not looked at.

    Args:
        completion: What the policy wrote, without the prompt.
        gold: The expected answer: a number, an expression, a pair, a set, an interval, a matrix, an equation, a
            quantity with its unit, a letter, or a few words; plain or in LaTeX.
        template: The layout.

    Returns:
        One of the five verdicts. No text makes it raise.

    Example:
        >>> grade("Half of it.<end_working_out><SOLUTION>0.5</SOLUTION>", r"\frac{1}{2}")
        <Verdict.CORRECT: 'correct'>
        >>> str(grade("<end_working_out><SOLUTION>18 or 19</SOLUTION>", "18")), str(grade("It is 18.", "18"))
        ('incorrect', 'malformed')
    """
    return grade_all([(completion, gold)], template=template)[0]


def grade_all(pairs: Sequence[tuple[str, str]], *, template: AnswerTemplate = DEFAULT_TEMPLATE) -> list[Verdict]:
    """Judge several (completion, gold) pairs, in order.

    Args:
        pairs: Completions with their expected answers.
        template: The layout that the answers are read by.
    """
    answers = [(template.parse(_without_end_token(completion)), gold) for completion, gold in pairs]
    return _resolved([_judged(answer, gold) for answer, gold in answers])


def grade_answer(answer: str, gold: str) -> Verdict:
    r"""Judge an answer that no layout is about.

    Args:
        answer: The answer alone, without tags.
        gold: The expected answer.

    Example:
        >>> [str(grade_answer(answer, "(3, 4]")) for answer in (r"3 < \lambda \le 4", "[3, 4]", "")]
        ['correct', 'incorrect', 'malformed']
    """
    return _resolved([_judged(answer, gold)])[0]


def _judged(answer: str | None, gold: str) -> Verdict | Question:
    """Return the verdict, or what math-verify has to be asked for it; an answer of None is out of its layout."""
    expected = parse_number(gold)
    number = None if answer is None or expected is None else parse_number(answer)
    if number is not None:
        return Verdict.CORRECT if number == expected else Verdict.INCORRECT
    try:
        wanted = _gold(gold)
    except (ValueError, RecursionError):
        # Whatever the policy wrote.
        return Verdict.GOLD_UNVERIFIABLE
    if answer is None:
        return Verdict.MALFORMED
    try:
        given = read_answer(answer, _is_measure(wanted), capitals_are_units=isinstance(wanted, Quantity))
        wanted = read_answer(gold, letters_are_units=True) if isinstance(given, Quantity) else wanted
    except (ValueError, RecursionError):
        return Verdict.MALFORMED
    if isinstance(wanted, Words) and not isinstance(given, Words):
        wanted = _last_step(gold) or wanted
    if isinstance(wanted, Words) and isinstance(given, Words) and wanted != given:
        question = open_question(wanted, given)
        if question:
            return question
    return Verdict.CORRECT if _right(wanted, given) else Verdict.INCORRECT


def _is_measure(gold: Answer) -> bool:
    """Return whether a letter behind a number can be nothing but a unit: the gold has a unit or no variable."""
    value = gold.sides[-1] if isinstance(gold, Relation) else gold
    return isinstance(value, Quantity) or (isinstance(value, SCALARS) and not has_variables(value))


def _resolved(found: Sequence[Verdict | Question]) -> list[Verdict]:
    """Return the verdicts, with the open questions answered all at once."""
    questions = [entry for entry in found if not isinstance(entry, Verdict)]
    answers = iter(map(_verdict, questions, ask_math_verify(questions))) if questions else iter(())
    return [entry if isinstance(entry, Verdict) else next(answers) for entry in found]


def _verdict(question: Question, outcome: CallResult) -> Verdict:
    gold, _ = question
    if outcome.failure in ("crash", "exception"):
        # A machine out of memory strikes a call, too; what is the answer's doing happens again.
        [outcome] = ask_math_verify([question])
    # The wall clock says nothing of an answer.
    if outcome.failure and (outcome.failure == "timeout" or not gold_is_quick(gold)):
        return Verdict.ERROR
    # For what it cannot digest math-verify does not vouch.
    return Verdict.CORRECT if outcome.value else Verdict.INCORRECT


def gold_is_verifiable(gold: str) -> bool:
    r"""Return whether some answer could be right: the gold is short and something that can be read.

    Example:
        >>> [gold_is_verifiable(gold) for gold in (r"\frac{1}{2}", "ellipse", "", "?", "See the proof above. " * 9)]
        [True, True, False, False, False]
    """
    try:
        _gold(gold)
    except (ValueError, RecursionError):
        return False
    return True


@lru_cache(maxsize=4096)
def _gold(gold: str) -> Answer:
    return read_answer(gold)


@lru_cache(maxsize=4096)
def _last_step(gold: str) -> Answer | None:
    """Return ``S = 6`` of a gold ``S = (a sum that is not read) = 6``, and 6 of one without a name, or None."""
    plain = normalize(gold)
    chain, computed = last_side(plain), computation(plain)
    try:
        if chain:
            value = read_answer(chain[1])
            return Relation((read(chain[0]), value), ("=",)) if is_value(value) else None  # type: ignore[arg-type]
        if computed is None:
            return None
        found = read_answer(computed[1])
        return found if is_value(found) and _agree(computed[0], found) else None  # type: ignore[arg-type]
    except (ValueError, ArithmeticError, RecursionError):
        return None


def _agree(steps: Sequence[str], value: Node) -> bool:
    """Return whether each step that can be read has a value, and each other one is a sum or integral."""
    degrees = isinstance(value, Degree)
    for step in steps:
        try:
            agreed = same(as_number(value, degrees), as_number(read(step), degrees))
        except UnreadableError:
            agreed = is_open_sum(step)
        if not agreed:
            return False
    return True


def _right(gold: Answer, answer: Answer) -> bool:
    try:
        gold, answer = _letters_as_product(gold, answer), _letters_as_product(answer, gold)
        if isinstance(gold, Letter):
            return _same_choice(gold, answer)
        if isinstance(gold, Words) or isinstance(answer, (Letter, Words)):
            return gold == answer or _same_words(gold, answer)
        return same(gold, answer)
    except (ValueError, ArithmeticError, RecursionError):
        # UnreadableError and TooLargeError among them. Not known to be the same is not the same.
        return False


def _same_words(gold: Answer, answer: Answer) -> bool:
    """Return whether different texts, or a text and a mathematical object, are the same answer."""
    if isinstance(gold, Words) and isinstance(answer, Words):
        return same_ratio(gold.text, answer.text)
    words, other = (gold, answer) if isinstance(gold, Words) else (answer, gold)
    if other == Collection("set", ()):
        # The empty set says of real solutions, too, that there are none; that there are no real ones says less.
        return words == Words(NO_SOLUTION) or (words is gold and words == Words("no real solution"))
    letters = letters_of_run(words.text) if isinstance(words, Words) else None
    return letters is not None and letters == letters_of_list(other)


def _same_choice(gold: Letter, answer: Answer) -> bool:
    """Return whether it is the letter, the value behind it, or both: a gold of (C) 24 may be answered by 24."""
    if not isinstance(answer, Letter):
        alone = None if gold.mark != "()" or isinstance(answer, Words) else gold.value
        return alone is not None and same(alone, answer)  # type: ignore[arg-type]
    if gold.value is None or answer.value is None:
        # A gold of A: 24 may say that A is 24.
        return gold.letter == answer.letter and (gold.value == answer.value or gold.mark != ":")
    return gold.letter == answer.letter and same(gold.value, answer.value)


def _letters_as_product(answer: Answer, other: Answer) -> Answer:
    """Return ``ab`` as a times b if the other side is mathematics; beside other words it stays a word."""
    short = isinstance(answer, Words) and re.fullmatch("[a-z]{2,3}", answer.text)
    return read(answer.text) if short and not isinstance(other, (Letter, Words)) else answer  # type: ignore[union-attr]


def _without_end_token(text: str) -> str:
    """Return the text without blanks and end tokens behind it, however many there are."""
    ending = _ENDING.match(text[::-1])
    return text[: len(text) - (ending.end() if ending else 0)]
