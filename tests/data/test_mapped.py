"""From a folder's rows to prompts and golds, and what is held out of training."""

from __future__ import annotations

import logging
from typing import Any

import jsonargparse
import pytest

from rlframework.data import ColumnMap, MappedData, PromptDataModule, Source, last_boxed, set_structured_chat_template
from rlframework.data.heldout import is_held_out
from rlframework.rewards.template import AnswerTemplate
from rlframework.testing import letter_tokenizer


def problems(n: int, start: int = 0) -> list[dict[str, Any]]:
    return [{"q": f"What is {i} + 1?", "a": rf"It is $\boxed{{{i + 1}}}$.", "junk": i} for i in range(start, start + n)]


COLUMNS = ColumnMap("q", "a", last_boxed)


def prompts_of(rows: list[dict[str, Any]]) -> set[str]:
    return {row["prompt"] for row in rows}


def test_the_two_sides_share_no_problem_and_lose_none(hub_folder) -> None:
    data = MappedData(Source(hub_folder({"default": {"train": problems(200)}})), COLUMNS, heldout_share=0.2)
    train, held_out = data.rows("train"), data.rows("validation")
    assert train[0].keys() == {"prompt", "answer"}
    assert len(train) + len(held_out) == 200
    assert not prompts_of(train) & prompts_of(held_out)
    assert 20 <= len(held_out) <= 60


def test_a_problem_that_occurs_twice_never_stands_on_both_sides(hub_folder) -> None:
    twice = [*problems(200), *({**row, "q": f"  {row['q']}\n"} for row in problems(200))]
    data = MappedData(
        Source(hub_folder({"default": {"train": twice}})), COLUMNS, heldout_share=0.2, drop_duplicates=False
    )
    train, held_out = ({p.strip() for p in prompts_of(data.rows(split))} for split in ("train", "validation"))
    assert len(data.rows("train")) + len(data.rows("validation")) == 400
    assert not train & held_out


def test_a_problem_stays_on_its_side_whatever_else_there_is(hub_folder) -> None:
    small = hub_folder({"default": {"train": problems(50)}}, name="small")
    large = hub_folder({"default": {"train": problems(300)[::-1]}}, name="large")
    few, many = (
        prompts_of(MappedData(Source(p), COLUMNS, heldout_share=0.3).rows("validation")) for p in (small, large)
    )
    assert few == {prompt for prompt in many if prompt in prompts_of(list(map(COLUMNS, problems(50))))}
    assert few


def test_another_seed_holds_out_others(hub_folder) -> None:
    path = hub_folder({"default": {"train": problems(200)}})
    first, second = (MappedData(Source(path), COLUMNS, heldout_share=0.2, seed=s).rows("validation") for s in (0, 1))
    assert first != second


def test_a_problem_of_a_held_out_split_is_not_trained_on(hub_folder) -> None:
    path = hub_folder({"default": {"train": problems(10), "test": problems(4, start=8)}})
    data = MappedData(Source(path), COLUMNS, Source(path, split="test"))
    assert [row["answer"] for row in data.rows("train")] == [str(i) for i in range(1, 9)]
    assert [row["answer"] for row in data.rows("validation")] == ["9", "10", "11", "12"]


def test_validation_rows_are_a_sample_and_the_others_stay_unused(hub_folder) -> None:
    path = hub_folder({"default": {"train": problems(200)}})
    whole = MappedData(Source(path), COLUMNS, heldout_share=0.3)
    part = MappedData(Source(path), COLUMNS, heldout_share=0.3, validation_rows=7)
    assert len(part.rows("validation")) == 7
    assert prompts_of(part.rows("validation")) < prompts_of(whole.rows("validation"))
    assert part.rows("train") == whole.rows("train")


def test_nothing_is_held_out_of_a_share_of_0(hub_folder) -> None:
    data = MappedData(Source(hub_folder({"default": {"train": problems(9)}})), COLUMNS, heldout_share=0)
    assert set(data.sources) == {"train"}
    assert len(data.rows("train")) == 9


