"""What a configuration of TRL is here trains as TRL trains it: the same losses, gradients and learning rates."""

from __future__ import annotations

import dataclasses
import importlib
import sys
from types import ModuleType
from typing import Any

import pytest

from rlframework.from_trl.conversion import Converted, convert
from rlframework.from_trl.found import FoundReward, Read, TRLRun
from tests.drawn import drawn
from tests.trl.compare import errors, train_both, weight_errors
from tests.trl.runs import GROUP, MAX_TOKENS, Case, even_script

MODULE = "converted_code"
STALE = {"passes": 2}
# Each with what it needs to act: several steps on a rollout for a ratio, sampler log-probabilities for a correction.
CONFIGS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "TRL's defaults": ({}, {}),
    "TRL's defaults, two passes": ({}, STALE),
    "grpo with kl": ({"loss_type": "grpo", "beta": 0.04}, STALE),
    "kl that is not multiplied": ({"beta": 0.04, "use_bias_correction_kl": False}, STALE),
    "dapo by batch": ({"scale_rewards": "batch"}, STALE),
    "dapo unscaled": ({"scale_rewards": False}, STALE),
    "dapo by sequence": ({"importance_sampling_level": "sequence", "epsilon": 0.02, "epsilon_high": 0.03}, STALE),
    "gspo": ({"loss_type": "grpo", "importance_sampling_level": "sequence", "epsilon": 0.02}, STALE),
    "dr_grpo": ({"loss_type": "dr_grpo", "scale_rewards": "none"}, STALE),
    "dr_grpo scaled": ({"loss_type": "dr_grpo"}, STALE),
    "bnpo": ({"loss_type": "bnpo", "epsilon_high": 0.3}, STALE),
    "luspo": ({"loss_type": "luspo", "importance_sampling_level": "sequence"}, {**STALE, "slower": 16}),
    "luspo by token": ({"loss_type": "luspo"}, {**STALE, "slower": 16}),
    "cispo": ({"loss_type": "cispo", "epsilon_high": 5.0}, STALE),
    "sapo": ({"loss_type": "sapo", "sapo_temperature_neg": 1.5}, STALE),
    "vespo": ({"loss_type": "vespo", "vespo_k_pos": 1.5}, {**STALE, "slower": 3}),
    "gdpo": ({"loss_type": "grpo", "multi_objective_aggregation": "normalize_then_sum"}, STALE),
    "gdpo with TRL's loss": ({"multi_objective_aggregation": "normalize_then_sum"}, STALE),
    "cap and truncation": ({"delta": 1.3, "mask_truncated_completions": True}, STALE),
    "top entropy": ({"top_entropy_quantile": 0.5}, {**STALE, "accumulate": 1}),
    "entropy bonus": ({"entropy_coef": 0.1}, {"accumulate": 1}),
    "off-policy mask": ({"off_policy_mask_threshold": 0.01}, STALE),
    "two steps on a rollout": ({"loss_type": "grpo"}, {"slices": 2}),
    "even steps of dapo": ({}, {"slices": 2, "script": even_script}),
    "warm-up and decay": ({}, {"warmup": 2, "weight_decay": 0.1}),
    "rloo": ({"beta": 0.02}, {"trainer": "rloo", "slower": 5}),
    "rloo normalised": ({"beta": 0.02, "normalize_advantages": True}, {"trainer": "rloo", "slower": 5}),
}


def converted_from(settings: dict[str, Any], kind: str = "grpo", devices: int = 1) -> Converted:
    run = TRLRun(kind, "train.py", {name: Read(value, "train.py, line 1") for name, value in settings.items()})
    run.rewards = [FoundReward("right", "my_rewards.right")]
    return convert(run, MODULE, devices)


def made(node: Any) -> Any:
    """Make an object of what YAML says of it."""
    if not (isinstance(node, dict) and "class_path" in node):
        return node
    module, _, name = node["class_path"].rpartition(".")
    options = {key: made(value) for key, value in node.get("init_args", {}).items()}
    return getattr(importlib.import_module(module), name)(**options)


