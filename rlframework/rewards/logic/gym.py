"""Any task of reasoning-gym whose scorer is exact, as a reward."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from rlframework.completions import Completion, Completions
from rlframework.prompt import Prompt
from rlframework.rewards.logic.gym_tasks import EXACT, FORMS, REFUSED
from rlframework.rewards.pool import CallResult, WorkerPool
from rlframework.rewards.template import AnswerTemplate
from rlframework.rewards.verdict import Verdict
from rlframework.rewards.verified import VerifiedReward

MAX_ANSWER_CHARACTERS = 4_000
MAX_LENGTHENING = 4
# Wall clock for each second of processor time: on a busy machine a call may take long.
WALL_PER_CPU = 20


class ReasoningGym(VerifiedReward):
    """Asks the scorer of the task that an item came from; right is a score of exactly 1.0, and nothing less.

    Scorers give parts of a point for junk, raise, print, and some can be fooled. Only those that were read and tried
    are called (`gym_tasks.EXACT`), each call in another process and within a time limit. The expected answer, where an
    item has one, has to score 1.0 itself, or its rows abstain.

    Args:
        tasks: Names of data sets; one name or several.
        template: The layout of the answer; `AnswerTemplate()` by default.
        configs: For each task that needs it, the arguments its data set was made with.
        task_column: Column of the data with the task's name.
        entry_column: Column with the item: question, answer and metadata.
        workers: Processes.
        limit_s: Seconds of processor time for one call; one that hangs without computing has 20 times as many.
        memory_mb: Mebibytes that a worker may take for its calls.
        scores: ``correct``, ``incorrect``, ``malformed`` and ``name`` of `VerifiedReward`.

    Raises:
        ValueError: A task that can be fooled, or was not audited; the message says why.
        ImportError: reasoning-gym is not installed.

    Example:
        >>> from rlframework.prompt import Prompt
        >>> entry = {"question": "State the final answer: 3 + 4 =", "answer": "7", "metadata": {}}
        >>> prompt = Prompt([1], "?", {"task": "chain_sum", "answer": "7", "entry": entry})
        >>> texts = [f"<end_working_out><SOLUTION>{answer}</SOLUTION>" for answer in ("7", "7 or 8", "8")]
        >>> rows = [Completion(prompt, [2], text, "stop") for text in texts]
        >>> [str(verdict) for verdict in ReasoningGym("chain_sum").verdicts(Completions(rows, 3))[0]]
        ['correct', 'incorrect', 'incorrect']
        >>> ReasoningGym("game_of_life_halting")
        Traceback (most recent call last):
        ...
        ValueError: game_of_life_halting is refused: any answer scores 1.0
    """

    def __init__(
        self,
        tasks: str | Sequence[str],
        template: AnswerTemplate | None = None,
        *,
        configs: Mapping[str, Mapping[str, Any]] | None = None,
        task_column: str = "task",
        entry_column: str = "entry",
        workers: int = 1,
        limit_s: float = 10.0,
        memory_mb: int | None = 1024,
        **scores: Any,
    ) -> None:
        super().__init__(**scores)
        self.tasks = [tasks] if isinstance(tasks, str) else list(tasks)
        for task in self.tasks:
            refuse_inexact(task)
        from rlframework.rewards.logic.gym_scorer import gym_score  # Here, because reasoning-gym is optional.

        self.template = template or AnswerTemplate()
        self.configs = {task: json.dumps(dict(config), sort_keys=True) for task, config in (configs or {}).items()}
        self.task_column = task_column
        self.entry_column = entry_column
        self.pool = WorkerPool(gym_score, workers, WALL_PER_CPU * limit_s, memory_mb, cpu_limit_s=limit_s)

    def verdicts(self, completions: Completions) -> tuple[list[Verdict], str]:
        """Return ``B`` verdicts, and the first failure in words.

        Raises:
            ValueError: A row is of a task that this reward was not made for.
        """
        prompts = {id(row.prompt): row.prompt for row in completions}
        golds = self._golds(list(prompts.values()))
        settled = [self._before_scoring(row, golds[id(row.prompt)]) for row in completions]
        open_rows = [row for row, verdict in zip(completions, settled, strict=True) if verdict is None]
        outcomes = self.pool.map([self._call(row.prompt, self._answer(row)) for row in open_rows])
        scored = iter(_verdict(outcome) for outcome in outcomes)
        verdicts = [next(scored) if verdict is None else verdict for verdict in settled]
        failures = [detail for _, detail in golds.values()] + [outcome.detail for outcome in outcomes]
        return verdicts, next(filter(None, failures), "")

    def _golds(self, prompts: Sequence[Prompt]) -> dict[int, tuple[Verdict, str]]:
        """Return by the identity of each prompt whether its expected answer is one, and why it is not."""
        found = {id(prompt): (Verdict.CORRECT, "") for prompt in prompts}
        known = []
        for prompt in prompts:
            task, entry = prompt.column(self.task_column), prompt.column(self.entry_column)
            if task not in self.tasks:
                raise ValueError(f"prompt {prompt.index} is of the task {task!r}, and this reward is for {self.tasks}")
            if not isinstance(entry, Mapping) or not {"answer", "metadata"} <= entry.keys():
                why = f"the item of prompt {prompt.index} ({task}) lacks an answer or metadata"
                found[id(prompt)] = (Verdict.GOLD_UNVERIFIABLE, why)
            elif entry["answer"] is not None:
                known.append(prompt)
        calls = [self._call(prompt, str(prompt.column(self.entry_column)["answer"])) for prompt in known]
        for prompt, outcome in zip(known, self.pool.map(calls), strict=True):
            verdict = _verdict(outcome)
            if verdict is Verdict.ERROR:
                found[id(prompt)] = (verdict, outcome.detail)
            elif verdict is Verdict.INCORRECT:
                why = f"the expected answer of prompt {prompt.index} scores {outcome.value}, not 1.0"
                found[id(prompt)] = (Verdict.GOLD_UNVERIFIABLE, why)
        return found

    def _before_scoring(self, row: Completion, gold: tuple[Verdict, str]) -> Verdict | None:
        """Return the verdict on a row that no scorer has to look at."""
        if gold[0] is not Verdict.CORRECT:
            return gold[0]
        answer, expected = self._answer(row), row.prompt.column(self.entry_column)["answer"]
        form = FORMS.get(row.prompt.column(self.task_column))
        if not answer or len(answer) > MAX_ANSWER_CHARACTERS or (form and not re.fullmatch(form, answer)):
            return Verdict.MALFORMED
        if form and expected and len(answer) > MAX_LENGTHENING * len(expected):
            return Verdict.INCORRECT
        return None

    def _answer(self, row: Completion) -> str:
        return (self.template.answer_of(row) or "").strip()

    def _call(self, prompt: Prompt, answer: str) -> tuple[Any, ...]:
        task = prompt.column(self.task_column)
        return task, self.configs.get(task, "{}"), answer, dict(prompt.column(self.entry_column))


def refuse_inexact(task: str) -> None:
    """Raise for a task whose scorer must not steer a training.

    Raises:
        ValueError: It can be fooled or runs what it is given, or nobody has looked.
    """
    if task in REFUSED:
        raise ValueError(f"{task} is refused: {REFUSED[task]}")
    if task not in EXACT:
        raise ValueError(
            f"{task} is refused: not audited. Its scorer may be fooled, or run what it is given. Audited and exact: "
            f"{', '.join(sorted(EXACT))}"
        )


def _verdict(outcome: CallResult) -> Verdict:
    if outcome.failure:
        return Verdict.ERROR
    return Verdict.CORRECT if outcome.value == 1.0 else Verdict.INCORRECT
