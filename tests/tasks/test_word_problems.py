"""The word problems: what is held out, what is asked; and the recipe on a tiny model in the real one's place."""

from __future__ import annotations

import json
import re
import string
import subprocess
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
import yaml

from rlframework.completions import Completion, Completions
from rlframework.data import LocalFile
from rlframework.prompt import Prompt
from rlframework.report.evaluation import Evaluation
from rlframework.rewards import RightEquation
from rlframework.tasks import word_problems
from rlframework.tasks.smollm2 import VERSION
from rlframework.tasks.tiny.tokenizer import tiny_tokenizer
from rlframework.tasks.word_problems import EXAMPLES, NEW, TRAINED
from rlframework.testing.tiny import tiny_qwen3
from tests import forked

ROOT = Path(__file__).parents[2]


def triple(row: Any) -> tuple[int, ...]:
    """The three numbers of a problem, the sum last."""
    return tuple(sorted([*map(int, re.findall(r"\d+", row["prompt"])), int(row["answer"])]))


def wording_of(row: Any) -> str:
    """The wording that a problem was made from."""
    found = []
    for wording in (*TRAINED, *NEW):
        pattern = re.escape(wording.text)
        for place, what in (("name", "[A-Z][a-z]+"), ("things", "[a-z]+"), ("a", r"\d+"), ("b", r"\d+")):
            pattern = pattern.replace(re.escape("{" + place + "}"), what)
        if re.fullmatch(pattern, row["prompt"]):
            found.append(wording.text)
    (text,) = found
    return text


def test_no_held_out_triple_is_trained_on_and_the_held_out_set_is_one_for_all_seeds() -> None:
    splits = [word_problems.splits(seed, n_train=1000) for seed in range(3)]
    assert all(part.heldout == splits[0].heldout for part in splits)
    assert splits[0].train != splits[1].train
    held_out = {triple(row) for row in splits[0].heldout}
    assert len(held_out) == 64
    for part in splits:
        assert not held_out & {triple(row) for row in part.train}


def test_half_of_the_held_out_problems_are_asked_in_wordings_that_nothing_is_trained_on() -> None:
    train, heldout = word_problems.splits(0, n_train=1000)
    trained, new = ({wording.text for wording in wordings} for wordings in (TRAINED, NEW))
    assert {wording_of(row) for row in train} == trained
    assert {wording_of(row) for row in heldout if row["wording"] == "new"} == new
    assert {wording_of(row) for row in heldout if row["wording"] == "trained"} <= trained
    kinds = [(row["wording"], row["sign"]) for row in heldout]
    assert {kinds.count(kind) for kind in set(kinds)} == {64}


def test_a_part_of_the_held_out_problems_has_as_many_of_each_kind() -> None:
    kinds = [(row["wording"], row["sign"]) for row in word_problems.splits(0, 1, n_heldout=32).heldout]
    assert {kinds.count(kind) for kind in set(kinds)} == {8}


def test_every_answer_is_right() -> None:
    for row in [*word_problems.splits(3, n_train=500).train, *word_problems.splits(3).heldout]:
        left, right = map(int, re.findall(r"\d+", row["prompt"]))
        assert eval(f"{left} {row['sign']} {right}") == int(row["answer"]) >= 2
        assert min(left, right) >= 2
        assert max(left, right) <= 20


def test_no_example_gives_a_held_out_problem_away() -> None:
    held_out = {triple(row) for row in word_problems.splits(0).heldout}
    for question, answer in EXAMPLES:
        assert triple({"prompt": question, "answer": answer.rpartition("=")[2]}) not in held_out
        scores = RightEquation().evaluate(one(answer, answer.rpartition("= ")[2]))
        assert scores.total.item() == 1


def test_no_two_wordings_differ_in_a_word_only() -> None:
    for one_wording, other in combinations((*TRAINED, *NEW), 2):
        first, second = set(one_wording.text.split()), set(other.text.split())
        assert len(first ^ second) > 2


def test_more_held_out_problems_than_there_are() -> None:
    with pytest.raises(ValueError, match="256 held-out problems, but n_heldout=257"):
        word_problems.splits(0, n_heldout=257)


def one(text: str, answer: str) -> Completions:
    return Completions([Completion(Prompt([1], "?", {"answer": answer}), [2], text, "stop")], 1)


