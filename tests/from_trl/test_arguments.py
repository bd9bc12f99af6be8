"""The table of TRL's arguments against TRL itself: every field has a row, every default is the real one."""

from __future__ import annotations

import dataclasses
import inspect
import os
import re
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
from pytorch_lightning.callbacks import ModelCheckpoint

import rlframework
from rlframework.callbacks import RefreshReference, RolloutWriter, SampleLogger, SavePolicy
from rlframework.from_trl.arguments import ARGUMENTS, DEFAULTS, GROUPS, OLDER, VERSION, Argument
from rlframework.from_trl.config import OTHERS
from rlframework.from_trl.conversion import convert
from rlframework.from_trl.found import FoundReward, Read, TRLRun
from rlframework.rewards import WeightedSum

PAGE = Path(__file__).parents[2] / "docs" / "from_trl.md"
ALGORITHMS = [getattr(rlframework, name) for name in ("GRPO", "CISPO", "SAPO", "VESPO", "RLOO")]
OWNERS: dict[str, list[Any]] = {
    "model": ALGORITHMS,
    "sampler": [rlframework.SharedPrefixSampler, rlframework.VLLMSampler, rlframework.EpisodeSampler],
    "model.policy": [rlframework.CausalLMPolicy],
    "model.reward": [WeightedSum],
    "data": [rlframework.PromptDataModule],
    "trainer": [pl.Trainer],
    "trainer.logger": [pl.loggers.CSVLogger],
    "ModelCheckpoint": [ModelCheckpoint],
    "SavePolicy": [SavePolicy],
    "RefreshReference": [RefreshReference],
}
# Paths without an argument behind them: the class itself, or what stands at the top of the file.
WHOLE = {"model": "", "seed_everything": 0, "SampleLogger": SampleLogger, "RolloutWriter": RolloutWriter}


def fields_of(kind: str) -> dict[str, Any]:
    trl = pytest.importorskip("trl")
    if not trl.__version__.startswith(VERSION):
        pytest.skip(f"the table is of TRL {VERSION}, and {trl.__version__} is installed")
    config = {"grpo": trl.GRPOConfig, "rloo": trl.RLOOConfig}[kind]
    return {field.name: default_of(field) for field in dataclasses.fields(config)}


def default_of(field: dataclasses.Field[Any]) -> Any:
    return field.default if field.default_factory is dataclasses.MISSING else field.default_factory()


@pytest.mark.parametrize("kind", DEFAULTS)
def test_every_argument_has_its_row_and_its_real_default(kind: str) -> None:
    real = fields_of(kind)
    assert real.keys() == DEFAULTS[kind].keys(), "write rows in rlframework/from_trl/arguments.py"
    assert real.keys() <= ARGUMENTS.keys()
    assert {
        name: (DEFAULTS[kind][name], real[name]) for name in real if not same(DEFAULTS[kind][name], real[name])
    } == {}


def same(ours: Any, theirs: Any) -> bool:
    # An int is a float's default in TRL now and then; True is no 1.
    return ours == theirs and isinstance(ours, bool) is isinstance(theirs, bool)


def test_there_is_no_row_of_nothing() -> None:
    assert ARGUMENTS.keys() == DEFAULTS["grpo"].keys() | DEFAULTS["rloo"].keys()
    assert sum(len(group.arguments) for group in GROUPS) == len(ARGUMENTS), "a name stands in two groups"
    assert not OLDER.keys() & ARGUMENTS.keys()


def test_the_other_arguments_of_the_command_are_trls() -> None:
    fields_of("grpo")
    from trl import DatasetMixtureConfig, ModelConfig
    from trl.scripts.grpo import GRPOScriptArguments

    kinds = (GRPOScriptArguments, ModelConfig, DatasetMixtureConfig)
    real = {field.name: default_of(field) for kind in kinds for field in dataclasses.fields(kind)}
    assert dict(OTHERS) == real


@pytest.mark.parametrize("name", ARGUMENTS)
def test_a_row_names_arguments_that_are_here(name: str) -> None:
    argument = ARGUMENTS[name]
    assert bool(argument.ours) or argument.kind != "carried"
    assert argument.note or argument.kind == "carried"
    for path in (path.strip("()") for path in argument.ours):
        assert path in WHOLE or list(owners(path)), path
    for page in re.findall(r"docs/[\w/]+\.md", argument.note):
        assert (PAGE.parents[1] / page).exists(), page


def owners(path: str) -> Iterator[tuple[Any, inspect.Parameter]]:
    owner, _, argument = path.rpartition(".")
    for kind in OWNERS.get(owner, []):
        if argument in (parameters := inspect.signature(kind).parameters):
            yield kind, parameters[argument]


