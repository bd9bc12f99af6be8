"""Broken environments, each a plausible slip of the pen, and the check that has to catch it."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from rlframework.environments import Environment, Episode, Observation
from rlframework.turns import Turn

PLANTED: dict[type[Environment], str] = {}
OPTIONS: dict[type[Environment], dict[str, Any]] = {}


def caught_by(check: str, **options: Any) -> Any:
    def register(environment: type[Environment]) -> type[Environment]:
        PLANTED[environment] = check
        OPTIONS[environment] = options
        return environment

    return register


class Guessing(Episode):
    """A healthy game, which the broken ones change in one place: guess a number, told higher or lower."""

    def __init__(self, row: Mapping[str, Any], luck: np.random.Generator) -> None:
        self.secret = row["answer"]
        self.luck = luck
        self.guesses = 0

    def step(self, turn: Turn) -> Observation | None:
        try:
            guess = int(turn.text)
        except ValueError:
            return Observation("Say a number.")
        self.guesses += 1
        if guess == self.secret:
            return Observation("Right.", reward=1.0, done=True)
        return Observation("Higher." if guess < self.secret else "Lower.")


class Game(Environment):
    Playing: type[Episode] = Guessing

    def start(self, row: Mapping[str, Any], luck: np.random.Generator) -> Episode:
        return self.Playing(row, luck)


@caught_by("failures")
class KnowsFewWords(Game):
    """A question that nobody thought of."""

    class Playing(Guessing):
        def step(self, turn: Turn) -> Observation:
            return Observation({"4": "Higher.", "7": "Lower."}[turn.text])


@caught_by("failures")
class KnowsFewRows(Game):
    """A column that not every row has."""

    def start(self, row: Mapping[str, Any], luck: np.random.Generator) -> Episode:
        return Guessing({"answer": row["solution"]}, luck)


@caught_by("observations")
class SaysBytes(Game):
    """What a pipe returns."""

    class Playing(Guessing):
        def step(self, turn: Turn) -> Observation:
            return Observation(b"Higher.")  # type: ignore[arg-type]


@caught_by("observations")
class PaysNothingKnown(Game):
    """A share of nothing."""

    class Playing(Guessing):
        def step(self, turn: Turn) -> Observation:
            return Observation("Next.", reward=float("nan"))


@caught_by("observations")
class ReturnsTheText(Game):
    class Playing(Guessing):
        def step(self, turn: Turn) -> Observation:
            return "Higher."  # type: ignore[return-value]


@caught_by("size")
class PrintsAll(Game):
    """A tool that prints a whole file."""

    class Playing(Guessing):
        def step(self, turn: Turn) -> Observation:
            return Observation("a line of a file\n" * 2**16)


@caught_by("hostile_turns")
class LooksAtTheFirstLetter(Game):
    """There is none in an empty turn."""

    class Playing(Guessing):
        def step(self, turn: Turn) -> Observation | None:
            return None if turn.text[0] == "!" else super().step(turn)


@caught_by("hostile_turns")
class AsksWhetherItIsADigit(Game):
    """The square of two is one, and no number."""

    class Playing(Guessing):
        def step(self, turn: Turn) -> Observation | None:
            return super().step(turn) if not turn.text.isdigit() else Observation(f"{int(turn.text)}?")


@caught_by("determinism")
class RollsItsOwnDice(Game):
    """A generator without a seed."""

    class Playing(Guessing):
        def step(self, turn: Turn) -> Observation:
            return Observation(f"You roll {np.random.default_rng().integers(2**40)}.")


@caught_by("interleaving")
class KeepsTheSecretItself(Game):
    """All rows play for the secret of the last one."""

    def start(self, row: Mapping[str, Any], luck: np.random.Generator) -> Episode:
        self.secret = row["answer"]
        game = self

        class Shared(Guessing):
            def step(self, turn: Turn) -> Observation | None:
                self.secret = game.secret
                return super().step(turn)

        return Shared(row, luck)


@caught_by("interleaving")
class HasOneEpisode(Game):
    """Made once, for the first row."""

    made: Episode | None = None

    def start(self, row: Mapping[str, Any], luck: np.random.Generator) -> Episode:
        self.made = self.made or Guessing(row, luck)
        return self.made


@caught_by("global_random")
class SeedsTheWorld(Game):
    """So that it repeats, and every later draw of the run with it."""

    def start(self, row: Mapping[str, Any], luck: np.random.Generator) -> Episode:
        random.seed(row["answer"])
        np.random.seed(row["answer"])
        return Guessing(row, luck)


@caught_by("mutation")
class UsesUpTheRow(Game):
    """The rows of a group share it."""

    def start(self, row: Mapping[str, Any], luck: np.random.Generator) -> Episode:
        row["lives"] -= 1
        return Guessing(row, luck)


@caught_by("done")
class DoneIsACount(Game):
    """Rounds left are no end."""

    class Playing(Guessing):
        def step(self, turn: Turn) -> Observation:
            self.guesses += 1
            return Observation("Next.", done=5 - self.guesses)  # type: ignore[arg-type]


@caught_by("gold")
class TellsAtOnce(Game):
    """An error message with all that would help."""

    class Playing(Guessing):
        def step(self, turn: Turn) -> Observation | None:
            if not turn.text.isdecimal():
                return Observation(f"Expected {self.secret}, got no number.")
            return super().step(turn)


@caught_by("close")
class LeavesFilesOpen(Game):
    """A log for every episode."""

    class Playing(Guessing):
        logs: list[Any] = []  # noqa: RUF012 - as the slip has it

        def __init__(self, row: Mapping[str, Any], luck: np.random.Generator) -> None:
            super().__init__(row, luck)
            self.logs.append(Path("/dev/null").open("w"))  # noqa: SIM115


@caught_by("close")
class ClosesWhatItNeverOpened(Game):
    """Its thread is made at the first step."""

    class Playing(Guessing):
        thread: threading.Thread | None = None

        def step(self, turn: Turn) -> Observation | None:
            self.thread = threading.Thread(target=int)
            self.thread.start()
            return super().step(turn)

        def close(self) -> None:
            self.thread.join()  # type: ignore[union-attr]


@caught_by("memory", episodes=300)
class RemembersEveryGame(Game):
    """For statistics."""

    def __init__(self) -> None:
        self.games: list[Episode] = []

    def start(self, row: Mapping[str, Any], luck: np.random.Generator) -> Episode:
        self.games.append(Guessing(row, luck))
        return self.games[-1]


@caught_by("time_limit", limit_s=0.05)
class Slow(Game):
    """A page that is fetched."""

    class Playing(Guessing):
        def step(self, turn: Turn) -> Observation | None:
            time.sleep(0.06 if turn.text == "7" else 0.0)
            return super().step(turn)


@caught_by("time_limit", limit_s=0.01)
class Hangs(Game):
    """Waits for what never comes."""

    class Playing(Guessing):
        def step(self, turn: Turn) -> Observation | None:
            if not turn.text:
                threading.Event().wait(20)
            return super().step(turn)
