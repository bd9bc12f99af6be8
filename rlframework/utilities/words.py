"""Constructor arguments in words: what an object was made of, as YAML files say it, and the object made of it again."""

from __future__ import annotations

import dataclasses
import enum
import importlib
import inspect
import os
import re
import sys
import types
import typing
from collections.abc import Callable, Collection, Mapping, Sequence, Set
from typing import Any

import numpy
import torch

RECORDED = "_arguments_in_words"
# A longer list is data and no setting.
LONGEST = 100


def in_words(value: Any) -> Any:
    """Return an argument in plain values: numbers, texts, lists, and ``class_path`` with ``init_args`` for an object.

    An object says the arguments that it was made of: one with checked arguments, a dataclass, a settings object of
    transformers. A function or a class is its path. What has no words (a lambda, a model in memory, rows of data) is
    ``{"live": what it is}``.

    Args:
        value: Any object.

    Example:
        >>> from rlframework.terms import KLInLoss
        >>> words = in_words(KLInLoss())
        >>> words["class_path"], words["init_args"]["estimator"]
        ('rlframework.terms.KLInLoss', 'rlframework.functional.divergences.k3')
        >>> in_words(lambda text: 1.0)
        {'live': 'function <lambda>'}
    """
    return _words(value, frozenset())


def record(owner: object, arguments: Mapping[str, Any]) -> None:
    """Set what an object says that it was made of.

    Args:
        owner: Any object.
        arguments: Arguments of its constructor, by name.
    """
    # Past `nn.Module`, which cannot yet hold anything while it is made.
    owner.__dict__[RECORDED] = {name: in_words(value) for name, value in arguments.items()}


def recorded(owner: object) -> dict[str, Any] | None:
    """Return what an object says that it was made of, in words by the names of its arguments; None if it does not.

    Args:
        owner: Any object.
    """
    return getattr(owner, "__dict__", {}).get(RECORDED)


def live_in(words: Any, where: str) -> list[str]:
    """Return what in some words cannot be made again, each with its place.

    Args:
        words: As `in_words` returns them.
        where: Place of the whole.

    Example:
        >>> live_in({"class_path": "C", "init_args": {"model": {"live": "Qwen3ForCausalLM"}}}, "policy")
        ['policy.model (Qwen3ForCausalLM)']
    """
    if isinstance(words, Mapping):
        if set(words) == {"live"}:
            return [f"{where} ({words['live']})"]
        inner = words["init_args"] if is_object(words) else words
        return [found for name, one in inner.items() for found in live_in(one, f"{where}.{name}")]
    if isinstance(words, list):
        return [found for place, one in enumerate(words) for found in live_in(one, f"{where}[{place}]")]
    return []


def logged_words(words: Any) -> Any:
    """Return a copy of some words whose keys every logger takes: MLflow refuses such as ``pass@8``.

    Args:
        words: As `in_words` returns them.

    Example:
        >>> logged_words({"validation": {"pass@8": 1}})
        {'validation': {'pass_8': 1}}
    """
    if isinstance(words, Mapping):
        return {re.sub(r"[^\w.:/ -]", "_", name, flags=re.ASCII): logged_words(one) for name, one in words.items()}
    return [logged_words(one) for one in words] if isinstance(words, list) else words


def is_object(words: Any) -> bool:
    """Return whether some words say an object.

    Args:
        words: As `in_words` returns them.
    """
    return isinstance(words, Mapping) and "class_path" in words and set(words) <= {"class_path", "init_args"}


def made_of(words: Any, hint: Any) -> Any:
    """Return the argument that some words say; whatever else is given as it is.

    Only a class that the annotation allows is called, and only a function or a class where one belongs is looked up:
    a checkpoint that somebody wrote to run another one is refused.

    Args:
        words: As `in_words` returns them, or any other argument.
        hint: The annotation of the argument.

    Raises:
        TypeError: The class is none that belongs there.
        ImportError: There is no such class or function.

    Example:
        >>> from rlframework.rewards.base import RewardModel
        >>> words = {"class_path": "rlframework.rewards.ExactFormat", "init_args": {"name": "layout"}}
        >>> made_of(words, RewardModel).name
        'layout'
    """
    if is_object(words):
        return _made(words["class_path"], words.get("init_args", {}), _classes(hint))
    if isinstance(words, str) and "." in words and str not in _classes(hint) and _wants_path(hint):
        return found_at(words)
    for one in _alternatives(hint):
        base, inner = typing.get_origin(one), typing.get_args(one)
        if hasattr(one, "_fields") and isinstance(words, (list, tuple)):
            hints = typing.get_type_hints(one).values()
            return one(*map(made_of, words, hints))
        if isinstance(words, (list, tuple)) and isinstance(base, type) and issubclass(base, Sequence) and inner:
            return _same_or([made_of(part, inner[0]) for part in words], words)
        if isinstance(words, Mapping) and isinstance(base, type) and issubclass(base, Mapping) and len(inner) == 2:
            return _same_or({name: made_of(part, inner[1]) for name, part in words.items()}, words)
    return words


def path_of(value: Any) -> str | None:
    """Return the shortest path that a class or function can be imported by; None if there is none.

    Args:
        value: A class or a function.

    Example:
        >>> from rlframework.algorithms.grpo import GRPO
        >>> path_of(GRPO)
        'rlframework.GRPO'
    """
    module, name = getattr(value, "__module__", None), getattr(value, "__qualname__", None)
    if module is None or name is None or "." in name or "<" in name:
        return None
    parts = module.split(".")
    for count in range(1, len(parts) + 1):
        package = ".".join(parts[:count])
        if package in sys.modules and getattr(sys.modules[package], name, None) is value:
            return f"{package}.{name}"
    return None


