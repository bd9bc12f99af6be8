"""The truth tables: right columns, right workings, a held-out set that nothing is trained on, and the recipe."""

from __future__ import annotations

import itertools
import json
import re
import subprocess
from collections import Counter
from pathlib import Path
from random import Random

import pytest

from rlframework.rewards.logic import TruthTable
from rlframework.rewards.template import AnswerTemplate
from rlframework.tasks import BaseRecipe, create_base, truth_tables
from rlframework.tasks.tiny import base as tiny_base
from rlframework.tasks.tiny import training as tiny_training
from rlframework.tasks.tiny.tokenizer import tiny_tokenizer
from tests import forked
from tests.rewards.logic.rows import verdict
from tests.tasks.quick import QUICK

ROOT = Path(__file__).parents[2]


def column_by_python(formula: str) -> str:
    """Work out a column with Python's own operators."""
    python = formula.replace("→", "<=").replace("⊕", "!=").replace("∧", "&").replace("∨", "|")
    rows = itertools.product([False, True], repeat=2)
    return "".join("01"[eval(python, {"__builtins__": {}}, {"p": p, "q": q})] for p, q in rows)


def test_problems_are_distinct_deterministic_and_extend_one_another() -> None:
    rows = truth_tables.problems(300, seed=3)
    assert len({row["prompt"] for row in rows}) == 300
    assert rows == truth_tables.problems(300, seed=3)
    assert rows[:40] == truth_tables.problems(40, seed=3)
    assert rows != truth_tables.problems(300, seed=4)


def test_answers_are_the_columns_and_the_reward_agrees() -> None:
    reward = TruthTable()
    for row in truth_tables.problems(200, seed=0):
        assert row["prompt"] == row["formula"] + "=?"
        assert len(re.findall("[∧∨→⊕]", row["formula"])) in (3, 4)
        assert row["answer"] == column_by_python(row["formula"])
        assert verdict(reward, row, row["answer"]) == "correct"
        assert verdict(reward, row, f"{int(row['answer'], 2) ^ 1:04b}") == "incorrect"


def test_no_fixed_answer_is_right_often() -> None:
    heldout = truth_tables.splits(0).heldout
    counts = Counter(row["answer"] for row in heldout)
    assert len(counts) == 14
    assert max(counts.values()) / len(heldout) <= 0.1
    drawn = Counter(truth_tables.random_problem(random)["answer"] for random in [Random(0)] for _ in range(2800))
    assert min(drawn.values()) > 140


def test_heldout_is_the_same_for_every_seed_and_never_in_a_pool_or_a_bases_data() -> None:
    pools = [truth_tables.splits(seed) for seed in range(3)]
    assert all(pool.heldout == pools[0].heldout for pool in pools)
    reserve = set(truth_tables.reserved_prompts())
    assert len(pools[0].heldout) == 256
    assert {row["prompt"] for row in pools[0].heldout} <= reserve
    for pool in pools:
        assert len(pool.train) == 1024
        assert not reserve & {row["prompt"] for row in pool.train}
    assert pools[0].train != pools[1].train
    fresh = tiny_training.fresh_rows(truth_tables, 2000, Random(0))
    assert not reserve & {row["prompt"] for row in fresh}
    with pytest.raises(ValueError, match="only 512 problems"):
        truth_tables.splits(0, n_heldout=513)


def test_every_step_of_a_working_is_right_and_leads_to_the_answer() -> None:
    columns = {"p": "0011", "q": "0101"}
    apply = {
        "∧": lambda a, b: a and b,
        "∨": lambda a, b: a or b,
        "→": lambda a, b: b if a else True,
        "⊕": lambda a, b: a is not b,
    }
    for row in truth_tables.problems(200, seed=5):
        carried = None
        for line in truth_tables.worked(row).split(";"):
            left, operator, right, result = re.fullmatch(r"(.+)([∧∨→⊕])([pq])=([01]{4})", line).groups()  # type: ignore[union-attr]
            assert carried in (None, left)
            values = zip(columns.get(left, left), columns[right], strict=True)
            assert result == "".join("01"[apply[operator](a == "1", b == "1")] for a, b in values)
            carried = result
        assert carried == row["answer"]


