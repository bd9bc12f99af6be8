"""Sound rewards that a careless check would refuse; at the top of a module, where other processes find them."""

from __future__ import annotations

import asyncio
from typing import Any

import torch
from torch import Tensor

from rlframework.completions import Completion, Completions
from rlframework.rewards import AnswerTemplate, RewardModel, RowReward, Verdict, VerifiedReward

TEMPLATE = AnswerTemplate()
FOUR = {"prompt": "2 + 2?", "answer": "4"}
SEVEN = {"prompt": "3 + 4?", "answer": "7"}
CASES = [
    ("Two and two.<end_working_out><SOLUTION>4</SOLUTION>", FOUR, "accept"),
    ("It is 4.<end_working_out><SOLUTION>5</SOLUTION>", FOUR, "refuse"),
    ("", FOUR, "refuse"),
    ("So 7.<end_working_out><SOLUTION>7</SOLUTION>", SEVEN, "accept"),
    ("7", SEVEN, "refuse"),
]


class Shortest(RewardModel):
    """Compares the rows of a group."""

    def score(self, completions: Completions) -> Tensor:
        lengths = torch.tensor([float(len(row.text)) for row in completions]).view(-1, completions.group_size)
        return (lengths == lengths.amin(1, keepdim=True)).float()


class AbstainsOnWords(RowReward):
    """Has an opinion on numbers alone."""

    def score_row(self, completion: Completion) -> float | None:
        answer = completion.prompt.row.get("answer")
        if not isinstance(answer, str) or not answer.isdigit():
            return None
        return float(TEMPLATE.answer_of(completion) == answer)


def usable(answer: Any) -> bool:
    return isinstance(answer, str) and bool(answer.strip())


async def waits(parsed: str | None, answer: str) -> float | None:
    await asyncio.sleep(0.001)
    return float(parsed == answer) if usable(answer) else None


def pooled(parsed: str | None, answer: str) -> float | None:
    return float(parsed == answer) if usable(answer) else None


def like_trl(completions: list[str], answer: list[str], **kwargs: Any) -> list[float | None]:
    pairs = zip(completions, answer, strict=True)
    return [float(TEMPLATE.parse(text) == gold) if usable(gold) else None for text, gold in pairs]


class Verified(VerifiedReward):
    """Judges by verdict."""

    def verdicts(self, completions: Completions) -> tuple[list[Verdict], str]:
        return [self.verdict(row) for row in completions], ""

    def verdict(self, row: Completion) -> Verdict:
        answer = TEMPLATE.answer_of(row)
        if not usable(row.prompt.row.get("answer")):
            return Verdict.GOLD_UNVERIFIABLE
        if answer is None:
            return Verdict.MALFORMED
        return Verdict.CORRECT if answer == row.prompt.row["answer"] else Verdict.INCORRECT


verified = Verified()
