"""The recipes run, script and YAML twin, and leave behind what they promise."""

import json
from pathlib import Path

import pytest
import yaml

from tests.forked import run

ROOT = Path(__file__).parents[1]
SUMMARY = {
    "algorithm",
    "seed",
    "accuracy_before",
    "accuracy_after",
    "accuracy_before_interval",
    "accuracy_after_interval",
    "n_heldout",
    "format_before",
    "format_after",
    "optimizer_steps",
    "seconds_base",
    "seconds_training",
    "parameters",
    "library_versions",
}


@pytest.fixture(scope="module")
def smoke(tmp_path_factory):
    output = tmp_path_factory.mktemp("runs")
    # CI runs `make demo` too, by an interpreter of its own, as a user does.
    done = run("recipes/chain_sums.py", "--smoke", "--seed", "0", "--output", output)
    assert done.returncode == 0, done.stderr
    return done.stdout, output / "chain_sums" / "version_0"


def test_the_run_folder_is_complete(smoke):
    _, folder = smoke
    summary = json.loads((folder / "summary.json").read_text())
    assert summary.keys() >= SUMMARY
    assert (summary["optimizer_steps"], summary["n_heldout"], summary["seed"]) == (3, 32, 0)
    low, high = summary["accuracy_before_interval"]
    assert low <= summary["accuracy_before"] <= high
    assert (folder / "curves.png").read_bytes().startswith(b"\x89PNG")
    assert "Held-out problems that flipped" in (folder / "report.html").read_text()
    assert (folder / "metrics.csv").exists()
    assert (folder / "last.ckpt").exists()
    assert {path.name for path in (folder / "samples").iterdir()} == {"heldout.jsonl", "rollout.jsonl"}


def test_every_completion_is_on_disk(smoke):
    _, folder = smoke
    records = [json.loads(line) for line in (folder / "rollouts.jsonl").open()]
    assert len(records) == 3 * 16 * 8
    assert {record["rollout"] for record in records} == {0, 1, 2}
    assert {"prompt", "completion", "stop_reason", "rewards", "advantage"} <= records[0].keys()
    assert records[0]["rewards"].keys() == {"exact_format", "approximate_format", "answer_check", "number_check"}
    assert sum(records[0]["rewards"].values()) == pytest.approx(records[0]["reward"])


def test_the_table_has_three_rows_and_three_examples(smoke):
    printed, _ = smoke
    last = printed.rpartition("accuracy")[2]
    assert [name in last for name in ("base", "base + priming", "+ GRPO")] == [True] * 3
    assert printed.count("=?") == 3


def test_an_unknown_option_is_refused():
    done = run("recipes/chain_sums.py", "--step", "3", "--sed", "1")
    assert done.returncode == 2
    assert "--sed" in done.stderr


def test_a_run_folder_that_cannot_be_written_stops_the_run_before_the_work(tmp_path):
    (tmp_path / "file").write_text("in the way")
    cache = {"XDG_CACHE_HOME": str(tmp_path / "cache")}
    done = run("recipes/chain_sums.py", "--smoke", "--output", tmp_path / "file", **cache)
    assert done.returncode != 0
    assert "cannot write to the folder" in done.stderr
    assert not (tmp_path / "cache" / "rlframework").exists()


@pytest.mark.docs
def test_both_hacks_run_and_leave_one_picture(tmp_path):
    done = run("recipes/reward_hacking.py", "--smoke", "--seed", "0", "--output", tmp_path)
    assert done.returncode == 0, done.stderr
    folder = tmp_path / "reward_hacking"
    assert (folder / "curves.png").read_bytes().startswith(b"\x89PNG")
    for hack in ("layout", "anywhere"):
        summary = json.loads((folder / hack / "version_0" / "summary.json").read_text())
        assert (summary["hack"], summary["optimizer_steps"], summary["n_heldout"]) == (hack, 3, 32)
        records = [json.loads(line) for line in (folder / hack / "version_0" / "rollouts.jsonl").open()]
        assert all(record["reward"] in (0.0, 1.0) for record in records)


