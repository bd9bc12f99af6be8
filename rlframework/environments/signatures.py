"""Signatures of tools: the JSON schema of a function, and whether the arguments of a call fit it."""

from __future__ import annotations

import functools
import inspect
import json
import math
from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from typing import Any, TypeAlias, get_args, get_origin, get_type_hints

from transformers.utils import get_json_schema
from transformers.utils.chat_template_utils import DocstringParsingException, TypeHintParsingException

from rlframework.environments.shared_tools import SharedTools

Tools: TypeAlias = Sequence[Callable[..., Any] | SharedTools] | type
Schema: TypeAlias = Mapping[str, Any]

# Public methods of a class of tools that the policy does not call.
NO_TOOLS = frozenset({"start", "close"})
# Methods of TRL's environments that are no tools, and what they are here.
OF_TRL = {
    "get_reward": "take get_reward out and judge the object by a function reward with the parameter episode, as "
    "episode.workbench, or name it _get_reward",
    "reset": "name reset(**row) start(row)",
}

# What a value of JSON is in Python.
_PLAIN = (str, int, float, bool, type(None), list, dict, Any)  # Any is a class from Python 3.11 on

_EXAMPLE = (
    "Write it as in\n"
    "    def multiply(x: int, y: int) -> int:\n"
    '        """Multiply two numbers.\n'
    "\n"
    "        Args:\n"
    "            x: The first.\n"
    "            y: The second.\n"
    '        """'
)


def functions_of(tools: Tools) -> list[Callable[..., Any]]:
    """Return the functions that are tools: those of a list, or the public methods of a class.

    Args:
        tools: Functions and objects that all rows share, or a class. The public methods of an object or a class, apart
            from ``start`` and ``close``, are tools.

    Raises:
        TypeError: Something among them is no function.
        ValueError: There is none, two have the same name, or a class has the methods by which TRL begins an episode
            and pays for it.
    """
    functions: list[Any]
    if isinstance(tools, type):
        names = [name for name in dir(tools) if not name.startswith("_") and name not in NO_TOOLS]
        if foreign := [name for name in names if name in OF_TRL]:
            raise ValueError(
                f"{tools.__name__} has {' and '.join(foreign)}, as an environment of TRL has, and the policy could "
                f"call that as a tool: {'; '.join(OF_TRL[name] for name in foreign)}"
            )
        functions = [found for name in names if inspect.isroutine(found := inspect.getattr_static(tools, name))]
        functions = [found.__func__ if isinstance(found, staticmethod | classmethod) else found for found in functions]
        what = f"{tools.__name__} has no public method"
    else:
        functions, what = [function for tool in tools for function in _given(tool)], "there are no tools"
    for function in functions:
        if isinstance(function, type):
            raise TypeError(
                f"{function.__name__} is a class, and a list holds functions; pass the class alone, and its public "
                "methods are the tools"
            )
        if not inspect.isroutine(function) or function.__name__ == "<lambda>":
            raise TypeError(f"{function!r:.80} is no function with a name, as a tool has to be. {_EXAMPLE}")
    if not functions:
        raise ValueError(f"{what}: give functions, or a class whose public methods are tools. {_EXAMPLE}")
    names = [function.__name__ for function in functions]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(f"two tools have the name {twice[0]!r}, by which the policy calls them; rename one")
    return functions


def _given(tool: Callable[..., Any] | SharedTools) -> list[Callable[..., Any]]:
    """Return the functions of one tool: itself, or the public methods of an object that all rows share."""
    if not isinstance(tool, SharedTools):
        return [tool]
    names = [name for name in dir(tool) if not name.startswith("_") and name not in NO_TOOLS]
    return [getattr(tool, name) for name in names if inspect.isroutine(getattr(type(tool), name, None))]


def schema_of(function: Callable[..., Any]) -> dict[str, Any]:
    """Return the JSON schema of a tool, as chat templates show it to the policy.

    Args:
        function: Has type hints, and a docstring that describes each argument.

    Raises:
        TypeError: A hint or a description is missing, or a hint has no counterpart in JSON; says which argument.

    Example:
        >>> def look(key: str) -> str:
        ...     '''Look a letter up.
        ...
        ...     Args:
        ...         key: The letter.
        ...     '''
        >>> schema_of(look)["function"]["parameters"]["required"]
        ['key']
    """
    name = function.__name__
    _refuse_strange(function)
    try:
        schema: dict[str, Any] = get_json_schema(_without_receiver(function))
    except (DocstringParsingException, TypeHintParsingException, NameError) as error:
        said = " ".join(str(part) for part in error.args)
        raise TypeError(f"the tool {name} cannot be shown to the policy: {said} {_EXAMPLE}") from error
    return schema


