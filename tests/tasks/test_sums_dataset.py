"""Chain sums on disk in the layout of OpenR1-Math-220k."""

from __future__ import annotations

from pathlib import Path

from rlframework.data import OpenR1Demonstrations, OpenR1Math
from rlframework.rewards import AnswerTemplate
from rlframework.tasks import chain_sums
from rlframework.tasks.sums_dataset import write_openr1_sums


def test_every_row_is_a_problem_and_a_demonstration(tmp_path: Path) -> None:
    folder = str(write_openr1_sums(tmp_path, 60, seed=4))
    asked = OpenR1Math(folder, heldout_share=0.3).rows("train")
    shown = OpenR1Demonstrations(folder, heldout_share=0.3).rows("train")
    assert [row["prompt"] for row in asked] == [row["prompt"] for row in shown]
    assert 30 < len(asked) < 60
    for row in shown:
        assert AnswerTemplate().parse(row["completion"]) == row["answer"]
        assert row["completion"].startswith(chain_sums.worked(row))
