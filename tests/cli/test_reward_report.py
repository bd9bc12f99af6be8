"""``rlframework reward-report``: names of rewards, files of data, exit status."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow
import pytest
from pyarrow import parquet

from rlframework.cli.reward_report import main
from rlframework.data import ColumnMap, LocalFile, after_hashes
from rlframework.reward_report.sources import read_reward, read_rows
from rlframework.rewards import CorrectAnswer
from rlframework.utilities.imports import find_attribute

ROWS = [{"prompt": "17 + 1?", "answer": "18"}, {"prompt": "20 + 2?", "answer": "22"}]
MINE = """
from rlframework.rewards import CorrectAnswer, NumberCheck

def anywhere(completion, answer):
    return float(answer in completion)

def make():
    return CorrectAnswer(name="made")

ready = NumberCheck(name="ready")
rows = [{"prompt": "17 + 1?", "answer": "18"}, {"prompt": "20 + 2?", "answer": "22"}]
nothing = 3

def broken():
    return 1 / 0

class Broken(CorrectAnswer):
    def __init__(self):
        1 / 0
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "my_kit_rewards.py").write_text(MINE)
    (tmp_path / "rows.jsonl").write_text("\n".join(map(json.dumps, ROWS)) + "\n\n")
    (tmp_path / "rows.json").write_text(json.dumps(ROWS))
    (tmp_path / "rows.csv").write_text("prompt,answer\n17 + 1?,18\n20 + 2?,22\n")
    (tmp_path / "rows.tsv").write_text("prompt\tanswer\n17 + 1?\t18\n20 + 2?\t22\n")
    parquet.write_table(pyarrow.Table.from_pylist(ROWS), tmp_path / "rows.parquet")
    (tmp_path / "bad.jsonl").write_text('{"prompt": "?"}\n{"prompt"\n')
    (tmp_path / "empty.json").write_text("[]")
    (tmp_path / "bad.json").write_text("[{")
    (tmp_path / "long.csv").write_text("prompt,answer\n" + "1" * 200_000 + ",2\n")
    (tmp_path / "raising.py").write_text("1 / 0\n")
    (tmp_path / "unreadable.py").write_text("def (\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("kind", ["jsonl", "json", "csv", "tsv", "parquet"])
def test_files_of_every_kind_give_the_same_rows(folder: Path, kind: str) -> None:
    assert read_rows(str(folder / f"rows.{kind}")) == ROWS


@pytest.mark.parametrize("kind", ["jsonl", "json", "csv", "tsv"])
def test_a_byte_order_mark_is_no_part_of_the_first_column(folder: Path, kind: str) -> None:
    file = folder / f"rows.{kind}"
    file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes())
    assert read_rows(str(file)) == ROWS


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("bad.json", "bad.json is no JSON"),
        ("long.csv", "long.csv cannot be read as a table of text: "),
        ("my_kit_rewards:nothing", "is of type int and holds no rows"),
        ("raising.py:rows", "importing raising.py for 'raising.py:rows' raises ZeroDivisionError: division by zero"),
        ("my_kit_rewards:broken", "calling 'my_kit_rewards:broken' without arguments raises ZeroDivisionError"),
        ("none.jsonl", "there is no file none.jsonl"),
        ("bad.jsonl", "line 2 of bad.jsonl is no JSON"),
        ("empty.json", "holds 0 rows"),
        ("my_kit_rewards:nowhere", "has no attribute 'nowhere'"),
        ("no_such_module:rows", "cannot find 'no_such_module:rows'"),
    ],
)
def test_data_that_is_not_there(folder: Path, source: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        read_rows(source)


@pytest.mark.parametrize(
    ("names", "components"),
    [
        (["my_kit_rewards:anywhere"], [("anywhere", 1.0)]),
        (["my_kit_rewards.py:make"], [("made", 1.0)]),
        (["my_kit_rewards:ready + 0.5*CorrectAnswer"], [("ready", 1.0), ("correct_answer", 0.5)]),
        (["rlframework.rewards.CorrectAnswer", "ExactFormat"], [("correct_answer", 1.0), ("exact_format", 1.0)]),
    ],
)
def test_names_of_rewards(folder: Path, names: list[str], components: Any) -> None:
    assert [(part.name, part.weight) for part in read_reward(names).components()] == components


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("NoSuchReward", "cannot find 'NoSuchReward'"),
        ("none.py:f", "there is no file none.py"),
        ("my_kit_rewards:nothing", "makes no reward: expected a reward"),
        ("raising.py:right", "importing raising.py for 'raising.py:right' raises ZeroDivisionError: division by zero"),
        ("unreadable.py:right", "raises SyntaxError"),
        ("my_kit_rewards:broken", "raises ZeroDivisionError"),
        ("my_kit_rewards:Broken", "raises ZeroDivisionError"),
        ("CorrectAnswer + ", "cannot read ''"),
        ("CorrectAnswer * 2 * 3", "cannot read 'CorrectAnswer"),
    ],
)
def test_what_is_no_reward(folder: Path, name: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        read_reward([name])


def test_a_name_means_the_same_however_it_is_said() -> None:
    assert find_attribute("CorrectAnswer", "rlframework.rewards") is CorrectAnswer


def test_a_sound_reward_exits_with_0_and_writes_both_files(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--reward", "CorrectAnswer", "--data", "rows.csv", "--out", "out"]) == 0
    assert "fit for training" in capsys.readouterr().out
    assert sorted(path.name for path in (folder / "out").iterdir()) == ["reward_report.html", "reward_report.json"]


def test_false_accepts_exit_with_1(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--reward", "my_kit_rewards:anywhere", "--data", "my_kit_rewards:rows", "--max-false-refusals", "1"]
    assert main(arguments) == 1
    assert "wrong answers of" in capsys.readouterr().out


def test_false_refusals_exit_with_1_above_their_share(folder: Path) -> None:
    picky = "def picky(parsed, answer):\n    return float(parsed == answer)\n"
    (folder / "my_picky_rewards.py").write_text(picky)
    arguments = ["--reward", "my_picky_rewards:picky", "--data", "rows.jsonl", "--max-false-refusals"]
    report = main([*arguments, "0.2"]), main([*arguments, "0.5"])
    assert report == (1, 0)


def test_the_layout_may_be_bare_or_named(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "my_bare_rewards.py").write_text(
        "def bare(completion, answer, stop_reason):\n"
        "    return float(completion.strip() in (answer, answer + '.0') and stop_reason == 'stop')\n"
    )
    assert main(["--reward", "my_bare_rewards:bare", "--data", "rows.json", "--layout", "bare"]) == 0
    assert main(["--reward", "CorrectAnswer", "--data", "rows.json", "--layout", "AnswerTemplate"]) == 0


WORKED = [{"question": f"{n} + 1?", "solution": f"One more.\n#### {n + 1}", "level": n % 3} for n in range(20, 30)]


def test_data_as_local_file_has_it(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = [*WORKED, {"question": "Why?", "solution": "Because.", "level": 0}]
    (folder / "worked.jsonl").write_text("\n".join(map(json.dumps, lines)))
    columns = ColumnMap("question", "solution", after_hashes, keep=None)
    plain = {"structured": False, "heldout_share": 0.0}
    file = LocalFile(folder / "worked.jsonl", prompt="question", answer="solution", splitter=after_hashes, **plain)
    assert read_rows("worked.jsonl", columns) == file.rows("train")

    arguments = ["--reward", "CorrectAnswer", "--data", "worked.jsonl", "--prompt-column", "question"]
    arguments += ["--gold", "solution", "--splitter", "after_hashes"]
    assert main(arguments) == 0
    assert "1 more rows have no usable answer" in capsys.readouterr().out
    assert main([*arguments, "--max-unverifiable", "0.05"]) == 1
    assert "of 10 of 11 rows (90.9%; at least 95% are asked for)" in " ".join(capsys.readouterr().out.split())
    with pytest.warns(UserWarning, match="1 of 11 given rows"):
        assert main([*arguments, "--max-unverifiable", "0.05", "--verifiable", "math_gold"]) == 0
    capsys.readouterr()
    with pytest.raises(SystemExit):
        main([*arguments[:6], "--gold", "answer", "--splitter", "rlframework.data:after_hashes"])
    assert "has no column 'answer'; its columns are: question, solution, level" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [
        ["--data", "rows.csv"],
        ["--reward", "NoSuchReward", "--data", "rows.csv"],
        ["--reward", "CorrectAnswer", "--data", "none.csv"],
        ["--reward", "CorrectAnswer", "--data", "rows.csv", "--answer-column", "gold"],
        ["--reward", "CorrectAnswer", "--data", "rows.csv", "--max-false-refusals", "2"],
        ["--reward", "CorrectAnswer", "--data", "rows.csv", "--accept-above", "nan"],
        ["--reward", "CorrectAnswer", "--data", "rows.csv", "--accept-above", "inf"],
        ["--reward", "CorrectAnswer", "--data", "rows.csv", "--rows", "0"],
        ["--reward", "CorrectAnswer", "--data", "rows.csv", "--layout", "CorrectAnswer"],
        ["--reward", "CorrectAnswer", "--data", "rows.csv", "--layout", "my_kit_rewards:ready"],
        ["--reward", "CorrectAnswer", "--data", "rows.csv", "--layout", "my_kit_rewards:anywhere"],
        ["--reward", "CorrectAnswer", "--data", "rows.csv", "--layout", "raising.py:layout"],
        ["--reward", "raising.py:right", "--data", "rows.csv"],
        ["--reward", "CorrectAnswer", "--data", "rows.csv", "--splitter", "raising.py:right"],
    ],
)
def test_what_cannot_be_carried_out_exits_with_2(
    folder: Path, arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    assert stopped.value.code == 2
    assert "reward-report: error:" in capsys.readouterr().err.splitlines()[-1]


def test_where_to_write_is_tried_before_anything_is_scored(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "my_late_rewards.py").write_text(
        "def late(parsed, answer):\n    open('scored', 'w').close()\n    return 1.0\n"
    )
    with pytest.raises(SystemExit):
        main(["--reward", "my_late_rewards:late", "--data", "rows.csv", "--out", "rows.csv"])
    assert "cannot write to the folder rows.csv" in capsys.readouterr().err
    assert not (folder / "scored").exists()
