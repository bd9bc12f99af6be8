"""Table, curves and summary of a comparison."""

import json
import math
from dataclasses import replace
from importlib.metadata import version

import pytest
import torch

from rlframework.completions import Completion, Completions
from rlframework.prompt import Prompt
from rlframework.report import Comparison, plot_curves, print_comparison, print_examples, read_metrics, write_summary
from rlframework.report.evaluation import Evaluation
from rlframework.rewards import CorrectAnswer
from rlframework.samplers import BatchedSampler
from rlframework.testing import letter_prompts, tiny_policy


def evaluation(name, right, n=4):
    rows = [Completion(Prompt([1], "?", {"prompt": f"p{i}=?"}), [2], f"answer [{i}]", "stop") for i in range(n)]
    scores = torch.tensor([[float(i < right)] for i in range(n)])
    return Evaluation(name, Completions(rows, 1), {"accuracy": scores, "format": torch.ones(n, 1)})


METRICS = """epoch,step,train/reward/total,train/reward/a,train/completion_length,val/accuracy
0,0,1.5,0.5,7.0,
0,1,2.5,0.75,8.0,
0,1,,,,0.5
"""


@pytest.fixture
def metrics(tmp_path):
    (tmp_path / "metrics.csv").write_text(METRICS)
    return tmp_path / "metrics.csv"


def test_the_table_shows_shares_intervals_and_n(capsys):
    print_comparison([evaluation("before", 1), evaluation("after", 3)], "greedy")
    printed = capsys.readouterr().out
    assert "0.250" in printed
    assert "0.046 - 0.699" in printed
    assert "0.750" in printed
    assert "greedy" in printed


def test_examples_are_the_first_problems_with_their_verdicts(capsys):
    print_examples([evaluation("before", 0), evaluation("after", 1)], "accuracy", count=2)
    printed = capsys.readouterr().out
    assert (printed.count("right"), printed.count("wrong")) == (1, 3)
    assert "p1=?" in printed
    assert "p2=?" not in printed
    assert "answer [1]" in printed


def test_metrics_are_read_where_a_cell_is_filled(metrics):
    columns = read_metrics(metrics)
    assert columns["train/reward/total"] == ([1, 2], [1.5, 2.5])
    assert columns["val/accuracy"] == ([2], [0.5])
    assert "step" not in columns


def test_metrics_of_an_older_version_are_read_under_the_names_of_today(tmp_path):
    old = "epoch,step,train/reward,train/reward/a,train/reward/a/errors,val/reward\n0,0,1.5,0.5,0.25,2.0\n"
    (tmp_path / "old.csv").write_text(old)
    found = read_metrics(tmp_path / "old.csv")
    assert {name: values for name, (_, [values]) in found.items()} == {
        "train/reward/total": 1.5,
        "train/reward/a": 0.5,
        "train/judgement/a/errors": 0.25,
        "val/reward": 2.0,
    }


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_cells_that_are_no_numbers_and_rows_without_a_step_are_left_out(tmp_path, mark):
    rows = [
        b"step,epoch,a,b",
        b"0,0,0.5,hello",
        b",0,7,7",
        b"2.0,0,nan,\xff",
        b"3",
        b"nan,0,7,7",
        b"4,0,-inf,1,8,9",
        b"",
    ]
    (tmp_path / "odd.csv").write_bytes(mark + b"\n".join(rows))
    found = read_metrics(tmp_path / "odd.csv")
    assert str(found) == str({"a": ([1, 3, 5], [0.5, math.nan, -math.inf]), "b": ([5], [1.0])})


def test_metrics_without_steps_have_no_figures(tmp_path):
    (tmp_path / "odd.csv").write_text("epoch,a\n0,1\n")
    assert read_metrics(tmp_path / "odd.csv") == {}


@pytest.mark.parametrize("rows", [(), (evaluation("before", 1), evaluation("after", 3))])
def test_curves_are_a_picture(metrics, tmp_path, rows):
    picture = plot_curves(metrics, tmp_path / "curves.png", rows)
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_the_summary_holds_both_moments_facts_and_versions(tmp_path):
    written = write_summary(tmp_path / "s.json", evaluation("before", 1), evaluation("after", 3), {"seed": 7})
    assert json.loads((tmp_path / "s.json").read_text()) == json.loads(json.dumps(written))
    assert (written["accuracy_before"], written["accuracy_after"], written["n_heldout"]) == (0.25, 0.75, 4)
    assert written["seed"] == 7
    assert written["library_versions"]["torch"] == version("torch")


def test_a_comparison_holds_everything_but_the_policy_fixed(first_letter, capsys):
    sampler = BatchedSampler(group_size=1, max_tokens=4, temperature=0.0)
    comparison = Comparison(letter_prompts(5), sampler, {"accuracy": first_letter})
    one, two, three = (comparison.add(f"seed {seed}", tiny_policy(seed)) for seed in (0, 0, 1))
    assert [row.text for row in one.completions] == [row.text for row in two.completions]
    assert [row.text for row in one.completions] != [row.text for row in three.completions]
    comparison.print(examples=1)
    assert "greedy, at most 4 tokens" in capsys.readouterr().out


def test_a_row_may_ask_the_same_problems_otherwise_and_says_so(capsys: pytest.CaptureFixture) -> None:
    prompts = letter_prompts(3)
    bare = [replace(prompt, ids=prompt.ids[:1]) for prompt in prompts]
    comparison = Comparison(
        prompts, BatchedSampler(group_size=1, max_tokens=4, temperature=0), {"right": CorrectAnswer()}
    )
    comparison.add("base", tiny_policy(), bare)
    comparison.add("+ prompt", tiny_policy())
    asked = [[row.prompt.ids for row in one.completions] for one in comparison.rows]
    assert asked == [[prompt.ids for prompt in bare], [prompt.ids for prompt in prompts]]
    comparison.print()
    assert "but base: the same problems, asked otherwise" in " ".join(capsys.readouterr().out.split())
    figures = comparison.figures()
    assert list(figures) == ["base", "+ prompt"]
    assert figures["base"]["n"] == 3
    assert figures["base"]["right"]["share"] == comparison.rows[0].share("right")
    with pytest.raises(ValueError, match="row 'other' has 2 other problems"):
        comparison.add("other", tiny_policy(), bare[:2])
