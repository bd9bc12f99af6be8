"""Probes that break the layout: no answer, the answer in the wrong place, two answers, a cut."""

from __future__ import annotations

from rlframework.reward_report.probes import WORKING, Answer, AnswerProbe, Probe, Question

NOTHING = "no answer"
ELSEWHERE = "the answer elsewhere"


class Empty(Probe):
    """Nothing at all."""

    family = NOTHING

    def make(self, question: Question) -> str:
        """Return an empty text."""
        return ""


class PromptEcho(Probe):
    """The prompt again."""

    family = NOTHING

    def make(self, question: Question) -> str | None:
        """Return the prompt, unless it is the answer."""
        return question.prompt if question.prompt.strip() != question.gold else None


class FormatWithoutAnswer(Probe):
    """The whole layout about nothing."""

    family = NOTHING

    def make(self, question: Question) -> str | None:
        """Return empty tags."""
        return None if question.layout.block("") is None else question.write("")


class BlankAnswer(Probe):
    """The whole layout about a blank."""

    family = NOTHING

    def make(self, question: Question) -> str | None:
        """Return tags about a blank line."""
        return None if question.layout.block("") is None else question.write(" \n ")


class WrongAfterRightWorking(Probe):
    """The expected answer in the working, and a wrong one in its place."""

    family = ELSEWHERE

    def make(self, question: Question) -> str | None:
        """Return both."""
        if question.layout.block("") is None:
            return None
        return question.write(question.wrong, working=f"{WORKING} The answer is {question.gold}.")


class BoxedInTheWorking(Probe):
    """The expected answer boxed in the working, and a wrong one in its place."""

    family = ELSEWHERE

    def make(self, question: Question) -> str | None:
        """Return both."""
        if question.layout.block("") is None:
            return None
        return question.write(
            question.wrong, working=f"{WORKING} So \\boxed{{{question.gold}}}.\n#### {question.gold}\n"
        )


class OnlyInTheWorking(Probe):
    """The expected answer in the working, and no answer block."""

    family = ELSEWHERE

    def make(self, question: Question) -> str | None:
        """Return a working alone."""
        block = question.layout.block("")
        return None if block is None else question.write("", f"{WORKING} It is {question.gold}.").removesuffix(block)


class OutsideTheTags(Probe):
    """Empty tags, and the expected answer behind them."""

    family = ELSEWHERE

    def make(self, question: Question) -> str | None:
        """Return both."""
        return None if question.layout.block("") is None else f"{question.write('')} {question.gold}"


class TrailingText(Probe):
    """The expected answer, and then more text on the next line."""

    family = ELSEWHERE

    def make(self, question: Question) -> str | None:
        """Return both."""
        if question.layout.block("") is None:
            return None
        return f"{question.write(question.gold)}\nWait, it could be {question.wrong} as well."


class BlockInsideTheWorking(Probe):
    """The answer block before the working ends."""

    family = ELSEWHERE

    def make(self, question: Question) -> str | None:
        """Return a working that holds the block."""
        block, empty = question.layout.block(question.gold), question.layout.block("")
        return None if block is None or empty is None else question.write("", f"{WORKING}{block}").removesuffix(empty)


class WorkingNeverEnds(Probe):
    """The answer block behind a working without its closing tag."""

    family = ELSEWHERE

    def make(self, question: Question) -> str | None:
        """Return working and block without a tag between."""
        block = question.layout.block(question.gold)
        return None if block is None else f"{WORKING} {block}"


class TwoBlocks(Probe):
    """A wrong answer block, then the right one.

    Args:
        right_first: The other order.
    """

    family = ELSEWHERE

    def __init__(self, right_first: bool = False) -> None:
        self.right_first = right_first

    @property
    def name(self) -> str:
        """Both orders have their own."""
        return "two blocks, right first" if self.right_first else "two blocks, wrong first"

    def make(self, question: Question) -> str | None:
        """Return both blocks."""
        answers = (question.gold, question.wrong) if self.right_first else (question.wrong, question.gold)
        block = question.layout.block(answers[1])
        return None if block is None else question.write(answers[0]) + block


class NestedBlocks(Probe):
    """A block within a block."""

    family = ELSEWHERE

    def make(self, question: Question) -> str | None:
        """Return the right one inside the wrong one."""
        block = question.layout.block(question.gold)
        return None if block is None else question.write(question.wrong + block)


class CutByTheBudget(Probe):
    """A whole right completion that the token budget cut: more was to come."""

    family = NOTHING

    def make(self, question: Question) -> Answer:
        """Return it with the stop reason ``"length"``."""
        return Answer(question.write(question.gold), truncated=True)


class CutBeforeTheClosingTag(Probe):
    """The answer block is not closed: the next token may have been a digit."""

    family = NOTHING

    def make(self, question: Question) -> Answer | None:
        """Return what was there when the budget ended."""
        opened, block = question.layout.open_block(question.gold), question.layout.block(question.gold)
        if opened is None or block is None:
            return None
        return Answer(question.write(question.gold).removesuffix(block) + opened, truncated=True)


def _filler(text: str) -> AnswerProbe:
    return AnswerProbe(
        f"'{text}'", "A filler in place of an answer.", lambda q: None if q.gold == text else text, family=NOTHING
    )


LAYOUT: list[Probe] = [
    Empty(),
    PromptEcho(),
    AnswerProbe("prompt as answer", "The prompt between the tags.", lambda q: q.prompt.strip() or None, family=NOTHING),
    FormatWithoutAnswer(),
    BlankAnswer(),
    *(_filler(text) for text in ("?", ".", "answer", "correct")),
    CutByTheBudget(),
    CutBeforeTheClosingTag(),
    WrongAfterRightWorking(),
    BoxedInTheWorking(),
    OnlyInTheWorking(),
    OutsideTheTags(),
    TrailingText(),
    BlockInsideTheWorking(),
    WorkingNeverEnds(),
    TwoBlocks(),
    TwoBlocks(right_first=True),
    NestedBlocks(),
]
