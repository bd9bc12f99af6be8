"""Sets that differ in their columns and nothing else: DAPO-Math, GSM8K and MATH."""

import pytest

from rlframework.data import GSM8K, MATH, DAPOMath
from rlframework.rewards import AnswerTemplate
from rlframework.tasks import tiny_tokenizer


def test_dapo_math_has_the_gold_in_its_solution(hub_folder):
    rows = [
        {
            "prompt": f"Find {n}.",
            "solution": str(n),
            "data_source": "math_dapo",
            "source_prompt": [{"content": "Solve step by step", "role": "user"}],
            "ability": "MATH",
            "reward_model": {"ground_truth": str(n), "style": "rule"},
            "extra_info": {"index": "1"},
        }
        for n in (34, -7)
    ]
    data = DAPOMath(hub_folder({"en": {"train": rows}, "cn": {"train": rows[:1]}}), heldout_share=0)
    assert data.rows("train") == [
        {"prompt": "Find 34.", "answer": "34", "data_source": "math_dapo"},
        {"prompt": "Find -7.", "answer": "-7", "data_source": "math_dapo"},
    ]


GSM = [
    {"question": f"How many are {n} and 1?", "answer": f"{n}+1=<<{n}+1={n + 1}>>\n#### {n + 1},000"} for n in range(4)
]


@pytest.mark.parametrize("ending", [".parquet", ".jsonl"])
def test_gsm8k_has_the_gold_behind_four_hashes_and_a_test_split(hub_folder, ending):
    folder = hub_folder({"main": {"train": GSM, "test": GSM[:2]}}, ending=ending)
    data = GSM8K(folder)
    assert data.rows("validation")[0] == {"prompt": "How many are 0 and 1?", "answer": "1,000"}
    # What the test split has is not trained on.
    assert [row["answer"] for row in data.rows("train")] == ["3,000", "4,000"]
    assert len(GSM8K(folder, validation_rows=1).rows("validation")) == 1


def test_math_has_the_gold_in_its_last_box_or_in_a_column(hub_folder):
    train = [
        {"problem": "p", "solution": r"Not \boxed{1}: $\boxed{\frac{1}{2}}$.", "level": "Level 1", "type": "Algebra"}
    ]
    test = [
        {"problem": "q", "solution": r"\boxed{9}", "answer": "3", "subject": "Algebra", "level": 1, "unique_id": "a/1"}
    ]
    folder = hub_folder(
        {"algebra": {"train": train}, "geometry": {"train": [{**train[0], "problem": "r"}]}}, name="math"
    )
    heldout = hub_folder({"default": {"test": test}}, name="math500")
    data = MATH(folder, ["algebra", "geometry"], heldout)
    assert [(row["prompt"], row["answer"]) for row in data.rows("train")] == [
        ("p", r"\frac{1}{2}"),
        ("r", r"\frac{1}{2}"),
    ]
    assert data.rows("validation") == [
        {"prompt": "q", "answer": "3", "level": 1, "subject": "Algebra", "unique_id": "a/1"},
    ]


def test_a_set_with_other_columns_is_named(hub_folder):
    folder = hub_folder(
        {"main": {"train": [{"problem": "p", "answer": "1"}], "test": [{"problem": "p", "answer": "1"}]}}
    )
    with pytest.raises(KeyError, match="no column 'question'; its columns are: problem, answer"):
        GSM8K(folder).rows("train")


def test_prompts_have_the_instruction_and_end_inside_the_working(hub_folder):
    folder = hub_folder({"main": {"train": GSM, "test": GSM[:1]}})
    template = AnswerTemplate()
    [prompt] = GSM8K(folder).tokenize("validation", tiny_tokenizer())
    assert template.system_prompt in prompt.text
    assert prompt.text.endswith(template.start_working)
    assert prompt.row["answer"] == "1,000"


def test_the_longest_training_prompts_are_left_out_by_quantile(hub_folder):
    rows = [{"question": "1" * n, "answer": f"#### {n}"} for n in range(1, 101)]
    folder = hub_folder({"main": {"train": rows, "test": [{"question": "2" * 500, "answer": "#### 1"}]}})
    data = GSM8K(folder, max_prompt_quantile=0.9)
    kept = data.tokenize("train", tiny_tokenizer())
    assert sorted(int(prompt.row["answer"]) for prompt in kept) == list(range(1, 91))
    assert len(data.tokenize("validation", tiny_tokenizer())) == 1