def test_sloppy_demonstrations_have_the_shares_that_are_documented() -> None:
    template, random = AnswerTemplate(), Random(0)
    rows = truth_tables.problems(1500, seed=6)
    texts = [truth_tables.sloppy_demonstration(row, random) for row in rows]
    whole = [(row, text) for row, text in zip(rows, texts, strict=True) if template.parse(text)]
    assert 1 - len(whole) / len(texts) == pytest.approx(0.25, abs=0.04)
    blurted = [(row, text) for row, text in whole if text.startswith(template.end_working)]
    assert len(blurted) / len(whole) == pytest.approx(0.70, abs=0.05)
    assert sum(template.parse(text) == row["answer"] for row, text in blurted) / len(blurted) == pytest.approx(
        0.3, abs=0.05
    )
    steps = [part for _, text in whole for part in text.partition(template.end_working)[0].split(";") if part]
    columns = {"p": "0011", "q": "0101"}
    right = 0
    for part in steps:
        left, operator, right_side, result = re.fullmatch(r"(.+)([∧∨→⊕])([pq])=(\d{4})", part).groups()  # type: ignore[union-attr]
        joined = truth_tables._joined(operator, int(columns.get(left, left), 2), int(columns[right_side], 2))
        right += result == f"{joined:04b}"
    assert 1 - right / len(steps) == pytest.approx(0.05, abs=0.02)


def test_every_text_of_the_task_survives_the_tokenizer() -> None:
    tokenizer = tiny_tokenizer(characters=truth_tables.CHARACTERS)
    template, random = AnswerTemplate(), Random(0)
    texts = [template.system_prompt]
    for row in truth_tables.problems(200, seed=0):
        texts += [row["prompt"], truth_tables.worked(row), truth_tables.sloppy_demonstration(row, random)]
    for text in texts:
        ids = tokenizer(text, add_special_tokens=False)["input_ids"]
        assert tokenizer.decode(ids) == text
        assert tokenizer.unk_token_id not in ids
    longest = max(len(tokenizer.tokenize(truth_tables.worked(row))) for row in truth_tables.problems(1000, seed=1))
    assert longest + 8 <= truth_tables.MAX_TOKENS


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a cache in which the recipe finds a base that was made in a second."""
    folder = tmp_path_factory.mktemp("cache")
    made = create_base(0, cache_dir=folder / "rlframework", recipe=QUICK, progress=False, task=truth_tables)
    assert made.base.parent.parent.name == "truth_tables"
    tokenizer = tiny_tokenizer(characters=truth_tables.CHARACTERS)
    made.base.parent.rename(made.base.parent.with_name(tiny_base._key(0, truth_tables, BaseRecipe(), tokenizer)))
    return folder


def run(cache: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    return forked.run(*arguments, XDG_CACHE_HOME=str(cache))


@pytest.mark.docs
def test_the_recipe_runs_and_leaves_what_it_promises(cache: Path, tmp_path: Path) -> None:
    done = run(cache, "recipes/truth_table.py", "--smoke", "--seed", "0", "--output", tmp_path)
    assert done.returncode == 0, done.stderr
    folder = tmp_path / "truth_table" / "version_0"
    summary = json.loads((folder / "summary.json").read_text())
    assert (summary["optimizer_steps"], summary["n_heldout"], summary["seed"]) == (3, 32, 0)
    records = [json.loads(line) for line in (folder / "rollouts.jsonl").open()]
    assert len(records) == 3 * 16 * 8
    assert records[0]["rewards"].keys() == {"exact_format", "approximate_format", "truth_table"}
    assert (folder / "curves.png").read_bytes().startswith(b"\x89PNG")
    assert [name in done.stdout for name in ("base", "base + priming", "+ GRPO")] == [True] * 3


@pytest.mark.docs
def test_the_yaml_twin_trains(cache: Path, tmp_path: Path) -> None:
    options = ["--trainer.max_steps", 1, "--trainer.limit_val_batches", 0, "--trainer.default_root_dir", tmp_path]
    config = ROOT / "recipes" / "truth_table.yaml"
    done = run(cache, "-m", "rlframework.cli", "fit", "--config", config, *options, "--trainer.logger", "false")
    assert done.returncode == 0, done.stderr[-2000:]


def test_the_recipe_is_short() -> None:
    assert len((ROOT / "recipes" / "truth_table.py").read_text().splitlines()) <= 90
