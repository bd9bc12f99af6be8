"""Argument checks of constructors: wrong names, types and ranges, answered with the way out."""

from __future__ import annotations

import dataclasses
import difflib
import functools
import inspect
import math
import numbers
import os
import types
import typing
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Literal, Union

import numpy

from rlframework.utilities.other_names import COUNTERPARTS
from rlframework.utilities.ways_out import named, way_to
from rlframework.utilities.words import in_words, live_in, made_of, record, recorded


class Checked:
    """A class whose constructors hold what they get against their own signature, before they begin.

    Subclasses inherit that for the arguments they add. Each constructor looks at what arrives at it, so the code
    between (``*args``, ``**kwargs``, an argument that a subclass makes itself) is as in any class; messages name the
    class of the object that is being made. An argument without annotation, or with one that no look at a value can
    tell, may be anything.

    Raises:
        TypeError: An argument that there is not, too many or too few, or one of another type.
        ValueError: A number that is NaN.

    Example:
        >>> class Learner(Checked):
        ...     def __init__(self, learning_rate: float = 1e-3):
        ...         self.learning_rate = learning_rate
        >>> Learner(learning_rate="1e-2")
        Traceback (most recent call last):
            ...
        TypeError: Learner got learning_rate='1e-2' (str) where float belongs: pass learning_rate=0.01
        >>> Learner(learning_rat=0.1)
        Traceback (most recent call last):
            ...
        TypeError: Learner has no argument 'learning_rat': did you mean learning_rate?
    """

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if "__init__" in vars(cls):
            cls.__init__ = _checking(cls.__init__)  # type: ignore[method-assign]


def at_least(owner: object, least: float, **values: float | None) -> None:
    """Refuse numbers below a bound, and endless ones; None stands for one that was not given.

    Args:
        owner: The object that is being made.
        least: The smallest that is allowed.
        **values: The numbers, by the names of their arguments.

    Raises:
        ValueError: A number is below the bound or not finite.
    """
    for name, value in values.items():
        if value is not None and not least <= value < math.inf:
            raise ValueError(f"{type(owner).__name__} got {name}={value}; give a finite number of at least {least}")


def one_of(owner: object, name: str, value: str, choices: Collection[str]) -> None:
    """Refuse a word that is none of those there are, and name the nearest.

    Args:
        owner: The object that is being made.
        name: Name of the argument.
        value: The word that was given.
        choices: The words that there are.

    Raises:
        ValueError: The word is none of the choices.
    """
    if value not in choices:
        near = nearest(value, choices)
        raise ValueError(
            f"{type(owner).__name__} got {name}={value!r}: {f'did you mean {near!r}? ' if near else ''}"
            f"The choices are {', '.join(sorted(choices))}"
        )


def meant_by(name: str, accepted: Collection[str]) -> str:
    """Return in words what to write in place of a name that there is not.

    Args:
        name: What was given.
        accepted: The names that there are.

    Example:
        >>> meant_by("beta", ["kl_coefficient"]), meant_by("clip_lo", ["clip_low"])
        ('here it is kl_coefficient', 'did you mean clip_low?')
    """
    if name in COUNTERPARTS:
        return f"here it is {COUNTERPARTS[name]}"
    near = nearest(name, accepted)
    return f"did you mean {near}?" if near else f"there are {', '.join(sorted(accepted))}"


def check_argument(owner: object, name: str, value: Any) -> None:
    """Refuse a value that the constructor of an object would not take for one of its arguments.

    Args:
        owner: The object whose constructor has the argument.
        name: Name of the argument.
        value: Its value.

    Raises:
        TypeError: It is of another type.
        ValueError: It is NaN.
    """
    for base in type(owner).__mro__:
        init = vars(base).get("__init__")
        if inspect.isfunction(init) and name in inspect.signature(init).parameters:
            hints = _hints(init)
            _check_value(type(owner).__name__, name, value, hints.get(name, Any), {}, hints)
            return


def nearest(word: str, choices: Collection[str]) -> str | None:
    """Return the word that was probably meant; None if none is near.

    Args:
        word: The word that was given.
        choices: The words that there are.
    """
    return next(iter(difflib.get_close_matches(word, list(choices), n=1)), None)


