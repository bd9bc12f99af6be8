"""Configurations of ``trl grpo``, read as TRL reads them: file first, then options; what TRL ignores is said."""

from __future__ import annotations

from pathlib import Path

import pytest

from rlframework.from_trl.config import read_config
from rlframework.from_trl.found import FoundReward, NotReadError, Rows


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "config.yaml"
    path.write_text(
        "model_name_or_path: Qwen/Qwen3-0.6B\n"
        "dataset_name: trl-lib/DeepMath-103K\n"
        "reward_funcs: [accuracy_reward, get_soft_overlong_punishment, mine.right]\n"
        "learning_rate: 1e-5\n"
        "use_peft: true\n"
        "lora_target_modules: [all-linear]\n"
        "num_generations: 4\n"
    )
    return path


def test_a_file_is_read_with_its_lines(config: Path) -> None:
    run = read_config(config, [], "grpo")
    assert (run.model, run.train) == ("Qwen/Qwen3-0.6B", Rows("trl-lib/DeepMath-103K"))
    assert run.settings["learning_rate"].value == 1e-5
    assert run.settings["learning_rate"].place == "config.yaml, line 4"
    assert run.rewards == [
        FoundReward("accuracy_reward", "trl.rewards.accuracy_reward"),
        FoundReward("soft_overlong", soft_overlong={"max_tokens": 1280, "margin": 256}),
        FoundReward("right", "mine.right"),
    ]
    assert run.lora is not None
    assert run.lora["init_args"] == {
        "r": 16,
        "lora_alpha": 32,
        "lora_dropout": 0.05,
        "target_modules": "all-linear",
        "use_rslora": False,
        "use_dora": False,
    }
    assert run.missed == []


def test_trl_reads_the_same(config: Path) -> None:
    pytest.importorskip("trl")
    from trl.scripts.grpo import make_parser

    script, training, model, _ = make_parser().parse_args_and_config(
        ["--config", str(config), "--use_cpu", "--bf16", "no"]
    )
    run = read_config(config, ["--use_cpu", "--bf16", "no"], "grpo")
    assert (model.model_name_or_path, script.dataset_name) == (run.model, run.train.path)
    for name, one in run.settings.items():
        assert getattr(training, name) == one.value, name


def test_options_win_over_the_file_and_may_stand_alone(config: Path) -> None:
    run = read_config(
        config, ["--num_generations", "16", "--use_vllm", "--report_to=wandb", "--stop", "a", "b"], "grpo"
    )
    assert {name: run.settings[name].value for name in ("num_generations", "use_vllm", "report_to")} == {
        "num_generations": 16,
        "use_vllm": True,
        "report_to": "wandb",
    }
    assert [str(one) for one in run.missed] == [
        "the command line: stop: ['a', 'b']\n    no argument of `trl grpo` 1.16, which ignores it silently"
    ]
    alone = read_config(None, ["--model_name_or_path", "m", "--dataset_name", "d", "--reward_funcs", "a.b"], "rloo")
    assert (alone.kind, alone.model, alone.rewards) == ("rloo", "m", [FoundReward("b", "a.b")])


def test_what_is_missing_or_has_no_counterpart_is_listed() -> None:
    flags = [
        "--dataset_streaming",
        "--attn_implementation",
        "sdpa",
        "--reward_model_name_or_path",
        "r",
        "--env",
        "{A: 1}",
    ]
    said = "\n".join(str(one) for one in read_config(None, flags, "grpo").missed)
    for part in (
        "no model_name_or_path",
        "no dataset_name",
        "dataset_streaming",
        "sdpa",
        "RewardModel of yours",
        "env: ",
    ):
        assert part in said


def test_one_data_set_of_a_mixture_is_a_source_and_several_are_a_file(config: Path) -> None:
    text = config.read_text().replace("dataset_name: trl-lib/DeepMath-103K\n", "")
    config.write_text(f"{text}datasets:\n- {{path: a, name: b, split: c, columns: [d]}}\neval_strategy: steps\n")
    run = read_config(config, [], "grpo")
    assert run.train == Rows("a", ("b",), "c")
    assert "held-out rows" in str(run.missed[0])
    config.write_text(f"{text}datasets:\n- path: a\n- path: b\n")
    run = read_config(config, [], "grpo")
    assert run.train == Rows("json", options={"data_files": "train.jsonl"})
    assert "datasets: 2 of them" in str(run.missed[0])


def test_four_bits_bring_the_dtype_along() -> None:
    flags = ["--model_name_or_path", "m", "--load_in_4bit", "--dtype", "bfloat16"]
    run = read_config(None, flags, "grpo")
    assert run.quantization is not None
    assert (run.dtype, run.quantization["bnb_4bit_compute_dtype"]) == ("bfloat16", "bfloat16")


def test_what_is_no_configuration_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("- a\n")
    with pytest.raises(NotReadError, match="expected a mapping"):
        read_config(path, [], "grpo")
    path.write_text("a: [")
    with pytest.raises(NotReadError, match="cannot be read"):
        read_config(path, [], "grpo")
    with pytest.raises(NotReadError, match="expected an option of TRL"):
        read_config(None, ["learning_rate"], "grpo")


def test_anchors_and_merged_mappings_are_read_as_yaml_has_them(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(
        "env: &base\n  beta: 0.5\n  num_generations: 4\nlearning_rate: &rate 1e-5\n<<: *base\nbeta: *rate\n"
    )
    settings = read_config(path, [], "grpo").settings
    read = {name: one.value for name, one in settings.items()}
    assert read == {"learning_rate": 1e-5, "beta": 1e-5, "num_generations": 4}


@pytest.mark.parametrize(
    "text",
    ["beta: !!python/object/apply:os.system ['true']", "beta: &a [*a]", f"beta: {'[' * 5000}"],
    ids=["object", "endless", "deep"],
)
def test_what_is_no_plain_value_is_refused(text: str, tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(text)
    with pytest.raises(NotReadError, match="cannot be read"):
        read_config(path, [], "grpo")


@pytest.mark.parametrize(
    "given", ["reward_funcs: 3", "reward_funcs: [[a]]", "datasets: 3", "datasets: [a]", "datasets: [{}]"]
)
def test_what_is_of_another_kind_is_listed(given: str, tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(f"model_name_or_path: m\n{given}\n")
    missed = read_config(path, [], "grpo").missed
    assert any(given.partition(":")[0] in one.what and one.place == "config.yaml, line 2" for one in missed)
