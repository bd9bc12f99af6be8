"""Mistakes in a YAML file or in options: which value is wrong, where it stands, and what was probably meant."""

from __future__ import annotations

import inspect
import re
import sys
import types
import typing
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import is_dataclass
from enum import Enum
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any, Literal

from jsonargparse import ArgumentParser

from rlframework.cli.settings import Setting
from rlframework.utilities.arguments import meant_by, mistyped, nearest
from rlframework.utilities.errors import described
from rlframework.utilities.other_names import COUNTERPARTS

_BESIDE = ("class_path", "init_args", "dict_kwargs")
_FEW, _MANY = 5, 12


class Argument(typing.NamedTuple):
    """An argument as the command line knows it: its annotation, and whether it has to be given."""

    hint: Any
    required: bool


class Lack(str):
    """Message about an argument that is missing, which is said after all other mistakes."""

    __slots__ = ()


def mistake(tree: Setting, roots: Mapping[str, Argument], sections: Mapping[str, type]) -> str | None:
    """Return what is wrong with the settings of a command, with its place and the way out; None if nothing is found.

    It is asked after the parser of the command line has refused them, as that parser's own message is about its search
    and not about what was written. What it accepts, value by value, is passed over.

    Args:
        tree: The settings.
        roots: What may stand at the top, such as ``model``, ``data`` and ``seed_everything``.
        sections: Of these, the ones whose keys are the arguments of one class, such as ``trainer``.
    """
    found = list(_at_the_top(tree, roots, sections))
    # What is lacking comes last: it may be what a wrong name was meant to be.
    return min(found, key=lambda one: isinstance(one, Lack), default=None)


@cache
def arguments_of(kind: type) -> dict[str, Argument]:
    """Return the arguments of a class, those that it hands on to the ones that it inherits from among them."""
    parser = ArgumentParser(exit_on_error=False)
    parser.add_class_arguments(kind, fail_untyped=False)
    return arguments_in(parser)


def arguments_in(parser: ArgumentParser) -> dict[str, Argument]:
    """Return the arguments of a parser that have a name of their own."""
    needed = getattr(parser, "required_args", ())
    return {
        action.dest: Argument(
            getattr(action, "_typehint", None) or action.type or Any, bool(action.required) or action.dest in needed
        )
        for action in parser._actions
        if "help" not in action.dest.split(".") and action.option_strings
    }


def place_of(tree: Setting, why: str, kind: type | None, given: Mapping[str, Any]) -> str | None:
    """Return where the arguments of an object stand that could not be made; None if they stand nowhere.

    Args:
        tree: The settings.
        why: What its constructor said; an argument that is named there is looked for.
        kind: The class of the object; None for the Trainer.
        given: What it was given.
    """
    found = [("trainer", tree.value["trainer"])] if kind is None and "trainer" in tree.value else []
    if kind is not None:
        found = sorted(_of_class(tree, kind.__name__, ""), key=lambda one: -_alike(one[1], given))
    for path, node in found:
        below: dict[str, Setting] = node.value if isinstance(node.value, dict) else {}
        arguments = below["init_args"].value if "init_args" in below else below
        inside = f"{path}.init_args" if "init_args" in below else path
        its = arguments if isinstance(arguments, dict) else {}
        words = [word for word in re.findall(r"[A-Za-z_]\w*", why) if word in its and word not in _BESIDE]
        values = [key for key, one in its.items() if isinstance(one.value, str) and one.value in why]
        for name in (*words, *values):
            return f"{its[name].place}, {inside}.{name}"
        return f"{node.place}, {path}"
    return None