def fits(value: Any, hint: Any) -> bool:
    """Return whether a value is what an annotation says, as far as a look at it tells.

    An int is a float, and a bool is neither: ``True`` where a count belongs is a slip. What containers hold is looked
    at in mappings, lists and tuples, not in what is read once.

    Args:
        value: Any object.
        hint: An annotation, resolved.

    Example:
        >>> fits(3, float), fits(True, int), fits(None, int | None), fits([1.0], Sequence[int])
        (True, False, True, False)
    """
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin in (Union, types.UnionType):
        return any(fits(value, one) for one in inner)
    if hint is None or hint is types.NoneType:
        return value is None
    if hint in (float, int):
        wanted = numbers.Real if hint is float else numbers.Integral
        return isinstance(value, wanted) and not isinstance(value, bool)
    if origin is Literal:
        return value in inner or any(type(value) is type(one) for one in inner)  # Wrong words have better answers.
    if origin is type:
        return isinstance(value, type) and all(not isinstance(one, type) or issubclass(value, one) for one in inner)
    if hint is Callable or origin is Callable:
        return callable(value)
    base = origin or hint
    if base is Any or not isinstance(base, type) or getattr(base, "_is_protocol", False):
        return True
    if issubclass(base, tuple) and inner and isinstance(value, (list, tuple)):
        its = inner[:1] * len(value) if inner[-1] is Ellipsis else inner
        return len(value) == len(its) and all(map(fits, value, its))
    if base is Sequence or issubclass(base, tuple):
        # YAML knows lists alone. A text is a sequence too, and never what is meant.
        if isinstance(value, (list, tuple)) and base is Sequence and inner:
            return all(fits(one, inner[0]) for one in value)
        if isinstance(value, (list, tuple)) and hasattr(base, "_fields"):
            fields = typing.get_type_hints(base).values()
            return all(fits(one, its) for one, its in zip(value, fields, strict=False))
        numbered = hasattr(value, "__len__") and hasattr(value, "__getitem__")
        return numbered and not isinstance(value, (str, bytes)) and not hasattr(value, "keys")
    if isinstance(value, Mapping) and issubclass(base, Mapping) and len(inner) == 2:
        return all(fits(key, inner[0]) and fits(one, inner[1]) for key, one in value.items())
    try:
        return isinstance(value, base)
    except TypeError:  # A TypedDict, say, which no object is an instance of.
        return True


def plain(value: Any, hint: Any) -> Any:
    """Return a number of NumPy's as Python's own, and a path as a text where a text is wanted.

    Checkpoints hold settings, and are loaded with nothing but plain values in them.

    Args:
        value: Any object.
        hint: The annotation of the argument that it is for.

    Example:
        >>> import numpy
        >>> plain(numpy.float64(0.5), float), plain(types, Any) is types
        (0.5, True)
    """
    wanted = _classes(hint)
    if isinstance(value, numpy.generic):
        return value.item()
    if float in wanted and isinstance(value, numbers.Real) and not isinstance(value, (int, float)):
        return float(value)
    if str in wanted and isinstance(value, os.PathLike) and not fits(value, hint):
        return os.fspath(value)
    return value


def _same(value: Any, default: Any) -> bool:
    """Return whether an argument is its default, which may be of another type than its annotation."""
    return value is default or (type(value) is type(default) and type(value) in (int, float, str) and value == default)


def _checking(init: Callable[..., None]) -> Callable[..., None]:
    """Return a constructor that looks at its arguments first."""
    signature = inspect.signature(init)
    open_ended = {p.name for p in signature.parameters.values() if p.kind in (p.VAR_POSITIONAL, p.VAR_KEYWORD)}

    @functools.wraps(init)
    def __init__(self: Any, /, *args: Any, **kwargs: Any) -> None:  # noqa: N807
        # Lightning's save_hyperparameters goes from constructor to constructor by these two names.
        __class__ = object  # noqa: F841
        kind = type(self).__name__
        try:
            bound = signature.bind(self, *args, **kwargs)
        except TypeError as error:
            accepted = _names(type(self))
            raise TypeError(_misbound(kind, signature, accepted, args, kwargs, str(error))) from None
        hints = _hints(init)
        given = bound.arguments
        _make_of_words(type(self), given, hints)
        outermost = recorded(self) is None
        _record(self, signature, bound)
        for name, value in given.items():
            if name in open_ended or _same(value, signature.parameters[name].default):
                continue
            given[name] = plain(value, hints.get(name, Any))
            _check_value(kind, name, given[name], hints.get(name, Any), given, hints)
        args, kwargs = bound.args[1:], bound.kwargs
        init(self, *args, **kwargs)
        if outermost:
            vars(self).pop("_handed_on", None)

    return __init__


def _make_of_words(cls: type, given: dict[str, Any], hints: Mapping[str, Any]) -> None:
    """Make the objects that arguments say in words, as a checkpoint or a YAML file has them."""
    missing = [found for name, value in given.items() for found in live_in(value, name)]
    if missing:
        names = dict.fromkeys(found.partition(" ")[0].partition(".")[0].partition("[")[0] for found in missing)
        raise TypeError(
            f"{cls.__name__} cannot be made of words alone, which have none for {', '.join(missing)}: give what it was "
            f"by argument, as in {cls.__name__}.load_from_checkpoint(path, {', '.join(f'{one}=...' for one in names)})"
        )
    for name, value in given.items():
        given[name] = made_of(value, hints.get(name, Any))


