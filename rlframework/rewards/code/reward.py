"""The reward for programs: they are run against hidden cases in a sandbox, and all have to come out right."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any, Literal, NamedTuple

from rlframework.completions import Completion, Completions
from rlframework.prompt import Prompt
from rlframework.rewards.code.bubblewrap import BubblewrapSandbox
from rlframework.rewards.code.cases import Case, CaseError, read_cases
from rlframework.rewards.code.plain import PlainSandbox
from rlframework.rewards.code.program import program_of
from rlframework.rewards.code.resource_limits import MB, Limits
from rlframework.rewards.code.sandbox import CaseOutput, Sandbox, SandboxError
from rlframework.rewards.judgement import Judgement
from rlframework.rewards.template import AnswerTemplate
from rlframework.rewards.verdict import Verdict
from rlframework.rewards.verified import VerifiedReward


class ProgramResult(NamedTuple):
    """A verdict on a program, and the reason in words."""

    verdict: Verdict
    reason: str = ""


Outcome = ProgramResult  # Its name until 0.1.


class CodeTests(VerifiedReward):
    """Pays for a program that gets every hidden case right.

    The program is the answer section of `AnswerTemplate`, or the one fenced block in it. It sees the inputs and never
    what is expected: what it puts out is compared here, whole and by type, and a case counts only with exit code 0.
    There is no part pay. A program that does not compile, crashes, hangs or is cut by a limit is incorrect; none, two,
    one above ``max_characters``, or a completion that the token budget cut is malformed; a sandbox that does not
    start is an error, and cases that cannot be read are unverifiable.

    The column ``reason`` of its `Judgement` says for each completion why.

    Args:
        cases_column: Column of the data with the cases; see `cases.read_cases`. MBPP's ``test_list`` fits.
        template: The layout of the answer; `AnswerTemplate()` by default.
        whole_completion: Look for the fenced block in the whole completion, for chat models that keep no template.
        isolation: ``"bubblewrap"`` (`BubblewrapSandbox`), or ``"none"`` (`PlainSandbox`: read what it does not hold),
            or a sandbox of your own. There is no fallback from one to another.
        limits: What one program may use. Not with a sandbox of your own, which has its limits.
        float_tolerance: Of call cases, as in `values.same_value`; None compares exactly, types included.
        max_characters: Longest program.
        workers: Programs run at a time; by default as many as there are processors.
        scores: ``correct``, ``incorrect``, ``malformed`` and ``name`` of `VerifiedReward`.

    Raises:
        SandboxUnavailableError: The sandbox does not run here, or does not hold.

    Example:
        >>> from rlframework.prompt import Prompt
        >>> prompt = Prompt([1], "?", {"cases": ["assert double(3) == 6", "assert double(-1) == -2"]})
        >>> programs = ("def double(x): return 2 * x", "def double(x): return 6", "def double(x) return")
        >>> rows = [Completion(prompt, [2], f"<end_working_out><SOLUTION>{p}</SOLUTION>", "stop") for p in programs]
        >>> reward = CodeTests(isolation=PlainSandbox())
        >>> reward.evaluate(Completions(rows, group_size=3)).total
        tensor([[1., 0., 0.]])
    """

    def __init__(
        self,
        cases_column: str = "cases",
        template: AnswerTemplate | None = None,
        *,
        whole_completion: bool = False,
        isolation: Literal["bubblewrap", "none"] | Sandbox = "bubblewrap",
        limits: Limits | None = None,
        float_tolerance: float | None = None,
        max_characters: int = 100_000,
        workers: int | None = None,
        **scores: Any,
    ) -> None:
        super().__init__(**scores)
        self.cases_column = cases_column
        self.template = template or AnswerTemplate()
        self.whole_completion = whole_completion
        self.sandbox = _sandbox(isolation, limits)
        self.float_tolerance = float_tolerance
        self.max_characters = max_characters
        self.workers = workers or len(os.sched_getaffinity(0))
        self.sandbox.probe()

    def verdicts(self, completions: Completions) -> tuple[list[Verdict], str]:
        """Return ``B`` verdicts, and in words why the first row that could not be checked is."""
        outcomes = self.outcomes(completions)
        return [outcome.verdict for outcome in outcomes], _first_failure(outcomes)

    def can_judge(self, prompt: Prompt) -> bool:
        """Return whether the row has cases that can be run."""
        try:
            self._cases(prompt)
        except (CaseError, KeyError):
            return False
        return True

    def score(self, completions: Completions) -> Judgement:
        """Return the scores of the verdicts, ``(B,)``, and the reasons as a column."""
        outcomes = self.outcomes(completions)
        scores = {
            Verdict.CORRECT: self.correct,
            Verdict.INCORRECT: self.incorrect,
            Verdict.MALFORMED: self.malformed,
        }
        verdicts = [outcome.verdict for outcome in outcomes]
        judgement = Judgement.of_verdicts(verdicts, scores, _first_failure(outcomes))
        reasons = [outcome.reason for outcome in outcomes]
        return replace(judgement, columns={**judgement.columns, "reason": reasons})

    def outcomes(self, completions: Completions) -> list[ProgramResult]:
        """Judge all completions, ``workers`` at a time."""
        with ThreadPoolExecutor(self.workers) as threads:
            return list(threads.map(self._outcome, completions))

    def _outcome(self, completion: Completion) -> ProgramResult:
        try:
            cases = self._cases(completion.prompt)
        except (CaseError, KeyError) as error:
            return ProgramResult(Verdict.GOLD_UNVERIFIABLE, str(error.args[0]))
        program = self.program(completion)
        if program is None:
            return ProgramResult(
                Verdict.MALFORMED, "cut by the token budget" if completion.truncated else "no one program"
            )
        if len(program) > self.max_characters:
            size = f"{len(program)} characters; {self.max_characters} are allowed"
            return ProgramResult(Verdict.MALFORMED, f"the program has {size}")
        try:
            return judge(self.sandbox, program, cases)
        except (SandboxError, OSError) as error:
            return ProgramResult(Verdict.ERROR, str(error))

    def program(self, completion: Completion) -> str | None:
        """Return the program in a completion, or None."""
        if completion.truncated:
            return None
        text = completion.text if self.whole_completion else self.template.answer_of(completion)
        return None if text is None else program_of(text, fence_needed=self.whole_completion)

    def _cases(self, prompt: Prompt) -> list[Case]:
        cases = read_cases(prompt.column(self.cases_column), self.float_tolerance)
        most = self.sandbox.limits.files_mb * MB // 2
        for case in cases:
            size = len(getattr(case, "stdin", "").encode("utf-8", "surrogatepass"))
            if size > most:
                raise CaseError(
                    f"a stdin of {size} bytes; files_mb={self.sandbox.limits.files_mb} leaves room for {most}"
                )
        return cases


def judge(sandbox: Sandbox, program: str, cases: Sequence[Case]) -> ProgramResult:
    """Run one program against its cases, to the first that it gets wrong.

    Args:
        sandbox: Where it runs.
        program: Source text in Python.
        cases: What it is given, and what is expected of it.

    Raises:
        SandboxError: The sandbox did not start.
    """
    outputs = sandbox.run(program, [case.request for case in cases])
    try:
        for position, case in enumerate(cases):
            output = next(outputs, None)
            fault = _fault(case, output)
            if fault:
                return ProgramResult(Verdict.INCORRECT, f"case {position}: {fault}")
    finally:
        outputs.close()
    return ProgramResult(Verdict.CORRECT)


def _fault(case: Case, output: CaseOutput | None) -> str:
    if output is None:
        return "no report in time"
    if output.failure:
        return {"time": "out of time", "output": "too much output"}[output.failure]
    if output.exit_code:
        last_line = output.stderr.strip().rpartition("\n")[2]
        return f"exit code {output.exit_code}: {last_line[:200]}"
    return "" if case.accepts(output.output) else "another result"


def _first_failure(outcomes: Sequence[ProgramResult]) -> str:
    return next((outcome.reason for outcome in outcomes if outcome.verdict.abstains), "")


def _sandbox(isolation: str | Sandbox, limits: Limits | None) -> Sandbox:
    if isinstance(isolation, Sandbox):
        if limits is not None:
            raise ValueError("a sandbox of your own has its limits; give them to it and not to the reward")
        return isolation
    kinds = {"bubblewrap": BubblewrapSandbox, "none": PlainSandbox}
    if isolation not in kinds:
        raise ValueError(f"isolation={isolation!r}; give 'bubblewrap', 'none' or a Sandbox")
    return kinds[isolation](limits)
