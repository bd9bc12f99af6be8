"""The base that can look things up: its tokens, its gates, and the recipe that learns to use the tool."""

from __future__ import annotations

import json
import subprocess
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest
from transformers import AutoModelForCausalLM, AutoTokenizer

from rlframework.data import DemonstrationDataModule
from rlframework.environments import TemplateGlue
from rlframework.rewards.template import AnswerTemplate
from rlframework.tasks import create_lookup_base, lookup, lookup_base
from rlframework.tasks.tiny.task import CARELESS, Care
from tests import forked
from tests.tasks.quick import QUICK

ROOT = Path(__file__).parents[2]
TOKENIZER = lookup_base.lookup_tokenizer()
CAREFUL = Care(blurted=0.0, slips=0.0)


def text_of(ids: list[int]) -> str:
    return str(TOKENIZER.decode(ids, skip_special_tokens=False))


def test_a_call_costs_five_tokens_and_the_tools_three() -> None:
    assert len(TOKENIZER.tokenize(lookup.call_text("f"))) == 5
    [prompt] = lookup_base._prompts([{"prompt": "f=?"}], TOKENIZER)
    assert TOKENIZER.unk_token_id not in prompt.ids
    assert text_of(prompt.ids) == prompt.text
    assert len(prompt.ids) == 47
    assert '"name": "look"' in prompt.text
    assert prompt.text.count("<tools>") == 2


def test_the_chat_template_writes_calls_and_results_as_qwens() -> None:
    chat = [
        {"role": "user", "content": "f=?"},
        {"role": "assistant", "content": "", "tool_calls": [called("f"), called("g")]},
        {"role": "tool", "content": "a"},
        {"role": "tool", "content": "7"},
    ]
    text = TOKENIZER.apply_chat_template(chat, tokenize=False, add_generation_prompt=True)
    assert text == (
        "<|im_start|>user\nf=?<|im_end|>\n"
        '<|im_start|>assistant\n<tool_call>\n{"name": "look", "arguments": {"key": "f"}}\n</tool_call>\n'
        '<tool_call>\n{"name": "look", "arguments": {"key": "g"}}\n</tool_call><|im_end|>\n'
        "<|im_start|>user\n<tool_response>\na\n</tool_response>\n<tool_response>\n7\n</tool_response><|im_end|>\n"
        "<|im_start|>assistant\n<start_working_out>"
    )


def called(key: str) -> dict[str, object]:
    return {"type": "function", "function": {"name": "look", "arguments": {"key": key}}}


def test_a_lesson_has_the_tokens_of_a_chat_with_tool_calls() -> None:
    # What the base is taught, what an episode appends, and what the chat template writes are one.
    row = next(row for row in lookup.problems(20, seed=1) if len(lookup.chain(row)) == 3)
    lesson = lookup_base._School(TOKENIZER, 1)._lesson(row, Random(0), CAREFUL)
    template, chain = AnswerTemplate(), lookup.chain(row)
    chat = [{"role": "user", "content": row["prompt"]}]
    for key, found in zip(chain, [*chain[1:], row["answer"]], strict=True):
        opened = {"role": "assistant", "content": template.start_working, "tool_calls": [called(key)]}
        chat += [opened, {"role": "tool", "content": found}]
    chat.append({"role": "assistant", "content": template.start_working + template.written("", row["answer"])})
    data = DemonstrationDataModule(
        [{"messages": chat}], messages_column="messages", template=template, tools=lookup.Table
    )
    [shown] = data.tokenize("train", TOKENIZER)  # type: ignore[misc]
    assert shown.ids + shown.completion_ids == lesson.ids
    assert sum(lesson.learned) == sum(turn.end - turn.start for turn in shown.turns if turn.by == "policy") == 23
    assert [turn.by for turn in shown.turns] == ["policy", "environment"] * 3 + ["policy"]


