"""Files of every format give the same rows."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from datasets import Dataset

from rlframework.data import LocalFile, after_hashes, math_gold
from rlframework.tasks.tiny.tokenizer import tiny_tokenizer

ROWS = [{"question": f"{i}+{i}=?", "gold": f"Add.\n#### {2 * i}", "level": i} for i in range(6)]
MAPPED = [{"prompt": f"{i}+{i}=?", "answer": str(2 * i), "level": i} for i in range(6)]
OPTIONS = {"prompt": "question", "answer": "gold", "splitter": after_hashes}


def write(path: Path) -> Path:
    rows = Dataset.from_list(ROWS)
    if path.suffix == ".json":
        path.write_text(json.dumps(ROWS))
    elif path.suffix == ".jsonl":
        rows.to_json(path)
    elif path.suffix == ".parquet":
        rows.to_parquet(path)
    else:
        rows.to_csv(path, sep="\t" if path.suffix == ".tsv" else ",")
    return path


@pytest.mark.parametrize("name", ["a.jsonl", "a.json", "a.parquet", "a.csv", "a.tsv", "A.JSONL"])
def test_every_format(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    write(tmp_path / name.lower()).rename(path)
    assert LocalFile(path, heldout_share=0, **OPTIONS).rows("train") == MAPPED


def test_a_share_is_held_out_unless_there_is_a_second_file(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl")
    split = LocalFile(str(path), heldout_share=0.5, **OPTIONS)
    assert sorted(row["level"] for side in split.sources for row in split.rows(side)) == list(range(6))
    (tmp_path / "b.jsonl").write_text('{"question": "9+9=?", "gold": "#### 18", "level": 9}\n')
    two = LocalFile(path, tmp_path / "b.jsonl", **OPTIONS)
    assert two.rows("train") == MAPPED
    assert two.rows("validation") == [{"prompt": "9+9=?", "answer": "18", "level": 9}]


def test_golds_of_a_csv_file_stay_as_they_are_written(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("prompt,answer,n\na,007,1\nb,1e5,2\nc,NA,3\nd,3.0,4\ne,,5\n")
    rows = LocalFile(path, heldout_share=0).rows("train")
    assert [row["answer"] for row in rows] == ["007", "1e5", "NA", "3.0", None]
    assert [row["n"] for row in rows] == [1, 2, 3, 4, 5]


def test_chat_messages_and_structured_golds_are_kept(tmp_path: Path) -> None:
    row = {"prompt": [{"role": "user", "content": "3+4=?"}], "answer": [["3 4", "7"]]}
    (tmp_path / "a.jsonl").write_text(json.dumps(row) + "\n")
    data = LocalFile(tmp_path / "a.jsonl", heldout_share=0)
    assert data.rows("train") == [row]
    assert "3+4=?" in data.tokenize("train", tiny_tokenizer())[0].text


def test_golds_are_checked_if_asked_for(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"prompt": "a", "answer": "?"}\n{"prompt": "b", "answer": "1"}\n')
    assert len(LocalFile(tmp_path / "a.jsonl", heldout_share=0).tokenize("train", tiny_tokenizer())) == 2
    data = LocalFile(tmp_path / "a.jsonl", heldout_share=0, verifiable=math_gold)
    with pytest.warns(UserWarning, match="1 of 2 train rows"):
        prompts = data.tokenize("train", tiny_tokenizer())
    assert [prompt.row["answer"] for prompt in prompts] == ["1"]


def test_a_missing_file_and_an_unknown_ending_are_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"there is no file .*none\.jsonl"):
        LocalFile(tmp_path / "none.jsonl")
    with pytest.raises(ValueError, match=r"ends with '\.txt'; files that can be read end with \.jsonl, \.json"):
        LocalFile(tmp_path / "a.txt")
    with pytest.raises(ValueError, match=r"ends with '\.xml'"):
        LocalFile(write(tmp_path / "a.csv"), tmp_path / "b.xml", **OPTIONS)


@pytest.mark.parametrize("name", ["a.csv", "a.tsv"])
def test_a_row_with_more_cells_than_the_header_is_refused_with_its_line(tmp_path: Path, name: str) -> None:
    separator = "," if name.endswith("csv") else "\t"
    lines = [["prompt", "answer"], ["How many?", "5"], ["And then?", "1", "000"]]
    file = tmp_path / name
    file.write_text("".join(separator.join(line) + "\n" for line in lines))
    with pytest.raises(ValueError, match=r"line 3: 3 cells under a header of 2\. Quote a cell"):
        LocalFile(file)
    file.write_text("".join(separator.join(f'"{cell}"' for cell in line[:2]) + "\n" for line in lines))
    LocalFile(file)


def test_a_file_in_another_encoding_is_named(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_bytes("prompt,answer\nWie groß?,5\n".encode("latin-1"))
    with pytest.raises(ValueError, match=r"a\.csv is no UTF-8"):
        LocalFile(file)


def test_a_side_without_rows_is_told_by_the_file_and_not_by_its_format(tmp_path: Path) -> None:
    file = tmp_path / "sums.jsonl"
    file.write_text(json.dumps({"prompt": "3 + 4?", "answer": "7"}) + "\n")
    with pytest.raises(ValueError, match=r"no validation rows are left of .*sums\.jsonl'; raise heldout_share=0\.02"):
        LocalFile(file).rows("validation")
