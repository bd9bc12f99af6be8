"""Conversations as token ids: the turns of a demonstration, laid out as an episode would be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

from jinja2 import TemplateError
from transformers import PreTrainedTokenizerBase

from rlframework.environments.glue import Glue, encoded
from rlframework.turns import Turn

Message = Mapping[str, Any]


class Said(NamedTuple):
    """One turn of the policy in a conversation, and what it was told then.

    Args:
        text: What the policy said, without the end token.
        told: What it was told: a text, or one for each of its calls; nothing after the last turn.
    """

    text: str
    told: list[str]


def said_in(messages: Any, where: str) -> list[Said]:
    """Return the turns of a conversation that a policy has had after its prompt.

    Args:
        messages: The assistant's, each with its content as it was sampled, and between them what it was told.
        where: Begins an error message.

    Raises:
        TypeError: They are no messages with texts.
        ValueError: The first one is not the assistant's, nothing was told between two of the assistant's, or a message
            has ``tool_calls``, which nobody has written out.

    Example:
        >>> call, result = {"role": "assistant", "content": "look(f)"}, {"role": "tool", "content": "7"}
        >>> said_in([call, result, {"role": "assistant", "content": "It is 7."}], "row 0")
        [Said(text='look(f)', told=['7']), Said(text='It is 7.', told=[])]
    """
    turns: list[Said] = []
    for message in messages if isinstance(messages, (list, tuple)) else [messages]:
        if not isinstance(message, Mapping) or not isinstance(message.get("content"), str):
            raise TypeError(
                f"{where} has {message!r:.80} ({type(message).__name__}) for a message; it is such as "
                "{'role': 'assistant', 'content': 'look(f)'}"
            )
        if message.get("tool_calls"):
            raise ValueError(
                f"{where} has a message with tool_calls, which the chat template writes: give the whole chat in "
                "messages_column, or write the calls out in its content"
            )
        if message["role"] == "assistant":
            turns.append(Said(message["content"], []))
        elif not turns:
            raise ValueError(
                f"{where} begins with a message of the {message['role']}; the first turn is the assistant's"
            )
        else:
            turns[-1].told.append(message["content"])
    for number, said in enumerate(turns[:-1], start=1):
        if not said.told:
            raise ValueError(
                f"{where} has two turns of the assistant, {number} and {number + 1}, and nothing told between"
            )
    return turns


def said_in_chat(
    asked: Sequence[Message],
    said: Sequence[Message],
    start: str,
    tokenizer: PreTrainedTokenizerBase,
    glue: Glue,
    tools: Sequence[Mapping[str, Any]] = (),
    where: str = "the chat",
) -> list[Said]:
    """Return the turns of a chat as its chat template writes them, tool calls included.

    What the template writes of a turn is learned. So what it writes before a turn has to stay the same once the turn
    is there, and what it writes between two turns has to be the glue's.

    Args:
        asked: The messages of the prompt.
        said: Those that follow, of which the first is the assistant's.
        start: The prompt as text, with which the whole chat has to begin.
        tokenizer: Of the policy.
        glue: What stands between turns.
        tools: JSON schemas that the template shows.
        where: Begins an error message.

    Raises:
        ValueError: The template writes something else once more messages follow, or between turns.
    """
    places = [place for place, message in enumerate(said) if message["role"] == "assistant"]
    render = partial(_rendered, tokenizer, tools, where)
    whole = render([*asked, *said[: places[-1] + 1]], False)
    befores = [start, *(render([*asked, *said[:place]], True) for place in places[1:])]
    turns: list[Said] = []
    for number, (first, before) in enumerate(zip(places, befores, strict=True), start=1):
        if not whole.startswith(before):
            place = max(_common(whole, before) - 20, 0)
            raise ValueError(
                f"{where}: the chat template writes what stands before turn {number} of the assistant as "
                f"{before[place:][:60]!r} when the turn begins, and as {whole[place:][:60]!r} when it is "
                f"there: the policy would be taught what it never reads. {_WAY_OUT}"
            )
        last = number == len(places)
        written = whole[len(before) : None if last else len(befores[number])]
        text, ended, behind = _to_its_end(written, tokenizer, glue)
        told = [str(message["content"]) for message in said[first + 1 : None if last else places[number]]]
        given = glue.between([encoded(tokenizer, glue.written(words)) for words in told])
        plainly = tokenizer(behind, add_special_tokens=False)["input_ids"]
        if not last and (not ended or tokenizer.decode(given) != tokenizer.decode(plainly)):
            raise ValueError(
                f"{where}: after turn {number} of the assistant the chat template writes {written[-200:]!r}, and an "
                f"episode has {tokenizer.decode(given)!r}. {_WAY_OUT}"
            )
        turns.append(Said(text, told))
    return turns


_WAY_OUT = (
    "Pass the glue of what stands between turns, as glue=TemplateGlue(tokenizer, role='user') where no tool speaks; or "
    "write out what the assistant says: a completion that is a list of messages without tool_calls"
)


def _rendered(
    tokenizer: PreTrainedTokenizerBase,
    tools: Sequence[Mapping[str, Any]],
    where: str,
    messages: list[Message],
    opens: bool,
) -> str:
    shown: list[Any] | None = [dict(tool) for tool in tools] or None
    chat: list[Any] = messages
    try:
        text = tokenizer.apply_chat_template(chat, tools=shown, tokenize=False, add_generation_prompt=opens)
    except TemplateError as error:
        roles = ", ".join(str(message["role"]) for message in messages)
        raise ValueError(f"{where}: the chat template refuses messages of {roles}: {error}. {_WAY_OUT}") from error
    return str(text)


def _common(one: str, other: str) -> int:
    """Return how many characters two texts begin with together."""
    pairs = zip(one, other, strict=False)
    return next((place for place, (a, b) in enumerate(pairs) if a != b), min(len(one), len(other)))


def _to_its_end(written: str, tokenizer: PreTrainedTokenizerBase, glue: Glue) -> tuple[str, bool, str]:
    """Return a turn up to its end token, whether it has one, and what stands behind."""
    ids = glue.end_of_turn or {int(tokenizer.eos_token_id)}
    ends = [str(tokenizer.convert_ids_to_tokens(id)) for id in (*ids, int(tokenizer.eos_token_id))]
    found = [(place, end) for end in ends if (place := written.find(end)) >= 0]
    if not found:
        return written, False, ""
    place, end = min(found)
    return written[:place], True, written[place + len(end) :]


def laid_out(
    conversation: Sequence[Said], tokenizer: PreTrainedTokenizerBase, glue: Glue
) -> tuple[list[int], list[Turn]]:
    """Return the ids of a conversation and the spans of its turns, exactly as `EpisodeSampler` appends them.

    What the policy was told after its last turn is recorded and not read.

    Args:
        conversation: The policy's turns.
        tokenizer: Of the policy.
        glue: What stands between turns.

    Example:
        >>> from rlframework.environments import PlainGlue
        >>> from rlframework.testing import letter_tokenizer
        >>> tokenizer = letter_tokenizer()
        >>> asked = [Said("f", told=["7"]), Said("7", told=[])]
        >>> ids, turns = laid_out(asked, tokenizer, PlainGlue(tokenizer, before="x", after="y"))
        >>> tokenizer.decode(ids), [(turn.by, turn.start, turn.end) for turn in turns]
        ('f<eos>x7y7<eos>', [('policy', 0, 2), ('environment', 2, 5), ('policy', 5, 7)])
    """
    ids: list[int] = []
    turns: list[Turn] = []
    for number, said in enumerate(conversation):
        last = number == len(conversation) - 1
        start = len(ids)
        ids += tokenizer(said.text, add_special_tokens=False)["input_ids"]
        ids.append(_end_of_turn(tokenizer, glue, last))
        turns.append(Turn(start, len(ids), "policy", said.text))
        if said.told:
            given = [] if last else glue.between([encoded(tokenizer, glue.written(text)) for text in said.told])
            turns.append(Turn(len(ids), len(ids) + len(given), "environment", "\n".join(said.told)))
            ids += given
    return ids, turns


def _end_of_turn(tokenizer: PreTrainedTokenizerBase, glue: Glue, last: bool) -> int:
    """Return the id that ends a turn: after the one that ends a completion an episode may be over."""
    end = int(tokenizer.eos_token_id)
    if last or glue.end_of_turn is None or end in glue.end_of_turn:
        return end
    return min(glue.end_of_turn)
