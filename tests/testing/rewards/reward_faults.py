"""Wrong rewards, each a plausible slip of the pen, and the check that has to catch it."""

from __future__ import annotations

import random
import re
import signal
import sys
import threading
import time
from typing import Any

import torch
from torch import Tensor

from rlframework.completions import Completion, Completions
from rlframework.rewards import AnswerTemplate, CorrectAnswer, RewardModel, RowReward

PLANTED: dict[Any, str] = {}
OPTIONS: dict[Any, dict[str, Any]] = {}


def caught_by(check: str, **options: Any) -> Any:
    def register(reward: Any) -> Any:
        PLANTED[reward] = check
        OPTIONS[reward] = options
        return reward

    return register


def right(completions: Completions) -> Tensor:
    return CorrectAnswer().evaluate(completions).total


@caught_by("failures")
class LooksAtTheFirstLetter(RowReward):
    """There is none in an empty text."""

    def score_row(self, completion: Completion) -> float:
        return float(completion.text[0] == "<")


@caught_by("failures")
def needs_tags(completion: str, answer: str) -> float:
    """A plain function that fails on some rows; the others get scores."""
    inside = completion.split("<SOLUTION>")[1]
    return float(inside.startswith(answer))


@caught_by("length")
class OneForTheGroup(RewardModel):
    """The mean of each group, once."""

    def score(self, completions: Completions) -> Tensor:
        return right(completions).mean(1)


@caught_by("length")
class DropsEmptyTexts(RewardModel):
    """Leaves out what it has no opinion on."""

    def score(self, completions: Completions) -> Tensor:
        return torch.tensor([float(len(row.text)) for row in completions if row.text])


@caught_by("dtype")
class LogOfShare(RowReward):
    """The logarithm of nothing is infinite."""

    def score_row(self, completion: Completion) -> float:
        return float(torch.tensor(CorrectAnswer().score_row(completion)).log())


@caught_by("dtype")
class AlwaysAbstains(RowReward):
    """Looks for the answer where there never is one."""

    def score_row(self, completion: Completion) -> float | None:
        return None if "answer" not in completion.text else 1.0


@caught_by("mutation")
class CleansInPlace(RowReward):
    """The next reward sees another text."""

    def score_row(self, completion: Completion) -> float:
        completion.text = completion.text.replace("<end_working_out>", "")
        return float(completion.prompt.column("answer") in completion.text)


@caught_by("mutation")
class SortsInPlace(RewardModel):
    """Ranks the rows where they are."""

    def score(self, completions: Completions) -> Tensor:
        completions.rows.sort(key=lambda row: row.text)
        return right(completions)


@caught_by("mutation")
class KeepsNotesInTheRow(RowReward):
    """The row of data is no scratch pad."""

    def score_row(self, completion: Completion) -> float:
        completion.prompt.row["length"] = len(completion.text)
        return float(completion.prompt.row["length"])


@caught_by("determinism")
class BreaksTiesByChance(RowReward):
    """Noise, so that no group has equal scores."""

    def score_row(self, completion: Completion) -> float:
        return CorrectAnswer().score_row(completion) + 0.01 * random.random()