def _of_class(node: Setting, name: str, path: str) -> Iterator[tuple[str, Setting]]:
    """Yield the places that name a class, with or without its arguments."""
    inner = node.value.items() if isinstance(node.value, dict) else ()
    named = node.value.get("class_path", node).value if isinstance(node.value, dict) else node.value
    if isinstance(named, str) and named.rpartition(".")[2] == name and path.rpartition(".")[2] != "class_path":
        yield path, node
    for key, one in inner:
        yield from _of_class(one, name, f"{path}.{key}".lstrip("."))
    for place, one in enumerate(node.value if isinstance(node.value, list) else ()):
        yield from _of_class(one, name, f"{path}[{place}]")


def _alike(node: Setting, given: Mapping[str, Any]) -> int:
    """Return how many of the arguments that are written down are those that an object was given."""
    its = node.plain() if isinstance(node.value, dict) else {}
    return sum(given.get(name) == value for name, value in (its.get("init_args") or its).items())


def _at_the_top(tree: Setting, roots: Mapping[str, Argument], sections: Mapping[str, type]) -> Iterator[str]:
    known = [*roots, *sections]
    for name, one in tree.value.items():
        if name not in known:
            home = next((section for section, kind in sections.items() if name in arguments_of(kind)), None)
            yield _said(
                one, name, f"it belongs under {home}:" if home else f"this is no section: {meant_by(name, known)}"
            )
    for name, kind in sections.items():
        if name in tree.value and isinstance(tree.value[name].value, dict):
            yield from _in_arguments(tree.value[name].value, kind, name)
        elif name in tree.value and tree.value[name].value is not None:
            yield _said(tree.value[name], name, f"expected the arguments of {kind.__name__} below it")
    for name, (hint, required) in roots.items():
        if name in tree.value:
            yield from _in_value(tree.value[name], hint, name, "the command", name)
        elif required:
            kinds = _classes(hint)
            such = f": it names {_a(kinds[0])} by class_path:, with its init_args:" if kinds else ""
            yield Lack(f"there is no {name}{such}")


def _in_arguments(given: Mapping[str, Setting], kind: type, path: str) -> Iterator[str]:
    accepted = arguments_of(kind)
    for name, one in given.items():
        if name not in accepted:
            yield _said(one, f"{path}.{name}", _unknown(kind.__name__, name, accepted))
        else:
            yield from _in_value(one, accepted[name].hint, f"{path}.{name}", kind.__name__, name)


def _in_value(setting: Setting, hint: Any, path: str, owner: str, name: str) -> Iterator[str]:
    """Yield the mistake in a value that stands where an annotation is; the deepest there is, or nothing if it fits."""
    if not _accepted(setting.plain(), hint):
        deeper = list(_deeper(setting, hint, path, owner, name))
        yield from deeper or [_said(setting, path, mistyped(owner, name, setting.plain(), hint))]


def _deeper(setting: Setting, hint: Any, path: str, owner: str, name: str) -> Iterator[str]:
    """Yield the mistakes in what a value is made of."""
    value, kinds = setting.value, _classes(hint)
    if isinstance(value, dict) and kinds and ("class_path" in value or not _held(hint, dict)):
        yield from _in_class(setting, kinds, path)
    elif isinstance(value, dict) and (inner := _held(hint, dict)) is not None:
        for key, one in value.items():
            yield from _in_value(one, inner, f"{path}.{key}", owner, f"{name}[{key!r}]")
    elif isinstance(value, list) and (inner := _held(hint, list)) is not None:
        for place, one in enumerate(value):
            yield from _in_value(one, inner, f"{path}[{place}]", owner, f"{name}[{place}]")
    elif isinstance(value, list) and kinds and not any(one in (list, tuple) for one in _parts(hint)):
        yield _said(setting, path, _which(kinds[0], kinds))
    elif isinstance(value, str) and (kinds or _held(hint, dict)):
        yield from _in_class(
            Setting({"class_path": setting}, setting.place), kinds or _classes(_held(hint, dict)), path
        )
    elif isinstance(value, str) and any(one is Callable or typing.get_origin(one) is Callable for one in _parts(hint)):
        _, why = _named(value, callable)
        yield _said(setting, path, why or f"{value} is not what {owner} calls")
    elif choices := _choices(hint):
        near = nearest(str(value), choices)
        yield _said(
            setting, path, f"{value!r} is none of {', '.join(choices)}" + (f": did you mean {near}?" if near else "")
        )


