"""Tests of calls that a response template reads, on those that TRL has for real chat templates."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

import pytest

from rlframework.environments import CallFormat, TemplateCalls
from rlframework.turns import Call
from tests.environments.chats import template_of, tokenizer_for

needs_templates = pytest.mark.skipif(
    find_spec("transformers.utils.chat_parsing") is None, reason="response templates need transformers 5.13 or later"
)


def look(key: str, deep: int = 1, where: dict[str, int] | None = None) -> str:
    """Look something up.

    Args:
        key: What.
        deep: How deep.
        where: In what.
    """
    return key


def reader(name: str) -> CallFormat:
    from trl.chat_template_utils import add_response_schema

    tokenizer = add_response_schema(tokenizer_for(template_of(name)))
    return TemplateCalls().fitted(tokenizer, [look])


def xml(name: str = "look", **arguments: str) -> str:
    inside = "".join(f"<parameter={key}>\n{value}\n</parameter>\n" for key, value in arguments.items())
    return f"<tool_call>\n<function={name}>\n{inside}</function>\n</tool_call>"


def glm(name: str = "look", **arguments: str) -> str:
    inside = "".join(f"<arg_key>{key}</arg_key>\n<arg_value>{value}</arg_value>\n" for key, value in arguments.items())
    return f"\n<tool_call>{name}\n{inside}</tool_call>"


def plain(calls: list[Call]) -> list[tuple[str, dict[str, Any], str | None]]:
    return [(call.name, call.arguments, call.fault) for call in calls]


@needs_templates
@pytest.mark.parametrize(("name", "call"), [("qwen3_5_think", xml), ("glm4moe", glm)])
def test_arguments_of_xml_have_the_types_that_the_function_takes(name: str, call: Any) -> None:
    calls = reader(name).calls(call(key="75001", deep="3", where='{"a": 1}') + call(key="true", deep="three"))
    assert plain(calls) == [
        ("look", {"key": "75001", "deep": 3, "where": {"a": 1}}, None),
        ("look", {"key": "true", "deep": "three"}, None),
    ]


@needs_templates
def test_gemma_4_writes_its_own_json() -> None:
    call = '<|tool_call>call:look{key:<|"|>f: {x}<|"|>,deep:3}<tool_call|>'
    assert plain(reader("gemma4").calls(call)) == [("look", {"key": "f: {x}", "deep": 3}, None)]


@needs_templates
def test_json_is_not_cast() -> None:
    """Trap 16: transformers would make 3 of it."""
    call = '<tool_call>\n{"name": "look", "arguments": {"key": "f", "deep": "3"}}\n</tool_call>'
    assert plain(reader("qwen3").calls(call)) == [("look", {"key": "f", "deep": "3"}, None)]


@needs_templates
@pytest.mark.parametrize(
    "broken", ["{", '"look"', '{"name": "look"}', '{"name": "look", "arguments": "f"}', "{}", "[1]"]
)
def test_a_good_call_beside_a_malformed_one_is_read(broken: str) -> None:
    """Trap 14: ``parse_response`` raises for the whole turn."""
    good = '<tool_call>{"name": "look", "arguments": {"key": "f"}}</tool_call>'
    calls = reader("qwen3").calls(f"{good}<tool_call>{broken}</tool_call>{good}")
    assert [call.fault for call in calls] == [None, "malformed", None]
    assert "\n" not in calls[1].result


@needs_templates
def test_a_call_inside_thinking_is_not_run() -> None:
    """Trap 15."""
    qwen = reader("qwen3_5_think")
    assert plain(qwen.calls(f"<think>\nI could {xml(key='a')}</think>\n\n{xml(key='b')}")) == [
        ("look", {"key": "b"}, None)
    ]
    assert qwen.calls(f"<think>\nI could {xml(key='a')}") == []


@needs_templates
def test_llamas_one_call_is_read_with_its_end() -> None:
    call = '{"name": "look", "parameters": {"key": "f"}}'
    assert plain(reader("llama3_1").calls(call)) == [("look", {"key": "f"}, None)]


@needs_templates
def test_an_answer_has_no_call() -> None:
    assert reader("qwen3_5_think").calls("<think>\nHm.\n</think>\n\nIt is 7.") == []


@needs_templates
def test_a_tokenizer_without_a_response_template_is_refused() -> None:
    with pytest.raises(ValueError, match=r"ships no response_template.*HermesCalls"):
        TemplateCalls().fitted(tokenizer_for(template_of("qwen3")), [look])
    with pytest.raises(ValueError, match="no response template yet"):
        TemplateCalls().calls("...")
    with pytest.raises(ValueError, match="no field tool_calls, only content"):
        TemplateCalls({"start_anchor": "<a>", "fields": {"content": {"content": "text"}}})
