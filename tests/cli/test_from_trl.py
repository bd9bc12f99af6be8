"""``rlframework from-trl``: a script that TRL trains, and its YAML file that trains here, on the same data."""

from __future__ import annotations

import json
import runpy
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml

from rlframework.cli.from_trl import main
from rlframework.cli.lightning import main as lightning
from rlframework.testing import letter_tokenizer, tiny_qwen3
from tests.trl.compare import undisturbed

SCRIPT = """
import json

from datasets import load_dataset
from peft import LoraConfig
from trl import GRPOConfig, GRPOTrainer

GROUP = 4


def vowels(prompts, completions, completion_ids, answer, **kwargs):
    with open("calls.jsonl", "a") as file:
        longest = max(len(ids) for ids in completion_ids)
        print(json.dumps([len(completions), sorted(prompts), sorted(answer), longest]), file=file)
    return [float(sum(letter in "aeiou" for letter in text)) for text in completions]


def brevity(completions, **kwargs):
    return [-len(text) / 10 if text else None for text in completions]


dataset = load_dataset("json", data_files="train.jsonl", split="train")
config = GRPOConfig(
    output_dir="out",
    learning_rate=1e-3,
    per_device_train_batch_size=2 * GROUP,
    gradient_accumulation_steps=2,
    num_generations=GROUP,
    max_completion_length=6,
    warmup_steps=1,
    lr_scheduler_type="cosine",
    max_steps=4,
    reward_weights=[1.0, 0.5],
    logging_steps=1,
    bf16=False,
    use_cpu=True,
    save_strategy="no",
    report_to="none",
    disable_tqdm=True,
)
trainer = GRPOTrainer(
    model="tiny",
    reward_funcs=[vowels, brevity],
    args=config,
    train_dataset=dataset,
    peft_config=LoraConfig(r=2, lora_alpha=4, target_modules=["q_proj", "v_proj"], task_type="CAUSAL_LM"),
)
trainer.train()
trainer.save_model("out/last")
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    # Of the test before: what is written is named after the YAML file.
    monkeypatch.delitem(sys.modules, "run_code", raising=False)
    tiny_qwen3().save_pretrained("tiny")
    letter_tokenizer().save_pretrained("tiny")
    rows = [{"prompt": letter * 3, "answer": letter} for letter in "abcdefgh"]
    Path("train.jsonl").write_text("\n".join(map(json.dumps, rows)))
    Path("train.py").write_text(SCRIPT)
    return tmp_path


def calls() -> list[Any]:
    """Return what the reward was called with since the last time."""
    path = Path("calls.jsonl")
    found = [json.loads(line) for line in path.read_text().splitlines()]
    path.unlink()
    return found


def test_a_script_trains_in_trl_and_its_file_here_with_the_same_settings(folder: Path) -> None:
    pytest.importorskip("trl")
    with undisturbed():
        theirs = runpy.run_path("train.py")["trainer"]
    of_theirs = calls()
    assert main(["train.py", "-o", "run.yaml"]) == 0, "all of it is carried over"
    ours = lightning(["fit", "-c", "run.yaml"])
    of_ours = calls()
    algorithm, trainer = ours.model, ours.trainer
    assert [call[0] for call in of_ours] == [call[0] for call in of_theirs] == [16] * 4
    # Both deal all prompts out in an epoch of two rollouts, in orders of their own.
    for one in (of_ours, of_theirs):
        for epoch in (one[:2], one[2:]):
            assert Counter(prompt for call in epoch for prompt in call[1]) == {letter * 3: 4 for letter in "abcdefgh"}
        assert max(call[3] for call in one) == 6
    assert trainer.global_step == theirs.state.global_step == 4
    rates = [row["learning_rate"] for row in theirs.state.log_history if "learning_rate" in row]
    schedule = theirs.lr_scheduler.lr_lambdas[0]
    [config] = trainer.lr_scheduler_configs
    assert [config.scheduler.lr_lambdas[0](step) for step in range(5)] == [schedule(step) for step in range(5)]
    assert config.scheduler.base_lrs[0] == pytest.approx(max(rates)) == 1e-3
    mine, other = trainer.optimizers[0].defaults, theirs.optimizer.optimizer.defaults
    assert {name: mine[name] for name in ("betas", "eps")} == {name: other[name] for name in ("betas", "eps")}
    trained = sum(weight.numel() for weight in algorithm.policy.parameters() if weight.requires_grad)
    assert trained == sum(weight.numel() for weight in theirs.model.parameters() if weight.requires_grad) > 0
    assert algorithm.policy.model.is_gradient_checkpointing is theirs.model.is_gradient_checkpointing is True
    assert Path("out/policy/adapter_config.json").exists()
    figures = trainer.callback_metrics
    assert {"train/reward/vowels", "train/reward/brevity"} <= figures.keys()


def test_a_file_with_placeholders_is_read_by_fit_and_says_what_is_missing(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    script = SCRIPT.replace("learning_rate=1e-3", "learning_rate=args.lr").replace(
        'split="train")', 'split="train").map(f)'
    )
    Path("train.py").write_text(script)
    assert main(["train.py", "-o", "run.yaml", "--devices", "1"]) == 1
    said = capsys.readouterr().out
    assert "train.py, line 25: learning_rate=args.lr" in said
    assert ".map(...)" in said
    with pytest.raises(SystemExit) as ended:
        lightning(["fit", "-c", "run.yaml", "--print_config"])
    assert ended.value.code == 0
    printed = yaml.safe_load(capsys.readouterr().out)
    assert printed["model"]["init_args"]["learning_rate"] == 1e-6
    assert printed["model"]["init_args"]["reward"]["init_args"]["weights"] == {"vowels": 1.0, "brevity": 0.5}


def test_parts_of_every_kind_are_read_by_fit(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    flags = "--model_name_or_path tiny --dtype bfloat16 --use_peft --lora_target_modules q_proj v_proj --load_in_4bit"
    flags += " --dataset_name openai/gsm8k --dataset_config main --reward_model_name_or_path judge"
    flags += " --reward_funcs get_soft_overlong_punishment accuracy_reward --report_to wandb mlflow"
    assert main(["-o", "run.yaml", "--", *flags.split(), "--eval_strategy=epoch", "--save_strategy=epoch"]) == 1
    assert "a RewardModel of yours" in capsys.readouterr().out
    with pytest.raises(SystemExit) as ended:
        lightning(["fit", "-c", "run.yaml", "--print_config"])
    assert ended.value.code == 0, capsys.readouterr().err
    printed = yaml.safe_load(capsys.readouterr().out)
    arguments = printed["model"]["init_args"]
    assert list(arguments["reward"]["init_args"]["rewards"]) == ["reward_0", "soft_overlong", "accuracy_reward"]
    # Of classes that have no subclasses the arguments alone are printed.
    assert arguments["policy"]["init_args"]["quantization"]["load_in_4bit"] is True
    assert printed["data"]["init_args"]["train"]["configs"] == ["main"]
    assert len(printed["trainer"]["logger"]) == 2


@pytest.mark.parametrize(
    "settings",
    [
        "loss_type='dr_grpo', beta=0.1, entropy_coef=0.01, sync_ref_model=True, save_steps=5, save_total_limit=1",
        "use_vllm=True, eval_strategy='steps', eval_steps=2, log_completions=True, report_to='tensorboard', top_p=0.9",
        "loss_type='luspo', importance_sampling_level='sequence', off_policy_mask_threshold=0.1, seed=3, data_seed=4",
        "loss_type='sapo', mask_truncated_completions=True, use_adaptive_entropy=True, fp16=True, num_iterations=2",
        "scale_rewards='batch', multi_objective_aggregation='normalize_then_sum', run_name='a', max_grad_norm=0.0",
    ],
)
def test_fit_reads_every_part_of_what_is_written(
    folder: Path, capsys: pytest.CaptureFixture[str], settings: str
) -> None:
    names = [part.partition("=")[0].strip() for part in settings.split(",")]
    kept = [line for line in SCRIPT.splitlines() if line.strip().partition("=")[0] not in names]
    script = "\n".join(kept).replace("config = GRPOConfig(", f"config = GRPOConfig({settings},")
    Path("train.py").write_text(script)
    main(["train.py", "-o", "run.yaml"])
    capsys.readouterr()
    with pytest.raises(SystemExit) as ended:
        lightning(["fit", "-c", "run.yaml", "--print_config"])
    assert ended.value.code == 0, capsys.readouterr().err
    assert yaml.safe_load(capsys.readouterr().out)["model"]["class_path"]


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ([], "name a script"),
        (["nothing.py"], "No such file"),
        (["train.py", "-o", "run.txt"], "a YAML file"),
        (["train.py", "-o", "1.yaml"], "no name of a module"),
        (["train.py", "--", "--beta", "1"], "a script says its own"),
        (["train.jsonl"], "cannot be read"),
    ],
)
def test_what_cannot_be_carried_out_ends_with_status_2(
    folder: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], why: str
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert why in capsys.readouterr().err


def test_a_script_is_read_and_never_run_nor_is_torch_loaded(folder: Path) -> None:
    Path("train.py").write_text(f"raise SystemExit('it ran')\n{SCRIPT}")
    program = "import sys; from rlframework.cli.commands import main; main(['from-trl', 'train.py'])"
    program += "; assert 'torch' not in sys.modules"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=folder)
    assert done.returncode == 0, done.stderr
    assert "it ran" not in done.stdout + done.stderr
    assert Path("from_trl.yaml").exists()
