"""`reward_report`: the answers that a reward accepts, right ones, wrong ones, and tricks that a policy would try."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from rlframework.completions import Completion, Completions
from rlframework.prompt import Prompt
from rlframework.reward_report.layout import Layout, TaggedLayout
from rlframework.reward_report.layout_probes import LAYOUT
from rlframework.reward_report.probes import Answer, Expects, Probe, Question
from rlframework.reward_report.result import KEPT_MISTAKES, Mistake, ProbeResult, RewardReport
from rlframework.reward_report.right_probes import RIGHT
from rlframework.reward_report.wrong_probes import HEDGED, WRONG
from rlframework.rewards.answer import same_answer
from rlframework.rewards.base import RewardModel, Scores, full_name
from rlframework.rewards.failure_limits import RewardLimits
from rlframework.rewards.function import Source, as_reward
from rlframework.rewards.gold import gold_text
from rlframework.rewards.template import AnswerTemplate, template_of
from rlframework.turns import Turn
from rlframework.utilities.errors import described

PROBES: tuple[Probe, ...] = (*RIGHT, *WRONG, *HEDGED, *LAYOUT)
"""All probes that the framework ships."""

REFERENCE = ("gold", "another row's answer")


def reward_report(
    reward: Source,
    rows: Iterable[Mapping[str, Any]],
    *,
    template: AnswerTemplate | Layout | None = None,
    prompt_column: str = "prompt",
    answer_column: str = "answer",
    accept_above: float | None = None,
    max_rows: int = 200,
    probes: Sequence[Probe] = PROBES,
    limits: RewardLimits | None = None,
) -> RewardReport:
    """Score completions whose verdict is known beforehand.

    Every probe makes one completion for each row. A reward is a score and not a verdict, so there has to be a number
    above which it accepts. By default it is halfway between what the expected answer gets and what the answer of
    another row gets in the same layout (medians over the rows): 0.5 for a reward of 0 and 1, and for a sum with format
    rewards the middle of what the answer is worth. If both get the same, all that scores as high is accepted. The mean
    score of each probe is in the report, too: what is refused may still be paid in part.

    Args:
        reward: A reward, a sum of some, a class of one, or a plain function.
        rows: The data, as the reward will see it.
        template: The layout that the reward reads; by default its own, if it has one, else `AnswerTemplate()`.
            ``BareLayout()`` for a reward that reads no tags.
        prompt_column: Column of the prompt, a text or a list of chat messages.
        answer_column: Column of the expected answer. Rows without a column ``answer`` get it under that name as well.
        accept_above: A score above it accepts; None for the rule above.
        max_rows: Of more rows so many are taken, evenly spaced.
        probes: What to try.
        limits: Those of the run (``reward_limits``). Above its share of expected answers that cannot be checked, the
            report is of too few rows and calls nothing fit; so it does of rows that the reward abstains on, for that
            matter. A failed check is a problem however rare.

    Returns:
        Counts and mistakes, by probe.

    Raises:
        ValueError: No row has a prompt and an expected answer; or ``accept_above`` has to be given, because the rule
            finds no scores to start from.

    Example:
        >>> from rlframework.rewards import CorrectAnswer
        >>> rows = [{"prompt": "2 + 2?", "answer": "4"}, {"prompt": "3 + 4?", "answer": "7"}]
        >>> report = reward_report(CorrectAnswer(), rows)
        >>> report.false_accepts, report.false_refusals, report["gold"].accepted
        (0, 0, 2)
    """
    started = time.perf_counter()
    judge = as_reward(reward)
    layout = _layout(template or template_of(judge))
    questions, unusable = _read(_spaced(list(rows), max_rows), layout, prompt_column, answer_column)
    scored = [scored for probe in probes if (scored := _score(judge, probe, questions))]
    right, wrong = _medians(scored)
    edge, threshold = (accept_above, "as given") if accept_above is not None else _halfway(right, wrong, scored)
    results = [one.result(edge) for one in scored]
    seconds = time.perf_counter() - started
    return RewardReport(
        full_name(judge),
        len(questions),
        unusable,
        edge,
        threshold,
        right,
        wrong,
        results,
        seconds,
        unjudged=_unjudged(scored),
        unverifiable=_unverifiable(scored),
        max_unverifiable=(limits or RewardLimits()).unverifiable,
    )


def _unjudged(scored: Sequence[_Scored]) -> int:
    """Count the questions of which no right answer got a score."""
    right = [one for one in scored if one.probe.expects is Expects.ACCEPT]
    tried = {row.prompt.index for one in right for row in one.rows}
    judged = {
        row.prompt.index
        for one in right
        for row, score in zip(one.rows, one.scores, strict=True)
        if not math.isnan(score)
    }
    return len(tried - judged)


def _unverifiable(scored: Sequence[_Scored]) -> dict[str, int]:
    """Count the questions whose expected answer a component cannot check, by its name."""
    found: dict[str, set[int]] = {}
    for one in scored:
        for name, rows in one.unverifiable.items():
            found.setdefault(name, set()).update(rows)
    return {name: len(rows) for name, rows in found.items()}


def _layout(template: AnswerTemplate | Layout) -> Layout:
    return TaggedLayout(template) if isinstance(template, AnswerTemplate) else template


def _spaced(rows: list[Mapping[str, Any]], count: int) -> list[tuple[int, Mapping[str, Any]]]:
    if len(rows) <= count:
        return list(enumerate(rows))
    return [(place, rows[place]) for place in (i * len(rows) // count for i in range(count))]


def _read(
    rows: Sequence[tuple[int, Mapping[str, Any]]], layout: Layout, prompt_column: str, answer_column: str
) -> tuple[list[Question], dict[int, str]]:
    """Return the questions, and why the other rows are none."""
    readable: list[tuple[str, str, dict[str, Any]]] = []
    unusable: dict[int, str] = {}
    for number, row in rows:
        try:
            prompt = Prompt([], "", dict(row), number)
            gold = gold_text(prompt.column(answer_column))
            if gold is None:
                raise ValueError(
                    f"column {answer_column!r} holds {prompt.row[answer_column]!r}, which no answer can match"
                )
            readable.append((_text_of(prompt.column(prompt_column)), gold, {"answer": gold, **row}))
        except (KeyError, TypeError, ValueError) as error:
            unusable[number] = str(error.args[0] if error.args else error)
    if not readable:
        reason = next(iter(unusable.values()), "there are none")
        raise ValueError(f"none of {len(rows)} rows can be used; the first: {reason}")
    golds = [gold for _, gold, _ in readable]
    questions = []
    for place, (text, gold, row) in enumerate(readable):
        later = (golds[(place + step) % len(golds)] for step in range(1, len(golds)))
        other = next((candidate for candidate in later if not same_answer(candidate, gold)), None)
        questions.append(Question(text, gold, other, row, layout))
    return questions, unusable


def _text_of(prompt: Any) -> str:
    if isinstance(prompt, str):
        return prompt
    return "\n".join(str(message["content"]) for message in prompt if message["role"] == "user")


@dataclass
class _Scored:
    """A probe's completions with their scores; NaN where there is none, and a reason where that was a failure."""

    probe: Probe
    questions: list[Question]
    rows: list[Completion]
    scores: list[float]
    failures: dict[int, str]
    unverifiable: dict[str, set[int]] = field(default_factory=dict)

    @property
    def numbers(self) -> list[float]:
        return [score for score in self.scores if not math.isnan(score)]

    def result(self, accept_above: float) -> ProbeResult:
        accepted = [score > accept_above for score in self.scores]  # NaN is above nothing.
        judged = [not math.isnan(score) for score in self.scores]
        should = self.probe.expects is Expects.ACCEPT
        wrong = [place for place, has_score in enumerate(judged) if has_score and accepted[place] is not should]
        wrong.sort(key=lambda place: self.scores[place], reverse=not should)
        return ProbeResult(
            self.probe.name,
            self.probe.family,
            self.probe.about,
            self.probe.expects,
            accepted=sum(accepted),
            refused=sum(judged) - sum(accepted),
            abstained=len(judged) - sum(judged) - len(self.failures),
            failed=len(self.failures),
            mean_score=statistics.fmean(self.numbers) if self.numbers else None,
            mistakes=[self._mistake(place) for place in wrong[:KEPT_MISTAKES]],
            failure=next(iter(self.failures.values()), ""),
        )

    def _mistake(self, place: int) -> Mistake:
        row, question = self.rows[place], self.questions[place]
        score = self.scores[place]
        return Mistake(self.probe.name, question.prompt, question.gold, row.text, row.truncated, score)


