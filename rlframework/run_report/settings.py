"""Settings of a run in words: a few sentences, and every argument in a table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import isfinite, nan
from pathlib import PurePath
from typing import Any, TypeGuard


def sentences(settings: Mapping[str, Any]) -> list[str]:
    """Return what a run was, as `RunWriter` wrote it down, in a few sentences; none where it did not.

    Args:
        settings: ``run.json``.

    Example:
        >>> sampler = {"class_path": "SharedPrefixSampler", "init_args": {"group_size": 8, "max_tokens": 48}}
        >>> arguments = {"sampler": sampler, "prompts_per_rollout": 16, "learning_rate": 7e-4, "seed": 0}
        >>> for sentence in sentences({"algorithm": {"class_path": "rlframework.GRPO", "init_args": arguments}}):
        ...     print(sentence)
        GRPO, seed 0.
        A rollout is 16 prompts × 8 completions = 128, by SharedPrefixSampler, of at most 48 tokens.
        Learning rate 0.0007.
    """
    algorithm = settings.get("algorithm") or {}
    given, trainer = arguments(algorithm), settings.get("trainer") or {}
    if not algorithm:
        return []
    policy, data, seed = given.get("policy"), settings.get("data"), given.get("seed")
    first = [
        name_of(algorithm),
        policy and f" trains {name_of(policy)}{_model(arguments(policy))}",
        data and f" on {name_of(data)}",
        seed is not None and f", seed {seed}",
        ".",
    ]
    return [_joined(first), *_rollout(given), *_learning(given), *_run(trainer)]


def reward_terms(settings: Mapping[str, Any]) -> list[tuple[str, str, float]]:
    """Return what was paid for: name, class and weight of each term; one term of weight 1 where it is no sum.

    A weight that is no number is NaN.

    Args:
        settings: ``run.json``.
    """
    reward = arguments(settings.get("algorithm") or {}).get("reward")
    if not reward:
        return []
    terms, weights = arguments(reward).get("rewards"), arguments(reward).get("weights") or {}
    if not isinstance(terms, Mapping):
        return [(name_of(reward), name_of(reward), 1.0)]
    given = {name: weights.get(name, 1.0) if isinstance(weights, Mapping) else nan for name in terms}
    return [(name, name_of(term), given[name] if _is_number(given[name]) else nan) for name, term in terms.items()]


def flat(value: Any, name: str = "") -> Iterator[tuple[str, str]]:
    """Yield every setting as its dotted name and its value as text.

    Args:
        value: Settings, or a part of them.
        name: Of the part.

    Example:
        >>> list(flat({"policy": {"class_path": "rlframework.CausalLMPolicy", "init_args": {"dtype": None}}}))
        [('policy', 'CausalLMPolicy'), ('policy.dtype', 'none')]
    """
    if isinstance(value, Mapping) and "class_path" in value:
        yield name, name_of(value)
        value = arguments(value)
    if isinstance(value, Mapping) and "live" not in value:
        for key, part in value.items():
            yield from flat(part, f"{name}.{key}" if name else str(key))
    else:
        yield name, name_of(value)


def name_of(value: Any) -> str:
    """Return a setting as a short text: a class by its name.

    Args:
        value: A setting, in plain values.

    Example:
        >>> name_of({"class_path": "rlframework.GRPO", "init_args": {}}), name_of([0.9, 0.95]), name_of(None)
        ('GRPO', '0.9, 0.95', 'none')
    """
    if isinstance(value, Mapping):
        if "class_path" in value:
            return str(value["class_path"]).rpartition(".")[2]
        return str(value.get("live", ", ".join(f"{key}: {name_of(one)}" for key, one in value.items())))
    if isinstance(value, (list, tuple)):
        return ", ".join(map(name_of, value))
    return "none" if value is None else "yes" if value is True else "no" if value is False else str(value)


def arguments(value: Any) -> dict[str, Any]:
    """Return the arguments that an object was made of; none of anything else.

    Args:
        value: A setting.
    """
    return dict(value.get("init_args") or {}) if isinstance(value, Mapping) else {}


def _model(policy: Mapping[str, Any]) -> str:
    adapter = arguments(policy.get("lora"))
    kind = f", LoRA of rank {adapter['r']}" if "r" in adapter else ", LoRA" if policy.get("lora") else ""
    if not policy.get("model"):
        return kind
    # Of a folder its name is enough here; the whole path is in the table.
    model = PurePath(name_of(policy["model"]))
    return f" ({model.name if model.is_absolute() else model}{kind})"


def _rollout(given: Mapping[str, Any]) -> Iterator[str]:
    inside = given.get("sampler")
    around = []
    # Filters and episodes are samplers around a sampler.
    while isinstance(inside, Mapping) and "sampler" in arguments(inside):
        around.append(name_of(inside))
        inside = arguments(inside)["sampler"]
    sampler, prompts = arguments(inside), given.get("prompts_per_rollout")
    if not sampler or prompts is None:
        return
    size, tokens, temperature = (sampler.get(name) for name in ("group_size", "max_tokens", "temperature"))
    yield _joined(
        [
            f"A rollout is {_said(prompts)} prompts",
            size and f" × {_said(size)} completions",
            _is_number(size) and _is_number(prompts) and f" = {prompts * size:,}",
            f", by {' around '.join([*around, name_of(inside)])}",
            tokens and f", of at most {_said(tokens, ',')} tokens",
            temperature is not None and f" at temperature {_said(temperature)}",
            ".",
        ]
    )
    parts, passes = given.get("minibatches_per_rollout", 1), given.get("passes_per_rollout", 1)
    if _is_number(parts) and _is_number(passes) and (parts > 1 or passes > 1):
        yield f"It is learned from in {parts} minibatches{f', {passes} times over' * (passes > 1)}."


def _learning(given: Mapping[str, Any]) -> Iterator[str]:
    if given.get("learning_rate") is None:
        return
    warmup, kl = given.get("warmup_steps"), given.get("kl_coefficient")
    yield _joined(
        [
            f"Learning rate {_said(given['learning_rate'])}",
            warmup and f" after {_said(warmup)} steps of warm-up",
            given.get("schedule") and f", {name_of(given['schedule'])} schedule",
            kl and f"; KL penalty of {_said(kl)}",
            given.get("rollouts_ahead") and f"; {_said(given['rollouts_ahead'])} rollouts ahead of learning",
            ".",
        ]
    )


def _run(trainer: Mapping[str, Any]) -> Iterator[str]:
    if not trainer:
        return
    ranks, steps, clip = trainer.get("ranks", 1), trainer.get("max_steps"), trainer.get("gradient_clip_val")
    yield _joined(
        [
            f"{steps:,} optimizer steps at most" if _is_number(steps) and steps > 0 else "No limit of steps",
            f", {name_of(trainer.get('precision'))} precision",
            f", on {ranks} rank{'s' * (ranks != 1)}",
            clip and f", gradients clipped at {_said(clip)}",
            ".",
        ]
    )


def _is_number(value: Any) -> TypeGuard[int | float]:
    return isinstance(value, (int, float)) and isfinite(value)


def _said(value: Any, form: str = "g") -> str:
    """Return a number in this form, and what a subclass takes in its place, such as a schedule, by its name."""
    return format(value, form) if _is_number(value) else name_of(value)


def _joined(parts: list[Any]) -> str:
    return "".join(str(part) for part in parts if part)
