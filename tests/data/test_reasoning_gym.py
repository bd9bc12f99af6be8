"""Endless prompts: an item is a function of seed and index, whatever the order, the process and the size."""

import json
import os
import subprocess
import sys

import pytest
import pytorch_lightning as pl

from rlframework.data import ReasoningGymPrompts
from rlframework.data.gym_items import UNREPRODUCIBLE, GymItems
from rlframework.rewards import AnswerTemplate
from rlframework.tasks import tiny_tokenizer
from rlframework.testing import tiny_policy
from tests import forked

TASKS = {"chain_sum": 2.0, "gcd": 1.0}


def test_an_item_depends_on_seed_index_and_side_alone():
    items = GymItems(TASKS, seed=5)
    forwards = [items.item(index) for index in range(20)]
    assert [GymItems(TASKS, seed=5).item(index) for index in reversed(range(20))] == forwards[::-1]
    assert forwards != [GymItems(TASKS, seed=6).item(index) for index in range(20)]
    assert {row["task"] for row in forwards} == set(TASKS)
    assert forwards[0].keys() == {"prompt", "answer", "task", "entry"}
    assert forwards[0]["entry"]["question"] == forwards[0]["prompt"]


PROGRAM = """
import json
import os
from rlframework.data.gym_items import GymItems
print(json.dumps([GymItems({"chain_sum": 2.0, "gcd": 1.0}, seed=5).item(i)["prompt"] for i in (3, 11)]))
"""


def test_other_processes_make_the_same_items(tmp_path):
    (tmp_path / "program.py").write_text(PROGRAM)
    done = forked.run(tmp_path / "program.py")
    items = GymItems(TASKS, seed=5)
    assert json.loads(done.stdout) == [items.item(3)["prompt"], items.item(11)["prompt"]]


def test_no_question_is_on_both_sides_of_any_seed():
    sides = {True: set(), False: set()}
    for seed in (0, 1):
        items = GymItems({"gcd": 1.0}, {"gcd": {"min_value": 1, "max_value": 30}}, seed)
        for held_out, questions in sides.items():
            questions.update(items.item(index, held_out)["prompt"] for index in range(150))
    assert not sides[True] & sides[False]


def test_every_epoch_has_new_items_and_the_held_out_ones_stay(grpo, monkeypatch):
    data = ReasoningGymPrompts(TASKS, epoch_length=6, validation_rows=3, structured=False)
    prompts = data.tokenize("train", tiny_tokenizer())
    first = [prompt.text for prompt in prompts]
    assert len(prompts) == len(set(first)) == 6
    assert [prompt.index for prompt in prompts] == list(range(6))

    class Trainer:
        overfit_batches, current_epoch = 0, 1

    monkeypatch.setattr(data, "trainer", Trainer())
    assert not set(first) & {prompt.text for prompt in prompts}
    assert [prompt.index for prompt in prompts] == list(range(6, 12))
    heldout = data.tokenize("validation", tiny_tokenizer())
    assert len(heldout) == 3
    assert not {prompt.text for prompt in heldout} & set(first)


def test_a_run_trains_on_them(grpo, tmp_path):
    data = ReasoningGymPrompts("chain_sum", epoch_length=8, validation_rows=2, structured=False)
    policy = tiny_policy()
    # Its positions are rotations, of which there are more than its configuration says.
    policy.model.config.max_position_embeddings = 256
    options = {"enable_progress_bar": False, "enable_model_summary": False, "enable_checkpointing": False}
    trainer = pl.Trainer(accelerator="cpu", max_epochs=2, logger=False, default_root_dir=tmp_path, **options)
    trainer.fit(grpo(policy, validation={}), data)
    assert trainer.global_step == 4


def test_the_layout_is_asked_for_as_in_any_set():
    data = ReasoningGymPrompts("chain_sum", epoch_length=1, validation_rows=0)
    [prompt] = data.tokenize("train", tiny_tokenizer())
    assert prompt.text.endswith(AnswerTemplate().start_working)
    assert AnswerTemplate().system_prompt in prompt.text


def test_a_prompt_above_the_budget_is_named():
    data = ReasoningGymPrompts("chain_sum", epoch_length=1, validation_rows=0, max_prompt_tokens=3)
    with pytest.raises(ValueError, match=r"item 0, of chain_sum, has \d+ tokens, more than max_prompt_tokens=3"):
        data.tokenize("train", tiny_tokenizer())[0]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"tasks": {}}, "name at least one task"),
        ({"tasks": {"gcd": 0.0}}, "weight above 0"),
        ({"tasks": "no_such_task"}, "no_such_task"),
        ({"tasks": "gcd", "epoch_length": 0}, "epoch_length=0"),
        ({"tasks": "gcd", "heldout_share": 0.0}, "heldout_share=0.0"),
    ],
)
def test_what_makes_no_sense_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        ReasoningGymPrompts(**arguments)


@pytest.mark.parametrize("task", UNREPRODUCIBLE)
def test_a_task_whose_items_are_no_function_of_the_index_is_refused(task):
    with pytest.raises(ValueError, match=task):
        ReasoningGymPrompts(task)


EVERY_TASK = """
import json, sys
from rlframework.data.gym_items import UNREPRODUCIBLE, GymItems
from rlframework.rewards.logic.gym_tasks import EXACT
places = [(0, False), (7, False), (0, True)]
for task in sorted(EXACT.keys() - UNREPRODUCIBLE.keys()):
    items = GymItems({task: 1.0})
    made = {place: items.item(*place) for place in (places if sys.argv[1] == "forwards" else places[::-1])}
    print(task, [(made[place]["prompt"], made[place]["answer"]) for place in places])
"""


@pytest.mark.slow
def test_every_task_that_the_reward_accepts_gives_the_same_items_in_any_process_and_order():
    runs = [
        subprocess.run(
            [sys.executable, "-c", EVERY_TASK, order],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        )
        for order, seed in (("forwards", "1"), ("backwards", "2"))
    ]
    first, second = (run.stdout.splitlines() for run in runs)
    assert len(first) > 50
    assert first == second