# What makes each carried argument act, where it alone does not.
COMPANIONS: dict[str, dict[str, Any]] = {
    names: values
    for several, values in {
        "epsilon_high": {"epsilon": 0.2},
        "use_bias_correction_kl": {"beta": 0.1},
        "num_generations_eval": {"eval_strategy": "steps"},
        "per_device_eval_batch_size": {"eval_strategy": "steps", "num_generations_eval": 2},
        "eval_steps": {"eval_strategy": "steps", "logging_steps": 3},
        "sapo_temperature_pos sapo_temperature_neg": {"loss_type": "sapo"},
        "vespo_k_pos vespo_lambda_pos vespo_k_neg vespo_lambda_neg": {"loss_type": "vespo"},
        "entropy_target entropy_coef_min entropy_coef_max entropy_coef_delta": {"use_adaptive_entropy": True},
        "ref_model_sync_steps ref_model_mixup_alpha": {"sync_ref_model": True},
        "vllm_server_base_url vllm_server_host vllm_server_port": {"use_vllm": True, "vllm_mode": "server"},
        " ".join(name for name in ARGUMENTS if name.startswith("vllm_importance")): {"use_vllm": True},
        "vllm_mode": {"use_vllm": True, "vllm_server_port": 8005},
        "vllm_server_timeout": {"use_vllm": True},
        "steps_per_generation gradient_accumulation_steps": {"per_device_train_batch_size": 16},
        "project": {"report_to": "wandb"},
    }.items()
    for names in several.split()
}
VALUES: dict[str, Any] = {
    "activation_checkpointing": False,
    "beta": 0.1,
    "bf16": False,
    "data_seed": 7,
    "delta": 1.5,
    "disable_tqdm": True,
    "entropy_coef_max": 2.0,
    "epsilon": 0.1,
    "epsilon_high": 0.3,
    "eval_steps": 7,
    "eval_strategy": "steps",
    "generation_batch_size": 32,
    "importance_sampling_level": "sequence",
    "loss_type": "grpo",
    "lr_scheduler_type": "cosine",
    "max_steps": 9,
    "min_p": 0.1,
    "model_init_kwargs": {"dtype": "bfloat16"},
    "multi_objective_aggregation": "normalize_then_sum",
    "num_completions_to_print": 2,
    "num_generations_eval": 4,
    "off_policy_mask_threshold": 0.5,
    "output_dir": "out",
    "per_device_eval_batch_size": 16,
    "per_device_train_batch_size": 16,
    "project": "mine",
    "report_to": "tensorboard",
    "reward_weights": [2.0],
    "run_name": "mine",
    "save_strategy": "no",
    "save_total_limit": 2,
    "scale_rewards": "batch",
    "steps_per_generation": 4,
    "gradient_accumulation_steps": 4,
    "top_entropy_quantile": 0.5,
    "top_k": 50,
    "top_p": 0.9,
    "vllm_importance_sampling_cap": 4.0,
    "vllm_importance_sampling_clip_max": 4.0,
    "vllm_importance_sampling_clip_min": 0.1,
    "vllm_importance_sampling_mode": "token_truncate",
    "vllm_mode": "server",
    "vllm_server_base_url": "http://there:8000",
    "vllm_server_host": "there",
}
CARRIED = [name for name, argument in ARGUMENTS.items() if argument.kind == "carried"]


def converted(kind: str, settings: dict[str, Any]) -> Any:
    run = TRLRun(
        kind, "", {name: Read(value, "") for name, value in settings.items()}, rewards=[FoundReward("a", "b.a")]
    )
    return convert(run, "code")


def changed(name: str, kind: str) -> Any:
    """Return a value of an argument that is not its default."""
    if name in VALUES:
        return VALUES[name]
    default = DEFAULTS[kind][name]
    return not default if isinstance(default, bool) else default + (1 if isinstance(default, int) else 0.5)


@pytest.mark.parametrize("name", CARRIED)
def test_what_is_said_to_be_carried_over_changes_the_file(name: str) -> None:
    kind = "grpo" if name in DEFAULTS["grpo"] else "rloo"
    around = COMPANIONS.get(name, {})
    before, after = converted(kind, around), converted(kind, {**around, name: changed(name, kind)})
    assert (after.tree, after.code) != (before.tree, before.code)


def cells(value: Any) -> str:
    return f"`{value!r}`"


def defaults_there(names: list[str]) -> str:
    """Return the defaults in TRL, RLOO's too where it is another."""
    lines = []
    for name in names:
        grpo, rloo = DEFAULTS["grpo"], DEFAULTS["rloo"]
        if name not in grpo:
            lines.append(cells(rloo[name]))
        else:
            other = f" (RLOO {cells(rloo[name])})" if name in rloo and rloo[name] != grpo[name] else ""
            lines.append(cells(grpo[name]) + other)
    return ", ".join(lines if len(set(lines)) > 1 else lines[:1])


def defaults_here(argument: Argument) -> str:
    shown = []
    for path in argument.ours:
        if path in WHOLE:
            continue
        _, parameter = next(owners(path.strip("()")))
        required = parameter.default is inspect.Parameter.empty
        shown.append(
            "required" if required else "none" if parameter.default is None else cells(plain(parameter.default))
        )
    return ", ".join(shown if len(set(shown)) > 1 else shown[:1])


def plain(value: Any) -> Any:
    return value if isinstance(value, (int, float, str, bool, tuple)) else type(value).__name__


def table() -> str:
    """Return the table of the page, made from the data, from TRL's defaults and from the constructors here."""
    lines = []
    for group in GROUPS:
        lines += [f"### {group.title}", "", "| TRL | default there | here | default here | |", "|---|---|---|---|---|"]
        for _, rows in groupby(group.arguments.items(), key=lambda row: id(row[1])):
            names, argument = zip(*rows, strict=True)
            ours = ", ".join(f"`{path}`" for path in argument[0].ours) or argument[0].kind
            said = " ".join(names)
            theirs = ", ".join(f"`{name}`" for name in said.split())
            cell = [theirs, defaults_there(said.split()), ours, defaults_here(argument[0]), argument[0].note]
            lines.append(f"| {' | '.join(one.replace('|', '/') for one in cell)} |")
        lines.append("")
    return "\n".join(lines)


def test_the_page_has_the_table() -> None:
    page = PAGE.read_text()
    start, end = "<!-- table -->\n", "<!-- end of the table -->\n"
    before, rest = page.split(start)
    _, after = rest.split(end)
    whole = f"{before}{start}\n{table()}{end}{after}"
    if os.environ.get("RLFRAMEWORK_WRITE_FROM_TRL"):
        PAGE.write_text(whole)
        page = whole
    assert page == whole, "RLFRAMEWORK_WRITE_FROM_TRL=1 pytest tests/from_trl/test_arguments.py writes it"
