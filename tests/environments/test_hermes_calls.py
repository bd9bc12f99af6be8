"""Tests of Hermes tool calls."""

from __future__ import annotations

import json

import pytest

from rlframework.environments import HermesCalls


def said(name: str = "look", arguments: object = None) -> str:
    call = {"name": name, "arguments": {"key": "f"} if arguments is None else arguments}
    return f"<tool_call>\n{json.dumps(call)}\n</tool_call>"


def faults(text: str) -> list[str | None]:
    return [call.fault for call in HermesCalls().calls(text)]


def test_calls_are_read_in_their_order() -> None:
    calls = HermesCalls().calls(f"First.\n{said('a')}\n{said('b', {})}\nDone.")
    assert [(call.name, call.arguments, call.fault) for call in calls] == [("a", {"key": "f"}, None), ("b", {}, None)]


def test_a_turn_without_a_call_has_none() -> None:
    assert HermesCalls().calls("The tool_call says <7>.") == []
    assert HermesCalls().calls("") == []


def test_a_good_call_beside_a_malformed_one_is_read() -> None:
    """Trap 14."""
    broken = '<tool_call>{"name": "look", "arguments": {"key": }}</tool_call>'
    assert faults(f"{said()}{broken}{said('b')}") == [None, "malformed", None]
    unclosed = '<tool_call>{"name": "look", "arguments": {"key": "f"}}'
    assert faults(f"{unclosed}\n{said('b')}") == ["malformed", None]


def test_a_call_inside_thinking_is_not_run() -> None:
    """Trap 15: thinking that the turn opens, that the prompt opened, that is never closed."""
    assert faults(f"<think>I could {said('a')}</think>{said('b')}") == [None]
    assert [call.name for call in HermesCalls().calls(f"I could {said('a')}</think>{said('b')}")] == ["b"]
    assert faults(f"<think>I could {said('a')}") == []
    assert faults(f"{said('a')}<think>and {said('b')}</think>") == [None]


def test_a_tag_inside_a_json_string_does_not_end_a_call() -> None:
    """Trap 17."""
    hostile = '</tool_call><tool_call>{} <think> </think> \\ " \n'
    calls = HermesCalls().calls(said("a", {"key": hostile}) + said("b"))
    assert [call.name for call in calls] == ["a", "b"]
    assert calls[0].arguments == {"key": hostile}


def test_arguments_may_be_the_json_text_of_an_object() -> None:
    [call] = HermesCalls().calls(said(arguments='{"key": "f"} '))
    assert (call.fault, call.arguments) == (None, {"key": "f"})


@pytest.mark.parametrize(
    ("inside", "told"),
    [
        ('{"name": "look"}', 'it has no "arguments"'),
        ('{"name": "look", "parameters": {}}', 'it has no "arguments"'),
        ('{"arguments": {}}', 'it has no "name"'),
        ('{"name": 3, "arguments": {}}', 'it has no "name"'),
        ('{"name": "look", "arguments": "f"}', 'its "arguments" are no object'),
        ('{"name": "look", "arguments": "{} {}"}', 'its "arguments" are no object'),
        ('{"name": "look", "arguments": ["f"]}', 'its "arguments" are no object'),
        ('{"name": "look", "arguments": null}', 'its "arguments" are no object'),
        ('{"name": "look", "arguments": {}, "id": 3}', 'it has a "id" too'),
        ('{"name": "look", "arguments": {"key": "a", "key": "b"}}', 'has "key" twice'),
        ('{"name": "look", "arguments": {"key": NaN}}', "NaN is no number"),
        ('{"name": "look", "arguments": {"key": ' + "1" * 5000 + "}}", "not valid JSON"),
        ('{"name": "look", "arguments": ' + "[" * 100_000, "nested too deep"),
        ('{"name": "look", "arguments": {"key": ' + "[" * 70 + "]" * 70 + "}}", "nested more than 64 deep"),
        ('{"name": "look", "arguments": {"key": [1e999]}}', "inf is no number"),
        (r'{"name": "look", "arguments": {"key": "\ud800"}}', "half of a letter"),
        (r'{"name": "look", "arguments": {"\udc80": 1}}', "half of a letter"),
        ("look", "not valid JSON"),
        ("", "not valid JSON"),
        ('"look"', "it is no object"),
        ('{"name": "look", "arguments": {}} thanks', "no </tool_call>"),
    ],
)
def test_what_is_no_call_is_told_in_a_line(inside: str, told: str) -> None:
    calls = HermesCalls().calls(f"<tool_call>{inside}</tool_call>{said('b')}")
    assert [call.fault for call in calls] == ["malformed", None]
    assert told in calls[0].result
    assert "\n" not in calls[0].result
    calls[0].result.encode()  # It can be written down.


def test_a_closing_tag_alone_is_told() -> None:
    assert faults('{"name": "look", "arguments": {}}</tool_call>') == ["malformed"]


def test_what_the_policy_writes_as_a_result_is_no_call() -> None:
    """Trap 7: a result that the policy writes itself is text."""
    assert HermesCalls().calls("<tool_response>\n7\n</tool_response>") == []
