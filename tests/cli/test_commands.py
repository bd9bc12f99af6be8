"""The command ``rlframework``: lists what it can do at once, and hands over."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from rlframework import CausalLMPolicy
from rlframework.cli.commands import COMMANDS, main
from rlframework.cli.help import GROUPS
from rlframework.tasks import tiny_tokenizer
from rlframework.testing import tiny_qwen3
from tests import forked

ROOT = Path(__file__).parents[2]

SLOW = ("torch", "transformers", "pytorch_lightning", "datasets")


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    program = (
        "import sys\nfrom rlframework.cli.commands import main\n"
        f"try:\n    status = main({list(arguments)!r})\nexcept SystemExit as end:\n    status = end.code\n"
        f"print([name for name in {SLOW!r} if name in sys.modules], status)"
    )
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("arguments", "words", "status"),
    [
        (["--help"], list(COMMANDS), 0),
        ([], list(COMMANDS), 2),
        (["--version"], ["rlframework 0."], 0),
        (["reward-report", "--help"], ["--max-false-refusals", "The exit status is 1 if"], 0),
        (["export", "--help"], ["--measured"], 0),
        (["report", "--help"], ["--output", "comparison.html"], 0),
        (["check", "--help"], ["--only"], 0),
        (["replay", "--help"], ["--nearest", "The exit status is 1 if"], 0),
        (["rescore", "--help"], ["--paid-above", "The exit status is 1 if"], 0),
        (["watch", "--help"], ["--once", "The exit status is 1 if"], 0),
        (["eval", "--help"], ["--group-size", "The exit status is 1 if"], 0),
        (["probe", "--help"], ["--prompts", "--trainer.precision"], 0),
        (["fit", "--help"], ["--model.reward", "--trainer.max_steps", "--help-all"], 0),
        (["predict", "-h"], ["usage: rlframework predict"], 0),
        (["fit"], ["usage: rlframework fit"], 2),
    ],
)
def test_help_waits_for_nothing_large(arguments: list[str], words: list[str], status: int) -> None:
    done = run(*arguments)
    assert done.stdout.splitlines()[-1] == f"[] {status}", done.stdout + done.stderr
    for word in words:
        assert word in done.stdout


@pytest.mark.parametrize("module", ["rlframework.cli", "rlframework.commands", "rlframework.testing"])
def test_other_names_of_the_command(module: str) -> None:
    command = [sys.executable, "-m", module, "--help"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert ("rlframework check" if module == "rlframework.testing" else "reward-report") in done.stdout


def test_an_unknown_command_is_an_error_of_usage(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["train"])
    assert stopped.value.code == 2
    assert "invalid choice: 'train'" in capsys.readouterr().err


@pytest.mark.filterwarnings("error")
def test_fit_is_lightning_s_command_line(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["rlframework", "fit", "--help-all"])
    with pytest.raises(SystemExit) as stopped:
        main()
    assert stopped.value.code == 0
    everything = capsys.readouterr().out
    assert "--trainer.barebones" in everything
    # What the short help names is there; of a class's arguments the long one says nothing.
    named = [option.split()[0].removesuffix("+=NAME") for options in GROUPS.values() for option, _ in options]
    assert [name for name in named if name not in everything] == [
        "--model.policy.model",
        "--model.policy.lora.r",
        "--model.reward",
        "--model.sampler.group_size",
        "--model.sampler.max_tokens",
        "--model.prompts_per_rollout",
        "--model.learning_rate",
        "--data.path",
    ]


def test_the_short_help_names_arguments_that_there_are() -> None:
    """Each by its path, as an option of a command line that is printed and not run.

    In a process of its own: other tests have classes of the same short names.
    """
    options = """--model GRPO --model.policy CausalLMPolicy --model.policy.model x --model.policy.lora peft.LoraConfig
        --model.policy.lora.r 4 --model.reward CorrectAnswer --model.sampler SharedPrefixSampler
        --model.sampler.group_size 4 --model.sampler.max_tokens 8 --model.prompts_per_rollout 4
        --model.learning_rate 1e-4 --data LocalFile --data.path mine.csv --trainer.callbacks+=SavePolicy
        --trainer.callbacks.folder x --print_config"""
    done = forked.run("-m", "rlframework.cli.commands", "fit", *options.split())
    assert done.returncode == 0, done.stderr
    printed = yaml.safe_load(done.stdout)["model"]["init_args"]
    assert printed["policy"]["init_args"]["lora"]["init_args"]["r"] == 4
    assert printed["sampler"]["init_args"]["group_size"] == 4


def test_the_file_of_the_page_runs_through_every_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    [recipe] = re.findall(r"^```yaml\n(.*?)^```", (ROOT / "docs" / "command_line.md").read_text(), re.DOTALL | re.M)
    (tmp_path / "mine.yaml").write_text(recipe)
    rows = "".join(f"{a} + {b}?,{a + b}\n" for a in range(10) for b in range(10))
    (tmp_path / "mine.csv").write_text(f"question,answer\n{rows}")
    tokenizer = tiny_tokenizer()
    model = tiny_qwen3(vocab_size=len(tokenizer), max_position_embeddings=512, eos_token_id=tokenizer.eos_token_id)
    CausalLMPolicy(model, tokenizer).save_pretrained(tmp_path / "my_model")

    def run(*words: str) -> str:
        assert main(list(words)) == 0
        return capsys.readouterr().out

    run("fit", "-c", "mine.yaml", "--trainer.max_steps", "2", "--trainer.val_check_interval", "1")
    [checkpoint] = map(str, tmp_path.glob("runs/mine/version_0/checkpoints/last.ckpt"))
    assert "val/accuracy" in run("validate", "-c", "mine.yaml", "--ckpt_path", checkpoint)
    assert "test/accuracy" in run("test", "-c", "mine.yaml", "--ckpt_path", checkpoint)
    with pytest.raises(SystemExit) as stopped:  # in the folder of a run of its own, where there is none
        main(["test", "-c", "mine.yaml", "--ckpt_path", "last"])
    assert stopped.value.code == 2
    assert "--ckpt_path last: there is none in runs/mine/version_" in capsys.readouterr().err
    run("predict", "-c", "mine.yaml", "--ckpt_path", checkpoint)
    [predictions] = tmp_path.glob("runs/mine/version_*/predictions.jsonl")
    assert all(json.loads(line)["completion"] for line in predictions.read_text().splitlines())
    run("eval", checkpoint, "--data", "mine.yaml", "-n", "2", "--out", "as_the_run")
    assert json.loads((tmp_path / "as_the_run" / "summary.json").read_text())["max_tokens"] == 32
    run("eval", checkpoint, "--data", "mine.yaml", "--max-tokens", "4", "-n", "8")
    run("export", "runs/mine/policy", "exported", "--measured", "eval", "--only", "adapter")
    card = (tmp_path / "exported" / "adapter" / "README.md").read_text()
    for words in ("class_path: rlframework.GRPO", "| val/accuracy |", "8 prompts x 1", "max_steps: 2"):
        assert words in card


def test_classes_of_the_working_folder_are_found(tmp_path: Path) -> None:
    """By the installed command, which Python starts without it on the path."""
    (tmp_path / "mine.py").write_text(
        "from rlframework.rewards import RowReward\n"
        "class Short(RowReward):\n    def score_row(self, completion):\n        return 1.0\n"
    )
    options = """--model rlframework.GRPO --model.policy rlframework.CausalLMPolicy --model.policy.model somewhere
        --model.reward mine.Short --model.sampler rlframework.SharedPrefixSampler --model.sampler.group_size 2
        --model.sampler.max_tokens 2 --data rlframework.PromptDataModule --data.train []"""
    command = Path(sys.executable).with_name("rlframework")
    done = forked.run(command, "fit", "--print_config", *options.split(), cwd=tmp_path)
    assert "class_path: mine.Short" in done.stdout, done.stderr


def test_reward_report_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "rows.csv").write_text("prompt,answer\n17 + 1?,18\n20 + 2?,22\n")
    arguments = ["--reward", "CorrectAnswer", "--data", str(tmp_path / "rows.csv"), "--out", str(tmp_path / "out")]
    assert main(["reward-report", *arguments]) == 0
    assert "fit for training" in capsys.readouterr().out
