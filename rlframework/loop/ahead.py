"""Rollouts ahead of learning: which are asked for, from which weights, and what has come of them."""

from __future__ import annotations

import copy
import math
import pickle
import time
import weakref
from collections.abc import Callable, Iterable
from concurrent.futures import Future, wait
from dataclasses import dataclass, field
from typing import Any

import torch
from pytorch_lightning.utilities.rank_zero import rank_zero_info, rank_zero_warn
from transformers import PreTrainedTokenizerBase

from rlframework.completions import Completions
from rlframework.metrics.tally import Tally
from rlframework.prompt import Prompt
from rlframework.rewards.base import Scores
from rlframework.samplers.remote import RemoteSampler, Version
from rlframework.utilities.daemon_threads import DaemonExecutor

# Without scores where the reward judges when the rollout is learned from.
Made = tuple[Completions, Scores | None]
# Seconds that threads have to end, when what they do is of no use any more.
_LAST_MOMENT = 2.0


@dataclass
class Asked:
    """A rollout that was asked for.

    Args:
        step: Number of the rollout.
        weights: Number of the rollout that was begun when its weights were published: it has learned from all before.
        version: Of the weights; None where a resumed run has the rollout already.
        future: Of the completions and, as a rule, their scores.
        seconds: From asking to the end; 0 while it is in flight.
    """

    step: int
    weights: int
    version: Version | None = None
    future: Future[Made] = field(default_factory=Future)
    seconds: float = 0.0

    @property
    def gap(self) -> float | None:
        """Gap between sampler and policy that was found when these weights were published, in nats per token."""
        return None if self.version is None else self.version.gap