def case_of(settings: dict[str, Any], fields: dict[str, Any]) -> tuple[Case, Converted]:
    """Return a case whose side here is nothing but what the conversion makes of TRL's side."""
    case = Case(theirs=settings, **{"slower": 2, **fields})
    sizes = {
        "per_device_train_batch_size": case.prompts_per_rollout * GROUP // case.minibatches,
        "gradient_accumulation_steps": case.accumulate,
        "steps_per_generation": case.minibatches,
        "num_iterations": case.passes,
        "num_generations": GROUP,
        "max_completion_length": MAX_TOKENS,
        "learning_rate": case.learning_rate("sgd"),
        "warmup_steps": case.warmup,
        "weight_decay": case.weight_decay,
        "beta": 0.0,
    }
    found = converted_from({**sizes, **settings}, case.trainer)
    module = ModuleType(MODULE)
    exec(found.code, vars(module))
    sys.modules[MODULE] = module
    arguments = dict(found.tree["model"]["init_args"])
    ours = {name: arguments.pop(name) for name in ("prompts_per_rollout", "minibatches_per_rollout")}
    ours |= {name: arguments.pop(name) for name in ("passes_per_rollout", "learning_rate", "warmup_steps")}
    assert ours == {
        "prompts_per_rollout": case.prompts_per_rollout,
        "minibatches_per_rollout": case.minibatches,
        "passes_per_rollout": case.passes,
        "learning_rate": case.learning_rate("sgd"),
        "warmup_steps": case.warmup,
    }
    assert found.tree["trainer"]["accumulate_grad_batches"] == case.accumulate
    for name in ("policy", "reward", "sampler", "weight_decay", "seed"):
        arguments.pop(name)
    path, _, name = found.tree["model"]["class_path"].rpartition(".")
    kind = getattr(importlib.import_module(path), name)
    options = {key: value for key, value in arguments.items() if key not in ("betas", "schedule")}
    case = dataclasses.replace(case, kind=kind, ours=lambda: {key: made(value) for key, value in options.items()})
    return case, found


# Those that become other classes or other arguments; whatever else has a row is left to make test-long.
OF_A_KIND = {
    "TRL's defaults, two passes",
    "kl that is not multiplied",
    "gspo",
    "dr_grpo",
    "cispo",
    "vespo",
    "gdpo",
    "cap and truncation",
    "top entropy",
    "even steps of dapo",
    "rloo normalised",
}


@pytest.mark.parametrize("name", drawn(list(CONFIGS), OF_A_KIND))
def test_what_a_configuration_becomes_has_the_losses_of_trl(name: str) -> None:
    pytest.importorskip("trl")
    case, _ = case_of(*CONFIGS[name])
    found = errors(case)
    if found.advantages >= 1e-6 or found.loss >= 5e-6:
        found = errors(case, double=True)
        assert max(found.advantages, found.loss) < 1e-12
    assert found.advantages < 1e-6
    assert found.loss < 5e-6
    assert found.gradient < 1e-4


def test_adamw_clipping_and_the_schedule_are_trls() -> None:
    pytest.importorskip("trl")
    case, _ = case_of(*CONFIGS["warm-up and decay"])
    difference = weight_errors(train_both(case, "adamw"))
    assert difference.quantile(0.99) < 1e-6


def test_a_wrong_clip_would_be_seen() -> None:
    pytest.importorskip("trl")
    case, _ = case_of(*CONFIGS["TRL's defaults, two passes"])
    ours = case.ours
    wrong = dataclasses.replace(case, ours=lambda: {**ours(), "clip_low": 0.05, "clip_high": 0.05})
    assert errors(wrong).gradient > 1e-3


def test_what_the_script_does_not_say_is_trls_default_and_not_ours() -> None:
    tree = converted_from({}).tree
    model, trainer = tree["model"]["init_args"], tree["trainer"]
    assert tree["model"]["class_path"] == "rlframework.DAPO"
    assert (model["clip_low"], model["clip_high"], model["learning_rate"]) == (0.2, 0.2, 1e-6)
    assert model["policy"]["init_args"]["gradient_checkpointing"] is True
    assert trainer["precision"] == "bf16-mixed"
    assert trainer["gradient_clip_val"] == 1.0
    assert trainer["max_epochs"] == 3
    assert tree["seed_everything"] == 42


def test_cispo_with_the_clip_of_the_others_is_reported() -> None:
    found = converted_from({"loss_type": "cispo"})
    assert found.tree["model"]["init_args"]["ratio_cap"] == 5
    assert "cuts every on-policy ratio" in str(found.missed[-1])
    assert "(TRL's default)" in found.missed[-1].what


def test_vllm_keeps_trls_correction_and_says_what_it_does() -> None:
    found = converted_from({"use_vllm": True, "vllm_mode": "server", "vllm_server_port": 8005})
    sampler = found.tree["model"]["init_args"]["sampler"]
    assert sampler["class_path"] == "rlframework.VLLMSampler"
    assert sampler["init_args"]["servers"] == ["http://127.0.0.1:8005"]
    correction = found.tree["model"]["init_args"]["sampler_correction"]
    assert correction == {"class_path": "rlframework.terms.SequenceMask", "init_args": {"low": None, "high": 3.0}}
    assert any("without a lower bound" in text for text in found.different)
    assert any("rlframework serve" in one.way_out for one in found.missed)
    without = converted_from({"use_vllm": True, "vllm_importance_sampling_correction": False})
    assert without.tree["model"]["init_args"]["sampler"]["init_args"]["correction"] is None


