"""What the proof kit says of a reward: one finding per check, as of an algorithm."""

from __future__ import annotations

from rlframework.testing.report import AlgorithmReport


class RewardCheckReport(AlgorithmReport):
    """All findings on one reward; prints as a table.

    Example:
        >>> from rlframework.testing.report import Finding, Verdict
        >>> finding = Finding("length", "One score for each completion.", Verdict.PASSED, "one for each", "", 0.1)
        >>> report = RewardCheckReport("my_reward", [finding])
        >>> report.reward, report.ok, report["length"].finding
        ('my_reward', True, 'one for each')
    """

    @property
    def reward(self) -> str:
        """Name of the reward."""
        return self.algorithm


class RewardCheckError(AssertionError):
    """Raised by `check_reward`: the reward fails some checks.

    Args:
        report: All findings.
    """

    def __init__(self, report: RewardCheckReport) -> None:
        super().__init__(f"{report.reward} fails: {', '.join(report.failed)}\n{report}")
        self.report = report
