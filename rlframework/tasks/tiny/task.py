"""What a task has to bring for a tiny base to be made that can do it, and how it deals its problems."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from random import Random
from typing import NamedTuple, Protocol

from rlframework.rewards.template import AnswerTemplate

Row = dict[str, str]


class Care(NamedTuple):
    """How careless demonstrations are, in shares; by default as careless as a corpus may be that taught only a layout.

    Args:
        blurted: Of all demonstrations, those that answer after an empty working.
        right: Of the blurted answers, those that are right.
        slips: Of the steps of a working, those that go wrong.
    """

    blurted: float = 0.7
    right: float = 0.3
    slips: float = 0.05


CARELESS = Care()


class TinyTask(Protocol):
    """A module of one task, such as `chain_sums`. Its problems are rows with at least ``prompt`` and ``answer``.

    The prompt ends with ``=?`` and the working holds a ``=``: the tags are placed beside these signs when the base is
    primed, and the share of samples that show their working is counted by them.
    """

    __name__: str
    __file__: str | None
    CHARACTERS: str
    MAX_TOKENS: int

    def random_problem(self, random: Random) -> Row:
        """Draw one problem."""

    def problems(self, n: int, seed: int, exclude: Iterable[str] = ()) -> list[Row]:
        """Return ``n`` distinct problems."""

    def reserved_prompts(self) -> tuple[str, ...]:
        """Return the prompts that are kept for evaluation, and that no base is trained on."""

    def splits(self, seed: int, n_train: int = 1024, n_heldout: int = 256) -> Splits:
        """Return a training pool for this seed and the held-out problems."""

    def worked(self, row: Row) -> str:
        """Return the right working of a problem."""

    def sloppy_demonstration(
        self, row: Row, random: Random, template: AnswerTemplate | None = None, care: Care = CARELESS
    ) -> str:
        """Return a completion in the layout asked for, as careless as ``care`` says."""


class Splits(NamedTuple):
    """A training pool and the held-out problems."""

    train: list[Row]
    heldout: list[Row]


class ProblemSet:
    """Deals the problems of a task, and keeps some of them for evaluation.

    The reserve is one for every seed, so that no base model and no training pool has ever seen a held-out problem, and
    results of different seeds are scores on the same test.

    Args:
        draw: Makes one problem.
        reserve_seed: Of the problems that are kept for evaluation.
        reserve_size: How many those are.
        told_by: Column that tells problems apart.

    Example:
        >>> sums = ProblemSet(lambda random: {"prompt": f"{random.randint(0, 99)}+1=?"}, 7, reserve_size=20)
        >>> first, second = sums.splits(0, n_train=30, n_heldout=10), sums.splits(1, n_train=30, n_heldout=10)
        >>> first.heldout == second.heldout, first.train == second.train
        (True, False)
    """

    def __init__(
        self, draw: Callable[[Random], Row], reserve_seed: int, reserve_size: int = 512, told_by: str = "prompt"
    ) -> None:
        self.draw = draw
        self.reserve_seed = reserve_seed
        self.reserve_size = reserve_size
        self.told_by = told_by
        self._reserved: tuple[str, ...] = ()

    def problems(self, n: int, seed: int, exclude: Iterable[str] = ()) -> list[Row]:
        """Return ``n`` distinct problems; a larger ``n`` with the same seed begins with the same problems.

        Args:
            n: How many problems.
            seed: Which problems.
            exclude: Prompts, or what tells problems apart, that must not occur.

        Raises:
            ValueError: Not enough distinct problems were found.
        """
        random, seen = Random(seed), set(exclude)
        rows: list[Row] = []
        for _ in range(50 * n):
            if len(rows) == n:
                break
            row = self.draw(random)
            if row[self.told_by] not in seen:
                seen.add(row[self.told_by])
                rows.append(row)
        if len(rows) < n:
            raise ValueError(f"found only {len(rows)} distinct problems in {50 * n} draws, but {n} were asked for")
        return rows

    def reserved_prompts(self) -> tuple[str, ...]:
        """Return the prompts, or what tells problems apart, that are kept for evaluation, the held-out ones first."""
        if not self._reserved:
            self._reserved = tuple(row[self.told_by] for row in self.problems(self.reserve_size, self.reserve_seed))
        return self._reserved

    def splits(self, seed: int, n_train: int = 1024, n_heldout: int = 256) -> Splits:
        """Return a training pool for this seed and the held-out problems, which are the same for every seed.

        Raises:
            ValueError: More held-out problems were asked for than are kept out of the base model's data.
        """
        if n_heldout > self.reserve_size:
            raise ValueError(f"only {self.reserve_size} problems are kept for evaluation, but n_heldout={n_heldout}")
        train = self.problems(n_train, seed, exclude=self.reserved_prompts())
        return Splits(train, self.problems(n_heldout, self.reserve_seed))


def break_a_tag(working: str, answer: str, random: Random, template: AnswerTemplate, share: float = 0.25) -> str:
    """Return a completion in the layout asked for, of which a share, one in four by default, misses a tag."""
    tags = [template.end_working, template.start_answer, template.end_answer]
    if random.random() < share:
        tags[random.randrange(len(tags))] = ""
    end_working, start_answer, end_answer = tags
    return f"{working}{end_working}{start_answer}{answer}{end_answer}"
