"""GSM8K, on rows of its schema."""

from __future__ import annotations

import pytest

from rlframework.data import GSM8K
from rlframework.testing import letter_tokenizer

TRAIN = [
    {"question": "Ann has 3 and gets 4. How many?", "answer": "3 + 4 = <<3+4=7>>7 in all.\n#### 7"},
    {"question": "What do 5 cars cost?", "answer": "5 * 250 = <<5*250=1250>>1250\n#### 1,250"},
]
TEST = [{"question": "Bob has 2 and eats 1. How many?", "answer": "2 - 1 = <<2-1=1>>1\n#### 1"}]


@pytest.mark.parametrize("ending", [".parquet", ".jsonl"])
def test_the_gold_stands_behind_the_hashes(hub_folder, ending: str) -> None:
    data = GSM8K(hub_folder({"main": {"train": TRAIN, "test": TEST}}, ending=ending))
    assert data.rows("train") == [
        {"prompt": "Ann has 3 and gets 4. How many?", "answer": "7"},
        {"prompt": "What do 5 cars cost?", "answer": "1,250"},
    ]
    assert data.rows("validation") == [{"prompt": "Bob has 2 and eats 1. How many?", "answer": "1"}]


def test_every_gold_is_one_that_the_verifier_reads(hub_folder, recwarn: pytest.WarningsRecorder) -> None:
    data = GSM8K(hub_folder({"main": {"train": TRAIN, "test": TEST}}), structured=False)
    assert len(data.tokenize("train", letter_tokenizer())) == 2
    assert not [warning for warning in recwarn if "gold" in str(warning.message)]
