"""`CheckReport`, the result of a proof kit: one finding per check, and the remedy for what failed."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class CheckStatus(Enum):
    """The status of a check: passed, failed, or stated by the subject itself."""

    PASSED = "passed"
    FAILED = "FAILED"
    STATED = "stated"
    """The subject says of itself that it does not have the property."""


Verdict = CheckStatus  # Its name until 0.1.


class Violation(Exception):  # noqa: N818 - what a check found, not an error of the kit
    """Raised by a check that a subject does not pass.

    Args:
        finding: What is wrong, in one line with the numbers.
        remedy: How to correct it.
        stated: The subject declares this as its nature.
    """

    def __init__(self, finding: str, remedy: str, stated: bool = False) -> None:
        super().__init__(finding)
        self.finding = finding
        self.remedy = remedy
        self.stated = stated


@dataclass(frozen=True)
class Finding:
    """The result of one check.

    Args:
        check: Name of the check.
        question: What it proves, in one sentence.
        verdict: How it ended.
        finding: What was seen, in one line.
        remedy: How to correct it; empty unless it failed.
        seconds: How long it took.
    """

    check: str
    question: str
    verdict: CheckStatus
    finding: str
    remedy: str
    seconds: float

    def __str__(self) -> str:
        line = f"  {self.verdict.value:<7} {self.check:<23} {self.finding}"
        if self.verdict is not CheckStatus.FAILED:
            return line
        indent = "\n" + " " * 34
        return f"{line}{indent}property: {self.question}{indent}fix:      {self.remedy}"


@dataclass(frozen=True)
class CheckReport:
    """All findings on one subject, an algorithm or a reward; prints as a table.

    Args:
        subject: Its name.
        findings: One for each check that ran, in their order.

    Example:
        >>> finding = Finding("padding", "Padding changes nothing.", CheckStatus.PASSED, "nothing changed", "", 0.1)
        >>> report = CheckReport("MyAlgorithm", [finding])
        >>> report.ok, report.failed, report["padding"].finding
        (True, [], 'nothing changed')
    """

    subject: str
    findings: list[Finding]

    @property
    def failed(self) -> list[str]:
        """Names of the checks that failed."""
        return [finding.check for finding in self.findings if finding.verdict is CheckStatus.FAILED]

    @property
    def ok(self) -> bool:
        """Whether no check failed."""
        return not self.failed

    @property
    def seconds(self) -> float:
        """Wall-clock seconds that all checks took together."""
        return sum(finding.seconds for finding in self.findings)

    def __getitem__(self, check: str) -> Finding:
        found = [finding for finding in self.findings if finding.check == check]
        if not found:
            raise KeyError(f"no check {check!r} ran; these did: {', '.join(f.check for f in self.findings)}")
        return found[0]

    def __str__(self) -> str:
        failed = f"{len(self.failed)} of {len(self.findings)} checks failed" if self.failed else "no check failed"
        head = f"{self.subject}: {failed} ({len(self.findings)} ran in {self.seconds:.1f} s)"
        return "\n".join([head, *map(str, self.findings)])


class CheckError(AssertionError):
    """Raised by `check_algorithm` and `check_reward`: the subject fails some checks.

    Args:
        report: All findings.
    """

    def __init__(self, report: CheckReport) -> None:
        super().__init__(f"{report.subject} fails: {', '.join(report.failed)}\n{report}")
        self.report = report
