"""Template calls: tool calls as the response template of a tokenizer has them, read by transformers."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from transformers import PreTrainedTokenizerBase

from rlframework.environments.calls import CallFormat
from rlframework.environments.json_calls import MalformedError, malformed, refuse_strange
from rlframework.environments.signatures import schema_of, wrong_with
from rlframework.turns import Call


class TemplateCalls(CallFormat):
    r"""Reads calls by a response template of transformers, such as the XML of Qwen 3.5 and GLM, or Gemma 4's own.

    Each call is read by itself, so that one that is malformed leaves those beside it as they are. Calls in thoughts are
    none, as the template has it. Where it makes a text of every argument, as XML does, an argument that a function does
    not take as a text is read as JSON; nothing else is cast.

    Args:
        response_template: The template; by default the one that the policy's tokenizer ships.

    Raises:
        ImportError: The installed transformers has no response templates; they came with 5.13.
        ValueError: The template has no field ``tool_calls``.

    Example:
        >>> template = {
        ...     "start_anchor": "<a>",
        ...     "fields": {
        ...         "tool_calls": {
        ...             "open_pattern": r"<call (?P<name>\w+)>", "close": "</call>", "repeats": True,
        ...             "content": "json", "transform": {"function": {"name": "{name}", "arguments": "{content}"}},
        ...         },
        ...     },
        ... }
        >>> TemplateCalls(template).calls('<call look>{"key": "f"}</call>')[0].arguments
        {'key': 'f'}
    """

    def __init__(self, response_template: Mapping[str, Any] | None = None) -> None:
        self.response_template = response_template
        self._properties: dict[str, Mapping[str, Any]] = {}
        self._end = ""
        if response_template is not None:
            self._read(response_template)

    def fitted(self, tokenizer: PreTrainedTokenizerBase, tools: Sequence[Callable[..., Any]]) -> CallFormat:
        """Return the format with the tokenizer's response template, and with the types of the tools' arguments.

        Raises:
            ValueError: The tokenizer ships no response template, and none was given.
        """
        template = self.response_template or getattr(tokenizer, "response_template", None)
        if template is None:
            raise ValueError(
                "the tokenizer ships no response_template; pass TemplateCalls(response_template=...), or choose how "
                "calls are written by HermesCalls() or a CallFormat of your own"
            )
        fitted = TemplateCalls(template)
        schemas = [schema_of(tool)["function"] for tool in tools]
        fitted._properties = {schema["name"]: schema["parameters"]["properties"] for schema in schemas}
        fitted._end = str(tokenizer.eos_token or "")
        return fitted

    def _read(self, template: Mapping[str, Any]) -> None:
        try:
            from transformers.utils.chat_parsing.response_templates import load_response_template
        except ImportError as error:
            raise ImportError("response templates need transformers 5.13 or later; use HermesCalls()") from error
        field = load_response_template(dict(template)).fields.get("tool_calls")
        if field is None:
            raise ValueError(f"the response template has no field tool_calls, only {', '.join(template['fields'])}")
        self._field = field
        # A copy in which calls stay texts, with what the tags around them say: finding them then never fails.
        self._finding = copy.deepcopy(dict(template))
        raw = self._finding["fields"]["tool_calls"]
        names = {name for pattern in (field.open_re, field.close_re) if pattern for name in pattern.groupindex}
        raw |= {"content": "text", "content_args": {"strip": False}, "repeats": True, "transform_each": False}
        raw["transform"] = {"content": "{content}", "captures": {name: f"{{{name}}}" for name in names}}
        raw.pop("join", None)

    def calls(self, text: str) -> list[Call]:
        """Return the calls in a turn, in their order.

        Args:
            text: The policy's turn with its special tokens, without the stop token.

        Raises:
            ValueError: There is no response template yet; `fitted` gives the tokenizer's.
        """
        if not hasattr(self, "_field"):
            raise ValueError("TemplateCalls() has no response template yet; call fitted(tokenizer, tools) first")
        from transformers.utils.chat_parsing import parse_response

        found = parse_response(text + self._end, self._finding, prefix="").get("tool_calls", [])
        return [call for region in found for call in self._calls(region["content"], region["captures"])]

    def _calls(self, content: str, captures: dict[str, str]) -> list[Call]:
        from transformers.utils.chat_parsing.content_parsers import process_field

        try:
            value = process_field(content, self._field, captures)
            return [self._call(one) for one in (value if isinstance(value, list) else [value])]
        except MalformedError as why:
            return [malformed(why)]
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            said = " ".join(str(error).split())
            return [malformed(MalformedError(said if len(said) <= 160 else f"{said[:157]}..."))]

    def _call(self, value: Any) -> Call:
        """Return the call of what the template made, a message's ``{"function": {"name": ..., "arguments": ...}}``.

        Raises:
            MalformedError: It is something else.
        """
        called = value.get("function", value) if isinstance(value, dict) else None
        if not isinstance(called, dict) or not isinstance(called.get("name"), str):
            raise MalformedError("it has no name")
        arguments = called.get("arguments")
        if not isinstance(arguments, dict):
            raise MalformedError("its arguments are no object")
        name = called["name"].strip()
        if self._field.content in ("xml-inline", "kv-lines"):
            arguments = {key: self._typed(name, key, one) for key, one in arguments.items()}
        refuse_strange([name, arguments])
        return Call(name, arguments)

    def _typed(self, name: str, key: str, value: Any) -> Any:
        """Return an argument that is written as a text as what it says, if its function takes that and no text."""
        schema = self._properties.get(name, {}).get(key)
        if schema is None or not isinstance(value, str) or wrong_with(schema, value) is None:
            return value
        try:
            read = json.loads(value)
        except (ValueError, RecursionError):
            return value
        return read if wrong_with(schema, read) is None else value
