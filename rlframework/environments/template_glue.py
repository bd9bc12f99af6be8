"""Template glue: what a chat template writes between two turns of the policy, found from the template itself."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from typing import Any, Literal, NamedTuple

from jinja2 import TemplateError
from transformers import PreTrainedTokenizerBase

from rlframework.environments.glue import Glue

Message = dict[str, Any]


class TemplateGlue(Glue):
    """Puts what an environment says between turns as the tokenizer's chat template does.

    What the template writes there is found once, with texts that stand out, and has to be the same after different
    histories. The results of all calls of a turn are rendered together. Each has to come out as it went in; a template
    that trims texts, or writes them as JSON, is followed in that.

    A template that would leave thoughts of earlier turns out is refused: the policy reads them here, and would not in
    use. Templates of thinking models do that at each message of a user. So ``role="user"``, by which you accept it, is
    for models that do not think, and for games that nobody will play by the chat template.

    Args:
        tokenizer: The policy's tokenizer.
        role: Whose message an observation is: ``"tool"``, or ``"user"`` where the template knows no tools.

    Attributes:
        end_of_turn: The one token with which the template ends a turn that another follows. It can be the tag of the
            next role; then the glue does not repeat it.

    Raises:
        ValueError: There is no chat template, or what it writes serves not; says what is wrong, and the way out.

    Example:
        >>> from rlframework.testing import letter_tokenizer
        >>> tokenizer = letter_tokenizer()
        >>> tokenizer.chat_template = (
        ...     "{% for message in messages %}{{ message.role[0] + message.content }}"
        ...     "{% if not loop.last or message.role == 'assistant' %}<eos>{% endif %}{% endfor %}"
        ...     "{% if add_generation_prompt %}a{% endif %}"
        ... )
        >>> glue = TemplateGlue(tokenizer, role="user")
        >>> tokenizer.decode(glue.between([tokenizer("777")["input_ids"]]))
        'u777a'
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase, role: Literal["tool", "user"] = "tool") -> None:
        if tokenizer.chat_template is None:
            raise ValueError(
                "the tokenizer has no chat template, which says what stands between turns: set one, or "
                "pass glue=PlainGlue(tokenizer, before=..., after=...) to the EpisodeSampler"
            )
        template = _Template(tokenizer, role)
        pieces, self._write = template.writing(template.pieces())
        if role == "tool":
            template.refuse_forgotten_thoughts()
        self.end_of_turn = frozenset({template.ids_of(pieces.end)[0]})
        self._before = template.ids_of(pieces.before)
        self._separator = template.ids_of(pieces.separator)
        self._after = template.ids_of(pieces.after)

    def written(self, text: str) -> str:
        """Return a text as the template writes it: as it is, trimmed, or as JSON."""
        return self._write(text)

    def between(self, texts: Sequence[Sequence[int]]) -> list[int]:
        """Return the texts with what the template writes around them."""
        given = list(self._before)
        for place, text in enumerate(texts):
            given += [*(self._separator if place else []), *text]
        return given + self._after


class _Pieces(NamedTuple):
    """What stands around the results of a turn: the token that ends it, and texts."""

    end: str
    before: str
    separator: str
    after: str

    def unquoted(self) -> _Pieces:
        """Return the pieces without the quotes of texts that are written as JSON."""
        before, after = self.before.removesuffix('"'), self.after.removeprefix('"')
        return _Pieces(self.end, before, self.separator.removeprefix('"').removesuffix('"'), after)


