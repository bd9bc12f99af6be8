"""Tests of the schemas of tools, and of arguments against them."""

from __future__ import annotations

import functools
from collections.abc import Callable
from enum import Enum
from typing import Any, Literal

import pytest
import transformers

from rlframework.environments.signatures import functions_of, misfit, schema_of


def multiply(x: int, y: float = 1.0) -> float:
    """Multiply two numbers.

    Args:
        x: The first.
        y: The second.
    """
    return x * y


def keep(value: Any) -> str:
    """Keep something.

    Args:
        value: What, of any kind.
    """
    return str(value)


def place(
    point: list[int],
    unit: Literal["cm", "m", 3],
    names: dict[str, list[str]],
    note: str | None = None,
    mixed: list[int] | str = "",
) -> str:
    """Place something.

    Args:
        point: Where.
        unit: Of the point.
        names: What to call it.
        note: What to add.
        mixed: Numbers or a text.
    """
    return ""


def look(key: str) -> str:
    """Look something up.

    Args:
        key: What.
    """
    return key


def now() -> str:
    """Tell the time."""
    return "12:00"


FITTING: list[tuple[Callable[..., Any], dict[str, Any]]] = [
    (multiply, {"x": 3, "y": 2.5}),
    (multiply, {"x": 3, "y": 2}),
    (multiply, {"x": -3}),
    (place, {"point": [], "unit": "m", "names": {}}),
    (place, {"point": [1, 2], "unit": 3, "names": {"a": ["b"]}, "note": None, "mixed": [1]}),
    (place, {"point": [1], "unit": "cm", "names": {}, "note": "x", "mixed": "y"}),
    (now, {}),
    (keep, {"value": [1, {"a": None}]}),
    (keep, {"value": "x"}),
]
WRONG: list[tuple[Callable[..., Any], dict[str, Any], str]] = [
    (multiply, {"x": "3"}, 'the argument x of multiply has to be an integer, got the text "3"'),
    (multiply, {"x": True}, "the argument x of multiply has to be an integer, got true"),
    (multiply, {"x": 3.0}, "the argument x of multiply has to be an integer, got 3.0"),
    (multiply, {"x": None}, "the argument x of multiply has to be an integer, got null"),
    (multiply, {"x": 1, "y": float("inf")}, "the argument y of multiply has to be a number, got Infinity"),
    (multiply, {"x": 1, "y": False}, "the argument y of multiply has to be a number, got false"),
    (multiply, {}, "multiply needs the argument x; multiply takes x and y"),
    (multiply, {"x": 1, "z": 2}, "multiply has no argument z; multiply takes x and y"),
    (now, {"zone": "UTC"}, "now has no argument zone; now takes no arguments"),
    (place, {"point": [1, "2"], "unit": "m", "names": {}}, 'point[1] of place has to be an integer, got the text "2"'),
    (place, {"point": 1, "unit": "m", "names": {}}, "the argument point of place has to be a list, got 1"),
    (place, {"point": [], "unit": "km", "names": {}}, 'has to be one of "cm", "m", 3, got the text "km"'),
    (place, {"point": [], "unit": 3.0, "names": {}}, 'has to be one of "cm", "m", 3, got 3.0'),
    (place, {"point": [], "unit": "m", "names": {"a": "b"}}, "names['a'] of place has to be a list, got the text"),
    (place, {"point": [], "unit": "m", "names": {"a": [1]}}, "names['a'][0] of place has to be a text, got 1"),
    (place, {"point": [], "unit": "m", "names": {}, "note": 1}, "note of place has to be a text or null, got 1"),
    (place, {"point": [], "unit": "m", "names": {}, "mixed": 1}, "mixed of place has to be a list or a text, got 1"),
    pytest.param(
        place,
        {"point": [], "unit": "m", "names": {}, "mixed": ["a"]},
        "mixed[0] of place has to be an integer",
        marks=pytest.mark.skipif(
            transformers.__version__ < "5",
            reason="transformers 4 does not write what a list in a union holds",
        ),
    ),
]


