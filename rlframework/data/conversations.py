"""Conversations as token ids: the turns of a demonstration, laid out as an episode would be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from transformers import PreTrainedTokenizerBase

from rlframework.environments.glue import Glue, encoded
from rlframework.turns import Turn


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
            given = [] if last else glue.between([encoded(tokenizer, text) for text in said.told])
            turns.append(Turn(len(ids), len(ids) + len(given), "environment", "\n".join(said.told)))
            ids += given
    return ids, turns


def _end_of_turn(tokenizer: PreTrainedTokenizerBase, glue: Glue, last: bool) -> int:
    """Return the id that ends a turn: after the one that ends a completion an episode may be over."""
    end = int(tokenizer.eos_token_id)
    if last or glue.end_of_turn is None or end in glue.end_of_turn:
        return end
    return min(glue.end_of_turn)