def _in_class(setting: Setting, kinds: Sequence[type], path: str) -> Iterator[str]:
    given: dict[str, Setting] = setting.value
    wanted = kinds[0]
    if "class_path" not in given:
        if not is_dataclass(wanted) and (inspect.isabstract(wanted) or not set(given) & set(arguments_of(wanted))):
            yield _said(setting, path, _which(wanted, kinds))
        yield from _in_arguments(given, wanted, path)
        return
    named = given["class_path"]
    kind, why = _named(named.value, lambda found: inspect.isclass(found) and issubclass(found, tuple(kinds)), kinds)
    if why:
        yield _said(named, path, why)
        return
    for name, one in given.items():
        if name not in _BESIDE:
            way = _unknown("what names a class", name, [*_BESIDE, *arguments_of(kind)])
            if name in arguments_of(kind):
                way = f"{name} is an argument of {kind.__name__} and belongs under init_args:"
            yield _said(one, f"{path}.{name}", way)
    under = given.get("init_args", Setting({}, named.place))
    arguments = under.value or {}
    if not isinstance(arguments, dict):
        yield _said(under, f"{path}.init_args", f"expected names and values, got {str(under.plain())[:60]!r}")
        return
    inside = f"{path}.init_args" if "init_args" in given else path
    yield from _in_arguments(arguments, kind, inside)
    lacking = [name for name, one in arguments_of(kind).items() if one.required and name not in arguments]
    if lacking:
        yield Lack(_said(named, path, f"{kind.__name__} lacks {' and '.join(lacking)}; give it under init_args:"))


def _named(text: Any, fits: Callable[[Any], bool], kinds: Sequence[type] = ()) -> tuple[Any, str | None]:
    """Return what a path names, or else why it names nothing that fits, and what was probably meant."""
    if not isinstance(text, str):
        return None, f"a class_path is the path of a class, such as rlframework.GRPO; got {text!r:.60}"
    place, _, name = text.rpartition(".")
    family = {one.__name__: one for kind in kinds for one in _family(kind)}
    if not place and name in family:
        return family[name], None
    try:
        module = import_module(place or "builtins")
    except ModuleNotFoundError as error:
        if place and error.name and not (place == error.name or place.startswith(f"{error.name}.")):
            return None, f"{place} cannot be imported: {error}"
        module = None
    except Exception as error:
        return None, f"importing {place} raises {described(error)}; correct it there"
    found = getattr(module, name, None) if place else None
    if found is not None and fits(found):
        return found, None
    if found is not None:
        return None, _of_another_kind(text, found, kinds)
    public = dir(module) if place and module else []
    near = nearest(name, [one for one in public if fits(getattr(module, one, None))]) if public else None
    meant = f"{place}.{near}" if near else _path_of(family[match]) if (match := nearest(name, family)) else None
    if meant is None and not kinds and (known := nearest(place, list(sys.modules))):
        meant = f"{known}.{name}"
    if module is None and place:
        way = f"did you mean {meant}?" if meant else f"it is neither installed nor in {Path.cwd()}"
        return None, f"there is no module {place}: {way}"
    return None, f"there is no {text}" + (f": did you mean {meant}?" if meant else _such(kinds))


def _of_another_kind(text: str, found: Any, kinds: Sequence[type]) -> str:
    if not kinds:
        return f"{text} is {type(found).__name__} and cannot be called"
    wanted = " or ".join(kind.__name__ for kind in kinds)
    if inspect.isclass(found):
        return f"{text} is no {wanted}{_such(kinds)}"
    if inspect.isroutine(found) and wanted == "RewardModel":
        return (
            f"{text} is a function; write class_path: rlframework.rewards.FunctionReward, init_args: "
            f"{{function: {text}}}"
        )
    return f"{text} is of type {type(found).__name__}, and the class of {_a(kinds[0])} belongs here"