@pytest.mark.parametrize(("function", "arguments"), FITTING)
def test_fitting_arguments_pass(function: Callable[..., Any], arguments: dict[str, Any]) -> None:
    assert misfit(schema_of(function), arguments) is None


@pytest.mark.parametrize(("function", "arguments", "said"), WRONG)
def test_a_wrong_argument_is_told(function: Callable[..., Any], arguments: dict[str, Any], said: str) -> None:
    """Trap 16: the text ``"3"`` is no integer, and nothing else is cast either."""
    told = misfit(schema_of(function), arguments)
    assert told is not None
    assert said in told
    assert "\n" not in told


def no_docstring(x: int) -> int:
    return x


def no_hint(x) -> int:  # type: ignore[no-untyped-def]
    """Do.

    Args:
        x: What.
    """
    return int(x)


def no_description(x: int, y: int) -> int:
    """Do.

    Args:
        x: What.
    """
    return x + y


class Color(Enum):
    RED = "red"


def an_enum(shade: list[Color]) -> str:
    """Do.

    Args:
        shade: What.
    """
    return str(shade)


def a_tuple(pair: tuple[int, int]) -> int:
    """Do.

    Args:
        pair: What.
    """
    return pair[0]


def an_object(thing: pytest.MonkeyPatch) -> str:
    """Do.

    Args:
        thing: What.
    """
    return str(thing)


def any_number(*numbers: int) -> int:
    """Do.

    Args:
        numbers: What.
    """
    return sum(numbers)


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (no_docstring, "no_docstring.*no docstring"),
        (no_hint, "Argument x is missing a type hint in function no_hint"),
        (no_description, "no_description.*no description for the argument 'y'"),
        (an_enum, r"an_enum takes shade as a Color.*write Literal\['red'\]"),
        (a_tuple, "a_tuple takes pair as a tuple.*write list"),
        (an_object, "an_object.*MonkeyPatch"),
        (any_number, r"any_number has the argument \*numbers.*by name"),
    ],
)
def test_a_function_that_is_no_tool_is_refused_by_argument(function: Callable[..., Any], said: str) -> None:
    with pytest.raises(TypeError, match=f"(?s){said}"):
        schema_of(function)


class Bench:
    """A workbench."""

    size = 3

    def __init__(self) -> None:
        self.kept: list[str] = []

    def keep(self, what: str) -> str:
        """Keep something.

        Args:
            what: It.
        """
        self.kept.append(what)
        return what

    @staticmethod
    def shout(what: str) -> str:
        """Say it loud.

        Args:
            what: It.
        """
        return what.upper()

    def _hidden(self) -> None: ...

    def start(self, row: Any) -> None: ...

    def close(self) -> None: ...


def test_public_methods_of_a_class_are_its_tools() -> None:
    assert [function.__name__ for function in functions_of(Bench)] == ["keep", "shout"]
    assert schema_of(functions_of(Bench)[0])["function"]["parameters"]["required"] == ["what"]


def test_what_is_no_tool_is_refused() -> None:
    with pytest.raises(TypeError, match="no function with a name"):
        functions_of([lambda x: x])
    with pytest.raises(TypeError, match="no function with a name"):
        functions_of([functools.partial(multiply, 3)])
    with pytest.raises(ValueError, match="there are no tools"):
        functions_of([])
    with pytest.raises(ValueError, match="object has no public method"):
        functions_of(object)
    with pytest.raises(ValueError, match="two tools have the name 'look'"):
        functions_of([look, look])


def test_a_class_written_for_trl_gives_the_policy_neither_its_reward_nor_a_new_beginning() -> None:
    class Written:
        def reset(self, **row: object) -> str:
            return ""

        def get_reward(self) -> float:
            return 1.0

        def guess(self, number: int) -> str:
            """Guess.

            Args:
                number: The guess.
            """
            return "no"

    with pytest.raises(ValueError, match=r"Written has get_reward and reset, .*episode.workbench.*start\(row\)"):
        functions_of(Written)
    del Written.reset
    with pytest.raises(ValueError, match=r"Written has get_reward, .*could call that"):
        functions_of(Written)
    del Written.get_reward
    assert [function.__name__ for function in functions_of(Written)] == ["guess"]