def test_no_held_out_table_is_in_a_lesson(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = []
    conversation = lookup.conversation
    monkeypatch.setattr(lookup, "conversation", lambda row, *given: rows.append(row) or conversation(row, *given))
    lookup_base._School(TOKENIZER, 500).lessons(Random(0), CARELESS)
    assert len(rows) == 500
    reserved = {row["table"] for row in rows[:100]}
    monkeypatch.setattr(lookup, "reserved_tables", lambda: reserved)
    rows.clear()
    lookup_base._School(TOKENIZER, 50).lessons(Random(0), CARELESS)
    assert len(rows) == 50
    assert not {row["table"] for row in rows} & reserved


def test_a_base_that_answers_too_well_is_an_error_with_the_figures_and_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match=r"in 0 corrections \(greedy \d\.\d\d, worked \d\.\d\d\)"):
        create_lookup_base(0, cache_dir=tmp_path, recipe=replace(QUICK, least_worked=1.0), progress=False)
    assert not list(tmp_path.rglob("primed"))


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a cache in which the recipe finds a base that was made in a second."""
    folder = tmp_path_factory.mktemp("cache")
    made = create_lookup_base(0, cache_dir=folder / "rlframework", recipe=QUICK, progress=False)
    again = create_lookup_base(0, cache_dir=folder / "rlframework", recipe=QUICK, progress=False)
    assert again == made
    made.base.parent.rename(
        made.base.parent.with_name(lookup_base._key(0, lookup_base.RECIPE, lookup_base.lookup_tokenizer()))
    )
    return folder


def test_the_models_load_with_their_tokenizer(cache: Path) -> None:
    made = create_lookup_base(0, cache_dir=cache / "rlframework", progress=False)
    for folder in made:
        tokenizer = AutoTokenizer.from_pretrained(folder)
        assert AutoModelForCausalLM.from_pretrained(folder).config.vocab_size == len(tokenizer)
        assert TemplateGlue(tokenizer).end_of_turn == {tokenizer.eos_token_id}


def run(cache: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    return forked.run(*arguments, XDG_CACHE_HOME=str(cache))


def test_the_recipe_runs_and_leaves_what_it_promises(cache: Path, tmp_path: Path) -> None:
    done = run(cache, "recipes/tool_use.py", "--smoke", "--seed", "0", "--output", tmp_path)
    assert done.returncode == 0, done.stderr
    folder = tmp_path / "tool_use" / "version_0"
    summary = json.loads((folder / "summary.json").read_text())
    assert (summary["optimizer_steps"], summary["n_heldout"], summary["seed"]) == (3, 32, 0)
    records = [json.loads(line) for line in (folder / "rollouts.jsonl").open()]
    assert len(records) == 3 * 16 * 8
    assert records[0]["rewards"].keys() == {"exact_format", "answer_check"}
    assert (folder / "curves.png").read_bytes().startswith(b"\x89PNG")
    assert [name in done.stdout for name in ("base", "base + priming", "+ GRPO")] == [True] * 3


@pytest.mark.docs
def test_the_control_has_no_tool(cache: Path, tmp_path: Path) -> None:
    done = run(cache, "recipes/tool_use.py", "--smoke", "--without-tool", "--output", tmp_path)
    assert done.returncode == 0, done.stderr
    records = [json.loads(line) for line in (tmp_path / "tool_use" / "version_0" / "rollouts.jsonl").open()]
    assert "look" in records[0]["prompt"]
    assert not any("turns" in record for record in records)


@pytest.mark.docs
def test_the_yaml_twin_trains(cache: Path, tmp_path: Path) -> None:
    options = ["--trainer.max_steps", 1, "--trainer.limit_val_batches", 0, "--trainer.default_root_dir", tmp_path]
    config = ROOT / "recipes" / "tool_use.yaml"
    done = run(cache, "-m", "rlframework.cli", "fit", "--config", config, *options, "--trainer.logger", "false")
    assert done.returncode == 0, done.stderr[-2000:]


def figures(tmp_path: Path, *options: object) -> dict[str, float]:
    done = forked.run("recipes/tool_use.py", "--seed", 0, "--output", tmp_path, *options)
    assert done.returncode == 0, done.stderr[-2000:]
    return dict(json.loads((tmp_path / "tool_use" / "version_0" / "summary.json").read_text()))


@pytest.mark.slow
def test_the_tool_is_learned_and_needed(tmp_path: Path) -> None:
    learned = figures(tmp_path / "with")
    assert learned["accuracy_before"] <= 0.15
    assert learned["accuracy_after"] >= 0.97
    control = figures(tmp_path / "without", "--without-tool")
    assert control["accuracy_before"] <= 0.15
    assert control["accuracy_after"] <= 0.15


@pytest.mark.slow
def test_a_tool_that_fails_now_and_then_teaches_and_one_that_fails_often_stops_the_run(tmp_path: Path) -> None:
    assert figures(tmp_path / "seldom", "--tool-fails", 0.02)["accuracy_after"] >= 0.97
    done = forked.run("recipes/tool_use.py", "--seed", 0, "--output", tmp_path / "often", "--tool-fails", 0.2)
    assert done.returncode != 0
    assert "The first failure: the environment failed: ConnectionError: the table does not answer" in done.stderr
