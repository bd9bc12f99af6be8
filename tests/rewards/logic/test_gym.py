"""reasoning-gym: which tasks are let in, that those are exact, and that a scorer's failure is no wrong answer."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from rlframework.completions import Completion, Completions
from rlframework.prompt import Prompt
from rlframework.rewards.logic import ReasoningGym
from rlframework.rewards.logic.gym_tasks import EXACT, FORMS, REFUSED
from tests.rewards.logic.rows import verdict, verdicts

gym = pytest.importorskip("reasoning_gym")

# Their items take seconds to make.
SLOW = {"futoshiki", "knight_swap"}


def row_of(task: str, item: dict[str, Any]) -> dict[str, Any]:
    return {"prompt": item["question"], "answer": item["answer"], "task": task, "entry": item}


@cache
def items(task: str, n: int = 3, seed: int = 7) -> list[dict[str, Any]]:
    return list(gym.create_dataset(task, size=n, seed=seed))


@pytest.fixture(scope="module")
def reward() -> Iterator[ReasoningGym]:
    made = ReasoningGym(sorted(EXACT))
    yield made
    made.pool.close()


def test_every_task_of_the_library_is_judged_once() -> None:
    from reasoning_gym.factory import DATASETS

    assert set(EXACT) | set(REFUSED) == set(DATASETS)
    assert not set(EXACT) & set(REFUSED)
    assert set(FORMS) <= set(EXACT)


@pytest.mark.parametrize("task", sorted(REFUSED))
def test_what_can_be_fooled_is_refused_by_name_with_the_reason(task: str) -> None:
    with pytest.raises(ValueError, match=f"{task} is refused: .{{10}}"):
        ReasoningGym(["chain_sum", task])


def test_the_nine_that_execute_their_answers_say_so() -> None:
    assert {task for task, reason in REFUSED.items() if "executes the answer" in reason} == {
        "binary_matrix",
        "countdown",
        "intermediate_integration",
        "n_queens",
        "polynomial_multiplication",
        "puzzle24",
        "simple_integration",
        "spiral_matrix",
        "string_insertion",
    }


def test_what_nobody_looked_at_is_refused() -> None:
    with pytest.raises(ValueError, match=r"riddles is refused: not audited.*chain_sum"):
        ReasoningGym("riddles")


# The reason for a refusal, seen: (task, what is answered, whether the item is one where it works).
FOOLED: list[tuple[str, Any]] = [
    ("advanced_geometry", lambda item: item["answer"] + ", 7" if "," in item["answer"] else None),
    ("coin_flip", lambda item: "0" if item["answer"].startswith("0.") else None),
    ("complex_arithmetic", lambda item: "nan"),
    ("decimal_arithmetic", lambda item: item["answer"][:-1] + str((int(item["answer"][-1]) + 1) % 10)),
    ("fraction_simplification", lambda item: item["answer"] + " or $\\frac{1}{2}$"),
    ("game_of_life_halting", lambda item: "anything"),
    ("gsm_symbolic", lambda item: item["answer"] + " or 123456"),
    ("number_format", lambda item: str(float(item["answer"]) + 0.005)),
    ("pool_matrix", lambda item: re.sub(r"\S+", lambda number: str(float(number[0]) * 1.005), item["answer"])),
    ("power_function", lambda item: f"{float(item['answer']):.2e}"),
    ("word_sorting", lambda item: item["answer"] + ", zebra"),
]


@pytest.mark.parametrize(("task", "cheat"), FOOLED, ids=[case[0] for case in FOOLED])
def test_the_reasons_are_true(task: str, cheat: Any) -> None:
    dataset = gym.create_dataset(task, size=12, seed=7)
    cheats = [(cheat(item), item) for item in dataset]
    scores = [dataset.score_answer(answer, item) for answer, item in cheats if answer and answer != item["answer"]]
    assert scores
    assert max(scores) >= 1.0


@pytest.mark.parametrize(
    "task", [pytest.param(task, marks=[pytest.mark.slow] * (task in SLOW)) for task in sorted(EXACT)]
)
def test_exact_tasks_take_the_right_answer_and_no_junk(task: str, reward: ReasoningGym) -> None:
    first, second, third = items(task)
    junk = ["A or B", "((((", "{}", "[]", "nan", "I do not know", "-987654321", "x" * 3900, "x" * 4100]
    rows = [(first, answer) for answer in junk if answer != first["answer"]]
    for item, other in ((first, second), (second, third), (third, first)):
        expected, wrong = item["answer"], other["answer"]
        if expected is not None and wrong is not None and expected != wrong:
            rows += [(item, f"{expected} or {wrong}"), (item, f"{wrong} or {expected}"), (item, f"{expected}, {wrong}")]
        if expected is not None:
            rows += [(item, f"The answer is {expected}"), (item, f"{expected} {expected} 1")]
    prompts = {id(item): Prompt([1], "?", row=row_of(task, item)) for item in (first, second, third)}
    right = [(item, item["answer"]) for item in (first, second, third) if item["answer"] is not None]
    texts = [(prompts[id(item)], f"<end_working_out><SOLUTION>{answer}</SOLUTION>") for item, answer in right + rows]
    completions = Completions([Completion(prompt, [2], text, "stop") for prompt, text in texts], 1)
    found, detail = reward.verdicts(completions)
    assert [str(one) for one in found[: len(right)]] == ["correct"] * len(right), detail
    accepted = [answer for (_, answer), one in zip(rows, found[len(right) :], strict=True) if one == "correct"]
    assert not accepted
    assert "error" not in found, detail


def test_parts_of_a_point_are_wrong(reward: ReasoningGym) -> None:
    item = items("knights_knaves")[0]
    terms, (first, second) = item["metadata"]["knight_knave_terms"], item["metadata"]["names"]
    roles = (terms["a_knight"], terms["a_knave"])
    casts = [f"{first} is {one}, and {second} is {other}." for one in roles for other in roles]
    found = verdicts(reward, row_of("knights_knaves", item), *casts)
    assert sorted(found) == ["correct", "incorrect", "incorrect", "incorrect"]


@pytest.mark.parametrize(
    ("task", "suffix"),
    [
        ("sokoban", " or UUDD"),
        ("rush_hour", "or"),
        ("kakurasu", " or x"),
        ("survo", " or x"),
        ("quantum_lock", " or x"),
    ],
)
def test_an_answer_among_words_is_none(task: str, suffix: str, reward: ReasoningGym) -> None:
    item = items(task)[0]
    answer = item["answer"] or "A+1 B-1"
    assert verdict(reward, row_of(task, item), answer + suffix) == "malformed"


def test_a_walk_without_end_is_wrong(reward: ReasoningGym) -> None:
    item = items("sokoban")[0]
    wander = "LR" * (2 * len(item["answer"])) + item["answer"]
    assert verdict(reward, row_of("sokoban", item), wander) == "incorrect"


def test_an_item_that_cannot_be_checked_abstains_and_says_why(reward: ReasoningGym) -> None:
    good = items("tower_of_hanoi")[0]
    entries = [{**good, "answer": "Move nothing"}, {"question": "?", "answer": "1"}, "text", good]
    prompts = [
        Prompt([1], "?", row={"task": "tower_of_hanoi", "entry": entry}, index=index)
        for index, entry in enumerate(entries)
    ]
    for answer, last in ((good["answer"], "correct"), ("nothing", "incorrect")):
        text = f"<end_working_out><SOLUTION>{answer}</SOLUTION>"
        found, detail = reward.verdicts(Completions([Completion(prompt, [2], text, "stop") for prompt in prompts], 1))
        assert found == ["gold_unverifiable"] * 3 + [last]
        assert detail == "the expected answer of prompt 0 scores 0.0, not 1.0"


def test_a_scorer_that_raises_is_an_error_of_its_row_alone(reward: ReasoningGym) -> None:
    good, bad = items("word_ladder")[0], {**items("word_ladder")[1], "metadata": {}, "answer": None}
    prompts = [Prompt([1], "?", row=row_of("word_ladder", item)) for item in (bad, good)]
    text = f"<end_working_out><SOLUTION>{good['answer']}</SOLUTION>"
    found, detail = reward.verdicts(Completions([Completion(prompt, [2], text, "stop") for prompt in prompts], 1))
    assert found == ["error", "correct"]
    assert "KeyError" in detail


def test_a_scorer_that_hangs_is_stopped_and_loses_its_row_alone() -> None:
    reward = ReasoningGym("bitwise_arithmetic", limit_s=1.0)
    good = items("bitwise_arithmetic")[0]
    # That scorer works out the problem again, and this one does not end.
    endless = {"question": "?", "answer": None, "metadata": {"problem": "9**9**9**9"}}
    prompts = [Prompt([1], "?", row=row_of("bitwise_arithmetic", item)) for item in (endless, good)]
    text = f"<end_working_out><SOLUTION>{good['answer']}</SOLUTION>"
    found, detail = reward.verdicts(Completions([Completion(prompt, [2], text, "stop") for prompt in prompts], 1))
    assert (found, detail) == (["error", "correct"], "no answer within 1 s of processor time")
    reward.pool.close()


def test_a_row_of_another_task_is_refused() -> None:
    with pytest.raises(ValueError, match=r"prompt 7 is of the task 'puzzle24', and this reward is for \['chain_sum'\]"):
        verdict(ReasoningGym("chain_sum"), {"task": "puzzle24", "entry": {}}, "24")


def test_layout_and_truncation(reward: ReasoningGym) -> None:
    item = items("chain_sum")[0]
    row = row_of("chain_sum", item)
    assert verdicts(reward, row, item["answer"], stop_reason="length") == ["malformed"]
    prompt = Prompt([1], "?", row=row)
    assert reward.verdicts(Completions([Completion(prompt, [2], item["answer"], "stop")], 1))[0] == ["malformed"]


def test_scorers_are_given_their_configuration() -> None:
    config = {"min_terms": 2, "max_terms": 2}
    item = gym.create_dataset("chain_sum", size=1, seed=3, **config)[0]
    reward = ReasoningGym("chain_sum", configs={"chain_sum": config})
    assert verdict(reward, row_of("chain_sum", item), item["answer"]) == "correct"
    wrong = ReasoningGym("chain_sum", configs={"chain_sum": {"terms": 2}})
    assert verdict(wrong, row_of("chain_sum", item), item["answer"]) == "error"
    reward.pool.close()
    wrong.pool.close()


def test_the_worker_imports_no_torch_and_the_package_no_reasoning_gym() -> None:
    code = (
        "import sys, rlframework.rewards.logic.gym_scorer; assert 'torch' not in sys.modules; "
        "del sys.modules['reasoning_gym']; from rlframework.rewards.logic import ReasoningGym; "
        "assert 'reasoning_gym' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_page_lists_what_the_code_has() -> None:
    page = (Path(__file__).parents[3] / "docs" / "rewards" / "logic.md").read_text()
    for task, reason in REFUSED.items():
        assert f"| `{task}` | {reason} |\n" in page
    for task, meaning in EXACT.items():
        assert re.search(rf"^\| {re.escape(meaning)} \|.*`{task}`", page, re.MULTILINE), task
    assert f"{len(EXACT)} of {len(EXACT) + len(REFUSED)} tasks" in page