def _record(owner: Any, signature: inspect.Signature, bound: inspect.BoundArguments) -> None:
    """Record in words what an object is made of; a constructor inside tells the names of what the outer hands on."""
    parameters = signature.parameters
    rest = next((name for name, one in parameters.items() if one.kind is one.VAR_POSITIONAL), "")
    options = next((name for name, one in parameters.items() if one.kind is one.VAR_KEYWORD), "")
    full = inspect.BoundArguments(signature, dict(bound.arguments))
    full.apply_defaults()
    given = {name: value for name, value in list(full.arguments.items())[1:] if name not in (rest, options)}
    if recorded(owner) is None:
        record(owner, given | bound.arguments.get(options, {}))
    elif (places := vars(owner).get("_handed_on")) is not None:
        handed_on = {name: value for name, value in given.items() if any(value is one for one in places)}
        defaults = {name: value for name, value in given.items() if name not in bound.arguments}
        for name, value in (handed_on | defaults).items():
            recorded(owner).setdefault(name, in_words(value))  # type: ignore[union-attr]
    vars(owner)["_handed_on"] = bound.arguments.get(rest, ()) if options else None


@functools.cache
def _hints(init: Callable[..., None]) -> dict[str, Any]:
    init = inspect.unwrap(init)
    return {name: resolved(hint, init.__globals__) for name, hint in init.__annotations__.items()}


def resolved(hint: Any, names: Mapping[str, Any]) -> Any:
    """Return an annotation that is written as a text as what it says; the text where that cannot be told.

    Names that are imported for type checkers alone cannot, nor texts that are no annotation.

    Args:
        hint: An annotation, or its text.
        names: Those of the module that it is written in.

    Example:
        >>> resolved("int | None", {}), resolved("Nowhere", {})
        (int | None, 'Nowhere')
    """
    try:
        # In a class, where alone a ``ClassVar`` may stand.
        return typing.get_type_hints(type("", (), {"__annotations__": {"it": hint}}), dict(names))["it"]
    except Exception:
        return hint


def _check_value(
    kind: str, name: str, value: Any, hint: Any, given: Mapping[str, Any], hints: Mapping[str, Any]
) -> None:
    if not fits(value, hint):
        raise TypeError(mistyped(kind, name, value, hint, given, hints))
    if isinstance(value, float) and math.isnan(value) and {int, float} & set(_classes(hint)):
        raise ValueError(f"{kind} got {name}=nan, which is no number; give one, or leave it out")


def _names(cls: type) -> list[str]:
    """Return the arguments that a class takes by name, over all of its constructors."""
    inits = [vars(base)["__init__"] for base in cls.__mro__ if issubclass(base, Checked) and "__init__" in vars(base)]
    fields = dataclasses.fields(cls) if dataclasses.is_dataclass(cls) else ()
    taken = [p for init in inits for p in list(inspect.signature(init).parameters.values())[1:]]
    return list(dict.fromkeys([p.name for p in taken if p.kind in _NAMED] + [one.name for one in fields if one.init]))


_NAMED = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


def _misbound(
    kind: str,
    signature: inspect.Signature,
    accepted: Collection[str],
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
    reason: str,
) -> str:
    """Say which argument there is not, or is missing, or is too many."""
    parameters = list(signature.parameters.values())[1:]
    open_ended = any(p.kind is p.VAR_KEYWORD for p in parameters)
    named = [p for p in parameters if p.kind in _NAMED]
    for name in kwargs:
        if name not in accepted or (not open_ended and name not in signature.parameters):
            return f"{kind} has no argument {name!r}: {meant_by(name, accepted)}"
    places = [p.name for p in named if p.kind is p.POSITIONAL_OR_KEYWORD]
    example = f"{kind}({', '.join(places)}{', ...' if len(places) < len(named) or open_ended else ''})"
    if len(args) > len(places):
        return (
            f"{kind} takes {len(places)} arguments by their place and got {len(args)}: write {example}, and give what "
            f"follows by name; {args[len(places)]!r:.80} has none"
        )
    missing = [p.name for p in named if p.default is p.empty and p.name not in (*kwargs, *places[: len(args)])]
    return f"{kind} lacks {' and '.join(missing)}: write {example}" if missing else f"{kind}: {reason}"