def _score(reward: RewardModel, probe: Probe, questions: Sequence[Question]) -> _Scored | None:
    tried: list[Question] = []
    rows: list[Completion] = []
    for index, question in enumerate(questions):
        made = probe.make(question)
        if made is not None:
            answer = made if isinstance(made, Answer) else Answer(made)
            prompt = Prompt([ord(letter) for letter in question.prompt], question.prompt, question.row, index)
            ids = [ord(letter) for letter in answer.text]
            tried.append(question)
            # An episode of one turn, for rewards that look at turns; others see the same text.
            turns = [Turn(0, len(ids), "policy", answer.text)]
            rows.append(Completion(prompt, ids, answer.text, "length" if answer.truncated else "stop", turns=turns))
    if not rows:
        return None
    try:
        scores = reward.evaluate(Completions(rows, 1))
        totals = scores.total.flatten().tolist()
        return _Scored(probe, tried, rows, totals, _silenced(scores), _without_gold(scores, rows))
    except Exception:
        return _one_by_one(reward, probe, tried, rows)


def _silenced(scores: Scores) -> dict[int, str]:
    """Return the failures that leave a row without a score."""
    total = scores.total.flatten()
    return {row: why for row, why in scores.failures() if math.isnan(total[row].item())}


def _without_gold(scores: Scores, rows: Sequence[Completion]) -> dict[str, set[int]]:
    """Return the questions whose expected answer cannot be checked, by the component that says so."""
    flags = {name: judgement.unverifiable_flags.flatten().tolist() for name, judgement in scores.judgements.items()}
    return {
        name: {row.prompt.index for row, flag in zip(rows, own, strict=True) if flag}
        for name, own in flags.items()
        if any(own)
    }


