"""From a source to rows: what is held out, what is left out, and what is said of it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pytest

from rlframework.data import ColumnMap, MappedData, Source, after_hashes, math_gold
from rlframework.data.heldout import is_held_out
from rlframework.rewards import AnswerTemplate
from rlframework.tasks.tiny_tokenizer import tiny_tokenizer

Folder = Callable[..., str]


def question(i: int) -> dict[str, Any]:
    return {"question": f"{i}+{i + 1}=?", "answer": f"Add.\n#### {2 * i + 1}", "level": i % 3}


class Sums(MappedData):
    def __init__(self, path: str, tested: bool = False, **options: Any) -> None:
        columns = ColumnMap("question", "answer", after_hashes, keep=("level",))
        super().__init__(Source(path), columns, Source(path, split="test") if tested else None, **options)


@pytest.fixture
def folder(hub_folder: Folder) -> str:
    return hub_folder({"default": {"train": [question(i) for i in range(300)]}})


def texts(rows: list[dict[str, Any]]) -> list[str]:
    return [row["prompt"] for row in rows]


def test_rows_are_mapped(folder: str) -> None:
    assert Sums(folder, heldout_share=0).rows("train")[:2] == [
        {"prompt": "0+1=?", "answer": "1", "level": 0},
        {"prompt": "1+2=?", "answer": "3", "level": 1},
    ]


def test_a_share_is_held_out_and_the_rest_is_trained_on(folder: str) -> None:
    data = Sums(folder, heldout_share=0.2)
    train, held_out = data.rows("train"), data.rows("validation")
    assert not set(texts(train)) & set(texts(held_out))
    assert len(train) + len(held_out) == 300
    assert 35 <= len(held_out) <= 85
    assert all(is_held_out(text, 0.2) for text in texts(held_out))


def test_the_seed_says_which_and_nothing_else_does(folder: str, hub_folder: Folder) -> None:
    held_out = texts(Sums(folder, heldout_share=0.2).rows("validation"))
    assert texts(Sums(folder, heldout_share=0.2, seed=1).rows("validation")) != held_out
    # The same problems in another order, fewer of them, and each of them twice.
    turned = hub_folder({"default": {"train": [question(i) for i in range(199, -1, -1)] * 2}}, name="turned")
    assert set(texts(Sums(turned, heldout_share=0.2).rows("validation"))) == {
        text for text in held_out if int(text.partition("+")[0]) < 200
    }


@pytest.mark.parametrize("drop_duplicates", [True, False])
def test_a_problem_that_occurs_twice_is_on_one_side(hub_folder: Folder, drop_duplicates: bool) -> None:
    rows = [question(i) for i in range(100)]
    spaced = [{**row, "question": f" {row['question']}\n"} for row in rows]
    path = hub_folder({"default": {"train": rows + spaced}})
    data = Sums(path, heldout_share=0.3, drop_duplicates=drop_duplicates)
    train, held_out = data.rows("train"), data.rows("validation")
    assert not {text.strip() for text in texts(train)} & {text.strip() for text in texts(held_out)}
    assert len(train) + len(held_out) == (100 if drop_duplicates else 200)


def test_validation_is_capped_and_the_rest_of_the_held_out_stays_unused(folder: str) -> None:
    everything = Sums(folder, heldout_share=0.2)
    capped = Sums(folder, heldout_share=0.2, validation_rows=10)
    assert len(capped.rows("validation")) == 10
    assert set(texts(capped.rows("validation"))) < set(texts(everything.rows("validation")))
    assert capped.rows("train") == everything.rows("train")


def test_a_split_of_its_own_is_validated_and_kept_out_of_training(hub_folder: Folder, caplog) -> None:
    path = hub_folder({"default": {"train": [question(i) for i in range(10)], "test": [question(3), question(40)]}})
    data = Sums(path, tested=True)
    with caplog.at_level(logging.INFO):
        train = data.rows("train")
    assert texts(data.rows("validation")) == ["3+4=?", "40+41=?"]
    assert len(train) == 9
    assert "3+4=?" not in texts(train)
    assert "1 of 10 training rows repeat a problem of the validation split" in caplog.text


def test_no_share_means_no_validation(folder: str) -> None:
    assert set(Sums(folder, heldout_share=0).sources) == {"train"}


def test_repeated_problems_are_counted(hub_folder: Folder, caplog) -> None:
    path = hub_folder({"default": {"train": [question(1), question(2), question(1)]}})
    with caplog.at_level(logging.INFO):
        assert len(Sums(path, heldout_share=0).rows("train")) == 2
    assert "1 of 3 train rows repeat a problem and were left out" in caplog.text


def test_unwanted_rows_are_counted(folder: str, caplog) -> None:
    class Hard(Sums):
        def wanted(self, row: dict[str, Any]) -> bool:
            return row["level"] == 2

    with caplog.at_level(logging.INFO):
        assert len(Hard(folder, heldout_share=0).rows("train")) == 100
    assert f"200 of 300 train rows of {folder} are not wanted" in caplog.text


def test_nothing_left_is_an_error(hub_folder: Folder) -> None:
    path = hub_folder({"default": {"train": [question(0)]}})
    with pytest.raises(ValueError, match=r"no validation rows are left of .*; raise heldout_share=1e-09"):
        Sums(path, heldout_share=1e-9).rows("validation")


@pytest.mark.parametrize("share", [-0.1, 1.0, 20])
def test_a_share_that_is_none_is_refused(folder: str, share: float) -> None:
    with pytest.raises(ValueError, match=r"must lie in \[0, 1\)"):
        Sums(folder, heldout_share=share)


def test_a_wrong_column_names_those_there_are(folder: str) -> None:
    data = MappedData(Source(folder), ColumnMap("problem", "answer"))
    with pytest.raises(KeyError, match="no column 'problem'; its columns are: question, answer, level"):
        data.rows("train")


def test_prompts_have_the_layout_and_golds_that_can_be_checked(hub_folder: Folder) -> None:
    rows = [question(i) for i in range(20)]
    rows[3]["answer"], rows[5]["answer"] = "Nobody knows.", "Who knows.\n#### ?"
    data = Sums(hub_folder({"default": {"train": rows}}), heldout_share=0)
    message = r"2 of 20 train rows \(10.0%\) have a gold that the verifier cannot read: row 3: None; row 5: '\?'\."
    with pytest.warns(UserWarning, match=message):
        prompts = data.tokenize("train", tiny_tokenizer())
    assert len(prompts) == 18
    assert all(AnswerTemplate().system_prompt in prompt.text for prompt in prompts)
    assert all(prompt.text.endswith("<start_working_out>") for prompt in prompts)
    assert prompts[0].row == {"prompt": "0+1=?", "answer": "1", "level": 0}


def test_held_out_golds_are_looked_at_too(hub_folder: Folder) -> None:
    tests = [question(1), {**question(2), "answer": "#### ?"}]
    path = hub_folder({"default": {"train": [question(0)], "test": tests}})
    with pytest.warns(UserWarning, match="1 of 2 validation rows"):
        assert len(Sums(path, tested=True).tokenize("validation", tiny_tokenizer())) == 1


def test_layout_and_check_can_be_turned_off(folder: str) -> None:
    data = Sums(folder, heldout_share=0, template=None, verifier=None)
    assert data.verifier is None
    assert data.tokenize("train", tiny_tokenizer())[0].text == "0+1=?"
    assert Sums(folder).verifier is math_gold