def test_what_was_learned_in_a_sentence() -> None:
    def row(setup: float, accuracy: float) -> Evaluation:
        scores = {"setup": torch.tensor([[setup]]), "accuracy": torch.tensor([[accuracy]])}
        return Evaluation("row", one("1 + 1 = 2", "2"), scores)

    said = word_problems.learned(row(0.4, 0.2), row(0.9, 0.81))
    assert [int(share) for share in re.findall(r"(\d+)%", said)] == [40, 90, 50, 90]
    assert "0%" in word_problems.learned(row(0.0, 0.0), row(0.9, 0.81))


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a cache in which a tiny model with a chat template lies where the real one would."""
    folder = tmp_path_factory.mktemp("cache")
    model = folder / "rlframework" / "smollm2" / f"{VERSION}-transformers-{transformers.__version__}"
    # A token for each word, as a model that was made for words has it.
    said = [word_problems.SYSTEM_PROMPT, word_problems.REQUEST, *(wording.text for wording in (*TRAINED, *NEW))]
    tokenizer = tiny_tokenizer(
        " ".join([*said, *word_problems.NAMES, *word_problems.THINGS]), characters=string.printable
    )
    tokenizer.save_pretrained(model)
    tiny_qwen3(vocab_size=len(tokenizer), max_position_embeddings=1024).save_pretrained(model)
    return folder


def run(cache: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    return forked.run(*arguments, XDG_CACHE_HOME=str(cache))


@pytest.mark.docs
def test_the_recipe_runs_and_leaves_what_it_promises(cache: Path, tmp_path: Path) -> None:
    done = run(cache, "recipes/real_model.py", "--smoke", "--seed", "0", "--output", tmp_path)
    assert done.returncode == 0, done.stderr
    folder = tmp_path / "real_model" / "version_0"
    summary = json.loads((folder / "summary.json").read_text())
    assert (summary["optimizer_steps"], summary["n_heldout"], summary["seed"]) == (3, 32, 0)
    promised = {"accuracy_before", "accuracy_after", "accuracy_before_interval", "accuracy_after_interval"}
    assert summary.keys() >= {*promised, "seconds_training", "cpu_seconds", "peak_mib"}
    assert 0 < summary["seconds_training"] < 300
    assert 50 < summary["peak_mib"] < 5 * 1024
    records = [json.loads(line) for line in (folder / "rollouts.jsonl").open()]
    assert {len(records) % 3, len({record["rollout"] for record in records})} == {0, 3}
    assert records[0]["rewards"].keys() == {"right", "setup", "layout"}
    assert (folder / "curves.png").read_bytes().startswith(b"\x89PNG")
    assert (folder / "policy" / "adapter_model.safetensors").exists()
    assert done.stdout.count("How") == 6
    assert "It chose the right operation in" in done.stdout


def test_another_model_is_named_by_its_folder(cache: Path, tmp_path: Path) -> None:
    done = run(tmp_path, "recipes/real_model.py", "--smoke", "--model", tmp_path / "none", "--output", tmp_path)
    assert done.returncode != 0
    assert str(tmp_path / "none") in done.stderr


@pytest.mark.docs
def test_the_yaml_twin_trains(cache: Path, tmp_path: Path) -> None:
    options = ["--trainer.max_steps", 1, "--trainer.limit_val_batches", 0, "--trainer.default_root_dir", tmp_path]
    options += ["--trainer.logger", "false", "--trainer.callbacks", "null"]
    config = ROOT / "recipes" / "real_model.yaml"
    done = run(cache, "-m", "rlframework.cli", "fit", "--config", config, *options)
    assert done.returncode == 0, done.stderr[-2000:]


def test_the_recipe_is_short() -> None:
    assert len((ROOT / "recipes" / "real_model.py").read_text().splitlines()) <= 90


def block(start: str) -> str:
    """The block of docs/first_real_model.md that starts so."""
    blocks = re.findall(r"^```\w*\n(.*?)^```$", (ROOT / "docs" / "first_real_model.md").read_text(), re.M | re.S)
    (found,) = (text for text in blocks if text.startswith(start))
    return found


def test_the_way_of_ones_own_file_leads_to_a_model_that_transformers_loads(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing but what the page says, with more rows and fewer steps."""
    sums = [(a, b) for a in range(9) for b in (1, 2)]
    rows = [f"Sam has {a} beads and strings {b} more. How many beads is that?,{a + b}\n" for a, b in sums]
    (tmp_path / "mine.csv").write_text(block("question,answer") + "".join(rows))
    (tmp_path / "mine.yaml").write_text(block("seed_everything").replace("max_steps: 40", "max_steps: 2"))
    for line in block("rlframework probe").splitlines():
        words = line.partition("#")[0].split()
        options = ["--prompts", "4"] if "probe" in words else []
        command = ["-m", "rlframework.cli.commands", *words[1:], *options]
        done = forked.run(*command, cwd=tmp_path, XDG_CACHE_HOME=str(cache))
        # A model of random weights has nothing to reinforce, and the probe says so.
        assert done.returncode == int("probe" in words), f"{line}\n{done.stdout[-2000:]}\n{done.stderr[-3000:]}"
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    exec(block("from transformers"), names)
    assert 1 <= len(names["answer"]) <= 14
    # What the reader asks is token for token what the run of that file would ask.
    question = names["turns"][-1][1].partition("\n")[0]
    Path("asked.csv").write_text(f"question,answer\n{question},23\n")
    data = yaml.safe_load(block("seed_everything"))["data"]["init_args"]
    (prompt,) = LocalFile(**data | {"path": "asked.csv", "heldout_share": 0}).tokenize("train", names["tokenizer"])
    assert names["ids"]["input_ids"].tolist() == [prompt.ids]