def mistyped(
    kind: str,
    name: str,
    value: Any,
    hint: Any,
    given: Mapping[str, Any] | None = None,
    hints: Mapping[str, Any] | None = None,
) -> str:
    """Return in words what was given, what belongs there, and how to make the one from the other.

    Args:
        kind: Name of the class that got it.
        name: Name of the argument.
        value: What was given.
        hint: The annotation of the argument, resolved.
        given: All that was given, by name, to tell exchanged arguments by.
        hints: The annotations of all arguments.

    Example:
        >>> mistyped("Sampler", "group_size", "eight", int)
        "Sampler got group_size='eight' (str) where int belongs: pass a number, such as group_size=1"
    """
    for where, one, its_hint in _held(name, value, hint):
        if not fits(one, its_hint):
            return mistyped(kind, where, one, its_hint)
    way = _way_out(name, value, hint, given or {}, hints or {})
    return f"{kind} got {name}={_shown(value)} where {_described(hint)} belongs: {way}"


def _held(name: str, value: Any, hint: Any) -> list[tuple[str, Any, Any]]:
    """Return what a container of the right kind holds, with its place and annotation."""
    for one in _alternatives(hint):
        base, inner = typing.get_origin(one), typing.get_args(one)
        if base is Sequence and isinstance(value, (list, tuple)):
            return [(f"{name}[{place}]", held, inner[0]) for place, held in enumerate(value)]
        if isinstance(value, (list, tuple)) and hasattr(one, "_fields"):
            fields = typing.get_type_hints(one).items()
            return [(f"{name}.{field}", held, its) for held, (field, its) in zip(value, fields, strict=False)]
        if isinstance(base, type) and issubclass(base, Mapping) and isinstance(value, Mapping):
            return [(f"{name}[{key!r}]", held, inner[1]) for key, held in value.items()]
    return []


def _way_out(name: str, value: Any, hint: Any, given: Mapping[str, Any], hints: Mapping[str, Any]) -> str:
    classes = _classes(hint)
    if isinstance(value, type) and any(issubclass(value, one) for one in classes):
        return f"that is a class; pass an object of it, {value.__name__}(...)"
    for other, its_hint in hints.items():
        # Each fits where the other stands; what fits anywhere says nothing.
        crossed = other in given and _classes(its_hint) and fits(value, its_hint) and fits(given[other], hint)
        if crossed and not fits(given[other], its_hint):
            return f"{name} and {other} are exchanged; give them by name, {name}=..., {other}=..."
    ways = (way_to(one.__name__, value) for one in classes)
    return (
        next((way for way in ways if way), None)
        or _listed(name, value, hint)
        or _number(name, value, classes)
        or (f"pass the class, {type(value).__name__}" if _any_class(value, hint) else f"pass {_described(hint)}")
    )


def _listed(name: str, value: Any, hint: Any) -> str | None:
    """Return how to write the one thing of a list that was given without the list."""
    for one in _alternatives(hint):
        if typing.get_origin(one) is Sequence and not isinstance(value, str) and fits(value, typing.get_args(one)[0]):
            said = getattr(value, "__name__", f"{type(value).__name__}(...)")
            return f"pass a list, {name}=[{said}]"
    return None


def _any_class(value: Any, hint: Any) -> bool:
    """Return whether any class belongs there, and an object of one was given."""
    return type in _alternatives(hint) and type(value).__module__ != "builtins" and not isinstance(value, type)


def _alternatives(hint: Any) -> tuple[Any, ...]:
    return typing.get_args(hint) if typing.get_origin(hint) in (Union, types.UnionType) else (hint,)


def _number(name: str, value: Any, classes: Collection[type]) -> str | None:
    """Return how to write what seems to be meant by a text, a truth value, or a number of another kind."""
    if bool in classes:
        return f"pass {name}=True or {name}=False"
    if int not in classes and float not in classes:
        return None
    try:
        meant = float(value)
    except (TypeError, ValueError):
        return f"pass a number, such as {name}=1" if isinstance(value, str) else None
    if isinstance(value, bool) or not math.isfinite(meant) or (int in classes and not meant.is_integer()):
        return f"pass a number, such as {name}=1"
    return f"pass {name}={int(meant) if int in classes else meant!r}"


def _classes(hint: Any) -> list[type]:
    """Return the classes that an annotation allows, apart from None and from what containers hold."""
    bases = [typing.get_origin(one) or one for one in _alternatives(hint)]
    return [one for one in bases if isinstance(one, type) and one is not types.NoneType]


def _described(hint: Any) -> str:
    if typing.get_origin(hint) is tuple:
        return f"({', '.join(getattr(one, '__name__', str(one)) for one in typing.get_args(hint))})"
    return " or ".join(one.__name__ for one in _classes(hint)) or str(hint)


def _shown(value: Any) -> str:
    if inspect.isroutine(value):
        return f"{named(value)} (function)"
    if isinstance(value, type):
        return f"{value.__name__} (class)"
    text = repr(value)
    # What an object has no words of its own for is an address.
    long = len(text) > 80 or "\n" in text or " at 0x" in text
    return f"<{type(value).__name__}>" if long else f"{text} ({type(value).__name__})"
