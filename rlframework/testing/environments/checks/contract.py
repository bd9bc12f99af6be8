"""The contract of an environment: answers that are text with a finite reward, and rows that stay as they are."""

from __future__ import annotations

import copy
import math
import numbers
from itertools import chain

import numpy as np

from rlframework.testing.environments.hostile import hostile_turns
from rlframework.testing.environments.subject import Answer, Subject, in_words, shown
from rlframework.testing.report import Violation
from rlframework.utilities.errors import described


def failures(subject: Subject) -> str:
    """None of the given turns makes it raise."""
    steps = 0
    for row, script in subject.plays():
        said = ""
        try:
            with subject.started(row) as episode:
                for text in script:
                    said = f"on {shown(text)}"
                    steps += 1
                    if subject.step(episode, text).last:
                        break
        except Violation:
            raise
        except Exception as error:
            if not said:
                raise Violation(
                    f"start({dict(row)!r:.80}) raised {described(error)}",
                    "begin an episode of every row of the data: give columns that a row may lack a default, or leave "
                    "such rows out of the data",
                ) from error
            raise Violation(
                f"{said} it raised {described(error)}",
                "tell the policy what it did wrong in an Observation; an exception is a failure of the environment, "
                "and the row has no reward",
            ) from error
    return f"none in {steps} steps of {len(subject.rows) * len(subject.scripts())} episodes"


def observations(subject: Subject) -> str:
    """Every answer is None or an Observation of text, with a finite reward, and with one text or one for each call."""
    count = 0
    for row, script in subject.plays():
        for answer in subject.play(row, script):
            _refuse(answer)
            count += 1
    return f"{count} answers are text, with finite rewards"


def _refuse(answer: Answer) -> None:
    said, observation = answer
    if observation is None:
        return
    on = f"on {shown(said.text)}"
    strange = next((text for text in observation.texts if not isinstance(text, str)), None)
    if strange is not None:
        raise Violation(f"{on} it said {shown(strange)}", "say text: str(number), data.decode(), json.dumps(mapping)")
    if len(observation.texts) not in {1, len(said.calls)}:
        raise Violation(
            f"{on} it gave {len(observation.texts)} texts for {len(said.calls)} calls",
            "give one text, or one for each call of the turn in their order",
        )
    if not (isinstance(observation.reward, numbers.Real) and math.isfinite(observation.reward)):
        raise Violation(f"{on} it paid {observation.reward!r}", "pay a finite number; 0 where nothing is to be paid")
    try:
        "".join(observation.texts).encode()
    except UnicodeEncodeError as error:
        raise Violation(f"{on} it said a text that is none: {error}", "decode bytes with errors='replace'") from error


def size(subject: Subject) -> str:
    """No text is longer than limit_characters."""
    longest = 0
    nasty = [text for text in hostile_turns(subject.turns[0]).values() if len(text) <= subject.limit_characters]
    for row in subject.rows:
        episodes = [subject.play(row, script) for script in subject.scripts()]
        episodes += [subject.play_hostile(row, text) for text in nasty]
        for said, observation in chain(*episodes):
            length = max((len(str(text)) for text in observation.texts), default=0) if observation else 0
            longest = max(longest, length)
            if length > subject.limit_characters:
                raise Violation(
                    f"on {shown(said.text)} it said {length:,} characters; the limit is {subject.limit_characters:,}",
                    "shorten what it says: the policy's token budget pays for it, and an episode that used it up is "
                    "truncated. Or raise limit_characters, and set EpisodeSampler(max_observation_tokens=...)",
                )
    return f"at most {longest:,} characters"


def mutation(subject: Subject) -> str:
    """It leaves the rows of data, and what the policy said, as they are."""
    for row, script in subject.plays():
        own = copy.deepcopy(dict(row))
        episode = subject.begin(own)
        try:
            said = [answer.said.text for answer in subject.answers(episode, script)]
        finally:
            episode.close()
        if repr(own) != repr(dict(row)):
            changed = [name for name in {*own, *row} if repr(own.get(name)) != repr(row.get(name))]
            raise Violation(
                f"it changed {', '.join(sorted(changed))} of a row",
                "copy what an episode changes, say with copy.deepcopy(row['board']): EpisodeSampler hands every "
                "episode a copy of its row, and others who play it hand the row itself",
            )
        if said != script[: len(said)]:
            raise Violation(
                "it changed the text of a turn", "leave turn.text alone: it is recorded, and rewards read it"
            )
    return f"{len(subject.rows)} rows are as before"


def done(subject: Subject) -> str:
    """The end is said with True or False, and nothing is paid behind it."""
    ended = 0
    for row, script in subject.plays():
        with subject.started(row) as episode:
            for text in script:
                observation = subject.step(episode, text).observation
                if observation is None:
                    break
                if not isinstance(observation.done, bool | np.bool_):
                    raise Violation(
                        f"on {shown(text)} done is {shown(observation.done)}",
                        "say done=True or done=False; any text and any number but 0 would end the episode",
                    )
                if observation.done:
                    ended += 1
                    _refuse_pay_behind(subject, row, script, text)
                    break
    return f"{ended} of {len(subject.rows) * len(subject.scripts())} episodes were ended by the environment, for good"


def _refuse_pay_behind(subject: Subject, row: object, script: list[str], last: str) -> None:
    """State that an episode which is done would still pay, once it goes on."""
    with subject.started(row) as episode:  # type: ignore[arg-type]
        subject.answers(episode, script)
        for text in script:
            try:
                observation = subject.step(episode, text).observation
            except Exception:
                return
            if observation is None or observation.done:
                return
            if observation.reward:
                raise Violation(
                    f"after {shown(last)} it is done, but {shown(text)} would be answered {in_words(observation)}; "
                    "nobody asks, so that this is never paid",
                    "",
                    stated=True,
                )