class Ahead:
    """The plan of a run whose rollouts are sampled while it learns from earlier ones.

    Rollout ``n`` is sampled from the weights that rollout ``n - k`` was begun with, whatever anybody's speed: the
    weights of a run are a function of its seed, and none is staler than ``k``. Where several versions can be sampled
    from side by side, a rollout is asked for while others are in flight; else all are waited for first.

    Args:
        sampler: Where versions are published.
        side_by_side: Whether several versions can be sampled from at once.
        make: Samples a rollout and as a rule judges it, in a thread: from a version, prompts, number and the rollout
            before it, whose scores come first.

    Attributes:
        wait_seconds: How long the present rollout was waited for.
        publish_seconds: How long its weights took to be published.
        idle_seconds: How long nothing was in flight before the last asking.
    """

    def __init__(
        self,
        sampler: RemoteSampler,
        side_by_side: bool,
        make: Callable[[Version, list[Prompt], int, Future[Made] | None], Made],
    ) -> None:
        self._sampler = sampler
        self._side_by_side = side_by_side
        self._make = make
        self._executor = DaemonExecutor()
        self._asked: dict[int, Asked] = {}
        self._versions: dict[int, Version] = {}
        self._in_flight: set[int] = set()
        # Copies that no thread has at the moment: one takes a large part of a second to make.
        self._tokenizers: list[PreTrainedTokenizerBase] = []
        # Also when the interpreter ends, after an exception: a thread that computes then would abort it.
        self._give_up = weakref.finalize(self, _give_up, sampler, self._in_flight)
        self._ended: float | None = None
        self.wait_seconds = self.publish_seconds = self.idle_seconds = 0.0

    def missing(self, rollouts: Iterable[int]) -> list[int]:
        """Return those of some rollouts, by number, that were not asked for yet."""
        return [step for step in rollouts if step not in self._asked]

    def due(self, rollouts: list[int]) -> bool:
        """Return whether anything has to be published and asked for before the first of these is waited for."""
        missing = self.missing(rollouts)
        return bool(missing) and (self._side_by_side or missing[0] == rollouts[0])

    def publish(self, publish: Callable[[], Version], weights: int) -> None:
        """Publish the present weights; where versions replace each other, nothing may be in flight.

        Args:
            publish: Publishes them.
            weights: Number of the rollout that is begun.
        """
        self.before_others()
        started = time.perf_counter()
        self._versions[weights] = publish()
        self.publish_seconds = time.perf_counter() - started

    def ask(self, step: int, prompts: list[Prompt], weights: int) -> None:
        """Ask for a rollout, from weights that were published.

        Args:
            step: Number of the rollout.
            prompts: Of this rank.
            weights: Number of the rollout that was begun when they were published.
        """
        if self._ended is not None:
            self.idle_seconds, self._ended = time.perf_counter() - self._ended, None
        version, before = self._versions[weights], self._asked.get(step - 1)
        tokenizer = self._tokenizers.pop() if self._tokenizers else copy.deepcopy(version.tokenizer)
        asked = self._asked[step] = Asked(step, weights, version)
        self._in_flight.add(step)
        asked.future = self._executor.submit(self._work, asked, version.with_tokenizer(tokenizer), prompts, before)

    def _work(self, asked: Asked, version: Version, prompts: list[Prompt], before: Asked | None) -> Made:
        """Sample and judge a rollout, in a thread of its own."""
        started = time.perf_counter()
        try:
            return self._make(version, prompts, asked.step, None if before is None else before.future)
        except Exception as error:
            if asked.step not in self._asked:
                raise  # It was given up.
            rank_zero_warn(
                f"Rollout {asked.step}, which is sampled ahead, has failed; the run stops when it comes to it. "
                f"{type(error).__name__}: {error}"
            )
            raise
        finally:
            asked.seconds = time.perf_counter() - started
            self._tokenizers.append(version.tokenizer)
            self._in_flight.discard(asked.step)
            if not self._in_flight:
                self._ended = time.perf_counter()

    def wait(self, step: int) -> Made:
        """Wait for a rollout.

        Raises:
            Exception: What it has failed with.
        """
        future = self._asked[step].future
        if future.done():
            return future.result()
        started = time.perf_counter()
        try:
            return future.result()
        finally:
            self.wait_seconds = time.perf_counter() - started

    def asked(self, step: int) -> Asked:
        """Return what was asked for under a number."""
        return self._asked[step]

    def forget_before(self, step: int) -> None:
        """Forget the rollouts before a number, which were learned from, and release the weights that none needs."""
        self.wait_seconds = self.publish_seconds = self.idle_seconds = 0.0
        self._asked = {number: asked for number, asked in self._asked.items() if number >= step}
        needed = {asked.weights for asked in self._asked.values()}
        for weights in [weights for weights in self._versions if weights not in needed]:
            self._sampler.release(self._versions.pop(weights))

    def settle(self) -> None:
        """Wait for all that is in flight: before weights replace others."""
        wait([asked.future for asked in self._asked.values()])

    def before_others(self) -> None:
        """Wait for what is in flight before other weights are published, if these would replace its own."""
        if not self._side_by_side:
            self.settle()

    def tally(self, tally: Tally, step: int, steps_per_rollout: int) -> None:
        """Add what being ahead has cost, and how old the weights of a rollout were, to the metrics of a step.

        Args:
            tally: The metrics.
            step: Number of the rollout.
            steps_per_rollout: Optimizer steps on a rollout.
        """
        asked = self._asked[step]
        staleness = step - asked.weights
        figures = {
            "staleness": staleness,
            "staleness_steps": staleness * steps_per_rollout,
            "wait_seconds": self.wait_seconds,
            "publish_seconds": self.publish_seconds,
            "sampler_idle_seconds": self.idle_seconds,
            "canary_gap": math.nan if asked.gap is None else asked.gap,
        }
        for name, value in figures.items():
            tally.mean(name, torch.tensor(float(value)))

    def close(self) -> None:
        """Give up what is in flight."""
        self._asked.clear()
        self._give_up()
        while self._versions:
            self._sampler.release(self._versions.popitem()[1])

    def state_dict(self, patience: float) -> list[dict[str, Any]]:
        """Return the rollouts that were asked for and are not learned from, as far as they have come.

        Args:
            patience: Seconds to wait for those in flight; what has not come by then is asked for anew on a resume.
        """
        wait([asked.future for asked in self._asked.values()], timeout=patience)
        return [
            {"step": asked.step, "weights": asked.weights, "made": _pickled(asked)} for asked in self._asked.values()
        ]

    def load_state_dict(self, states: list[list[dict[str, Any]]], rank: int) -> None:
        """Take over the rollouts that `state_dict` returned.

        Args:
            states: Of all ranks: what has not come on one of them is asked for anew on all.
            rank: This one.
        """
        late = sorted({saved["step"] for state in states for saved in state if saved["made"] is None})
        for saved in states[rank]:
            if saved["step"] not in late:
                asked = self._asked[saved["step"]] = Asked(saved["step"], saved["weights"])
                asked.future.set_result(pickle.loads(saved["made"]))  # noqa: S301
        if late:
            rank_zero_info(
                f"Rollouts {', '.join(map(str, late))} had been asked for and had not come when the checkpoint was "
                "saved. They are asked for again, from the weights of the checkpoint: their prompts are the same, but "
                "this run is not to the last bit the one that was stopped. A longer save_patience waits for them."
            )


def _give_up(sampler: RemoteSampler, in_flight: set[int]) -> None:
    """Have nobody wait for what is in flight any more, and give its threads a moment to end."""
    if not in_flight:
        return
    sampler.close()
    until = time.monotonic() + _LAST_MOMENT
    while in_flight and time.monotonic() < until:
        time.sleep(0.01)


def _pickled(asked: Asked) -> bytes | None:
    """Return completions and scores as bytes; None where there are none (yet), or they cannot be pickled."""
    if not asked.future.done() or asked.future.exception() is not None:
        return None
    try:
        return pickle.dumps(asked.future.result())
    except Exception as error:  # What an environment keeps of an episode says itself whether it can be pickled.
        rank_zero_warn(
            f"Rollout {asked.step} is asked for anew after a resume, as it cannot be saved: {type(error).__name__}: "
            f"{error}"
        )
        return None
