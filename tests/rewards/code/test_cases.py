"""What a case is, what is none, and when a value or a text is the expected one."""

import json
import re

import numpy as np
import pytest

from rlframework.rewards.code import CallCase, CaseError, StdinCase, cases_from_asserts, read_assert, read_cases
from rlframework.rewards.code.driver import decode, encode
from rlframework.rewards.code.values import same_output, same_value

VALUES = [
    *(0, -1, 2**63, -(10**400), True, None, 1.5, -0.0, float("inf"), 1e-320, 2j, "", "ü\ud800\0", b"\xff", [], (), {}),
    *({1, 2}, frozenset({"a"}), {(1, 2): [{"x": None}]}, [[1, (2.0,)], {"int": "0x1"}]),
]


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_values_come_back_as_they_were(value):
    there = json.loads(json.dumps(encode(value)))
    assert decode(there) == value
    assert type(decode(there)) is type(value)
    assert same_value(json.dumps(there).encode(), value)


DIFFERENT = [
    *((1, True), (1, 1.0), (0, False), (0, None), ("1", 1), ([1], (1,)), ([1], [True]), ({1: 2}, {1: 2.0}), ({1}, [1])),
    *((b"a", "a"), ({1}, frozenset({1})), ([1, 2], [2, 1]), ([1], [1, 1]), ([], None), (1.0, 1 + 0j), (2**63, 2.0**63)),
    *(({"int": "0x1"}, 1), ("", None), (0.1 + 0.2, 0.3)),
]


@pytest.mark.parametrize(("left", "right"), DIFFERENT, ids=repr)
def test_other_types_are_other_values(left, right):
    assert not same_value(json.dumps(encode(left)).encode(), right)
    assert not same_value(json.dumps(encode(right)).encode(), left)


def test_a_tolerance_is_for_numbers_alone():
    def close(value, expected, tolerance):
        return same_value(json.dumps(encode(value)).encode(), expected, tolerance)

    assert close(1, 1.0, 0.0)
    assert close([1, (2.0000001,)], [1.0, (2,)], 1e-6)
    assert close({"a": 0.1 + 0.2}, {"a": 0.3}, 1e-9)
    assert not close(1.1, 1.0, 0.01)
    assert not close(True, 1, 1.0)
    assert not close(float("nan"), 1.0, 1.0)
    assert not close(float("inf"), 1.0, 1.0)
    assert not close([1], (1,), 1.0)
    assert not close("1", 1, 1.0)
    assert close(float("inf"), float("inf"), 0.0)


@pytest.mark.parametrize(
    "claim",
    [
        *(b"", b"4\n4", b"[4", b"4]", b"04", b"4.0", b"+4", b"NaN", b"Infinity", b"[" * 99_999, b"\xff", b"null"),
        *(b'{"int": "zz"}', b'{"int": 4}', b'{"float": []}', b'{"tuple": 4}', b'{"dict": [1]}', b"{}", b"1" * 9_999),
        b'{"float": "0x1p99999"}',
    ],
)
@pytest.mark.parametrize("tolerance", [None, 0.5])
def test_forged_text_is_no_value(claim, tolerance):
    assert not same_value(claim, 4, tolerance)
    assert not same_value(claim, {"a": (4.0, [1])}, tolerance)


def test_deep_values_have_no_text():
    value = []
    for _ in range(60):
        value = [value]
    with pytest.raises(TypeError, match="levels"):
        encode(value)


@pytest.mark.parametrize(
    ("output", "same"),
    [
        *((b"1\n2", True), (b"1\n2\n\n", True), (b"1 \r\n2\t", True)),
        *((b"1\n2\n3", False), (b"1", False), (b"\n1\n2", False), (b"1 2", False), (b" 1\n2", False)),
        *((b"1\n2\xff", False), (b"", False), (b"1\x0c2", False), ("1\u20282".encode(), False)),
    ],
)
def test_output_is_compared_whole(output, same):
    assert same_output(output, "1\n2\n") is same


def test_cases_are_read_from_a_table_of_any_kind():
    mixed = [{"stdin": "1", "stdout": "2"}, {"call": "f", "args": [1, None], "expected": None}, "assert f((1,)) == {2}"]
    expected = [StdinCase("1", "2"), CallCase("f", (1, None), None), CallCase("f", ((1,),), {2})]
    assert read_cases(mixed) == read_cases(json.dumps(mixed)) == read_cases(tuple(mixed)) == expected
    assert read_cases(np.array(mixed, dtype=object)) == expected
    # A table fills in the keys that a case lacks.
    assert read_cases([{"stdin": "1", "stdout": "2", "call": None, "args": None}]) == expected[:1]


@pytest.mark.parametrize(
    "column",
    [
        *(None, [], "", "[]", "{", 3, "text", {"stdin": "1"}, [None], [[]], [{}], [{"stdin": "1"}], [{"stdout": "1"}]),
        *(
            [{"stdin": 1, "stdout": "1"}],
            [{"call": "f"}],
            [{"call": "f()", "expected": 1}],
            [{"call": 1, "expected": 1}],
        ),
        *([{"call": "f", "expected": object()}], [{"call": "f", "args": [object()], "expected": 1}]),
        *([{"call": "f", "expected": float("nan")}], [{"call": "f", "expected": [float("nan")]}]),
        *([{"call": "f", "expected": 1, "tolerance": -1.0}], [{"call": "f", "expected": 1, "more": 1}]),
        *([{"call": "f", "args": 3, "expected": 1}], [{"call": "f", "expected": 1, "tolerance": "a"}]),
        *([{"call": "f", "kwargs": [1], "expected": 1}], [{"call": "f", "kwargs": {1: 1}, "expected": 1}]),
        *(
            ["assert f(x) == 1"],
            ["assert f(1)"],
            ["f(1)"],
            ["assert f(1) == __import__('os')"],
            ["assert f(*[1]) == 1"],
        ),
        *([{"stdin": "1", "stdout": "1"}, None], "[" * 99_999),
    ],
    # Without addresses, which differ from one process to the next.
    ids=lambda column: re.sub(" at 0x[0-9a-f]+", "", repr(column))[:60],
)
def test_what_is_no_case_is_refused(column):
    with pytest.raises(CaseError):
        read_cases(column)


def test_asserts_are_read_and_not_run():
    assert read_assert("assert f(-1, x=(2, 3)) == [4], 'why'") == CallCase("f", (-1,), [4], {"x": (2, 3)})
    assert read_assert("assert abs(f(1) - 2.0 / 4) <= 1e-3") == CallCase("f", (1,), 0.5, {}, 1e-3)
    assert read_assert("assert f(1) is None").expected is None


def test_a_test_file_is_read_whole_or_not_at_all():
    humaneval = "META = {'a': 1}\n\ndef check(candidate):\n    assert candidate(1) == 2\n    assert True, 'never'\n"
    assert cases_from_asserts(humaneval, "f") == [CallCase("f", (1,), 2)]
    assert cases_from_asserts(humaneval + "check(f)\n", "f") == [CallCase("f", (1,), 2)]
    assert cases_from_asserts("assert f(1) == 2\nassert f(2) == 3", "f", 0.0)[1] == CallCase("f", (2,), 3, {}, 0.0)
    for bad in ("    for i in range(3):\n        assert candidate(i) == i\n", "    assert candidate(4)\n"):
        with pytest.raises(CaseError, match="is not `assert"):
            cases_from_asserts(humaneval + bad, "f")
    for bad in ("", "x = 1", "def f(", "assert g(1) == 2", "assert True"):
        with pytest.raises(CaseError):
            cases_from_asserts(bad, "f")
