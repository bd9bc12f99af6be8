"""Chain sums in the layout of OpenR1-Math-220k on disk, so that the recipes for that set run where there is no hub."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from datasets import Dataset

from rlframework.tasks import chain_sums
from rlframework.tasks.tiny.task import Row

CARD = """\
---
configs:
- config_name: default
  data_files:
  - split: train
    path: data/train-*
---
"""


def write_openr1_sums(folder: str | Path, n: int, seed: int = 0) -> Path:
    """Write ``n`` problems of `chain_sums` with the columns of OpenR1-Math-220k, generations included.

    Each has a generation whose thought works the sum out, and a rash one that is wrong and was found to be.

    Args:
        folder: Where to, a Parquet file and a card, as the hub has them.
        n: How many problems.
        seed: Which problems; none of those that are kept out of the base model's data is among them.

    Returns:
        The folder, for ``OpenR1Math(path)``.

    Example:
        >>> import tempfile
        >>> from rlframework.data import OpenR1Math
        >>> folder = write_openr1_sums(tempfile.mkdtemp(), 40)
        >>> sorted(OpenR1Math(str(folder), heldout_share=0.5).rows("train")[0])[:3]
        ['answer', 'problem_type', 'prompt']
    """
    rows = chain_sums.problems(n, seed)
    file = Path(folder) / "data" / "train-00000-of-00001.parquet"
    file.parent.mkdir(parents=True, exist_ok=True)
    Dataset.from_list([_as_openr1(row, i) for i, row in enumerate(rows)]).to_parquet(file)
    (Path(folder) / "README.md").write_text(CARD)
    return Path(folder)


def _as_openr1(row: Row, i: int) -> dict[str, Any]:
    working, answer = chain_sums.worked(row), row["answer"]
    return {
        "problem": row["prompt"],
        "solution": working,
        "answer": answer,
        "problem_type": "Number Theory",
        "question_type": "math-word-problem",
        "source": "chain_sums",
        "uuid": f"sum-{i}",
        "generations": [f"<think>{working}</think>{answer}", f"<think>{int(answer) + 1}</think>{int(answer) + 1}"],
        "correctness_math_verify": [True, False],
    }
