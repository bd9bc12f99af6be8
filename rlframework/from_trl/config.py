"""YAML files and flags of ``trl grpo`` and ``trl rloo``: arguments of the script, of the model and of the data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from rlframework.from_trl.arguments import ARGUMENTS, OLDER
from rlframework.from_trl.found import FoundReward, NotReadError, Read, Rows, TrainerKind, TRLRun

OTHERS: Mapping[str, Any] = {
    "model_name_or_path": None,
    "model_revision": "main",
    "dtype": "float32",
    "attn_implementation": None,
    "use_peft": False,
    "lora_r": 16,
    "lora_alpha": 32,
    "lora_dropout": 0.05,
    "lora_target_modules": None,
    "lora_target_parameters": None,
    "lora_modules_to_save": None,
    "lora_task_type": "CAUSAL_LM",
    "use_rslora": False,
    "use_dora": False,
    "load_in_8bit": False,
    "load_in_4bit": False,
    "bnb_4bit_quant_type": "nf4",
    "use_bnb_nested_quant": False,
    "bnb_4bit_quant_storage": None,
    "dataset_name": None,
    "dataset_config": None,
    "dataset_train_split": "train",
    "dataset_test_split": "test",
    "dataset_streaming": False,
    "ignore_bias_buffers": False,
    "reward_model_name_or_path": None,
    "reward_funcs": None,
    "datasets": [],
    "streaming": False,
    "test_split_size": None,
}
"""What ``trl grpo`` takes beside GRPOConfig, with its defaults; a test compares them with the installed TRL."""

_LORA = {
    "lora_r": "r",
    "lora_alpha": "lora_alpha",
    "lora_dropout": "lora_dropout",
    "lora_target_modules": "target_modules",
    "lora_target_parameters": "target_parameters",
    "lora_modules_to_save": "modules_to_save",
    "use_rslora": "use_rslora",
    "use_dora": "use_dora",
}
_QUANTIZATION = {
    "load_in_4bit": "load_in_4bit",
    "load_in_8bit": "load_in_8bit",
    "bnb_4bit_quant_type": "bnb_4bit_quant_type",
    "use_bnb_nested_quant": "bnb_4bit_use_double_quant",
    "bnb_4bit_quant_storage": "bnb_4bit_quant_storage",
}
_REWARDS = ("accuracy_reward", "reasoning_accuracy_reward", "think_format_reward")
# `trl grpo` makes get_soft_overlong_punishment with these.
_OVERLONG = {"max_tokens": 1280, "margin": 256}
_TEST_SIZE = "data.validation takes a Source; hold rows out into a file of their own"
_OF_A_MODEL = "a RewardModel of yours that loads it (docs/write_your_own/reward.md)"
_WAYS_OUT = {
    "model_revision": "download it (hf download NAME --revision ...) and name the folder: model.policy.model",
    "attn_implementation": "load the model in Python, with this, and give the object: CausalLMPolicy(model, tokenizer)",
    "lora_task_type": "an adapter here is one of a causal language model",
    "dataset_streaming": "prompts are read and tokenised once, before the run",
    "streaming": "prompts are read and tokenised once, before the run",
    "ignore_bias_buffers": "buffers of a mask are not broadcast: strategy DDPStrategy(broadcast_buffers=False)",
    "test_split_size": _TEST_SIZE,
}


def read_config(path: Path | None, flags: Sequence[str], kind: TrainerKind) -> TRLRun:
    """Read what ``trl grpo`` or ``trl rloo`` would be given.

    Args:
        path: The file of ``--config``, if there is one.
        flags: Options of TRL, which win over the file.
        kind: Which of the two.

    Raises:
        NotReadError: The file is no mapping in YAML, or a flag has no value.
    """
    values = {} if path is None else _values_of(path)
    values |= _flags(flags)
    run = TRLRun(kind, path.name if path else f"trl {kind}")
    others = {name: values.pop(name, Read(default, "")) for name, default in OTHERS.items()}
    for name, read in values.items():
        if name in ARGUMENTS or name in OLDER:
            run.settings[name] = read
        elif name == "env":
            run.miss(read.place, f"env: {read.value}", "set them in the shell that starts the run")
        else:
            run.miss(
                read.place, f"{name}: {read.value}", f"no argument of `trl {kind}` 1.16, which ignores it silently"
            )
    _model(run, others)
    _rewards(run, others)
    _rows(run, others)
    for name, way_out in _WAYS_OUT.items():
        if others[name].value != OTHERS[name]:
            run.miss(others[name].place, f"{name}: {others[name].value}", way_out)
    return run


def _values_of(path: Path) -> dict[str, Read]:
    loader = yaml.SafeLoader("")
    try:
        node = yaml.compose(path.read_text(encoding="utf-8"), yaml.SafeLoader)
        if not isinstance(node, yaml.MappingNode):
            raise NotReadError(f"{path}: expected a mapping of arguments, as `trl grpo --config` takes it")
        loader.flatten_mapping(node)  # `<<: *base`
        values = {str(key.value): _number(loader.construct_object(one, deep=True)) for key, one in node.value}
    except (OSError, UnicodeDecodeError, RecursionError, yaml.YAMLError) as error:
        raise NotReadError(f"{path} cannot be read: {' '.join(str(error).split())}") from error
    places = {str(key.value): f"{path.name}, line {key.start_mark.line + 1}" for key, _ in node.value}
    return {name: Read(value, places[name]) for name, value in values.items()}


def _number(value: Any) -> Any:
    """Return ``1e-6``, which YAML takes for a text and TRL for a number, as a number."""
    if not isinstance(value, str):
        return value
    try:
        return float(value)
    except ValueError:
        return value


def _flags(flags: Sequence[str]) -> dict[str, Read]:
    """Return the options of a command line; several words behind one are a list, none is True."""
    found: dict[str, list[Any]] = {}
    words: list[Any] | None = None
    for flag in flags:
        name, equals, value = flag.partition("=")
        if name.startswith("--"):
            words = found.setdefault(name.removeprefix("--").replace("-", "_"), [])
            words += [yaml.safe_load(value)] if equals else []
        elif words is None:
            raise NotReadError(f"{flag}: expected an option of TRL, such as --learning_rate 1e-6")
        else:
            words.append(yaml.safe_load(flag))
    values = {name: given if name == "reward_funcs" else _one(given) for name, given in found.items()}
    return {name: Read(_number(value), "the command line") for name, value in values.items()}


def _one(given: list[Any]) -> Any:
    return True if not given else given[0] if len(given) == 1 else given


def _model(run: TRLRun, others: Mapping[str, Read]) -> None:
    run.model = others["model_name_or_path"].value
    if run.model is None:
        run.miss("", "there is no model_name_or_path", "give model.policy.model a folder or a hub name")
    dtype = others["dtype"].value
    run.dtype = None if dtype == "float32" else dtype
    if others["use_peft"].value:
        settings = {ours: others[name].value for name, ours in _LORA.items()}
        modules = settings["target_modules"]
        if isinstance(modules, list) and len(modules) == 1:
            settings["target_modules"] = modules[0]
        default = {"target_modules": None, "target_parameters": None, "modules_to_save": None}
        kept = {name: value for name, value in settings.items() if name not in default or value is not None}
        run.lora = {"class_path": "peft.LoraConfig", "init_args": kept}
    if others["load_in_4bit"].value or others["load_in_8bit"].value:
        run.quantization = {ours: others[name].value for name, ours in _QUANTIZATION.items()}
        if others["load_in_4bit"].value:
            run.quantization["bnb_4bit_compute_dtype"] = dtype


def _rewards(run: TRLRun, others: Mapping[str, Read]) -> None:
    named, place = others["reward_funcs"].value, others["reward_funcs"].place
    judge = others["reward_model_name_or_path"]  # the first of them in TRL, for the weights
    if judge.value is not None:
        run.miss_reward(judge.place, f"reward_model_name_or_path: {judge.value}", _OF_A_MODEL)
    for name in named if isinstance(named, list) else [] if named is None else [named]:
        if name in _REWARDS:
            run.rewards.append(FoundReward(name, f"trl.rewards.{name}"))
        elif name == "get_soft_overlong_punishment":
            run.rewards.append(FoundReward("soft_overlong", soft_overlong=_OVERLONG))
        elif isinstance(name, str) and "." in name:
            run.rewards.append(FoundReward(name.rpartition(".")[2], name))
        else:
            run.miss_reward(place, f"reward_funcs: {name}", f"TRL knows {', '.join(_REWARDS)} and dotted paths")
    if not run.rewards:
        run.miss_reward("", "there is no reward_funcs", "set model.reward")


def _rows(run: TRLRun, others: Mapping[str, Read]) -> None:
    evaluates = run.settings.get("eval_strategy", Read("no", "")).value != "no"
    mixed, name = others["datasets"].value, others["dataset_name"].value
    if not mixed and name is not None:
        configs = (others["dataset_config"].value,) if others["dataset_config"].value else ()
        run.train = Rows(name, configs, others["dataset_train_split"].value)
        if evaluates:
            run.validation = Rows(name, configs, others["dataset_test_split"].value)
        return
    known = {"path", "name", "split", "data_files", "data_dir", "columns"}
    one = mixed[0] if isinstance(mixed, list) and len(mixed) == 1 else None
    if isinstance(one, dict) and "path" in one and not one.keys() - known:
        one = dict(one)
        one.pop("columns", None)  # Rewards take the columns that they name.
        path, config, split = one.pop("path"), one.pop("name", None), one.pop("split", "train")
        run.train = Rows(path, (config,) if config else (), split, one)
    else:
        several = isinstance(mixed, list) and len(mixed) > 1
        what = f"datasets: {len(mixed) if several else mixed}" + " of them" * several
        what = what if mixed else "there is no dataset_name and no datasets"
        run.miss(
            others["datasets"].place,
            what,
            "write the rows to one file, train.jsonl (get_dataset of TRL, then DATASET.to_json), which the YAML file "
            "names",
        )
        run.train = Rows("json", options={"data_files": "train.jsonl"})
    if evaluates:
        run.miss(others["datasets"].place, "the held-out rows of datasets", _TEST_SIZE)
