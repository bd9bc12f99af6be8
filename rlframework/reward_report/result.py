"""`RewardReport`, the result of a reward report: a count for every probe, and the mistakes themselves."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

from rlframework.reward_report.probes import Expects

KEPT_MISTAKES = 20


@dataclass(frozen=True)
class Mistake:
    """A completion that got the wrong verdict.

    Args:
        probe: What made it.
        prompt: Text of the prompt.
        gold: The expected answer.
        completion: The text that was scored.
        truncated: Whether it was scored as cut by the token budget.
        score: What it got.
    """

    probe: str
    prompt: str
    gold: str
    completion: str
    truncated: bool
    score: float


@dataclass(frozen=True)
class ProbeResult:
    """The counts of one probe: completions accepted, refused and without a score.

    Args:
        probe: Its name.
        family: Under which it is listed.
        about: What it tries.
        expects: What a right reward does with it.
        accepted: Completions with a score above ``accept_above``.
        refused: Those with another score.
        abstained: Those that the reward had no score for, by its own choice or for their expected answer.
        failed: Those that it failed on.
        mean_score: Mean of the scores, or None if there are none.
        mistakes: What was accepted or refused wrongly, the worst first.
        failure: The first failure in words.
    """

    probe: str
    family: str
    about: str
    expects: Expects
    accepted: int
    refused: int
    abstained: int
    failed: int
    mean_score: float | None
    mistakes: list[Mistake]
    failure: str = ""

    @property
    def judged(self) -> int:
        """Completions that were accepted or refused."""
        return self.accepted + self.refused

    @property
    def rows(self) -> int:
        """Completions that were tried."""
        return self.judged + self.abstained + self.failed

    @property
    def wrong(self) -> int:
        """The number of wrong decisions."""
        return self.refused if self.expects is Expects.ACCEPT else self.accepted

    @property
    def rate(self) -> float:
        """Share of wrong verdicts among those that were judged; 0 if none was."""
        return self.wrong / self.judged if self.judged else 0.0


@dataclass(frozen=True)
class RewardReport:
    """Report of the answers that a reward accepts and refuses, before a policy finds out.

    Args:
        reward: Its name.
        rows: Rows of data that were tried.
        unusable: Why the other rows were not, by their number.
        accept_above: A score above it accepts.
        threshold: How that number came about.
        right_score: Median of what the expected answer gets, or None if it got no score.
        wrong_score: Median of what another row's answer gets, or None in the same case.
        results: One for each probe.
        seconds: How long scoring took.
        unjudged: Rows whose right answers got no score, in any writing.
        unverifiable: Rows whose expected answer a component says that it cannot check, by its name.
        max_unverifiable: Largest share of either to put up with.

    Example:
        >>> from rlframework.reward_report.scoring import reward_report
        >>> from rlframework.rewards import ExactFormat
        >>> rows = [{"prompt": "2 + 2?", "answer": "4"}, {"prompt": "3 + 4?", "answer": "7"}]
        >>> report = reward_report(ExactFormat(), rows)
        >>> report["one more"].wrong, report["empty"].wrong, report.ok()
        (2, 0, False)
    """

    reward: str
    rows: int
    unusable: dict[int, str]
    accept_above: float
    threshold: str
    right_score: float | None
    wrong_score: float | None
    results: list[ProbeResult]
    seconds: float = field(default=0.0, compare=False)
    unjudged: int = 0
    unverifiable: dict[str, int] = field(default_factory=dict)
    max_unverifiable: float = 0.2

    def __getitem__(self, probe: str) -> ProbeResult:
        found = [result for result in self.results if result.probe == probe]
        if not found:
            raise KeyError(f"no probe {probe!r} was tried; these were: {', '.join(r.probe for r in self.results)}")
        return found[0]

    def of(self, expects: Expects) -> list[ProbeResult]:
        """Return the results of the probes that should be accepted, or of those that should be refused."""
        return [result for result in self.results if result.expects is expects]

    @property
    def false_accepts(self) -> int:
        """Wrong answers that were accepted."""
        return sum(result.wrong for result in self.of(Expects.REFUSE))

    @property
    def false_refusals(self) -> int:
        """Right answers that were refused."""
        return sum(result.wrong for result in self.of(Expects.ACCEPT))

    @property
    def false_accept_rate(self) -> float:
        """Share of the judged wrong answers that were accepted."""
        return self.false_accepts / max(sum(result.judged for result in self.of(Expects.REFUSE)), 1)

    @property
    def false_refusal_rate(self) -> float:
        """Share of the judged right answers that were refused."""
        return self.false_refusals / max(sum(result.judged for result in self.of(Expects.ACCEPT)), 1)

    @property
    def silent_rows(self) -> int:
        """Rows that say nothing of the reward: they cannot be used, or their right answers got no score."""
        return self.unjudged + len(self.unusable)

    def paid_in_part(self) -> dict[str, float]:
        """Return the probes that are refused and still paid, and how much of the way from wrong to right.

        A policy climbs what is paid, whether or not it is accepted. Those paid at least a tenth are listed.
        """
        if self.right_score is None or self.wrong_score is None or self.right_score <= self.wrong_score:
            return {}
        span = self.right_score - self.wrong_score
        shares = {
            result.probe: (result.mean_score - self.wrong_score) / span
            for result in self.of(Expects.REFUSE)
            if result.mean_score is not None and not result.wrong
        }
        return {probe: share for probe, share in sorted(shares.items(), key=lambda item: -item[1]) if share >= 0.1}

    @property
    def mistakes(self) -> list[Mistake]:
        """The mistakes that were kept, at most 20 of each probe."""
        return [mistake for result in self.results for mistake in result.mistakes]

    def problems(self, max_false_refusals: float = 0.0) -> Iterator[str]:
        """Yield in words what keeps the reward from being fit for training.

        Args:
            max_false_refusals: Share of refused right answers to put up with.
        """
        if self.false_accepts:
            probes = sum(bool(result.wrong) for result in self.of(Expects.REFUSE))
            kinds = "1 kind" if probes == 1 else f"{probes} kinds"
            yield f"{self.false_accepts:,} wrong answers of {kinds} are accepted ({self.false_accept_rate:.1%})"
        if self.false_refusal_rate > max_false_refusals:
            yield f"{self.false_refusals:,} right answers are refused ({self.false_refusal_rate:.1%})"
        failed = [result for result in self.results if result.failed]
        if failed:
            yield f"it failed on {sum(r.failed for r in failed):,} completions, first with: {failed[0].failure}"
        if not any(result.judged for result in self.of(Expects.ACCEPT)):
            yield "it judged no right answer; does it read the column of the expected answer?"
        yield from self._too_few()

    def _too_few(self) -> Iterator[str]:
        total = self.rows + len(self.unusable)
        if self.rows > self.unjudged and self.silent_rows > self.max_unverifiable * total:
            why = f"{self.unjudged:,} got no score" if self.unjudged else ""
            if self.unusable:
                number, reason = next(iter(self.unusable.items()))
                why += "; " * bool(why) + f"{len(self.unusable):,} cannot be used, such as row {number}: {reason}"
            yield (
                f"it judged the right answers of {total - self.silent_rows:,} of {total:,} rows "
                f"({1 - self.silent_rows / total:.1%}; at least {1 - self.max_unverifiable:.0%} are asked for): {why}"
            )
        for name, count in self.unverifiable.items():
            if count > self.max_unverifiable * self.rows:
                yield (
                    f"{name!r} cannot check the expected answer of {count:,} of {self.rows:,} rows "
                    f"({count / self.rows:.1%}; limit {self.max_unverifiable:.0%}), and a run would stop"
                )

    def ok(self, max_false_refusals: float = 0.0) -> bool:
        """Return whether there is no problem."""
        return not any(self.problems(max_false_refusals))

    def as_dict(self) -> dict[str, Any]:
        """Return everything, as JSON writes it."""
        totals = {
            name: getattr(self, name)
            for name in ("false_accepts", "false_accept_rate", "false_refusals", "false_refusal_rate")
        }
        probes = [
            {**asdict(result), "expects": result.expects.value, "wrong": result.wrong, "rate": result.rate}
            for result in self.results
        ]
        return {
            "reward": self.reward,
            "rows": self.rows,
            "unusable_rows": {str(number): reason for number, reason in self.unusable.items()},
            "accept_above": self.accept_above,
            "threshold": self.threshold,
            "right_score": self.right_score,
            "wrong_score": self.wrong_score,
            "paid_in_part": self.paid_in_part(),
            **totals,
            "unjudged_rows": self.unjudged,
            "unverifiable_rows": self.unverifiable,
            "max_unverifiable": self.max_unverifiable,
            "seconds": round(self.seconds, 3),
            "probes": probes,
        }

    def __str__(self) -> str:
        problems = list(self.problems())
        head = f"{self.reward}: {len(self.results)} probes on {self.rows} rows, accepted is a score above "
        lines = [f"{head}{self.accept_above:g} ({self.threshold})"]
        lines += [f"  {problem}" for problem in problems] or ["  every right answer is accepted, and no wrong one"]
        deeds = {Expects.ACCEPT: "refused", Expects.REFUSE: "accepted"}
        lines += [
            f"  {result.wrong:>5} of {result.judged:<5} {deeds[result.expects]}: {result.probe}"
            for result in self.results
            if result.wrong
        ]
        return "\n".join(lines)
