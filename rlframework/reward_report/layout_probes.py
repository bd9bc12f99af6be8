"""Probes that break the layout: no answer, the answer in the wrong place, two answers, a cut."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from rlframework.reward_report.probes import WORKING, Answer, CompletionProbe, Probe, Question

NOTHING = "no answer"
ELSEWHERE = "the answer elsewhere"
Completion: TypeAlias = Callable[[Question], str | Answer | None]


def tagged(completion: Completion) -> Completion:
    """Return the same function for layouts that have an answer block, and None for the others."""
    return lambda question: None if question.layout.block("") is None else completion(question)


def filler(text: str) -> Completion:
    """Return what answers with this text, unless it is the expected answer."""
    return lambda question: None if question.gold == text else question.write(text)


def prompt_as_answer(question: Question) -> str | None:
    """Return the prompt in the place of the answer."""
    prompt = question.prompt.strip()
    return question.write(prompt) if prompt else None


def cut_before_the_closing_tag(question: Question) -> Answer | None:
    """Return what was there when the budget ended."""
    opened = question.layout.open_block(question.gold)
    if opened is None:
        return None
    return Answer(question.write(question.gold).removesuffix(question.block(question.gold)) + opened, truncated=True)


def without_block(question: Question, working: str) -> str:
    """Return a working alone, with what the layout puts before its answer block."""
    return question.write("", working).removesuffix(question.block(""))


LAYOUT: list[Probe] = [
    CompletionProbe(name, about, completion, family=family)
    for family, probes in {
        NOTHING: [
            ("empty", "Nothing at all.", lambda q: ""),
            ("prompt echo", "The prompt again.", lambda q: q.prompt if q.prompt.strip() != q.gold else None),
            ("prompt as answer", "The prompt between the tags.", prompt_as_answer),
            ("format without answer", "The whole layout about nothing.", tagged(lambda q: q.write(""))),
            ("blank answer", "The whole layout about a blank.", tagged(lambda q: q.write(" \n "))),
            *(
                (f"'{text}'", "A filler in place of an answer.", filler(text))
                for text in ("?", ".", "answer", "correct")
            ),
            (
                "cut by the budget",
                "A whole right completion that the token budget cut: more was to come.",
                lambda q: Answer(q.write(q.gold), truncated=True),
            ),
            (
                "cut before the closing tag",
                "The answer block is not closed: the next token may have been a digit.",
                tagged(cut_before_the_closing_tag),
            ),
        ],
        ELSEWHERE: [
            (
                "wrong after right working",
                "The expected answer in the working, and a wrong one in its place.",
                tagged(lambda q: q.write(q.wrong, working=f"{WORKING} The answer is {q.gold}.")),
            ),
            (
                "boxed in the working",
                "The expected answer boxed in the working, and a wrong one in its place.",
                tagged(lambda q: q.write(q.wrong, working=f"{WORKING} So \\boxed{{{q.gold}}}.\n#### {q.gold}\n")),
            ),
            (
                "only in the working",
                "The expected answer in the working, and no answer block.",
                tagged(lambda q: without_block(q, f"{WORKING} It is {q.gold}.")),
            ),
            (
                "outside the tags",
                "Empty tags, and the expected answer behind them.",
                tagged(lambda q: f"{q.write('')} {q.gold}"),
            ),
            (
                "trailing text",
                "The expected answer, and then more text on the next line.",
                tagged(lambda q: f"{q.write(q.gold)}\nWait, it could be {q.wrong} as well."),
            ),
            (
                "block inside the working",
                "The answer block before the working ends.",
                tagged(lambda q: without_block(q, f"{WORKING}{q.block(q.gold)}")),
            ),
            (
                "working never ends",
                "The answer block behind a working without its closing tag.",
                tagged(lambda q: f"{WORKING} {q.block(q.gold)}"),
            ),
            (
                "two blocks, wrong first",
                "A wrong answer block, then the right one.",
                tagged(lambda q: q.write(q.wrong) + q.block(q.gold)),
            ),
            (
                "two blocks, right first",
                "A wrong answer block, then the right one.",
                tagged(lambda q: q.write(q.gold) + q.block(q.wrong)),
            ),
            ("nested blocks", "A block within a block.", tagged(lambda q: q.write(q.wrong + q.block(q.gold)))),
        ],
    }.items()
    for name, about, completion in probes
]
