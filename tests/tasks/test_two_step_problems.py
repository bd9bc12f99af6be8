"""Two-step word problems, their demonstrations, and the recipe on a tiny model in the real one's place."""

from __future__ import annotations

import json
import re
import string
from pathlib import Path

import pytest
import transformers

from rlframework.data import DemonstrationDataModule
from rlframework.environments import TemplateGlue
from rlframework.tasks import two_step_problems
from rlframework.tasks.calculator import LineCalls, calculate
from rlframework.tasks.smollm2 import VERSION
from rlframework.tasks.tiny.tokenizer import CHAT_TEMPLATE, tiny_tokenizer
from rlframework.tasks.two_step_problems import NEW, TRAINED, with_calculator, without_calculator
from rlframework.tasks.word_problems import NAMES, THINGS
from rlframework.testing.tiny import tiny_qwen3
from tests import forked


def numbers(text: str) -> list[int]:
    return sorted(map(int, re.findall(r"\d+", text)))


def test_the_held_out_problems_are_one_set_for_all_seeds_and_their_numbers_are_never_trained_on() -> None:
    parts = [two_step_problems.splits(seed, n_train=1000) for seed in range(3)]
    assert all(part.heldout == parts[0].heldout for part in parts)
    assert parts[0].train != parts[1].train
    kept = {tuple(numbers(row["equation"])) for row in parts[0].heldout}
    assert len(kept) == 256
    for part in parts:
        assert not kept & {tuple(numbers(row["equation"])) for row in part.train}
        assert {row["wording"] for row in part.train} == {"trained"}


def test_half_are_asked_in_new_wordings_and_every_equation_as_often() -> None:
    heldout = two_step_problems.splits(0, n_train=1, n_heldout=48).heldout
    kinds = [(row["wording"], re.sub(r"\d+", "n", row["equation"])) for row in heldout]
    assert len(set(kinds)) == 12
    assert {kinds.count(kind) for kind in kinds} == {4}
    assert {wording.equation for wording in TRAINED} == {wording.equation for wording in NEW}


def test_every_answer_is_that_of_its_equation_and_no_arithmetic_for_a_small_model() -> None:
    train, heldout = two_step_problems.splits(3, n_train=1000)
    for row in [*train, *heldout]:
        assert eval(row["equation"]) == int(row["answer"]) > 0
        assert numbers(row["prompt"]) == numbers(row["equation"])
        assert numbers(row["equation"])[0] >= 101
        assert numbers(row["equation"])[-1] <= 9999


def test_more_held_out_problems_than_there_are() -> None:
    with pytest.raises(ValueError, match="512 held-out problems, but n_heldout=513"):
        two_step_problems.splits(0, n_heldout=513)


def test_demonstrations_are_the_rows_own_equations() -> None:
    row = two_step_problems.splits(0, n_train=1).train[0]
    call, result, answer = (said["content"] for said in with_calculator(row)["completion"])
    assert [calculate(**found.arguments) for found in LineCalls().calls(call)] == [result] == [row["answer"]]
    assert answer == rf"\boxed{{{result}}}"
    assert without_calculator(row)["completion"] == f"{row['equation']} = {result}"


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a cache in which a tiny model with a chat template lies where the real one would."""
    folder = tmp_path_factory.mktemp("cache")
    model = folder / "rlframework" / "smollm2" / f"{VERSION}-transformers-{transformers.__version__}"
    said = [two_step_problems.SYSTEM_PROMPT, two_step_problems.WITHOUT_TOOL, *(one.text for one in (*TRAINED, *NEW))]
    # A word has another token at the beginning of a line than behind a blank; the name of the role stands behind a tag.
    words = "\n".join(["tool", *NAMES, " ".join(["", *NAMES, *THINGS]), *said])
    # SmolLM2's own opens no working either.
    chats = CHAT_TEMPLATE.replace(" + OPENING", "")
    tokenizer = tiny_tokenizer(words, characters=string.printable, pieces=["calculate("], chat_template=chats)
    tokenizer.save_pretrained(model)
    tiny_qwen3(vocab_size=len(tokenizer), max_position_embeddings=1024).save_pretrained(model)
    return folder


def test_the_recipe_runs_with_its_tool_and_leaves_what_it_promises(cache: Path, tmp_path: Path) -> None:
    done = forked.run("recipes/calculator.py", "--smoke", "--output", tmp_path, XDG_CACHE_HOME=str(cache))
    assert done.returncode == 0, done.stderr
    folder = tmp_path / "calculator" / "version_0"
    summary = json.loads((folder / "summary.json").read_text())
    assert (summary["optimizer_steps"], summary["seed"]) == (3, 0)
    assert {name: row["n"] for name, row in summary["rows"].items()} == {"base": 32, "base + SFT": 32, "+ GRPO": 32}
    records = [json.loads(line) for line in (folder / "rollouts.jsonl").open()]
    assert len(records) == 3 * 16 * 8
    assert all(record["turns"] for record in records)
    assert (folder / "policy" / "adapter_model.safetensors").exists()


@pytest.mark.slow
def test_the_control_has_no_tool(cache: Path, tmp_path: Path) -> None:
    command = ["recipes/calculator.py", "--smoke", "--without-tool", "--output", tmp_path]
    done = forked.run(*command, XDG_CACHE_HOME=str(cache))
    assert done.returncode == 0, done.stderr
    folder = tmp_path / "calculator_control" / "version_0"
    records = [json.loads(line) for line in (folder / "rollouts.jsonl").open()]
    assert len(records) == 3 * 16 * 8
    assert not any(record.get("turns") or "calculat" in record["prompt"] for record in records)


def test_what_is_shown_is_what_an_episode_has(cache: Path) -> None:
    """The chat template writes a tool's message, whatever roles it was made for."""
    [model] = (cache / "rlframework" / "smollm2").iterdir()
    tokenizer = transformers.AutoTokenizer.from_pretrained(model)
    rows = [with_calculator(row) for row in two_step_problems.splits(0, n_train=4).train]
    data = DemonstrationDataModule(rows, system_prompt=two_step_problems.SYSTEM_PROMPT)
    for row, shown in zip(rows, data.tokenize("train", tokenizer), strict=True):
        call, given, answer = (shown.completion_ids[turn.start : turn.end] for turn in shown.turns)
        said = [{"role": "user", "content": row["prompt"]}, *row["completion"]]
        said = [{"role": "system", "content": two_step_problems.SYSTEM_PROMPT}, *said]
        whole = tokenizer.apply_chat_template(said, tokenize=False)
        assert tokenizer.decode([*shown.ids, *call, *given, *answer]) == whole.rstrip("\n")
        assert TemplateGlue(tokenizer).end_of_turn == {call[-1]} == {answer[-1]}