def found_at(path: str) -> Any:
    """Return the class or function that a path names.

    Args:
        path: Module and name.

    Raises:
        ImportError: There is none.
    """
    module, _, name = path.rpartition(".")
    try:
        return getattr(sys.modules.get(module) or importlib.import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise ImportError(f"{path} cannot be imported here ({error}); import or install what defines it") from error


def _words(value: Any, above: frozenset[int]) -> Any:
    if id(value) in above:
        return {"live": f"{type(value).__name__} that holds itself"}
    inside = above | {id(value)}
    match value:
        case enum.Enum():
            return _words(value.value, above)
        case numpy.generic():
            return _words(value.item(), above)
        case None | bool() | int() | float() | str():
            return value
        case os.PathLike():
            return os.fspath(value)
        case torch.dtype():
            return str(value).removeprefix("torch.")
        case Mapping() if all(isinstance(key, str) for key in value) and len(value) <= LONGEST:
            return {key: _words(one, inside) for key, one in value.items()}
        case Set() if len(value) <= LONGEST and all(isinstance(one, str) for one in value):
            return sorted(value)
        case list() | tuple() if len(value) <= LONGEST and not any(map(_is_row, value)):
            return [_words(one, inside) for one in value]
    if isinstance(value, type) or inspect.isroutine(value):
        path = path_of(value)
        return {"live": f"{_kind(value)} {getattr(value, '__qualname__', value)}"} if path is None else path
    path, arguments = path_of(type(value)), _arguments(value, inside)
    if path is None or arguments is None:
        size = f" of {len(value)}" if isinstance(value, (list, tuple, Mapping, Set)) else ""
        return {"live": f"{type(value).__name__}{size}"}
    return {"class_path": path, "init_args": arguments}


def _made(path: str, arguments: Mapping[str, Any], allowed: Collection[type]) -> Any:
    kind = found_at(path)
    if not isinstance(kind, type) or not any(issubclass(kind, one) for one in allowed):
        raise TypeError(
            f"{path} is no {' or '.join(one.__name__ for one in allowed) or 'object that belongs there'}, and is not "
            "made"
        )
    if dataclasses.is_dataclass(kind):
        try:
            hints = typing.get_type_hints(kind)
        except NameError:
            hints = {}
        arguments = {name: made_of(one, hints.get(name, Any)) for name, one in arguments.items()}
    return kind(**arguments)


def _arguments(value: Any, inside: frozenset[int]) -> dict[str, Any] | None:
    """Return the arguments that make an equal object, in words; None where nothing tells them."""
    if (known := recorded(value)) is not None:
        return known
    try:
        parameters = inspect.signature(type(value)).parameters.values()
    except (TypeError, ValueError):
        return None
    names = [one.name for one in parameters if one.kind is not one.VAR_KEYWORD]
    if dataclasses.is_dataclass(value) and {one.name for one in dataclasses.fields(value) if one.init} == set(names):
        if any(isinstance(getattr(value, name), torch.Tensor) for name in names):
            return None  # data, and no settings
        return {name: _words(getattr(value, name), inside) for name in names if name not in _defaults_among(value)}
    if hasattr(value, "to_diff_dict"):
        return {name: _words(one, inside) for name, one in value.to_diff_dict().items() if name in names}
    return None


def _defaults_among(value: Any) -> set[str]:
    """Return the names of the fields of a dataclass that are as in an object that is made of nothing."""
    required = [one for one in dataclasses.fields(value) if one.default is one.default_factory is dataclasses.MISSING]
    fresh = type(value)(**{one.name: getattr(value, one.name) for one in required if one.init})
    names = {one.name for one in dataclasses.fields(value)} - {one.name for one in required}
    return {name for name in names if _same(getattr(fresh, name), getattr(value, name))}


def _same(one: Any, other: Any) -> bool:
    try:
        return type(one) is type(other) and bool(one == other)
    except (RuntimeError, TypeError, ValueError):  # arrays and the like, element by element
        return False


def _is_row(value: Any) -> bool:
    """Return whether an element of a list is a row of data, which is no setting."""
    return isinstance(value, Mapping) and not is_object(value) and set(value) != {"live"}


def _alternatives(hint: Any) -> tuple[Any, ...]:
    return typing.get_args(hint) if typing.get_origin(hint) in (typing.Union, types.UnionType) else (hint,)


def _classes(hint: Any) -> list[type]:
    bases = [typing.get_origin(one) or one for one in _alternatives(hint)]
    return [one for one in bases if isinstance(one, type) and one not in (types.NoneType, object)]


def _wants_path(hint: Any) -> bool:
    bases = [typing.get_origin(one) or one for one in _alternatives(hint)]
    return any(one is type or one is Callable or one is typing.get_origin(Callable[..., Any]) for one in bases)


def _same_or(made: Any, words: Any) -> Any:
    """Return what was given where nothing had to be made of it: an argument keeps its type and its identity."""
    of_mapping = isinstance(words, Mapping)
    pairs = zip(*((made.values(), words.values()) if of_mapping else (made, words)), strict=True)
    return words if all(one is given for one, given in pairs) else made


def _kind(value: Any) -> str:
    return "class" if isinstance(value, type) else "function"
