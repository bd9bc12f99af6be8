"""``rlframework plan``: memory by moment, what does not fit, and seconds per step, before anything is loaded."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import gcd
from pathlib import Path
from typing import Any

from rlframework.cli.arguments import count, positive, share
from rlframework.cli.settings import Refused, read_settings

DESCRIPTION = """\
Say what a run takes of each device and each moment of a step, what does not fit and how it would, and how long a step
is, with rollouts made by the devices that learn or by servers beside them. Of the model only the configuration is read.
Memory is of completions that use their whole budget; the seconds are estimates from data sheets, not measured."""

EPILOG = """\
An option with a dot replaces a value of the file, as of `fit`: --model.minibatches_per_rollout 4.
The exit status is 1 if the run as it is set does not fit, 2 if the command cannot be carried out; else 0."""

PROMPT_TOKENS = 256


def parser() -> argparse.ArgumentParser:
    """Return the argument parser of ``rlframework plan``."""
    options = argparse.ArgumentParser(
        prog="rlframework plan",
        usage="rlframework plan (-c FILE | --model NAME) --device NAME [--devices N] [OPTION ...]",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    run = options.add_argument_group("the run; each option wins over the file").add_argument
    run("-c", "--config", action="append", default=[], metavar="FILE", help="the YAML file of `fit`")
    run("--model", metavar="NAME", help="a folder with a config.json, or a name on the hub")
    run("--prompts", type=count, metavar="N", help="prompts_per_rollout (by default 8)")
    run("--group-size", type=count, metavar="G", help="completions of each (by default 8)")
    run("--prompt-tokens", type=count, metavar="N", help=f"of a prompt, the mean (by default {PROMPT_TOKENS})")
    run("--max-tokens", type=count, metavar="N", help="of a completion at most (by default 256)")
    run("--mean-tokens", type=count, metavar="N", help="of a completion, for seconds (by default half of the most)")
    run("--minibatches", type=count, metavar="N", help="minibatches_per_rollout, all of one optimizer step")
    run("--lora", type=count, metavar="RANK", help="train an adapter of this rank on all linear layers")
    run("--dtype", choices=("float32", "bfloat16"), help="of the weights (by default float32)")
    run("--precision", metavar="NAME", help="the Trainer's, such as bf16-mixed (by default 32-true)")
    run("--checkpointing", action="store_true", help="gradient_checkpointing of the policy")
    run("--fsdp", action="store_true", help="share weights, gradients and optimizer state among the devices")
    run("--servers", action="store_true", help="rollouts are made by vLLM servers on some of the devices")
    devices = options.add_argument_group("the devices").add_argument
    devices("--device", metavar="NAME", help="B200, H200, H100, A100-80GB, A100-40GB, L40S, L4, RTX-4090 or your own")
    devices("--devices", type=count, default=1, metavar="N", help="how many of them (by default 1)")
    devices("--memory", type=positive, metavar="GIB", help="of a device of your own")
    devices("--bandwidth", type=positive, metavar="TB", help="a second, of its memory")
    devices("--peak", type=positive, metavar="TFLOP", help="a second, in bfloat16 without sparsity")
    assumed = options.add_argument_group("what is assumed").add_argument
    assumed("--memory-share", type=share, default=0.9, metavar="SHARE", help="of memory to fill (by default 0.9)")
    assumed("--mfu", type=share, default=0.4, metavar="SHARE", help="of the peak that learning reaches (0.4)")
    assumed("--bandwidth-share", type=share, default=0.6, metavar="SHARE", help="that decoding reaches (0.6)")
    assumed("--link", type=positive, default=5.0, metavar="GB", help="a second, from trainer to server (5)")
    return options


def main(arguments: Sequence[str] | None = None) -> int:
    """Run ``rlframework plan``: memory and seconds of a run, before anything is loaded.

    Args:
        arguments: Instead of those of the process, without the command's name.

    Returns:
        The exit status: 0 if the run fits as it is set, 1 if it does not.

    Raises:
        ImportError: rich is not installed.
        SystemExit: Of status 2, after a line that says why the command cannot be carried out.
    """
    options = parser()
    given, others = options.parse_known_args(arguments)
    strange = [word for word in others if word.startswith("--") and "." not in word.partition("=")[0]]
    if strange:
        options.error(f"no such option: {' '.join(strange)}; `rlframework plan --help` lists them")
    # Only now, so that --help does not wait for torch.
    from rlframework.report.plan import Assumed
    from rlframework.report.plan_table import print_plan

    assumed = Assumed(given.memory_share, given.mfu, given.bandwidth_share, given.link)
    try:
        files = [word for name in given.config for word in ("-c", name)]
        recipe = Recipe.of(read_settings([*files, *others]).plain())
        device = _device(given)
        run, notes = _run(given, recipe)
        return 0 if print_plan(run, device, given.devices, assumed, notes) else 1
    except Refused as refusal:
        options.error(refusal.message)


@dataclass(frozen=True)
class Recipe:
    """Sizes in a YAML recipe of `fit`; what it does not say is not there.

    Args:
        model: Arguments of the algorithm.
        policy: Arguments of its policy.
        sampler: Arguments of its sampler, of the innermost where it is wrapped.
        sampler_class: Its class.
        keep: Groups that a filter around it lets through.
        trainer: Arguments of the Trainer.
    """

    model: Mapping[str, Any]
    policy: Mapping[str, Any]
    sampler: Mapping[str, Any]
    sampler_class: str | None
    keep: int | None
    trainer: Mapping[str, Any]

    @classmethod
    def of(cls, tree: Mapping[str, Any]) -> Recipe:
        """Find the parts in the settings of a command line.

        Args:
            tree: Without places, as `Setting.plain` gives it.

        Raises:
            Refused: The algorithm makes no rollouts.

        Example:
            >>> tree = {"model": {"class_path": "GRPO", "init_args": {"sampler": {"init_args": {"group_size": 4}}}}}
            >>> Recipe.of(tree).sampler
            {'group_size': 4}
        """
        model = _arguments(tree.get("model"))
        if tree.get("model") and "sampler" not in model:
            raise Refused(f"{_class(tree['model'])} has no sampler: what is planned is a run with rollouts")
        node, keep = model.get("sampler"), None
        while "sampler" in _arguments(node):
            keep = _arguments(node).get("keep", keep)
            node = _arguments(node)["sampler"]
        policy = _arguments(model.get("policy"))
        return cls(model, policy, _arguments(node), _class(node), keep, tree.get("trainer") or {})


def _arguments(node: Any) -> Mapping[str, Any]:
    return (node.get("init_args") or {}) if isinstance(node, dict) else {}


def _class(node: Any) -> str | None:
    return node.get("class_path") if isinstance(node, dict) else node


def _device(given: argparse.Namespace) -> Any:
    from rlframework.report.plan import DEVICES, Device

    own = {"memory": given.memory, "bandwidth": given.bandwidth, "peak": given.peak}
    said = {name: value for name, value in own.items() if value is not None}
    if any(value <= 0 for value in (*said.values(), given.link)):
        raise Refused("--memory, --bandwidth, --peak and --link have to be above 0")
    if given.device in DEVICES:
        return replace(DEVICES[given.device], **said)
    if len(said) < len(own):
        missing = " ".join(f"--{name}" for name in own if name not in said)
        named = f"--device {given.device} is not in the table" if given.device else "--device is missing"
        raise Refused(f"{named}: name one of {', '.join(DEVICES)}, or give {missing} of yours")
    return Device(given.device or "yours", **said)


def _run(given: argparse.Namespace, recipe: Recipe) -> tuple[Any, list[str]]:
    """Return the run that file and options describe, and what had to be assumed of it."""
    from rlframework.report.plan import PlannedRun

    notes: list[str] = []
    config = _config(given.model or recipe.policy.get("model"), recipe)
    sizes = _sizes(given, recipe, config, notes)
    most = given.max_tokens or recipe.sampler.get("max_tokens", 256)
    if given.prompt_tokens is None:
        notes.append(f"prompts of {PROMPT_TOKENS} tokens (--prompt-tokens)")
    if given.mean_tokens is None:
        notes.append(f"completions of {most // 2} tokens on the average, for seconds (--mean-tokens)")
    minibatches = given.minibatches or recipe.model.get("minibatches_per_rollout", 1)
    accumulated = bool(given.minibatches) or recipe.trainer.get("accumulate_grad_batches", 1) > 1
    in_process = not (given.servers or _is_remote(recipe.sampler_class))
    trainers = given.devices if in_process else max(1, given.devices - 1)
    # A filter keeps as many groups on each rank.
    kept = recipe.keep * trainers if recipe.keep else None
    prompts = given.prompts or kept or recipe.model.get("prompts_per_rollout", 8)
    if prompts % trainers and in_process:
        raise Refused(
            f"{prompts} prompts of a rollout cannot be dealt to {trainers} devices evenly; set --prompts to a multiple"
        )
    strategy = json.dumps(recipe.trainer.get("strategy", "")).lower()
    run = PlannedRun(
        sizes,
        prompts=prompts,
        group=given.group_size or recipe.sampler.get("group_size", 8),
        prompt_tokens=given.prompt_tokens or PROMPT_TOKENS,
        max_tokens=most,
        mean_tokens=given.mean_tokens or most / 2,
        minibatches=minibatches,
        accumulates=minibatches > 1 and accumulated,
        trainers=gcd(prompts, trainers),
        sharded=given.fsdp or "fsdp" in strategy or "modelparallel" in strategy,
        in_process=in_process,
        shares=recipe.policy.get("shared_prefix", True),
        joins=recipe.policy.get("fused_decode", True) and config.model_type in ("llama", "qwen2", "qwen3"),
        reference=recipe.model.get("kl_coefficient", 0.0) > 0,
    )
    return run, notes


def _sizes(given: argparse.Namespace, recipe: Recipe, config: Any, notes: list[str]) -> Any:
    """Return the sizes of the decoder: of its configuration, adapter, precision and quantization."""
    from rlframework.loop.memory import FEED_FORWARD, sizes_of_config
    from rlframework.report.plan import adapter_weights

    precision = str(given.precision or recipe.trainer.get("precision") or "32-true")
    adapter = _adapter(given, recipe, notes)
    if precision.endswith("mixed"):
        notes.append("memory under mixed precision, where the one model measured took 2.4 times as much (docs/plan.md)")
    halved = precision in ("bf16-true", "16-true")
    half = halved or (given.dtype or recipe.policy.get("dtype")) == "bfloat16"
    stored = _arguments(recipe.policy.get("quantization"))
    sizes = sizes_of_config(
        config,
        precision=precision,
        weight_element=0.55 if stored.get("load_in_4bit") else 1.05 if stored.get("load_in_8bit") else 2 if half else 4,
        # PEFT keeps adapters in float32; only a Trainer whose weights are all halved changes that.
        trained_element=2 if (halved if adapter else half) else 4,
        trained=None,
        adapter=adapter is not None,
        checkpointing=given.checkpointing or bool(recipe.policy.get("gradient_checkpointing")),
    )
    if sizes is None:
        raise Refused(f"a {config.model_type} has experts or unequal layers, for which there are no formulas here")
    if adapter is None:
        return sizes
    rank, targets = adapter
    learns = targets is None or bool(targets & set(FEED_FORWARD))
    return replace(sizes, trained=adapter_weights(sizes, rank, targets), feed_forward=learns)


def _adapter(given: argparse.Namespace, recipe: Recipe, notes: list[str]) -> tuple[int, frozenset[str] | None] | None:
    """Return rank and modules of the adapter, None for all linear layers; None without one."""
    if given.lora:
        return given.lora, None
    lora = recipe.policy.get("lora")
    if not lora:
        return None
    if isinstance(lora, str):
        path = Path(lora) / "adapter_config.json"
        if not path.exists():
            notes.append(f"an adapter of rank 16 on all linear layers, as {lora} is not here (--lora)")
            return 16, None
        saved = json.loads(path.read_text(encoding="utf-8"))
    else:
        saved = _arguments(lora)
    modules = saved.get("target_modules") or ["q_proj", "v_proj"]  # PEFT's own choice for these families
    return saved.get("r", 8), None if isinstance(modules, str) else frozenset(modules)


def _config(name: str | None, recipe: Recipe) -> Any:
    if name is None:
        where = f"the policy of the file ({_class(recipe.model.get('policy'))})" if recipe.model else "nothing"
        raise Refused(f"{where} says which language model it is; give --model, a folder or a name on the hub")
    from transformers import AutoConfig

    try:
        return AutoConfig.from_pretrained(name)
    except (OSError, ValueError) as error:
        raise Refused(
            f"no configuration of {name}: {str(error).splitlines()[0]}; give --model, a folder with its config.json"
        ) from error


def _is_remote(name: str | None) -> bool:
    """Return whether a class of samplers asks servers."""
    if name is None:
        return False
    from pkgutil import resolve_name

    import rlframework.samplers
    from rlframework.samplers.remote import RemoteSampler

    try:
        kind = resolve_name(name) if "." in name else getattr(rlframework.samplers, name)
    except (ImportError, AttributeError) as error:
        raise Refused(f"there is no sampler {name}: {error}") from error
    return issubclass(kind, RemoteSampler)
