"""Tests of Llama's tool calls."""

from __future__ import annotations

import pytest

from rlframework.environments import LlamaCalls


@pytest.mark.parametrize("tag", ["", "<|python_tag|>", "\n"])
def test_a_turn_that_is_a_call_is_read(tag: str) -> None:
    [call] = LlamaCalls().calls(tag + '{"name": "look", "parameters": {"key": "f"}}\n')
    assert (call.name, call.arguments, call.fault) == ("look", {"key": "f"}, None)


def test_an_answer_is_no_call() -> None:
    assert LlamaCalls().calls("It is 7.") == []


@pytest.mark.parametrize(
    "said", ['{"name": "look"', '{"name": "look", "arguments": {}}', '{"name": "a", "parameters": {}} x']
)
def test_a_turn_that_begins_as_a_call_and_is_none_is_told(said: str) -> None:
    assert [call.fault for call in LlamaCalls().calls(said)] == ["malformed"]