@pytest.mark.docs
def test_pay_for_calls_is_tried_beside_pay_for_answers(tmp_path):
    done = run("recipes/hacked_calls.py", "--smoke", "--pay", "0.5", "--output", tmp_path)
    assert done.returncode == 0, done.stderr
    folder = tmp_path / "hacked_calls"
    assert (folder / "curves.png").read_bytes().startswith(b"\x89PNG")
    for name, rewards in (("answers", {0.0, 1.0}), ("answers_and_0.5_a_call", None)):
        records = [json.loads(line) for line in (folder / name / "version_0" / "rollouts.jsonl").open()]
        calls = [sum(len(turn.get("calls", ())) for turn in record["turns"]) for record in records]
        assert any(calls)
        for record, count in zip(records, calls, strict=True):
            assert rewards is None or record["reward"] in rewards
            assert rewards is not None or record["reward"] - 0.5 * count in (0.0, 1.0)


@pytest.mark.docs
def test_a_model_of_ones_own_is_primed_and_reinforced(tmp_path):
    done = run("recipes/own_model.py", "--smoke", "--seed", "0", "--output", tmp_path)
    assert done.returncode == 0, done.stderr
    summary = json.loads((tmp_path / "own_model" / "version_0" / "summary.json").read_text())
    assert {name: row["n"] for name, row in summary["rows"].items()} == {"SFT": 32, "+ GRPO": 32}


# Those of other models are run on smaller ones: by tests/tasks/test_truth_tables.py and tests/test_qwen3_math.py.
TWINS = [ROOT / "recipes" / "chain_sums.yaml"]


@pytest.mark.parametrize("recipe", TWINS, ids=lambda path: path.name)
def test_yaml_twins_train(recipe, tmp_path):
    options = ["--trainer.max_steps", "1", "--trainer.limit_val_batches", "0", "--trainer.default_root_dir", tmp_path]
    done = run("-m", "rlframework.cli", "fit", "--config", recipe, *options, "--trainer.logger", "false")
    assert done.returncode == 0, done.stderr[-2000:]


def test_the_command_line_refuses_what_the_classes_do_not_have(tmp_path):
    config = yaml.safe_load((ROOT / "recipes" / "chain_sums.yaml").read_text())
    config["model"]["init_args"]["clip_lo"] = 0.1
    (tmp_path / "wrong.yaml").write_text(yaml.safe_dump(config))
    done = run("-m", "rlframework.cli", "fit", "--config", tmp_path / "wrong.yaml")
    assert done.returncode == 2
    assert "clip_lo" in done.stderr


@pytest.mark.docs
def test_each_way_of_learning_is_run_once_and_its_line_says_what_it_cost(tmp_path):
    lines = []
    for _ in range(2):
        done = run("recipes/rft_vs_sft.py", "--smoke", "--output", tmp_path)
        assert done.returncode == 0, done.stderr
        lines.append((tmp_path / "rft_vs_sft.jsonl").read_text().splitlines())
    assert lines[0] == lines[1]
    runs = {line["way"]: line for line in map(json.loads, lines[0])}
    assert len(runs) == len(lines[0]) == 6
    for line in runs.values():
        assert len(line["right"]) == 32
        assert sum(line["right"]) / 32 == line["heldout"][line["best"]]
        assert line["validation"][line["best"]] == max(line["validation"])
        assert len(line["spent"]) == len(line["heldout"]) == len(line["labelled"])
    assert runs["GRPO without labels"]["labels"] == 0
    tokens = [runs[way]["spent"][-1][1] for way in ("SFT on answers", "SFT on workings", "GRPO")]
    assert tokens == sorted(set(tokens))
    # Half of the two steps of SFT, and then two of GRPO.
    assert runs["SFT on workings, then GRPO"]["spent"][-1][0] == 3


def test_recipes_are_short():
    # rft_vs_sft is an experiment of six ways; the others are one run each.
    for script in (ROOT / "recipes").glob("*.py"):
        assert len(script.read_text().splitlines()) <= (120 if script.name == "rft_vs_sft.py" else 100), script.name
