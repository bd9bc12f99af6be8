"""Independence of an episode from chance, from other episodes, and of the run from its random numbers."""

from __future__ import annotations

import copy
import warnings

from rlframework.testing.environments.subject import Answer, Subject, first_difference
from rlframework.testing.report import Violation
from rlframework.utilities.random_fence import RandomFence


def determinism(subject: Subject) -> str:
    """The same row, luck and turns get the same answers again."""
    count = moved = 0
    for row, script in subject.plays():
        one = subject.play(row, script)
        for _ in range(2):
            if apart := first_difference(one, subject.play(row, script)):
                raise Violation(
                    f"played again, {apart}",
                    "draw from luck, which start() gets; the clock, unseeded generators, hash() of a text and what "
                    "earlier episodes left behind are other each time, so that no run can be repeated or resumed",
                )
        count += 1
        moved += bool(first_difference(one, subject.play(row, script, luck=1)))
    return f"{count} episodes are the same three times; with other luck {moved} of them differ"


def interleaving(subject: Subject) -> str:
    """Episodes that go on at the same time do not meet, those of one row among them."""
    scripts = subject.scripts()
    plays = [
        (row, scripts[(number + mate) % len(scripts)]) for number, row in enumerate(subject.rows) for mate in (0, 1)
    ]
    alone = [subject.play(row, script) for row, script in plays]
    episodes = []
    together: list[list[Answer]] = [[] for _ in plays]
    try:
        for row, _ in plays:
            episodes.append(subject.begin(copy.deepcopy(dict(row))))
        if len({id(episode) for episode in episodes}) < len(episodes):
            raise Violation("start() returned the same Episode for two rows", _OWN)
        for place in range(len(scripts[0])):
            for (_, script), episode, answers in zip(plays, episodes, together, strict=True):
                if place < len(script) and not (answers and answers[-1].last):
                    answers.append(subject.step(episode, script[place]))
    finally:
        for episode in episodes:
            episode.close()
    for one, other in zip(alone, together, strict=True):
        if apart := first_difference(one, other):
            raise Violation(f"alone, and among {len(plays)} episodes at once, {apart}", _OWN)
    return f"{len(plays)} episodes of {len(subject.rows)} rows at once are as each alone"


_OWN = (
    "keep what belongs to an episode on the Episode, which start() makes for its row, and nothing on the Environment, "
    "on a class, or in a simulator that two episodes share"
)


def global_random(subject: Subject) -> str:
    """It leaves the global random numbers of Python, NumPy and torch alone."""
    fence = RandomFence(type(subject.environment).__name__)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for row, script in subject.plays():
            with fence:
                subject.play(row, script)
            if fence.moved:
                raise Violation(
                    f"it used the global random numbers of {' and '.join(fence.moved)}",
                    "draw from luck, which start() gets, and leave random.seed() alone: the run draws from the same "
                    "numbers. A simulator of others: StepEnvironment(uses_global_random=True)",
                )
    return "those of Python, NumPy and torch are as before"
