"""The environment under test, and how the checks play in it."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from rlframework.environments.base import Environment, Episode, Observation
from rlframework.environments.calls import CallFormat
from rlframework.testing.report import Violation
from rlframework.turns import Turn

MOST_SCRIPTS = 8


class Answer(NamedTuple):
    """A turn of the policy, and what the environment answered.

    Args:
        said: The turn, after the step.
        observation: The answer; None where the policy has ended the episode.
    """

    said: Turn
    observation: Observation | None

    @property
    def last(self) -> bool:
        """Whether the policy is not asked again."""
        return self.observation is None or bool(self.observation.done)


@dataclass
class Subject:
    """An environment, and the rows and turns that it is tried on.

    Args:
        environment: What is checked.
        calls: How a policy writes a call.
        rows: Rows of data.
        turns: What a policy may say.
        gold: Column of the expected answer.
        limit_s: Seconds that one step may take.
        limit_characters: Characters that one text may have.
        episodes: Episodes that are played to see whether memory grows.
        hung: A step that never ended, or ``""``. It goes on in its thread, and no other is begun.
    """

    environment: Environment
    calls: CallFormat | None
    rows: Sequence[Mapping[str, Any]]
    turns: Sequence[str]
    gold: str = "answer"
    limit_s: float = 5.0
    limit_characters: int = 10_000
    episodes: int = 1000
    hung: str = ""

    def scripts(self) -> list[list[str]]:
        """Return the turns in some orders: each comes first once, as far as there are not too many."""
        starts = range(0, len(self.turns), -(-len(self.turns) // MOST_SCRIPTS))
        return [[*self.turns[start:], *self.turns[:start]] for start in starts]

    def plays(self) -> Iterator[tuple[Mapping[str, Any], list[str]]]:
        """Yield every row with every order of the turns."""
        for row in self.rows:
            for script in self.scripts():
                yield row, script

    @contextmanager
    def started(self, row: Mapping[str, Any], luck: int = 0) -> Iterator[Episode]:
        """Enter a context with the episode of a copy of a row; it is closed behind it.

        Args:
            row: The row of data.
            luck: Seed of what happens on the way.
        """
        episode = self.begin(copy.deepcopy(dict(row)), luck)
        try:
            yield episode
        finally:
            episode.close()

    def begin(self, row: Mapping[str, Any], luck: int = 0) -> Episode:
        """Return the episode of a row itself, to be closed by who asked.

        Raises:
            Violation: `Environment.start` returned something else, or a step before never ended.
        """
        if self.hung:
            raise Violation(f"not tried, as {self.hung}", "let every step end; see time_limit")
        episode = self.environment.start(row, np.random.default_rng([luck, 0]))
        if not isinstance(episode, Episode):
            raise Violation(
                f"start() returned {episode!r:.80} ({type(episode).__name__})",
                "return an Episode: a class with step(turn), made for this row",
            )
        return episode

    def step(self, episode: Episode, text: str) -> Answer:
        """Say a turn, with its calls read as a sampler does.

        Raises:
            Violation: `Episode.step` returned neither an Observation nor None.
        """
        turn = Turn(0, len(text), "policy", text, self.calls.calls(text) if self.calls else [])
        observation = episode.step(turn)
        if not (observation is None or isinstance(observation, Observation)):
            raise Violation(
                f"on {shown(text)} step() returned {shown(observation)}",
                "return an Observation, or None where the policy has ended the episode",
            )
        return Answer(turn, observation)

    def answers(self, episode: Episode, script: Sequence[str]) -> list[Answer]:
        """Say one turn after another, until the episode is over."""
        answers: list[Answer] = []
        for text in script:
            answers.append(self.step(episode, text))
            if answers[-1].last:
                break
        return answers

    def play(self, row: Mapping[str, Any], script: Sequence[str], luck: int = 0) -> list[Answer]:
        """Return what an episode answers to some turns, from its start to its end.

        Args:
            row: The row of data.
            script: The turns, as long as it goes on.
            luck: Seed of what happens on the way.
        """
        with self.started(row, luck) as episode:
            return self.answers(episode, script)

    def play_hostile(self, row: Mapping[str, Any], text: str) -> list[Answer]:
        """Return what is answered to one hostile turn, and nothing where it raises: another check says so.

        Args:
            row: The row of data.
            text: The turn.
        """
        try:
            return self.play(row, [text])
        except Violation:
            raise
        except Exception:
            return []


def in_words(observation: Observation | None) -> str:
    """Return an answer in a few words, for a finding.

    Example:
        >>> in_words(Observation("Higher.", reward=0.5)), in_words(None)
        ("'Higher.' (reward 0.5)", 'the end')
    """
    if observation is None:
        return "the end"
    paid = f" (reward {observation.reward:g})" if observation.reward else ""
    return (
        f"{' and '.join(shown(text) for text in observation.texts)}{paid}{' and the end' if observation.done else ''}"
    )


def shown(text: object, characters: int = 60) -> str:
    """Return a text as Python writes it, without the rest of a long one.

    Example:
        >>> shown("a" * 100, characters=3)
        "'aaa...' (100 characters)"
    """
    if not isinstance(text, str):
        return f"{text!r:.60} ({type(text).__name__})"
    return ascii(text) if len(text) <= characters else f"{text[:characters] + '...'!a} ({len(text):,} characters)"


def first_difference(one: Sequence[Answer], other: Sequence[Answer]) -> str:
    """Return the first turn that two episodes answer differently, in words; ``""`` if there is none.

    Args:
        one: Answers of one episode.
        other: Answers of another one to the same turns.
    """
    for number, (here, there) in enumerate(zip(one, other, strict=False)):
        if here.observation != there.observation:
            answers = f"{in_words(here.observation)} and then {in_words(there.observation)}"
            return f"turn {number + 1}, {shown(here.said.text)}, is answered {answers}"
    return ""