@caught_by("determinism")
class PaysForWhatIsNew(RowReward):
    """Remembers what it has seen."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: set[str] = set()

    def score_row(self, completion: Completion) -> float:
        new = completion.text not in self.seen
        self.seen.add(completion.text)
        return float(new)


@caught_by("determinism")
class HashesTexts(RowReward):
    """A hash of a str is another one in each process."""

    def score_row(self, completion: Completion) -> float:
        return hash(completion.text) % 9973 / 9973


@caught_by("order_independence")
class FirstRowIsBaseline(RewardModel):
    """Compares with the first completion of the group."""

    def score(self, completions: Completions) -> Tensor:
        scores = right(completions)
        return scores - scores[:, :1]


@caught_by("order_independence")
class PaysOnlyTheFirstOfEachText(RewardModel):
    """Who comes first gets it."""

    def score(self, completions: Completions) -> Tensor:
        seen: set[str] = set()
        new = []
        for row in completions:
            new.append(float(row.text not in seen))
            seen.add(row.text)
        return torch.tensor(new)


@caught_by("batch_independence")
class SubtractsTheMeanOfTheBatch(RewardModel):
    """The rest of the batch moves the score."""

    def score(self, completions: Completions) -> Tensor:
        scores = right(completions)
        return scores - scores.mean()


@caught_by("batch_independence", compares_rows=True)
class NormalisesOverGroups(RewardModel):
    """Says that it compares rows, and compares groups."""

    def score(self, completions: Completions) -> Tensor:
        lengths = torch.tensor([float(len(row.text)) for row in completions])
        return lengths / lengths.max()


@caught_by("batch_independence")
class UndeclaredComparison(RewardModel):
    """Pays the shortest of the group, without saying so."""

    def score(self, completions: Completions) -> Tensor:
        lengths = torch.tensor([float(len(row.text)) for row in completions]).view(-1, completions.group_size)
        return (lengths == lengths.amin(1, keepdim=True)).float()


@caught_by("thread_safety")
class AlarmClock(RowReward):
    """A signal handler can be set in the main thread alone."""

    def score_row(self, completion: Completion) -> float:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(5)
        score = CorrectAnswer().score_row(completion)
        signal.alarm(0)
        return score


@caught_by("thread_safety")
def alarm_function(completion: str, answer: str) -> float:
    """The same in a plain function, whose errors are counted and not raised."""
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    return float(answer in completion)


@caught_by("thread_safety")
class SharedNotes(RowReward):
    """Puts the text on self, and reads there that of another thread."""

    def score_row(self, completion: Completion) -> float:
        self.text = completion.text
        time.sleep(0.001)
        return float(len(self.text))


@caught_by("process_safety")
class HoldsALock(RowReward):
    """A lock cannot be pickled."""

    def __init__(self) -> None:
        super().__init__()
        self.lock = threading.Lock()

    def score_row(self, completion: Completion) -> float:
        with self.lock:
            return CorrectAnswer().score_row(completion)


@caught_by("process_safety")
class LeansOnTheMainProgram(RowReward):
    """Reads a global that the main program has set."""

    def score_row(self, completion: Completion) -> float:
        return float(len(completion.text)) / sys.modules["__main__"].longest_text  # type: ignore[attr-defined]


@caught_by("time_limit", limit_s=0.2)
class CubicExpression(RowReward):
    """Three stars in a row, and tags that loop."""

    pattern = re.compile(r"<end_working_out>.*?<SOLUTION>(.+?)</SOLUTION>\s*$", re.DOTALL)

    def score_row(self, completion: Completion) -> float:
        return float(self.pattern.search(completion.text) is not None)


@caught_by("abstention")
class MissingIsWrong(RowReward):
    """No expected answer, no point."""

    def score_row(self, completion: Completion) -> float:
        return float(AnswerTemplate().answer_of(completion) == completion.prompt.row.get("answer"))


@caught_by("abstention")
class MissingIsRight(RowReward):
    """An empty text is in every text."""

    def score_row(self, completion: Completion) -> float:
        return float(str(completion.prompt.row.get("answer") or "").strip() in completion.text)


@caught_by("abstention")
class StumblesOverNone(RowReward):
    """Raises, but no reader of the message knows what to mend."""

    def score_row(self, completion: Completion) -> float:
        return float(completion.prompt.column("answer").strip() in completion.text)


@caught_by("abstention")
class AbstainersCountAsWrong(RewardModel):
    """Rows that abstain pull down the mean that the others are compared with."""

    def score(self, completions: Completions) -> Tensor:
        golds = [row.prompt.row.get("answer") for row in completions]
        known = torch.tensor([isinstance(gold, str) and bool(gold.strip()) for gold in golds])
        scores = torch.tensor([float(str(gold) in row.text) for row, gold in zip(completions, golds, strict=True)])
        return torch.where(known, scores - (scores * known).mean(), torch.nan)


@caught_by("expectations")
class AnswerAnywhere(RowReward):
    """The working counts, too."""

    def score_row(self, completion: Completion) -> float:
        return float(completion.prompt.column("answer") in completion.text)
