"""Golds in what an environment says: an answer that is told needs no policy."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from rlframework.testing.environments.hostile import hostile_turns
from rlframework.testing.environments.subject import Answer, Subject, shown
from rlframework.testing.report import Violation


def gold(subject: Subject) -> str:
    """Nobody is told the gold for saying nothing; which answers hold it verbatim is said."""
    rows = [row for row in subject.rows if str(row.get(subject.gold, "")).strip()]
    if len({str(row[subject.gold]) for row in rows}) < 2:
        return f"not tried: fewer than two rows have different golds in the column {subject.gold!r}"
    hostile = [text for text in hostile_turns("?").values() if len(text) < subject.limit_characters]
    if leak := _leak(subject, rows, [[subject.play_hostile(row, text) for row in rows] for text in hostile]):
        raise Violation(
            f"the answer to {leak} holds the gold",
            "do not say the expected answer to a turn that did not earn it: the policy reads it and repeats it",
        )
    leak = _leak(subject, rows, [[subject.play(row, script) for row in rows] for script in subject.scripts()])
    return f"the answer to {leak} holds it; a policy is paid for asking so" if leak else "no answer holds it verbatim"


def _leak(subject: Subject, rows: Sequence[Mapping[str, Any]], plays: Sequence[Sequence[Sequence[Answer]]]) -> str:
    """Return the first turn whose answer holds the gold of each of two rows, and not of the other one.

    A text such as "a number from 1 to 9" holds the gold of some rows by chance, and says the same in all of them.
    """
    golds = [str(row[subject.gold]).strip() for row in rows]
    for episodes in plays:
        heard = list(zip(golds, episodes, strict=True))
        told = [(own, _telling(own, answers)) for own, answers in heard]
        for own, turn in told:
            others = [answers for other, answers in heard if other != own]
            if turn and not any(_telling(own, answers) for answers in others):
                count = sum(bool(turn) for _, turn in told)
                return f"{turn} ({count} of {len(rows)} rows)"
    return ""


def _telling(gold: str, answers: Sequence[Answer]) -> str:
    """Return the turn whose answer tells a gold to a policy that goes on and has not said it itself."""
    word = re.compile(rf"(?<!\w){re.escape(gold)}(?!\w)")
    for said, observation in answers:
        if word.search(said.text):
            return ""
        if observation is not None and not observation.done and word.search("\n".join(map(str, observation.texts))):
            return shown(said.text)
    return ""
