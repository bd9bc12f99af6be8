"""Data loader of rollouts: a sized, lazy, resumable stream of minibatches; a rollout is made when it is needed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np

from rlframework.prompt import Prompt
from rlframework.rollout import Rollout
from rlframework.utilities.distributed import all_gather_object


class Upcoming(NamedTuple):
    """A rollout that comes if the run goes on for so long.

    Args:
        step: Its number.
        epoch: Of the run.
        minibatches: How many of its minibatches the epoch has room for, over all passes.
        prompts: Of this rank.
    """

    step: int
    epoch: int
    minibatches: int
    prompts: list[Prompt]


class RolloutSource(Protocol):
    """Maker of rollouts for a `RolloutLoader`: an algorithm under its Trainer."""

    @property
    def current_epoch(self) -> int:
        """Epoch of the run."""

    @property
    def epoch_of_prompts(self) -> int:
        """Epoch of the present stream: the order of its prompts is a function of it."""

    @property
    def minibatches_per_step(self) -> int:
        """Minibatches that an optimizer step takes."""

    @property
    def minibatches_per_epoch(self) -> float:
        """Minibatches after which Lightning ends an epoch, if the prompts last for as many."""

    @property
    def minibatches_done(self) -> int | None:
        """Minibatches of the present epoch that a checkpoint taken now counts as done; None between two epochs."""

    def begin_step(self, done: int) -> None:
        """Take down the state to which a checkpoint goes back from here on.

        Args:
            done: Minibatches of the epoch that are done.
        """

    def begin_minibatch(self, done: int) -> None:
        """Take down which validations came before the minibatch that is handed out now.

        Args:
            done: Minibatches of the epoch that are done.
        """

    def expect(self, upcoming: Iterator[Upcoming]) -> None:
        """Take notice of the rollout that is collected next, and of those after it; called right before `collect`.

        Args:
            upcoming: In their order, without an end.
        """

    def collect(self, prompts: list[Prompt], step: int) -> Rollout:
        """Make the rollout of this number from this rank's prompts, its rows in the order of the minibatches.

        Args:
            prompts: Prompts of this rank.
            step: Number of the rollout.
        """

    def prepare_step(self, minibatches: list[Rollout]) -> list[Rollout]:
        """Return the minibatches to use in place of those of an optimizer step; called right before it."""


class KeepsPrecision:
    """A minibatch that Lightning can move to a device, and do nothing else to.

    Under half precision Lightning converts every float it finds in a batch, dataclasses included. Log-probabilities,
    advantages and weights have to stay in single precision: bfloat16 rounds a log-probability of -12 by up to 0.03.
    """

    def __init__(self, minibatch: Rollout) -> None:
        self._minibatch = minibatch

    def to(self, *args: Any, **kwargs: Any) -> Rollout:
        """Return the rollout on the device; its dtypes stay.

        Args:
            *args: Of ``Tensor.to``, such as the device.
            **kwargs: Of ``Tensor.to``, such as ``non_blocking``.
        """
        return self._minibatch.to(*args, **kwargs)


class RolloutLoader:
    """Yields the minibatches of rollout after rollout over shuffled prompts.

    It is sized, so that Lightning never fetches ahead: a prefetching loop would make the next rollout before the last
    update on this one, with weights that are a step old. It is lazy, so that each rollout is made with the newest
    weights. It is stateful, so that a run which stopped inside a rollout goes on inside it.

    The prompts of an epoch come in an order that is a function of (seed, epoch). Prompts that do not fill a whole
    rollout are left out of that epoch; the next epoch's order leaves out others.

    Args:
        prompts: All training prompts, the same on every rank.
        source: Makes the rollouts.
        prompts_per_rollout: Prompts in a rollout over all ranks.
        minibatches: Parts of whole groups that a rollout is cut into.
        passes: How often the minibatches of one rollout are yielded.
        seed: Seed of the order.
        rank: This rank among the data-parallel replicas.
        replicas: Number of data-parallel replicas.

    Attributes:
        working: Whether the next minibatch is being made.

    Raises:
        ValueError: No prompts, fewer than one rollout takes, or a rollout that the ranks and minibatches do not divide.
    """

    def __init__(
        self,
        prompts: Sequence[Prompt],
        source: RolloutSource,
        prompts_per_rollout: int,
        minibatches: int = 1,
        passes: int = 1,
        seed: int = 0,
        rank: int = 0,
        replicas: int = 1,
    ) -> None:
        _check_sizes(len(prompts), prompts_per_rollout, minibatches, passes, replicas)
        self.prompts = prompts
        self.source = source
        self.prompts_per_rollout = prompts_per_rollout
        self.minibatches = minibatches
        self.passes = passes
        self.seed = seed
        self.rank = rank
        self.replicas = replicas
        self.working = False
        self._epoch = -1
        self._position = 0
        self._number = -1
        self._buffer: list[Rollout] = []
        self._resumed = False
        self._orders: dict[int, np.ndarray] = {}

    @property
    def rollouts_per_epoch(self) -> int:
        """Whole rollouts in one pass over the prompts."""
        return len(self.prompts) // self.prompts_per_rollout

    @property
    def batches_per_rollout(self) -> int:
        """Minibatches that one rollout yields, over all its passes."""
        return self.minibatches * self.passes

    @property
    def inside_rollout(self) -> bool:
        """Whether a rollout is in hand."""
        return bool(self._buffer)

    def __len__(self) -> int:
        return self.rollouts_per_epoch * self.batches_per_rollout

    def __iter__(self) -> Iterator[KeepsPrecision]:
        # A generator: nothing happens when Lightning calls iter() only to look. And the position is reset here and
        # not after the loop, since Lightning stops at len() and never asks for the StopIteration.
        self._begin_epoch()
        step: list[Rollout] = []
        # Lightning counts to its limit, but not in the rest of an epoch that nothing is left of.
        while self._position < self._minibatches_per_epoch:
            number, part = divmod(self._position, self.batches_per_rollout)
            per_step = self.source.minibatches_per_step
            part, inside = part % self.minibatches, part % per_step
            if inside == 0:
                self._begin_step()
                if number != self._number or not self._buffer:
                    self._buffer, self._number = [], number
                    self._buffer = self._collect(number)
                    self._begin_step()
            if inside == 0 or not step:
                step = self.source.prepare_step(self._buffer[part - inside : part - inside + per_step])
            self.source.begin_minibatch(self._position)
            self._position += 1
            self.working = False
            yield KeepsPrecision(step[inside])

    def _begin_step(self) -> None:
        self.source.begin_step(self._position)
        self.working = True

    def _begin_epoch(self) -> None:
        epoch = self.source.current_epoch
        if not (self._resumed and epoch == self._epoch):
            self._position, self._buffer = 0, []
        self._epoch = epoch
        self._resumed = self.working = False

    @property
    def _minibatches_per_epoch(self) -> float:
        return min(len(self), self.source.minibatches_per_epoch)

    def _collect(self, number: int) -> list[Rollout]:
        self.source.expect(self._upcoming(number))
        prompts = self.prompts_of(self.source.epoch_of_prompts, number)
        return self.source.collect(prompts, self._step(self._epoch, number)).split(self.minibatches)

    def _step(self, epoch: int, number: int) -> int:
        return epoch * self.rollouts_per_epoch + number

    def prompts_of(self, epoch: int, number: int) -> list[Prompt]:
        """Return this rank's prompts of a rollout; override it to choose others.

        Args:
            epoch: As of ``epoch_of_prompts``.
            number: Of the rollout in the epoch.
        """
        if epoch not in self._orders:
            order = np.random.default_rng((self.seed, epoch)).permutation(len(self.prompts))
            # An epoch that is behind is not asked for again.
            self._orders = {known: of for known, of in self._orders.items() if known >= epoch - 1} | {epoch: order}
        start = number * self.prompts_per_rollout
        chosen = self._orders[epoch][start : start + self.prompts_per_rollout]
        # Each rank takes its share of every minibatch: an optimizer step holds the same prompts on any number of ranks.
        shares = chosen.reshape(self.minibatches, self.replicas, -1)
        return [self.prompts[i] for i in shares[:, self.rank].ravel()]

    def _upcoming(self, number: int) -> Iterator[Upcoming]:
        """Yield the rollouts from a number of this epoch on, epoch after epoch."""
        epoch = self._epoch
        while True:
            left = int(self._minibatches_per_epoch) - number * self.batches_per_rollout
            if left <= 0:
                epoch, number = epoch + 1, 0
                continue
            prompts = self.prompts_of(epoch, number)
            yield Upcoming(self._step(epoch, number), epoch, min(left, self.batches_per_rollout), prompts)
            number += 1

    def state_dict(self) -> dict[str, Any]:
        """Return epoch, position and the rollout in hand, of every replica. Lightning puts it in the checkpoint."""
        done = self.source.minibatches_done
        held = done is not None and done // self.batches_per_rollout == self._number
        buffer = [minibatch.to("cpu").state_dict() for minibatch in self._buffer] if held else []
        return {
            "epoch": self._epoch,
            "position": done or 0,
            "buffers": all_gather_object(buffer),
            "stream": self._stream(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue where `state_dict` was taken.

        Raises:
            ValueError: The run that was saved had other sizes or another seed, or stopped inside a rollout on another
                number of ranks.
        """
        saved = state["stream"]
        changed = [f"{name}={saved[name]} is now {now}" for name, now in self._stream().items() if saved[name] != now]
        if changed:
            raise ValueError(
                f"the checkpoint lies in another stream of minibatches: {', '.join(changed)}; resume with the values "
                "that it was made with"
            )
        buffers = state["buffers"]
        if len(buffers) != self.replicas and buffers[0]:
            raise ValueError(
                f"the checkpoint lies inside a rollout of {len(buffers)} ranks and this run has {self.replicas}; "
                "resume on as many, or from a checkpoint between two rollouts"
            )
        self._epoch = state["epoch"]
        self._position = state["position"]
        self._number = self._position // self.batches_per_rollout
        self._buffer = [Rollout.from_state_dict(part) for part in buffers[self.rank]] if buffers[0] else []
        self._resumed = True

    def _stream(self) -> dict[str, int]:
        """Return the settings that determine the stream of minibatches; a position means nothing in another one."""
        return {
            "prompts": len(self.prompts),
            "prompts_per_rollout": self.prompts_per_rollout,
            "minibatches": self.minibatches,
            "passes": self.passes,
            "seed": self.seed,
        }


def _check_sizes(prompts: int, per_rollout: int, minibatches: int, passes: int, replicas: int) -> None:
    if min(per_rollout, minibatches, passes) < 1:
        raise ValueError(
            f"prompts_per_rollout={per_rollout}, minibatches={minibatches} and passes={passes} must each be at least 1"
        )
    if prompts == 0:
        raise ValueError("there are no training prompts")
    if prompts < per_rollout:
        raise ValueError(f"{prompts} prompts do not fill one rollout of prompts_per_rollout={per_rollout}")
    if per_rollout % (replicas * minibatches):
        raise ValueError(
            f"prompts_per_rollout={per_rollout} must be a multiple of {replicas * minibatches} "
            f"({replicas} ranks x {minibatches} minibatches), so that every minibatch holds as many whole groups"
        )