def test_prompts_are_structured_and_golds_that_cannot_be_read_are_reported(hub_folder) -> None:
    rows = [*problems(40), {"q": "Prove it.", "a": "Proved, without a box.", "junk": 0}]
    data = MappedData(Source(hub_folder({"default": {"train": rows}})), COLUMNS, heldout_share=0.1)
    # The one without a gold is on a side that its text decides.
    split = "validation" if is_held_out("Prove it.", 0.1) else "train"
    tokenizer, template = letter_tokenizer(), AnswerTemplate()
    set_structured_chat_template(tokenizer, template)
    with pytest.warns(UserWarning, match=rf"1 of \d+ {split} rows \(\d+\.\d%\) have a gold .*: row \d+: None"):
        prompts = data.tokenize(split, tokenizer)
    assert len(prompts) == len(data.rows(split)) - 1
    assert prompts[0].text == template.system_prompt + "<eos>" + prompts[0].row["prompt"] + "<start_working_out>"


def test_any_callable_tells_which_golds_are_kept(hub_folder) -> None:
    path = hub_folder({"default": {"train": problems(9)}})
    options = {"heldout_share": 0, "structured": False}
    some = MappedData(Source(path), COLUMNS, verifiable=lambda gold: gold != "3", **options)
    with pytest.warns(UserWarning, match=r"1 of 9 train rows \(11.1%\)"):
        assert len(some.tokenize("train", letter_tokenizer())) == 8
    every = MappedData(Source(path), COLUMNS, verifiable=None, **options)
    assert len(every.tokenize("train", letter_tokenizer())) == 9
    with pytest.raises(ValueError, match=r"9 of 9 train rows.*None is left"):
        MappedData(Source(path), COLUMNS, verifiable=lambda gold: False, **options).tokenize(
            "train", letter_tokenizer()
        )


def test_a_subclass_says_what_it_wants(hub_folder) -> None:
    class Even(MappedData):
        def wanted(self, row: dict[str, Any]) -> bool:
            return int(row["answer"]) % 2 == 0

    data = Even(Source(hub_folder({"default": {"train": problems(10)}})), COLUMNS, heldout_share=0)
    assert [row["answer"] for row in data.rows("train")] == ["2", "4", "6", "8", "10"]


@pytest.mark.parametrize("share", [-0.1, 1, 1.5])
def test_a_share_that_makes_no_sense_is_refused(share: float) -> None:
    with pytest.raises(ValueError, match=r"must lie in \[0, 1\)"):
        MappedData(Source("x"), COLUMNS, heldout_share=share)


def test_a_side_without_rows_is_refused(hub_folder) -> None:
    # One problem, which its hash puts into training.
    data = MappedData(Source(hub_folder({"default": {"train": problems(1)}})), COLUMNS, heldout_share=1e-9)
    with pytest.raises(ValueError, match=r"no validation rows are left.*raise heldout_share"):
        data.rows("validation")


def test_a_column_that_is_missing_is_named(hub_folder) -> None:
    data = MappedData(Source(hub_folder({"default": {"train": problems(3)}})), ColumnMap("q", "answer"))
    with pytest.raises(KeyError, match="no column 'answer'; its columns are: q, a, junk"):
        data.rows("train")


def test_what_is_left_out_is_said(hub_folder, caplog) -> None:
    class Even(MappedData):
        def wanted(self, row: dict[str, Any]) -> bool:
            return int(row["answer"]) % 2 == 0

    path = hub_folder({"default": {"train": problems(10) * 2, "test": problems(2)}})
    with caplog.at_level(logging.INFO):
        assert len(Even(Source(path), COLUMNS, Source(path, split="test")).rows("train")) == 4
    assert f"10 of 20 train rows of {path} are not wanted" in caplog.text
    assert "2 of 10 training rows repeat a problem of the validation split" in caplog.text
    assert "4 of 8 train rows repeat a problem and were left out" in caplog.text


@pytest.mark.parametrize("name", ["OpenR1Math", "OpenR1Demonstrations", "DAPOMath", "GSM8K", "MATH"])
def test_a_yaml_file_that_says_nothing_of_it_asks_for_the_structured_answer(name: str) -> None:
    """Of a default that is an object of a dataclass, the command line makes None."""
    parser = jsonargparse.ArgumentParser()
    parser.add_subclass_arguments(PromptDataModule, "data")
    data = parser.instantiate_classes(parser.parse_args([f"--data=rlframework.data.{name}"])).data
    assert data.tokenization["system_prompt"] == AnswerTemplate().system_prompt
    assert data.tokenization["generation_prompt"] == "<start_working_out>"
    assert data.plain_chat is False


def test_a_plain_chat_without_a_layout_is_refused() -> None:
    with pytest.raises(ValueError, match="plain_chat=True writes chats around a structured answer"):
        PromptDataModule([{"prompt": "a"}], plain_chat=True)
