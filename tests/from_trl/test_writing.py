"""The file that is written: YAML reads its numbers, its head says what is missing, and nothing is overwritten."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from rlframework.from_trl.conversion import Converted
from rlframework.from_trl.found import Missed
from rlframework.from_trl.writing import report, write, yaml_text

TREE = {"a": 1e-6, "b": [0.0, 2e22, -1e-8], "c": None, "d": {"e": True, "f": "1e-6"}}


def test_yaml_reads_what_was_written() -> None:
    text = yaml_text(Converted(TREE, "", [], []), "train.py", "rlframework fit -c run.yaml")
    assert yaml.safe_load(text) == TREE
    assert "a: 1.0e-06\n" in text


def test_one_list_stands_twice_as_it_is() -> None:
    shared = ["x"]
    text = yaml_text(Converted({"a": shared, "b": shared}, "", [], []), "train.py", "")
    assert yaml.safe_load(text) == {"a": ["x"], "b": ["x"]}
    assert "&" not in text


def test_the_head_says_what_is_missing_and_what_is_different() -> None:
    missed = [
        Missed("train.py, line 3", "beta=args.beta", "set model.kl_coefficient " * 9),
        Missed("", "no model", "name it"),
    ]
    converted = Converted(TREE, "", missed, ["the clip"])
    lines = list(report(converted))
    assert lines[0] == "Not carried over (2):"
    assert "  - train.py, line 3: beta=args.beta" in lines
    assert "  - no model" in lines
    assert "Different here (1):" in lines
    assert max(map(len, lines)) <= 118
    text = yaml_text(converted, "train.py", "")
    assert all(f"# {line}".rstrip() in text.splitlines() for line in lines)
    assert yaml.safe_load(text) == TREE


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "run.yaml"
    assert write(path, "a: 1\n", "run_code", "") == [path]
    assert not (tmp_path / "run_code.py").exists()
    with pytest.raises(FileExistsError, match="name another file"):
        write(path, "a: 2\n", "run_code", "b = 1\n")
    assert path.read_text() == "a: 1\n"
    other = tmp_path / "other.yaml"
    (tmp_path / "other_code.py").write_text("mine")
    with pytest.raises(FileExistsError, match=r"other_code\.py"):
        write(other, "a: 2\n", "other_code", "b = 1\n")
    assert not other.exists()
