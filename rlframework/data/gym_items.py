"""Items of reasoning-gym as a function of seed and index: the same in any order, process and number."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from hashlib import blake2b
from random import Random
from typing import Any

from rlframework.data.heldout import Row, is_held_out
from rlframework.utilities.imports import require

MAX_TRIES = 1000

_SET_ORDER = "its items follow the order of sets, which differs from process to process"
_LAID_OUT = "its items are laid out for a data set of a given size, so that they depend on it"

# Found by making the same items of every task of version 0.1.25 in another order, in processes of other hash seeds, and
# from data sets of other sizes.
UNREPRODUCIBLE: Mapping[str, str] = {
    "isomorphic_strings": _SET_ORDER,
    "knight_swap": _SET_ORDER,
    "polynomial_multiplication": _SET_ORDER,
    "ransom_note": _SET_ORDER,
    "acre": _LAID_OUT,
    "gsm_symbolic": _LAID_OUT,
    "list_functions": _LAID_OUT,
    "word_ladder": _LAID_OUT,
    "codeio": "some of its programs give another result each time they run",
    "pool_matrix": "it takes seeds below 2**32 only, too few to hash into",
    "composite": "it is a mixture; name its tasks",
}


class GymItems:
    """Endless items of one task or of a mixture, of which a share is held out by the text of the question.

    An item is a function of the seed, its side and its index. Its place in the task's own stream is a hash of these, so
    that streams of other seeds do not overlap by a shift; and if its question belongs to the other side, the next
    hash is tried. The same question is therefore never on both sides, with any seed.

    Args:
        tasks: Weight of each task in the mixture.
        configs: For each task that needs it, the arguments of its data set, but for ``seed`` and ``size``.
        seed: Of the items.
        heldout_share: Share of the questions that are held out.

    Raises:
        ImportError: reasoning-gym is not installed.
        ValueError: A task that reasoning-gym does not have, one whose items are no function of seed and index, or a
            weight that is not positive.

    Example:
        >>> items = GymItems({"chain_sum": 1.0}, seed=3)
        >>> item = items.item(7)
        >>> sorted(item), item == GymItems({"chain_sum": 1.0}, seed=3).item(7) != items.item(8)
        (['answer', 'entry', 'prompt', 'task'], True)
    """

    def __init__(
        self,
        tasks: Mapping[str, float],
        configs: Mapping[str, Mapping[str, Any]] | None = None,
        seed: int = 0,
        heldout_share: float = 0.1,
    ) -> None:
        if not tasks or min(tasks.values()) <= 0:
            raise ValueError(f"tasks={dict(tasks)}: name at least one task, each with a weight above 0")
        self.tasks = dict(tasks)
        self.seed = seed
        self.heldout_share = heldout_share
        self._streams = {task: _stream(task, dict((configs or {}).get(task, {}))) for task in self.tasks}

    def item(self, index: int, held_out: bool = False) -> Row:
        """Return the item as a row: ``prompt``, ``answer``, ``task`` and ``entry``, the whole item as it was made.

        Args:
            index: Number of the item on its side.
            held_out: Of the held-out side, not of the training side.

        Raises:
            ValueError: No question of this side was found.
        """
        [task] = Random(self._hash("task", index, held_out)).choices(list(self.tasks), list(self.tasks.values()))
        for attempt in range(MAX_TRIES):
            entry = dict(self._streams[task](self._hash(task, index, held_out, attempt)))
            # Not of the run's seed, so that a held-out question of one run is no training question of another.
            if is_held_out(entry["question"], self.heldout_share) is held_out:
                return {"prompt": entry["question"], "answer": entry["answer"], "task": task, "entry": entry}
        side = "held-out" if held_out else "training"
        raise ValueError(
            f"{MAX_TRIES} items of {task} have no {side} question among them: it has too few different questions for "
            f"heldout_share={self.heldout_share}; make the task larger by its config, or change the share"
        )

    def _hash(self, *parts: Any) -> int:
        text = repr((self.seed, *parts))
        return int.from_bytes(blake2b(text.encode(), digest_size=8).digest()) >> 2


class GymRows(Sequence[Row]):
    """A view of some items as rows, made when they are read.

    Args:
        items: The items to view.
        length: Number of rows.
        held_out: Of the held-out side, not of the training side.
        first: Returns the index of the first of them.
    """

    def __init__(
        self, items: GymItems, length: int, held_out: bool = False, first: Callable[[], int] = lambda: 0
    ) -> None:
        self.items = items
        self.length = length
        self.held_out = held_out
        self.first = first

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, place: Any) -> Any:
        if isinstance(place, slice):
            return [self[i] for i in range(*place.indices(self.length))]
        return self.items.item(self.index(place), self.held_out)

    def index(self, place: int, *_: Any) -> int:
        """Return the index of the item at a place of the view."""
        if not -self.length <= place < self.length:
            raise IndexError(f"place {place} of {self.length} rows")
        return self.first() + place % self.length


def _stream(task: str, config: Mapping[str, Any]) -> Callable[[int], Mapping[str, Any]]:
    """Return the items of a task by their place in an endless stream."""
    if task in UNREPRODUCIBLE:
        raise ValueError(f"{task} is refused: {UNREPRODUCIBLE[task]}")
    owned = {"seed", "size"} & config.keys()
    if owned:
        raise ValueError(f"the config of {task} sets {', '.join(sorted(owned))}, which the data module does itself")
    gym = require("reasoning_gym", "logic")
    factory = require("reasoning_gym.factory", "logic")
    if task not in factory.DATASETS:
        raise ValueError(f"reasoning-gym has no task {task!r}; it has: {', '.join(sorted(factory.DATASETS))}")
    stream: Callable[[int], Mapping[str, Any]] = gym.create_dataset(task, seed=0, size=2**62, **config).__getitem__
    return stream
