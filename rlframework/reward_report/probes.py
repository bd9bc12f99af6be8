"""Probes: completions whose verdict is known beforehand, made from a row and its expected answer."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Any, NamedTuple

from rlframework.reward_report.layout import Layout
from rlframework.rewards.numerals import EXACT, parse_number, write_number

WORKING = "I read the problem twice and work it out step by step."


class Expects(StrEnum):
    """The decision of a right reward on a probe: accept or refuse."""

    ACCEPT = "accept"
    REFUSE = "refuse"


@dataclass(frozen=True)
class Question:
    """A row as probes see it.

    Args:
        prompt: Text of the prompt.
        gold: The expected answer as text, stripped.
        other_gold: An answer expected elsewhere in the data that is another one, or None if there is none.
        row: All columns; the reward reads them.
        layout: Writes completions.

    Example:
        >>> from rlframework.reward_report.layout import TaggedLayout
        >>> question = Question("6 * 7?", "42", "9", {"answer": "42"}, TaggedLayout())
        >>> question.number, question.write("41", working="Well.")
        (Decimal('42'), 'Well.<end_working_out><SOLUTION>41</SOLUTION>')
    """

    prompt: str
    gold: str
    other_gold: str | None
    row: dict[str, Any]
    layout: Layout

    @property
    def number(self) -> Decimal | None:
        """The expected answer as a number, if it is one."""
        return parse_number(self.gold)

    @property
    def wrong(self) -> str:
        """A wrong answer of the same kind."""
        if self.number is not None:
            return write_number(EXACT.add(self.number, 1))
        return self.other_gold or f"not {self.gold}"

    def write(self, answer: str, working: str = WORKING) -> str:
        """Return a completion with this answer.

        Args:
            answer: Text of the answer.
            working: Text of the working before it.
        """
        return self.layout.write(working, answer)

    def block(self, answer: str) -> str:
        """Return the answer block alone; empty if the layout has none."""
        return self.layout.block(answer) or ""


class Answer(NamedTuple):
    """A completion that a probe makes.

    Args:
        text: The completion.
        truncated: Whether the token budget cut it.
    """

    text: str
    truncated: bool = False


class Probe(ABC):
    """A kind of completion of which it is known whether it is right.

    Override `make`; give ``expects``, and ``family``, under which the report lists it. The name comes from the class. A
    function will do as well: `AnswerProbe` and `CompletionProbe`.

    Example:
        >>> class Shouted(Probe):
        ...     family = "wrong answers"
        ...     def make(self, question):
        ...         return question.write(question.wrong + "!!!")
        >>> Shouted().name, Shouted().expects.value
        ('shouted', 'refuse')
    """

    family: str
    expects: Expects = Expects.REFUSE

    @property
    def name(self) -> str:
        """The class's name in words."""
        return re.sub(r"(?<!^)(?=[A-Z])", " ", type(self).__name__).lower()

    @property
    def about(self) -> str:
        """Description of the probe in a sentence: the trick or writing that it tries."""
        return (type(self).__doc__ or "").strip().partition("\n")[0]

    @abstractmethod
    def make(self, question: Question) -> str | Answer | None:
        """Return a completion, or None where the probe makes no sense."""


class CompletionProbe(Probe):
    """A probe made of a function, which writes the whole completion.

    Args:
        name: What the report calls it.
        about: What it tries, in a sentence.
        completion: Makes the completion from the question; None where the probe makes no sense.
        expects: What a right reward does with it.
        family: Under which the report lists it.

    Example:
        >>> CompletionProbe("empty", "Nothing at all.", lambda question: "").name
        'empty'
    """

    def __init__(
        self,
        name: str,
        about: str,
        completion: Callable[[Question], str | Answer | None],
        expects: Expects = Expects.REFUSE,
        family: str = "wrong answers",
    ) -> None:
        self._name, self._about = name, about
        self.completion = completion
        self.expects = expects
        self.family = family

    @property
    def name(self) -> str:
        """Name of the probe in the report."""
        return self._name

    @property
    def about(self) -> str:
        """Description of the probe: the trick or writing that it tries."""
        return self._about

    def make(self, question: Question) -> str | Answer | None:
        """Return the completion that tries the probe on a question, or None where it makes no sense."""
        return self.completion(question)


class AnswerProbe(CompletionProbe):
    """A probe made of a function, which gives the answer alone.

    Args:
        name: What the report calls it.
        about: What it tries, in a sentence.
        answer: Makes the answer from the question; None where the probe makes no sense.
        expects: What a right reward does with it.
        family: Under which the report lists it.

    Example:
        >>> AnswerProbe("twice", "The answer two times.", lambda question: question.gold * 2).expects.value
        'refuse'
    """

    def __init__(
        self,
        name: str,
        about: str,
        answer: Callable[[Question], str | None],
        expects: Expects = Expects.REFUSE,
        family: str = "wrong answers",
    ) -> None:
        super().__init__(name, about, self._write, expects, family)
        self.answer = answer

    def _write(self, question: Question) -> str | None:
        answer = self.answer(question)
        return None if answer is None else question.write(answer)


def numbers_in(text: str) -> Iterator[str]:
    """Yield the numbers in a text, as they are written.

    Example:
        >>> list(numbers_in("6 suits at $1,100.50 each."))
        ['6', '1,100.50']
    """
    yield from re.findall(r"\d(?:[\d,]*\d)?(?:\.\d+)?", text)
