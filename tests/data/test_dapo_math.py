"""DAPO-Math-17k-Processed, on rows of its schema."""

from __future__ import annotations

from rlframework.data import DAPOMath


def row(i: int, language: str = "en") -> dict[str, object]:
    return {
        "prompt": f"What is {i} + 1, in {language}?",
        "solution": str(i + 1),
        "data_source": "math_dapo",
        "source_prompt": [{"role": "user", "content": "Solve the following."}],
        "ability": "MATH",
        "reward_model": {"ground_truth": str(i + 1), "style": "rule-lighteval/MATH_v2"},
        "extra_info": {"index": f"index-{i}"},
    }


def test_the_solution_is_the_gold(hub_folder) -> None:
    path = hub_folder({"en": {"train": [row(1), row(2)]}, "cn": {"train": [row(3, "cn")]}})
    assert DAPOMath(path, heldout_share=0).rows("train") == [
        {"prompt": "What is 1 + 1, in en?", "answer": "2", "data_source": "math_dapo"},
        {"prompt": "What is 2 + 1, in en?", "answer": "3", "data_source": "math_dapo"},
    ]
    assert [row["answer"] for row in DAPOMath(path, "cn", heldout_share=0).rows("train")] == ["4"]


def test_a_share_is_held_out(hub_folder) -> None:
    data = DAPOMath(hub_folder({"en": {"train": [row(i) for i in range(300)]}}), heldout_share=0.1)
    train, held_out = data.rows("train"), data.rows("validation")
    assert len(train) + len(held_out) == 300
    assert 10 <= len(held_out) <= 55
