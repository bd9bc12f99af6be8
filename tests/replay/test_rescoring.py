"""A past run under another reward: sides, spread, ranks and failures, against numbers worked out by hand."""

from __future__ import annotations

import io
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from rich.console import Console

from rlframework import RolloutWriter
from rlframework.completions import Completion
from rlframework.replay import Rescoring, print_rescoring, rescore
from rlframework.rewards import FunctionReward, RewardModel, RowReward
from rlframework.rewards.judgement import Judgement


class Length(RowReward):
    """Pays by the letter."""

    def score_row(self, completion: Completion) -> float | None:
        return None if completion.text == "?" else float(len(completion.text))


def written(folder: Path, groups: Sequence[Sequence[tuple[str, float | None]]]) -> Path:
    """Write a run of one rollout: the text and the reward of each completion, group by group."""
    lines = [
        {
            "rollout": 0,
            "attempt": 1,
            "step": 0,
            "prompt_index": index,
            "row": {"answer": "a"},
            "prompt": "x",
            "completion": text,
            "completion_ids": [1] * len(text),
            "stop_reason": "stop",
            "reward": reward,
        }
        for index, group in enumerate(groups)
        for text, reward in group
    ]
    (folder / "rollouts.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return folder


def printed(found: Rescoring, **options: Any) -> str:
    out = io.StringIO()
    print_rescoring(found, console=Console(file=out, width=120, highlight=False), **options)
    return out.getvalue()


def test_sides_and_spread(tmp_path: Path) -> None:
    run = written(
        tmp_path,
        [
            [("aaa", 1.0), ("a", 0.0)],  # as before
            [("a", 1.0), ("aaa", 0.0)],  # the other way round
            [("aa", 1.0), ("aa", 0.0)],  # loses its spread
            [("a", 1.0), ("aaa", 1.0)],  # gains it
            [("", 1.0), ("", 1.0)],  # is paid no longer, and taught nothing before
            [("?", 1.0), ("aaa", None)],  # nothing can be compared
        ],
    )
    found = rescore(run, Length())
    assert found.reward == "length"
    assert found.spread() == {
        ("spread", "spread"): 2,
        ("spread", "none"): 1,
        ("none", "spread"): 1,
        ("none", "none"): 2,
    }
    assert found.pushed() == {
        ("up", "up"): 1,
        ("down", "down"): 1,
        ("up", "down"): 1,
        ("down", "up"): 1,
        ("up", "not at all"): 1,
        ("down", "not at all"): 1,
        ("not at all", "up"): 1,
        ("not at all", "down"): 1,
        ("not at all", "not at all"): 2,
        ("not at all", "abstains"): 1,
        ("abstains", "not at all"): 1,
    }
    assert found.paid() == {
        ("paid", "paid"): 5,
        ("unpaid", "paid"): 3,
        ("paid", "unpaid"): 2,
        ("paid", "abstains"): 1,
        ("abstains", "paid"): 1,
    }
    assert found.paid(2.0)["unpaid", "paid"] == 3
    assert [row.change for row in found.most_changed(2)] == pytest.approx([-math.sqrt(2), math.sqrt(2)], abs=1e-3)
    assert found.most_changed(99)[-1].change != 0
    said = printed(found, paid_above=2.0)
    assert "12 completions in 6 groups of 1 rollouts, judged by length" in said
    assert "mean reward 0.7273 before, 1.727 now" in said
    assert "reward 1 -> 1, advantage 0.707 -> -0.707" in said


def test_ranks_are_those_of_spearman(tmp_path: Path) -> None:
    run = written(tmp_path, [[("a", 1.0), ("aa", 2.0)], [("aaaa", 3.0), ("aaa", 4.0)]])
    found = rescore(run, Length())
    # Ranks 1 2 4 3 beside 1 2 3 4: 1 - 6 * 2 / (4 * 15).
    assert found.correlation(advantages=False) == pytest.approx(0.8)
    assert found.correlation() == pytest.approx(0.0, abs=1e-6)
    constant = rescore(run, FunctionReward(lambda completion: 1.0))
    assert math.isnan(constant.correlation())
    assert "advantages unknown, as one of them is constant" in " ".join(printed(constant).split())


def test_the_same_reward_changes_nothing(grpo: Any, fit: Any, tmp_path: Path) -> None:
    algorithm = grpo(minibatches_per_rollout=2)
    fit(algorithm, prompts=8, callbacks=[RolloutWriter(tmp_path)])
    found = rescore(tmp_path, algorithm.reward)
    assert len(found.rows) == 32
    assert torch.equal(found.before, found.now)
    assert found.most_changed(9) == []
    assert found.correlation() == pytest.approx(1.0)
    assert not found.failures


def test_failed_checks_are_counted_with_their_reason(tmp_path: Path) -> None:
    class Broken(RewardModel):
        def score(self, completions: Any) -> Judgement:
            scores = torch.tensor([[1.0, math.nan]])
            return Judgement(scores, errors=scores.isnan(), detail="no \x1b[2Jserver")

    found = rescore(written(tmp_path, [[("a", 1.0), ("b", 0.0)]]), Broken())
    assert found.failures == [(1, "broken: no \x1b[2Jserver")]
    assert "1 checks failed; the first, of completion 1: broken: no \\x1b[2Jserver" in printed(found)


def test_a_group_that_a_killed_run_has_not_written_to_the_end_is_left_out_and_said(tmp_path: Path) -> None:
    run = written(tmp_path, [[("a", 1.0), ("b", 0.0)], [("a", 1.0)]])
    with pytest.warns(UserWarning, match="1 completions of rollout 0 are left out: their groups end before 2"):
        assert [row.before for row in rescore(run, Length()).rows] == [1.0, 0.0]


def test_what_cannot_be_scored_is_said(tmp_path: Path) -> None:
    def needs(completion: str, solution: str) -> float:
        return 1.0

    (tmp_path / "metrics.csv").write_text("step\n")
    with pytest.raises(FileNotFoundError, match="had no RolloutWriter"):
        rescore(tmp_path, Length())
    run = written(tmp_path, [[("a", 1.0), ("b", 0.0)]])
    with pytest.raises(ValueError, match=r"the reward cannot score rollout 0: KeyError: .*no column 'solution'"):
        rescore(run, FunctionReward(needs))
    written(tmp_path, [[("a", 1.0), ("b", 0.0)], [("a", 1.0)]])
    with (run / "rollouts.jsonl").open("a") as file:
        file.write((run / "rollouts.jsonl").read_text().replace('"rollout": 0', '"rollout": 1'))
    with pytest.raises(ValueError, match=r"rollout 0 has groups of \[1, 2\] completions on record: a part"):
        rescore(run, Length())
    (tmp_path / "rollouts.jsonl").write_text("")
    with pytest.raises(ValueError, match="there is no completion on record"):
        rescore(run, Length())


def test_what_a_policy_wrote_is_shown_and_does_not_act(tmp_path: Path) -> None:
    said = printed(rescore(written(tmp_path, [[("\x1b[2J[red]\u202ex", 0.0), ("a", 1.0)]]), Length()))
    assert "\\x1b[2J[red]\\u202ex" in said
    assert "\x1b" not in said
