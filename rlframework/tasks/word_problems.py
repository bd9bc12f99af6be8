"""One-step word problems for a real model: choose the operation, then add or subtract."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from random import Random
from typing import NamedTuple

from rlframework.data.module import PromptDataModule, Rows
from rlframework.data.source import Source
from rlframework.report.evaluation import Evaluation
from rlframework.tasks.tiny.task import Row, Splits

SMALLEST, LARGEST = 2, 20
MAX_TOKENS = 14

SYSTEM_PROMPT = "Answer with one equation."
REQUEST = "Write it as an equation:"
EXAMPLES = (
    ("Lisa has 6 stamps and gets 12 more. How many stamps does Lisa have now?", "6 + 12 = 18"),
    ("Omar has 15 stamps and gives away 4. How many stamps does Omar have left?", "15 - 4 = 11"),
)


@dataclass(frozen=True)
class Wording:
    """One wording of a problem.

    Args:
        sign: The operation that it asks for, ``"+"`` or ``"-"``.
        text: With places for a ``name``, for ``things``, and for the numbers ``a`` and ``b`` of ``a + b`` or ``a - b``.
    """

    sign: str
    text: str


TRAINED = (
    Wording("+", "{name} has {a} {things} and gets {b} more. How many {things} does {name} have now?"),
    Wording("+", "There are {a} {things} in one box and {b} in another. How many {things} are there in all?"),
    Wording("+", "{name} finds {a} {things} on Monday and {b} on Tuesday. How many {things} is that together?"),
    Wording("+", "{name} had {a} {things}, then a friend brought {b}. How many {things} are there now?"),
    Wording("+", "Of the {things}, {a} are red and {b} are blue. How many {things} are there altogether?"),
    Wording("-", "{name} has {a} {things} and gives away {b}. How many {things} does {name} have left?"),
    Wording("-", "There are {a} {things} on the table. Then {b} are taken away. How many {things} remain?"),
    Wording("-", "{name} had {a} {things} but lost {b} of them. How many {things} does {name} still have?"),
    Wording("-", "Of {a} {things}, {b} are broken. How many {things} are not broken?"),
    Wording("-", "{name} needs {a} {things} and has {b}. How many more {things} does {name} need?"),
)
NEW = (
    Wording("+", "{name} puts {a} {things} on the shelf, and later {b} beside them. How many {things} lie there?"),
    Wording(
        "+", "A shop sells {a} {things} in the morning and {b} after lunch. How many {things} does it sell that day?"
    ),
    Wording("-", "A basket holds {a} {things}. {name} takes out {b}. How many {things} stay in the basket?"),
    Wording("-", "{name} bought {a} {things} and used {b} of them. How many {things} were not used?"),
)
NAMES = ("Anna", "Ben", "Clara", "David", "Emma", "Felix", "Grace", "Henry", "Ivy", "Jack", "Kate", "Leo")
THINGS = ("apples", "books", "cards", "coins", "cups", "eggs", "keys", "pens", "plums", "shells", "stones", "toys")

# Of the pairs whose sum is at most LARGEST, so that there are differences, and of the others.
_HELD_OUT_OF_EACH = 32


class Pairs(NamedTuple):
    """Pairs of numbers from 2 to 20, the smaller one first.

    Args:
        small: Their sum is at most 20 as well, so that they make sums and differences.
        large: Their sum is larger, and they make sums only.
    """

    small: list[tuple[int, int]]
    large: list[tuple[int, int]]


def pairs() -> tuple[Pairs, Pairs]:
    """Return the pairs that are trained on, and those that are held out; the same for every seed.

    A pair stands for its triple: with 7 and 9 held out, no sum and no difference of 7, 9 and 16 is trained on.

    Example:
        >>> trained, held_out = pairs()
        >>> [len(part) for part in (*trained, *held_out)], set(trained.small) & set(held_out.small)
        ([49, 77, 32, 32], set())
    """
    every = [(a, b) for a in range(SMALLEST, LARGEST + 1) for b in range(a, LARGEST + 1)]
    Random(20_251_128).shuffle(every)
    small, large = ([pair for pair in every if (sum(pair) <= LARGEST) is fits] for fits in (True, False))
    # Two differences each: of a number and itself there is but one. And what an example shows is no secret.
    shown = [tuple(sorted(map(int, re.findall(r"\d+", question)))) for question, _ in EXAMPLES]
    shown = [pair for a, b in shown for pair in ((a, b), (min(a, b - a), max(a, b - a)))]
    apart = [pair for pair in small if pair[0] < pair[1] and pair not in shown][:_HELD_OUT_OF_EACH]
    held_out = Pairs(apart, large[:_HELD_OUT_OF_EACH])
    return Pairs([pair for pair in small if pair not in apart], large[_HELD_OUT_OF_EACH:]), held_out


def splits(seed: int, n_train: int = 320, n_heldout: int = 256) -> Splits:
    """Return training problems of this seed, and the held-out ones, which are the same for every seed.

    A held-out problem has a triple of numbers that no training problem has. Its column ``wording`` says whether it is
    asked in a ``"trained"`` wording or in a ``"new"`` one; there are as many of each, and of sums and differences.

    Raises:
        ValueError: More held-out problems than there are.

    Example:
        >>> problems = splits(0, n_train=320, n_heldout=8)
        >>> problems.train[0]["prompt"]
        'There are 20 coins on the table. Then 9 are taken away. How many coins remain?'
        >>> [(row["sign"], row["answer"]) for row in problems.heldout if row["wording"] == "new"]
        [('+', '16'), ('-', '6'), ('+', '32'), ('-', '17')]
    """
    trained, held_out = pairs()
    most = 8 * _HELD_OUT_OF_EACH
    if n_heldout > most:
        raise ValueError(f"there are {most} held-out problems, but n_heldout={n_heldout}")
    return Splits(list(islice(_training(trained, Random(seed)), n_train)), list(islice(_heldout(held_out), n_heldout)))


def _training(trained: Pairs, random: Random) -> Iterator[Row]:
    pools = {"+": _shuffled([*trained.small, *trained.large], random), "-": _shuffled(trained.small, random)}
    while True:
        wording = random.choice(TRAINED)
        yield _problem(wording, next(pools[wording.sign]), random, "trained")


def _shuffled(pool: list[tuple[int, int]], random: Random) -> Iterator[tuple[int, int]]:
    """Yield every pair, in one order or the other, before one comes up again."""
    while True:
        for first, second in random.sample(pool, len(pool)):
            yield (first, second) if random.random() < 0.5 else (second, first)


def _heldout(held_out: Pairs) -> Iterator[Row]:
    random = Random(20_251_129)
    # Every pair in each of eight ways, so that the first problems are of many pairs, and of every way.
    for turn in range(8):
        for index, (small, large) in enumerate(zip(*held_out, strict=True)):
            kind, wordings = (("trained", TRAINED), ("new", NEW))[(index + turn) % 2]
            sign, pair = (("+", small), ("-", small), ("+", large), ("-", small[::-1]))[(index + turn) // 2 % 4]
            wording = random.choice([wording for wording in wordings if wording.sign == sign])
            yield _problem(wording, pair, random, kind)


def _problem(wording: Wording, pair: tuple[int, int], random: Random, kind: str) -> Row:
    first, second = pair
    a, b, answer = (first, second, first + second) if wording.sign == "+" else (first + second, second, first)
    text = wording.text.format(a=a, b=b, name=random.choice(NAMES), things=random.choice(THINGS))
    return {"prompt": text, "answer": str(answer), "sign": wording.sign, "wording": kind}


class WordProblemsData(PromptDataModule):
    """Word problems after two worked examples, as a datamodule of a few numbers for a YAML file to name."""

    seed: int = field(default=0, kw_only=False)
    """Of the training problems; the held-out ones are the same for every seed."""
    n_train: int = field(default=320, kw_only=False)
    """Training problems."""
    n_heldout: int = field(default=256, kw_only=False)
    """Held-out problems."""
    system_prompt: str | None = SYSTEM_PROMPT
    examples: Sequence[tuple[str, str]] = EXAMPLES
    request: str | None = REQUEST
    validation_batch_size: int = 32
    """Problems that are validated together, which bounds memory."""
    train: Rows | Source | str = field(init=False)
    validation: Rows | Source | str | None = field(init=False)
    prompt_column: str = field(init=False, default="prompt")

    def __post_init__(self) -> None:
        """Make the problems."""
        problems = splits(self.seed, self.n_train, self.n_heldout)
        self.train, self.validation = problems.train, problems.heldout
        super().__post_init__()


def learned(before: Evaluation, after: Evaluation) -> str:
    """Return in a sentence how often the operation was chosen right, and how often it was then worked out right.

    Args:
        before: Measured with ``accuracy`` and ``setup``, the shares of `RightEquation` and `EquationSetup`.
        after: Likewise, on the same problems.
    """
    chosen = [row.share("setup") for row in (before, after)]
    right = [row.share("accuracy") for row in (before, after)]
    worked = [share / of if of else 0.0 for share, of in zip(right, chosen, strict=True)]
    return (
        f"It chose the right operation in {chosen[0]:.0%} of the problems and does in {chosen[1]:.0%} now; of those it "
        f"worked out {worked[0]:.0%} right, and {worked[1]:.0%} now."
    )