def _one_by_one(reward: RewardModel, probe: Probe, questions: list[Question], rows: list[Completion]) -> _Scored:
    """Score row after row, to learn which ones make the reward raise."""
    done = _Scored(probe, questions, rows, [], {})
    for place, row in enumerate(rows):
        try:
            scores = reward.evaluate(Completions([row], 1))
        except Exception as error:
            done.scores.append(math.nan)
            done.failures[place] = described(error)
            continue
        done.scores.append(scores.total.item())
        for name, numbers in _without_gold(scores, [row]).items():
            done.unverifiable.setdefault(name, set()).update(numbers)
        done.failures |= dict.fromkeys([place] * len(_silenced(scores)), next(iter(_silenced(scores).values()), ""))
    return done


def _medians(scored: Sequence[_Scored]) -> tuple[float | None, float | None]:
    """Return what the expected answer gets, and what another row's answer does."""
    by_probe = {one.probe.name: one.numbers for one in scored}
    right, wrong = (by_probe.get(name) for name in REFERENCE)
    return statistics.median(right) if right else None, statistics.median(wrong) if wrong else None


def _halfway(right: float | None, wrong: float | None, scored: Sequence[_Scored]) -> tuple[float, str]:
    """Return the middle of the scores of right and of wrong answers, and how it was found."""
    if right is None:
        failure = next((why for one in scored for why in one.failures.values()), "")
        raise ValueError(
            "the expected answers got no scores to find a threshold by"
            + (f"; the first failure: {failure}" if failure else ", the reward abstains on all of them")
            + "; correct the reward or the columns, or give accept_above"
        )
    if wrong is None:
        raise ValueError("all rows expect the same answer, so there is no wrong one to compare with; give accept_above")
    if wrong < right:
        return (right + wrong) / 2, f"halfway between {right:g} for the expected answer and {wrong:g} for another one"
    # Just below, so that all that gets as much is accepted.
    return math.nextafter(right, -math.inf), f"{right:g} for the expected answer, and {wrong:g} for another one as well"