def _without_receiver(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function without its argument ``self`` or ``cls``, for which transformers 4 wants a type."""
    signature = inspect.signature(function)
    parameters = list(signature.parameters.values())
    if not parameters or parameters[0].name not in ("self", "cls"):
        return function

    @functools.wraps(function)
    def called(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    vars(called)["__signature__"] = signature.replace(parameters=parameters[1:])
    return called


def _refuse_strange(function: Callable[..., Any]) -> None:
    """Refuse arguments that no call by name in JSON can give."""
    name = function.__name__
    try:
        hints = get_type_hints(function)
    except NameError:
        hints = {}  # The schema says what is wrong with them.
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind not in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
            raise TypeError(
                f"the tool {name} has the argument {parameter}, and calls give arguments by name; name each of them"
            )
        for hint in _parts(hints.get(parameter.name)):
            if isinstance(hint, type) and issubclass(hint, Enum):
                values = ", ".join(repr(member.value) for member in hint)
                raise TypeError(
                    f"the tool {name} takes {parameter.name} as a {hint.__name__}, and a call gives a plain value; "
                    f"write Literal[{values}]"
                )
            if hint is tuple or get_origin(hint) is tuple:
                raise TypeError(
                    f"the tool {name} takes {parameter.name} as a tuple, and a call gives a list; write list"
                )
            # transformers 4 would call any class an object of JSON.
            if isinstance(hint, type) and get_origin(hint) is None and hint not in _PLAIN:
                raise TypeError(
                    f"the tool {name} takes {parameter.name} as a {hint.__name__}, and a call gives a value of JSON; "
                    "write str, int, float, bool, list or dict"
                )


def _parts(hint: Any) -> list[Any]:
    return [hint, *(part for inner in get_args(hint) for part in _parts(inner))]


def misfit(schema: Schema, arguments: Mapping[str, Any]) -> str | None:
    """Return in a line what is wrong with the arguments of a call, or None if they fit.

    Nothing is cast: the text ``"3"`` is no integer, and neither are ``true`` and ``3.0``. An integer is a number.

    Args:
        schema: Of the tool, from `schema_of`.
        arguments: Of the call, by name.

    Example:
        >>> def half(x: float) -> float:
        ...     '''Halve.
        ...
        ...     Args:
        ...         x: What.
        ...     '''
        >>> misfit(schema_of(half), {"x": 3}), misfit(schema_of(half), {"x": "3"})
        (None, 'the argument x of half has to be a number, got the text "3"')
    """
    name, parameters = schema["function"]["name"], schema["function"]["parameters"]
    properties: Mapping[str, Any] = parameters["properties"]
    takes = f"{name} takes {_listed(properties)}" if properties else f"{name} takes no arguments"
    if extra := [argument for argument in arguments if argument not in properties]:
        return f"{name} has no argument {_listed(extra)}; {takes}"
    if missing := [argument for argument in parameters.get("required", ()) if argument not in arguments]:
        return f"{name} needs the argument {_listed(missing)}; {takes}"
    for argument, value in arguments.items():
        if (wrong := wrong_with(properties[argument], value, argument)) is not None:
            path, expected, found = wrong
            return f"the argument {path} of {name} has to be {expected}, got {found}"
    return None


_KINDS = {
    "string": "a text",
    "integer": "an integer",
    "number": "a number",
    "boolean": "true or false",
    "array": "a list",
    "object": "an object",
    "null": "null",
}


def _kinds_of(value: Any) -> tuple[str, ...]:
    """Return the JSON types that a value has."""
    if isinstance(value, bool):  # Before the integers, of which Python's true and false are.
        return ("boolean",)
    if isinstance(value, float) and not math.isfinite(value):
        return ()
    found = {str: "string", int: "integer", float: "number", list: "array", dict: "object", type(None): "null"}
    kind = found[type(value)]
    return ("integer", "number") if kind == "integer" else (kind,)


def wrong_with(schema: Schema, value: Any, path: str = "") -> tuple[str, str, str] | None:
    """Return where a value does not fit a schema, what was expected there, and what was found; None if it fits.

    Args:
        schema: Of the value.
        value: A JSON value.
        path: What the value is called.
    """
    kinds = _kinds_of(value)
    if schema.get("nullable") and value is None:
        return None
    if "anyOf" in schema:
        tried = [wrong_with(choice, value, path) for choice in schema["anyOf"]]
        if None in tried:
            return None
        inside = [wrong for wrong in tried if wrong is not None and wrong[0] != path]
        return inside[0] if inside else (path, _expected(schema), _shown(value))
    expected = schema.get("type", list(_KINDS))
    if not set(kinds) & set([expected] if isinstance(expected, str) else expected):
        return path, _expected(schema), _shown(value)
    # 1 and true are equal in Python.
    if "enum" in schema and not any(type(value) is type(one) and value == one for one in schema["enum"]):
        return path, _expected(schema), _shown(value)
    inner: list[tuple[Schema, Any, str]] = []
    if isinstance(value, list) and "items" in schema:
        inner = [(schema["items"], part, f"{path}[{place}]") for place, part in enumerate(value)]
    elif isinstance(value, dict) and "additionalProperties" in schema:
        inner = [(schema["additionalProperties"], part, f"{path}[{key!r}]") for key, part in value.items()]
    return next((wrong for part in inner if (wrong := wrong_with(*part)) is not None), None)


def _expected(schema: Schema) -> str:
    """Return in words what fits a schema."""
    if "enum" in schema:
        choices = [json.dumps(one, ensure_ascii=False) for one in schema["enum"]]
        words = [f"one of {', '.join(choices)}"]
    elif "anyOf" in schema:
        words = [_expected(choice) for choice in schema["anyOf"]]
    else:
        types = schema.get("type", "any value")
        words = [_KINDS.get(kind, kind) for kind in ([types] if isinstance(types, str) else types)]
    return " or ".join(dict.fromkeys([*words, "null"] if schema.get("nullable") else words))


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    text = text if len(text) <= 60 else f"{text[:57]}..."
    return f"the text {text}" if isinstance(value, str) else text


def _listed(names: Sequence[str] | Mapping[str, Any]) -> str:
    *others, last = names
    return f"{', '.join(others)} and {last}" if others else last
