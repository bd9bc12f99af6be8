"""Policies compared on the same prompts, with the same sampler, by the same measures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rlframework.policies.base import Policy
from rlframework.prompt import Prompt
from rlframework.report.curves import plot_curves
from rlframework.report.evaluation import Evaluation, evaluate
from rlframework.report.samples import write_evaluations
from rlframework.report.summary import write_summary
from rlframework.report.table import print_comparison, print_examples
from rlframework.rewards.base import RewardModel
from rlframework.samplers.base import GroupSampler
from rlframework.utilities.imports import require


class Comparison:
    """A table whose rows differ in nothing but the policy.

    Prompts (with their template), sampler (with its token budget) and measures are fixed here, once for all rows. One
    row may ask the same problems in other words, and its name then says so.

    Args:
        prompts: Held-out prompts.
        sampler: Such as ``sampler.replace(group_size=1, temperature=0.0)``.
        measures: Rewards of 0 and 1 by name; the first decides what counts as right in the examples.
        batch_size: Prompts that are sampled together; by default all of them.
    """

    def __init__(
        self,
        prompts: Sequence[Prompt],
        sampler: GroupSampler,
        measures: Mapping[str, RewardModel],
        batch_size: int | None = None,
    ) -> None:
        self.prompts = prompts
        self.sampler = sampler
        self.measures = measures
        self.batch_size = batch_size
        self.rows: list[Evaluation] = []
        self._asked_otherwise: list[str] = []
        # Missing now rather than after the training that is to be compared.
        for package in ("rich", "matplotlib"):
            require(package, "report")

    def add(self, name: str, policy: Policy, prompts: Sequence[Prompt] | None = None) -> Evaluation:
        """Measure a policy as it is now and append its row.

        Args:
            name: Of the row.
            policy: What is measured.
            prompts: The same problems asked otherwise, such as without the instruction; by default as in all rows.

        Raises:
            ValueError: They are other problems.
        """
        asked = self.prompts if prompts is None else prompts
        if [prompt.index for prompt in asked] != [prompt.index for prompt in self.prompts]:
            raise ValueError(
                f"row {name!r} has {len(asked)} other problems; ask those of the other rows, in their order"
            )
        self._asked_otherwise += [name] if prompts is not None else []
        self.rows.append(evaluate(name, policy, asked, self.sampler, self.measures, self.batch_size))
        return self.rows[-1]

    def print(self, examples: int = 0) -> None:
        """Print the table, and what the last two rows answered to the first few prompts."""
        if examples:
            print_examples(self.rows[-2:], next(iter(self.measures)), examples)
        kind = "greedy" if self.sampler.temperature == 0 else f"sampled at temperature {self.sampler.temperature}"
        budget = f"at most {self.sampler.max_tokens} tokens"
        but = f" but {', '.join(self._asked_otherwise)}: the same problems, asked otherwise" * bool(
            self._asked_otherwise
        )
        print_comparison(self.rows, f"{kind}, {budget}; same held-out prompts and template in every row{but}")

    def figures(self) -> dict[str, dict[str, Any]]:
        """Return every row's measures: share, 95 % interval and ``n``."""
        return {
            row.name: {
                "n": row.n,
                **{measure: {"share": row.share(measure), "interval": row.interval(measure)} for measure in row.scores},
            }
            for row in self.rows
        }

    def save(self, folder: str | Path, facts: Mapping[str, Any]) -> dict[str, Any]:
        """Write ``curves.png``, ``evaluations.jsonl`` with every completion, and ``summary.json``.

        The last two rows are before and after in it, and all are under ``rows``.

        Args:
            folder: A run folder with the ``metrics.csv`` of Lightning's CSVLogger.
            facts: Further entries of the summary, next to the measures and the library versions.

        Returns:
            What ``summary.json`` holds.
        """
        before, after = self.rows[-2:]
        summary = write_summary(Path(folder) / "summary.json", before, after, {**facts, "rows": self.figures()})
        write_evaluations(Path(folder) / "evaluations.jsonl", self.rows)
        plot_curves(Path(folder) / "metrics.csv", Path(folder) / "curves.png", self.rows)
        return summary