def _which(wanted: type, kinds: Sequence[type]) -> str:
    several = " (several are added up by rlframework.rewards.WeightedSum)" * (wanted.__name__ == "RewardModel")
    return f"which {wanted.__name__}? Write class_path: and below it init_args:{several}{_such(kinds)}"


def _such(kinds: Sequence[type]) -> str:
    """Return some classes to choose from, in words."""
    paths = sorted({_path_of(one) for kind in kinds for one in _family(kind) if not inspect.isabstract(one)})
    ours = [path for path in paths if path.startswith("rlframework.")] or paths
    return f"; there are {', '.join(ours[:_FEW])}{', ...' if len(ours) > _FEW else ''}" if ours else ""


def _family(kind: type) -> Iterator[type]:
    """Yield a class and those that inherit from it, as far as they are public."""
    if not kind.__name__.startswith("_") and not kind.__module__.startswith("tests."):
        yield kind
    lower: type
    for lower in type.__subclasses__(kind):
        yield from _family(lower)


def _path_of(kind: type) -> str:
    """Return the shortest path that a class can be imported by."""
    parts = kind.__module__.split(".")
    for length in range(1, len(parts)):
        place = ".".join(parts[:length])
        if getattr(sys.modules.get(place), kind.__name__, None) is kind:
            return f"{place}.{kind.__name__}"
    return f"{kind.__module__}.{kind.__name__}"


def _accepted(value: Any, hint: Any) -> bool:
    parser = ArgumentParser(exit_on_error=False)
    parser.add_argument("--it", type=hint)
    try:
        parser.parse_object({"it": value})
    except Exception:  # What is imported on the way may raise anything.
        return False
    return True


def _parts(hint: Any) -> tuple[Any, ...]:
    """Return what an annotation allows, one by one."""
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        return tuple(part for one in typing.get_args(hint) for part in _parts(one))
    return (hint,)


def _classes(hint: Any) -> list[type]:
    """Return the classes of an annotation that a class_path can name, not those that are written as plain values."""
    classes = [one for one in _parts(hint) if inspect.isclass(one) and not issubclass(one, Enum)]
    return [one for one in classes if one.__module__ not in ("builtins", "pathlib", "datetime")]


def _held(hint: Any, kind: type) -> Any:
    """Return the annotation of what a mapping or a list holds; None where there is none."""
    wanted = Mapping if kind is dict else Iterable
    for one in _parts(hint):
        origin, inner = typing.get_origin(one), typing.get_args(one)
        if (
            inspect.isclass(origin)
            and inner
            and issubclass(origin, wanted)
            and (kind is dict or not issubclass(origin, Mapping))
        ):
            return inner[1] if kind is dict else inner[0]
    return None


def _choices(hint: Any) -> list[str]:
    words = [str(word) for one in _parts(hint) if typing.get_origin(one) is Literal for word in typing.get_args(one)]
    return words + [
        one.name for part in _parts(hint) if inspect.isclass(part) and issubclass(part, Enum) for one in part
    ]


def _unknown(owner: str, name: str, accepted: Collection[str]) -> str:
    if nearest(name, accepted) is None and name not in COUNTERPARTS and len(accepted) > _MANY:
        return f"{owner} has no argument {name!r}; there are {', '.join(list(accepted)[:_MANY])}, ..."
    return f"{owner} has no argument {name!r}: {meant_by(name, accepted)}"


def _a(kind: type) -> str:
    return f"{'an' if kind.__name__[0] in 'AEIOU' else 'a'} {kind.__name__}"


def _said(setting: Setting, path: str, why: str) -> str:
    return f"{setting.place}, {path}:\n  {why}"
