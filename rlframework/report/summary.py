"""A run in one small file of plain facts."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rlframework.report.evaluation import Evaluation
from rlframework.utilities.versions import library_versions


def write_summary(path: str | Path, before: Evaluation, after: Evaluation, facts: Mapping[str, Any]) -> dict[str, Any]:
    """Write ``summary.json``: every measure before and after with its interval, the facts given, library versions.

    Args:
        path: The file to write.
        before: The evaluation before training.
        after: The evaluation after training, by the same measures.
        facts: Further entries, such as the seed.

    Returns:
        What was written.
    """
    shares = {
        f"{measure}_{moment}{suffix}": value
        for moment, row in {"before": before, "after": after}.items()
        for measure in row.scores
        for suffix, value in {"": row.share(measure), "_interval": row.interval(measure)}.items()
    }
    summary = {**facts, **shares, "n_heldout": after.n, "library_versions": library_versions()}
    Path(path).write_text(json.dumps(summary, indent=2) + "\n")
    return summary
