r"""Llama tool calls: a turn that is one JSON object, as Llama 3.1 and 3.2 write them."""

from __future__ import annotations

from rlframework.environments.calls import CallFormat
from rlframework.environments.json_calls import MalformedError, call_of, decode, malformed
from rlframework.turns import Call


class LlamaCalls(CallFormat):
    """Reads a turn that is ``{"name": ..., "parameters": {...}}`` and nothing else; one call a turn.

    A ``<|python_tag|>`` may stand before it. A turn that begins with a brace is taken for a call; one that does not is
    an answer.

    Example:
        >>> LlamaCalls().calls('{"name": "look", "parameters": {"key": "f"}}')
        [Call(name='look', arguments={'key': 'f'}, fault=None, result='')]
        >>> LlamaCalls().calls('It is {"f": 7}.')
        []
    """

    def calls(self, text: str) -> list[Call]:
        """Return the call that a turn is, if it is one.

        Args:
            text: The policy's turn with its special tokens, without the stop token.
        """
        said = text.strip().removeprefix("<|python_tag|>").strip()
        if not said.startswith("{"):
            return []
        try:
            value, end = decode(said)
            if said[end:].strip():
                raise MalformedError("behind its JSON there is more; a call stands alone")
            return [call_of(value, "parameters")]
        except MalformedError as why:
            return [malformed(why)]
