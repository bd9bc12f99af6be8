"""One-step word problems for a real model: choose the operation, then add or subtract."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from random import Random

from rlframework.data.module import PromptDataModule
from rlframework.evaluation import Evaluation
from rlframework.tasks.tiny_task import Row, Splits

SMALLEST, LARGEST = 2, 20
MAX_TOKENS = 14

SYSTEM_PROMPT = "Answer with one equation."
REQUEST = "Write it as an equation:"
EXAMPLES = [
    ("Lisa has 6 stamps and gets 12 more. How many stamps does Lisa have now?", "6 + 12 = 18"),
    ("Omar has 15 stamps and gives away 4. How many stamps does Omar have left?", "15 - 4 = 11"),
]


@dataclass(frozen=True)
class Wording:
    """One way to ask.

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

_HELD_OUT_PAIRS = 64


def pairs() -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    """Return the pairs of summands that are trained on, and those that are held out; the same for every seed.

    A pair stands for its triple: with 17 and 20 held out, no sum and no difference of 17, 20 and 37 is trained on.

    Example:
        >>> trained, held_out = pairs()
        >>> len(trained), len(held_out), {tuple(sorted(pair)) for pair in trained} & set(held_out)
        (126, 64, set())
    """
    every = [(a, b) for a in range(SMALLEST, LARGEST + 1) for b in range(a, LARGEST + 1)]
    Random(20_251_128).shuffle(every)
    return every[_HELD_OUT_PAIRS:], every[:_HELD_OUT_PAIRS]


def splits(seed: int, n_train: int = 320, n_heldout: int = 256) -> Splits:
    """Return training problems of this seed, and the held-out ones, which are the same for every seed.

    A held-out problem has a triple of numbers that no training problem has. Its column ``wording`` says whether it is
    asked in a ``"trained"`` wording or in a ``"new"`` one; there are as many of each, and of sums and differences.

    Raises:
        ValueError: More held-out problems than there are.

    Example:
        >>> problems = splits(0, n_train=320, n_heldout=4)
        >>> problems.train[0]["prompt"]
        'David needs 25 apples and has 11. How many more apples does David need?'
        >>> [(row["sign"], row["answer"], row["wording"]) for row in problems.heldout]
        [('+', '10', 'trained'), ('-', '7', 'trained'), ('+', '10', 'new'), ('-', '3', 'new')]
    """
    trained, held_out = pairs()
    most = 4 * len(held_out)
    if n_heldout > most:
        raise ValueError(f"there are {most} held-out problems, {len(held_out)} triples by 4, but n_heldout={n_heldout}")
    return Splits(list(islice(_training(trained, Random(seed)), n_train)), list(islice(_heldout(held_out), n_heldout)))


def _training(trained: list[tuple[int, int]], random: Random) -> Iterator[Row]:
    while True:
        # A new order each time, so that every pair comes up before one comes up again.
        for pair in random.sample(trained, len(trained)):
            yield _problem(random.choice(TRAINED), pair, random) | {"wording": "trained"}


def _heldout(held_out: list[tuple[int, int]]) -> Iterator[Row]:
    random = Random(20_251_129)
    for pair in held_out:
        for kind, wordings in (("trained", TRAINED), ("new", NEW)):
            for sign in "+-":
                wording = random.choice([wording for wording in wordings if wording.sign == sign])
                yield _problem(wording, pair, random) | {"wording": kind}


def _problem(wording: Wording, pair: tuple[int, int], random: Random) -> Row:
    first, second = random.sample(pair, 2)
    a, b, answer = (first, second, first + second) if wording.sign == "+" else (first + second, second, first)
    text = wording.text.format(a=a, b=b, name=random.choice(NAMES), things=random.choice(THINGS))
    return {"prompt": text, "answer": str(answer), "sign": wording.sign}


class WordProblemsData(PromptDataModule):
    """Word problems behind two worked examples, as a datamodule of a few numbers for a YAML file to name.

    Args:
        seed: Of the training problems; the held-out ones are the same for every seed.
        n_train: Training problems.
        n_heldout: Held-out problems.
        validation_batch_size: Problems that are validated together, which bounds memory.
    """

    def __init__(
        self, seed: int = 0, n_train: int = 320, n_heldout: int = 256, validation_batch_size: int = 32
    ) -> None:
        problems = splits(seed, n_train, n_heldout)
        super().__init__(
            problems.train,
            problems.heldout,
            system_prompt=SYSTEM_PROMPT,
            examples=EXAMPLES,
            request=REQUEST,
            validation_batch_size=validation_batch_size,
        )


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