def test_truncated_sampling_brings_the_correction_that_is_asked_for_here() -> None:
    found = converted_from({"top_p": 0.9, "top_k": 50, "min_p": 0.1})
    arguments = found.tree["model"]["init_args"]
    assert (
        arguments["sampler"]["init_args"] | {"top_p": 0.9, "top_k": 50, "min_p": 0.1}
        == arguments["sampler"]["init_args"]
    )
    assert made(arguments["sampler_correction"]).high == 3


def test_what_has_no_counterpart_is_listed_with_its_line() -> None:
    settings = {"repetition_penalty": 1.1, "optim": "adamw_8bit", "push_to_hub": True, "deepspeed": "zero3.json"}
    found = converted_from({**settings, "lr_scheduler_kwargs": {"min_lr": 1e-7}, "reward_clip_range": [0, 1]})
    assert {one.what.partition("=")[0] for one in found.missed} >= {
        *settings,
        "lr_scheduler_kwargs",
        "reward_clip_range",
    }
    assert all(one.way_out for one in found.missed)
    assert {one.place for one in found.missed if one.what.partition("=")[0] in settings} == {"train.py, line 1"}


@pytest.mark.parametrize(
    "settings", [{"optim": "adamw_torch"}, {"repetition_penalty": 1.0}, {"fsdp": ""}, {"deepspeed": None}]
)
def test_what_comes_to_the_same_is_not_listed(settings: dict[str, Any]) -> None:
    before = [one.what for one in converted_from({}).missed]
    assert [one.what for one in converted_from(settings).missed] == before


def test_the_list_is_in_the_order_of_the_lines() -> None:
    run = TRLRun("grpo", "train.py", rewards=[FoundReward("right", "my_rewards.right")])
    run.settings = {"optim": Read("sgd", "train.py, line 12"), "deepspeed": Read("a.json", "train.py, line 7")}
    run.miss("", "no model", "name it")
    run.miss("train.py, line 9", "model=f()", "name it")
    assert [one.place for one in convert(run, MODULE).missed] == [*(f"train.py, line {n}" for n in (7, 9, 12)), ""]


def test_shares_of_steps_are_counted_out_or_listed() -> None:
    found = converted_from({"warmup_steps": 0.1, "max_steps": 25})
    assert found.tree["model"]["init_args"]["warmup_steps"] == 3
    assert converted_from({"warmup_ratio": 0.1, "max_steps": 25}).tree["model"]["init_args"]["warmup_steps"] == 3
    found = converted_from({"warmup_steps": 0.1, "logging_steps": 0.5, "num_train_epochs": 0.5})
    assert {"warmup_steps=0.1", "logging_steps=0.5", "num_train_epochs=0.5"} <= {one.what for one in found.missed}


def test_evaluation_saving_and_loggers_are_lightnings() -> None:
    settings = {"eval_strategy": "steps", "eval_steps": 5, "gradient_accumulation_steps": 4, "num_generations_eval": 2}
    settings |= {"save_steps": 50, "save_total_limit": 2, "report_to": ["wandb", "trackio"], "run_name": "mine"}
    found = converted_from(settings)
    trainer = found.tree["trainer"]
    assert (trainer["val_check_interval"], trainer["accumulate_grad_batches"]) == (20, 4)
    assert found.tree["model"]["init_args"]["validation_samples"] == 2
    assert trainer["logger"]["init_args"] == {"save_dir": "trainer_output", "name": "mine", "project": "huggingface"}
    checkpoint = next(one for one in trainer["callbacks"] if one["class_path"].endswith("ModelCheckpoint"))
    assert checkpoint["init_args"] == {"every_n_train_steps": 50, "save_top_k": 2, "monitor": "step", "mode": "max"}
    assert any("trackio" in one.way_out for one in found.missed)


@pytest.mark.parametrize("size", [0, -1, "eight", True, 2.5])
@pytest.mark.parametrize(
    "name", ["num_generations", "gradient_accumulation_steps", "generation_batch_size", "num_iterations"]
)
def test_a_size_that_is_none_is_listed_and_trls_default_is_written(name: str, size: Any) -> None:
    converted = converted_from({name: size, "beta": 0.5})
    assert [str(one) for one in converted.missed if name in str(one) and "at least 1" in str(one)]
    assert converted.tree == converted_from({"beta": 0.5}).tree


def test_a_run_writes_what_watching_it_needs() -> None:
    callbacks = [one["class_path"] for one in converted_from({}).tree["trainer"]["callbacks"]]
    assert "rlframework.RunWriter" in callbacks