def _json(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _trimmed_json(text: str) -> str:
    return _json(text.strip())


# Texts in which quoting, escaping and trimming would show.
_PROBES = ("plain", ' "quoted" \n\n and 2 < 3 & {{ braces }} \\n é 💡 \n', "{\"x\": [1, 'a']}", "", "<b>3</b>", "7")
_CALL, _THOUGHT = "zqcallqz", "zqthoughtqz"


class _Template:
    """Renders conversations with what can be found again in them."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase, role: Literal["tool", "user"]) -> None:
        self._tokenizer = tokenizer
        self._role = role
        special = {str(token) for token in tokenizer.added_tokens_decoder.values() if token.special}
        special |= set(tokenizer.all_special_tokens)
        longest_first = sorted(special, key=len, reverse=True)
        self._special = re.compile("|".join(re.escape(token) for token in longest_first) or r"(?!)")
        # Calls that the template has a message for; without any a turn is a text.
        self._most_calls = 0 if role == "user" else next((most for most in (3, 1) if self._shows_calls(most)), 0)

    def pieces(self) -> _Pieces:
        """Return what stands around results.

        Raises:
            ValueError: It is not the same after every history, or results do not come out.
        """
        found = {
            f"{len(results)} result(s) of {name} after {what}": self._pieces_after(history, name, results)
            for what, (history, name) in self._histories().items()
            for results in (["zqoneqz"], ["zqoneqz", "zqtwoqz"], ["zqoneqz", "zqtwoqz", "zqthreeqz"])
            if self._role == "tool" or len(results) == 1
        }
        (first_name, first), *others = found.items()
        separators = {pieces.separator for pieces in found.values() if pieces.separator}
        for name, pieces in others:
            if pieces._replace(separator="") != first._replace(separator="") or len(separators) > 1:
                raise ValueError(
                    "what the chat template writes between turns is not the same each time, to be found once: "
                    f"{first_name} it writes {tuple(first)}, and {name} {tuple(pieces)}. {self._way_out()}"
                )
        return first._replace(separator=next(iter(separators), ""))

    def writing(self, pieces: _Pieces) -> tuple[_Pieces, Callable[[str], str]]:
        """Return what stands around results as they are written, and how the template writes a text.

        Raises:
            ValueError: It changes texts.
        """
        came = {probe: self._tail([_asked()], "look", [probe])[1] for probe in _PROBES}
        ways: list[tuple[_Pieces, Callable[[str], str]]] = [
            (pieces, str),
            (pieces, str.strip),
            (pieces.unquoted(), _json),
            (pieces.unquoted(), _trimmed_json),
        ]
        for around, write in ways:
            if all(tail == around.before + write(probe) + around.after for probe, tail in came.items()):
                return around, write
        changed = next(probe for probe, tail in came.items() if tail != pieces.before + probe + pieces.after)
        raise ValueError(
            f"the chat template does not write a result as it is: of {changed!r} it makes {came[changed]!r}. "
            f"{self._way_out()}"
        )

    def refuse_forgotten_thoughts(self) -> None:
        """Refuse a template that leaves thoughts of earlier turns out.

        Raises:
            ValueError: It does.
        """
        thought = f"<think>\n{_THOUGHT}\n</think>\n\n"
        turn = self._turn("look", thought)
        if _THOUGHT not in self._render([_asked(), *turn], opens=False):
            # Some write no words beside a call.
            turn = [{"role": "assistant", "content": f"{thought}Look."}]
        conversation = [_asked(), *turn, *self._said(["7"], "look")]
        for messages in (conversation, [*conversation, *self._turn("look"), *self._said(["8"], "look")]):
            if _THOUGHT not in self._render(messages, opens=True):
                raise ValueError(
                    "the chat template leaves the thoughts of earlier turns out once the next message is there; in an "
                    "episode the policy reads them, so that it would be trained on what it does not meet in use. Set a "
                    f"chat template that keeps them. {self._way_out()}"
                )

    def ids_of(self, text: str) -> list[int]:
        """Return the ids of a piece of the template.

        Raises:
            ValueError: The tokenizer cannot write it.
        """
        ids: list[int] = self._tokenizer(text, add_special_tokens=False)["input_ids"]
        back = self._tokenizer.decode(ids, clean_up_tokenization_spaces=False)
        if back != text:
            raise ValueError(
                f"the tokenizer cannot write {text!r}, which the chat template puts between turns: it makes {back!r} "
                f"of it. {self._way_out()}"
            )
        return ids

    def _pieces_after(self, history: list[Message], name: str, results: list[str]) -> _Pieces:
        end, tail = self._tail(history, name, results)
        parts: list[str] = []
        rest = tail
        for result in results:
            before, found, rest = rest.partition(result)
            if not found or result in rest:
                raise ValueError(
                    f"the chat template drops, repeats or reorders messages of the role {self._role!r}: of the "
                    f"{len(results)} results {', '.join(results)} it makes {tail!r}. {self._way_out()}"
                )
            parts.append(before)
        before, *separators = parts
        if len(set(separators)) > 1:
            raise ValueError(
                f"what the chat template writes between results is not the same each time: {separators}. "
                f"{self._way_out()}"
            )
        return _Pieces(end, before, separators[0] if separators else "", rest)

    def _tail(self, history: list[Message], name: str, results: list[str]) -> tuple[str, str]:
        """Return the token that ends the policy's turn, and all that follows it up to its next one.

        Raises:
            ValueError: No special token is there.
        """
        turn = [*history, *self._turn(name, calls=len(results))]
        alone = self._render(turn, opens=False).rpartition(_CALL)[2]
        tail = self._render([*turn, *self._said(results, name)], opens=True).rpartition(_CALL)[2]
        same = tail[: _agreeing(alone, tail)]
        # Where nothing ends the turn that stands alone, the tag of the next role does.
        ends = list(self._special.finditer(same)) or list(self._special.finditer(tail))[:1]
        if not ends:
            raise ValueError(
                f"the chat template ends a turn with no special token of the tokenizer, only with {tail[:60]!r}: "
                f"nothing tells that the policy has ended its turn. {self._way_out()}"
            )
        return ends[-1][0], tail[ends[-1].end() :]

    def _histories(self) -> dict[str, tuple[list[Message], str]]:
        """Return what may have come before the policy's turn, and the tool that it calls in it."""
        first = [_asked()]
        answered = [*first, {"role": "assistant", "content": "It is 4."}, {"role": "user", "content": "And now?"}]
        called = [*first, *self._turn("other"), *self._said(["5"], "other")]
        return {"a question": (first, "look"), "an answer": (answered, "other"), "a turn": (called, "look")}

    def _turn(self, name: str, content: str = "", calls: int = 1) -> list[Message]:
        """Return a turn of the policy, which can be found by its call."""
        if not self._most_calls:
            return [{"role": "assistant", "content": f"{content}{_CALL}"}]
        called = {"name": name, "arguments": {"key": _CALL}}
        ids = [_id(name, place) for place in range(min(calls, self._most_calls))]
        tool_calls = [{"type": "function", "id": id, "function": called} for id in ids]
        return [{"role": "assistant", "content": content, "tool_calls": tool_calls}]

    def _said(self, results: Sequence[str], name: str) -> list[Message]:
        if self._role == "user":
            return [{"role": "user", "content": result} for result in results]
        return [
            {"role": "tool", "name": name, "tool_call_id": _id(name, place), "content": result}
            for place, result in enumerate(results)
        ]

    def _shows_calls(self, most: int) -> bool:
        self._most_calls = most
        try:
            return _CALL in self._render([_asked(), *self._turn("look", calls=most)], opens=False)
        except ValueError:
            return False

    def _render(self, messages: list[Message], opens: bool) -> str:
        tools: list[dict[Any, Any] | Callable[..., Any]] | None = [_LOOK, _OTHER] if self._role == "tool" else None
        try:
            text = self._tokenizer.apply_chat_template(
                messages, tools=tools, tokenize=False, add_generation_prompt=opens
            )
        except (TemplateError, TypeError) as error:
            roles = ", ".join(message["role"] for message in messages)
            raise ValueError(f"the chat template refuses messages of {roles}: {error}. {self._way_out()}") from error
        return str(text)

    def _way_out(self) -> str:
        other = " a tokenizer.chat_template that does, or" if self._role == "user" else " role='user', or"
        return (
            f"Use{other} pass glue=PlainGlue(tokenizer, before=..., after=...) with what the policy was taught, to the "
            "EpisodeSampler"
        )


def _agreeing(one: str, other: str) -> int:
    """Return how many letters two texts share at their beginnings."""
    pairs = zip(one, other, strict=False)
    return next((place for place, (left, right) in enumerate(pairs) if left != right), min(len(one), len(other)))


def _asked() -> Message:
    return {"role": "user", "content": "What is it?"}


def _id(name: str, place: int) -> str:
    # Nine letters and digits, as Mistral's templates demand.
    return f"{name}0000{place}"[:8] + str(place)


def _tool(name: str) -> dict[str, Any]:
    parameters = {"type": "object", "properties": {"key": {"type": "string", "description": "A letter."}}}
    function = {"name": name, "description": "Look.", "parameters": {**parameters, "required": ["key"]}}
    return {"type": "function", "function": function}


_LOOK, _OTHER = _tool("look"), _tool("other")
