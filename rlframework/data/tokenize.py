"""Tokenise rows of data into prompts: chat template, ids, and prompts that are too long."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, Literal

import numpy as np
from jinja2 import TemplateError
from pytorch_lightning.utilities.rank_zero import rank_zero_info, rank_zero_warn
from transformers import PreTrainedTokenizerBase

from rlframework.prompt import Prompt
from rlframework.utilities.thinking_tags import closes_working, opens_working

TooLong = Literal["refuse", "drop"]
Message = dict[str, str]

# Rows that go through the tokenizer in one call, which a fast tokenizer shares out over the cores.
BATCH_ROWS = 1000


def tokenize_rows(
    rows: Iterable[Mapping[str, Any]],
    tokenizer: PreTrainedTokenizerBase,
    prompt_column: str = "prompt",
    system_prompt: str | None = None,
    instruction: str | None = None,
    generation_prompt: str = "",
    max_prompt_tokens: int | None = None,
    too_long: TooLong = "refuse",
    max_prompt_quantile: float | None = None,
    examples: Sequence[tuple[str, str]] = (),
    request: str | None = None,
    tools: Sequence[Mapping[str, Any]] = (),
) -> list[Prompt]:
    """Render and tokenise the prompt of every row.

    A prompt that is a list of chat messages goes through the tokenizer's chat template, and so does a string with a
    ``system_prompt``, an ``instruction``, ``examples``, a ``request`` or ``tools``, as the user's message. A string
    without them is taken as it is, which the log says once of a tokenizer that has a chat template.

    A second start token at the beginning and an end token at the end, as some tokenizers add them, are dropped: said
    once, with how many.

    Args:
        rows: Mappings from column to value.
        tokenizer: Of the policy.
        prompt_column: Column of the prompt.
        system_prompt: Opens every conversation that does not open with a system message of its own.
        instruction: What every conversation has to say: its system message, or the end of the one that it opens with.
        generation_prompt: What a chat prompt has to end with; appended where the chat template does not end so, white
            space aside.
        max_prompt_tokens: Budget of a prompt, chat template included.
        too_long: ``"refuse"`` raises on a prompt above the budget, ``"drop"`` leaves it out and says how many.
        max_prompt_quantile: Leaves out, before the budget is looked at, the prompts longer than this quantile of all
            lengths, and says how many and what the quantile is; 0.9 leaves out about the longest tenth.
        examples: Questions and their answers, as turns of the conversation before every prompt (few-shot).
        request: A line after every question, those of the examples included.
        tools: JSON schemas of functions, which the chat template shows to the policy.

    Raises:
        KeyError: A row without the prompt column.
        TypeError: A row that is no mapping, as when a whole DatasetDict is passed.
        ValueError: A chat prompt for a tokenizer without chat template, a chat template that shows no tools, or closes
            at once what ``generation_prompt`` opens or opens something else, a prompt that is too long, or none left.
    """
    opening = _opening(instruction if system_prompt is None else system_prompt, examples, request)
    said: Counter[str] = Counter()
    asked = _prompts(rows, tokenizer, prompt_column, opening, instruction, request, generation_prompt, tools, said)
    prompts = list(asked)
    for what, count in said.items():
        rank_zero_info(f"{count} of {len(prompts)} prompts: {what}.")
    if not prompts:
        raise ValueError("the data set is empty")
    if max_prompt_quantile is not None:
        prompts = _within_quantile(prompts, max_prompt_quantile)
    return _within_budget(prompts, max_prompt_tokens, too_long)


def _prompts(
    rows: Iterable[Mapping[str, Any]],
    tokenizer: PreTrainedTokenizerBase,
    prompt_column: str,
    opening: list[Message],
    instruction: str | None,
    request: str | None,
    generation_prompt: str,
    tools: Sequence[Mapping[str, Any]],
    said: Counter[str],
) -> Iterator[Prompt]:
    numbered = enumerate(rows)
    # Prompts of a data set repeat few ids many times: one object for each id takes a quarter of the memory.
    shared: dict[int, int] = {}
    while batch := list(islice(numbered, BATCH_ROWS)):
        texts, chats = [], []
        for index, row in batch:
            prompt = _prompt_of(row, index, prompt_column)
            chat = bool(opening or tools) or request is not None or not isinstance(prompt, str)
            if chat:
                messages = _conversation(prompt, index, opening, instruction, request)
                text = _render(messages, index, tokenizer, tools)
                texts.append(_opened(text, messages, generation_prompt))
            else:
                texts.append(prompt)
            chats.append(chat)
            if not chat and tokenizer.chat_template is not None:
                said[
                    "the text is read as it is, without the tokenizer's chat template (system_prompt=... uses it)"
                ] += 1
        for (index, row), text, ids in zip(batch, texts, _ids(texts, chats, tokenizer), strict=True):
            ids = _without_surplus(ids, tokenizer, said)
            yield Prompt([shared.setdefault(token, token) for token in ids], text, dict(row), index)


def _prompt_of(row: Any, index: int, prompt_column: str) -> Any:
    if not isinstance(row, Mapping):
        raise TypeError(f"row {index} is a {type(row).__name__}, not a mapping; of a DatasetDict pass one split")
    if prompt_column not in row:
        raise KeyError(f"row {index} has no column {prompt_column!r}; its columns are: {', '.join(sorted(row))}")
    prompt = row[prompt_column]
    if isinstance(prompt, str):
        return prompt
    turns = prompt if isinstance(prompt, (list, tuple)) else None
    if turns is None or not all(isinstance(turn, Mapping) and {"role", "content"} <= turn.keys() for turn in turns):
        raise TypeError(
            f"row {index} has {prompt!r:.80} ({type(prompt).__name__}) for a prompt; it is a text, or a list of "
            "messages such as {'role': 'user', 'content': 'What is 3 + 4?'}"
        )
    if not turns:
        raise ValueError(f"row {index}: a chat prompt has no messages")
    return list(turns)


def _ids(texts: list[str], chats: list[bool], tokenizer: PreTrainedTokenizerBase) -> list[list[int]]:
    """Tokenise; a chat template has written its special tokens itself, a plain text gets the tokenizer's own."""
    ids: list[list[int]] = [[]] * len(texts)
    for kind in (True, False):
        places = [place for place, chat in enumerate(chats) if chat is kind]
        if places:
            found = tokenizer([texts[place] for place in places], add_special_tokens=not kind)["input_ids"]
            for place, row in zip(places, found, strict=True):
                ids[place] = row
    return ids


def _without_surplus(ids: list[int], tokenizer: PreTrainedTokenizerBase, said: Counter[str]) -> list[int]:
    """Return ids without a second start token, and without an end token at the end: an answer has yet to come."""
    start, end = tokenizer.bos_token_id, tokenizer.eos_token_id
    first, last = 0, len(ids)
    while start is not None and first + 1 < last and ids[first] == ids[first + 1] == start:
        first += 1
    while end is not None and last > first + 1 and ids[last - 1] == end:
        last -= 1
    said.update({"a second start token was dropped": 1} if first else {})
    said.update({"an end token at the end was dropped": 1} if last < len(ids) else {})
    return ids[first:last]


def _opened(text: str, messages: Sequence[Message], generation_prompt: str) -> str:
    """Return a rendered prompt that ends with an opening tag, if one is asked for.

    Raises:
        ValueError: The chat template has opened it already and written something after it, opened another, or closed
            one, as it does where thinking is switched off.
    """
    end, tag, last = text.rstrip(), generation_prompt.strip(), messages[-1]["content"]
    if not tag or end.endswith(tag):
        return text
    another = opens_working(end)
    # The part that the chat template itself writes after the last message.
    added = text.rpartition(last.strip())[2] if isinstance(last, str) and last.strip() in text else ""
    closed = tag in added or closes_working(added)
    if another or closed:
        raise ValueError(
            f"the chat template ends a prompt with {text[-60:]!r}, and the answer template wants {generation_prompt!r} "
            "behind it: the working would be opened "
            + (
                "twice, and differently. Choose AnswerTemplate(start_working=...) as the chat template has it"
                if another
                else "a second time. Switch the thinking of the chat template on, or set a chat template that leaves it"
            )
        )
    return text + generation_prompt


def _opening(system_prompt: str | None, examples: Sequence[tuple[str, str]], request: str | None) -> list[Message]:
    """Return the turns that open every conversation."""
    opening = [{"role": "system", "content": system_prompt}] if system_prompt else []
    for question, answer in examples:
        opening += [_question(question, request), {"role": "assistant", "content": answer}]
    return opening


def _question(text: str, request: str | None) -> Message:
    return {"role": "user", "content": text if request is None else f"{text}\n{request}"}


def conversation_of(
    prompt: str | list[Message],
    index: int,
    *,
    system_prompt: str | None = None,
    instruction: str | None = None,
    examples: Sequence[tuple[str, str]] = (),
    request: str | None = None,
) -> list[Message]:
    r"""Return all messages that the chat template is given for a row's prompt, up to where the answer begins.

    Args:
        prompt: The user's text, or messages.
        index: Number of the row, for errors.
        system_prompt: As of `tokenize_rows`, as are the others.
        instruction: What every conversation has to say.
        examples: Questions and their answers.
        request: A line after every question.

    Example:
        >>> conversation_of("3 + 4?", 0, request="A number:")
        [{'role': 'user', 'content': '3 + 4?\nA number:'}]
    """
    opening = _opening(instruction if system_prompt is None else system_prompt, examples, request)
    return _conversation(prompt, index, opening, instruction, request)


def _conversation(
    prompt: str | list[Message],
    index: int,
    opening: list[Message],
    instruction: str | None,
    request: str | None,
) -> list[Message]:
    """Return all messages of a row: what opens every conversation, and its own."""
    messages = [_question(prompt, request)] if isinstance(prompt, str) else prompt
    if not isinstance(prompt, str) and request is not None and messages[-1]["role"] == "user":
        messages = [*messages[:-1], {**messages[-1], **_question(_text_of(messages[-1], index), request)}]
    if messages[0]["role"] == "system":
        own, *messages = messages
        if instruction is not None and instruction not in _text_of(own, index):
            own = {**own, "content": f"{_text_of(own, index)}\n\n{instruction}".lstrip()}
        opening = [own, *(turn for turn in opening if turn["role"] != "system")]
    return [*opening, *messages]


def _text_of(message: Message, index: int) -> str:
    """Return the text of a message, which may come in parts.

    Raises:
        ValueError: It is no text.
    """
    content = message["content"]
    if isinstance(content, str):
        return content
    if isinstance(content, (list, tuple)) and all(isinstance(part, Mapping) and "text" in part for part in content):
        return "".join(part["text"] for part in content)
    raise ValueError(f"row {index}: the message of the {message['role']} has {content!r:.80} for a content: no text")


def _render(
    messages: list[Message], index: int, tokenizer: PreTrainedTokenizerBase, tools: Sequence[Mapping[str, Any]]
) -> str:
    """Return a conversation as the chat template writes it, up to where the answer begins.

    Raises:
        ValueError: There is no chat template, or it refuses the messages or leaves the system message or tools out.
    """
    if tokenizer.chat_template is None:
        raise ValueError(
            "the prompts are chats (messages, a system_prompt, examples, a request or tools) and the tokenizer has no "
            "chat template; set tokenizer.chat_template, say with rlframework.data.set_structured_chat_template, or "
            "pass plain strings without any of them"
        )
    way_out = (
        "Put the instruction into the user's turn, with system_prompt='' and request='...', or choose a chat template "
        "that knows the role, such as that of rlframework.data.set_structured_chat_template"
    )
    try:
        text = _applied(tokenizer, messages, tools)
        hidden = _hidden_tools(text, tokenizer, messages, tools)
    except TemplateError as error:
        roles = ", ".join(str(turn["role"]) for turn in messages)
        raise ValueError(
            f"the tokenizer's chat template refuses row {index} with messages of {roles}: {error}. {way_out}"
        ) from error
    system = messages[0]["content"] if messages[0]["role"] == "system" else ""
    if isinstance(system, str) and " ".join(system.split()) not in " ".join(text.split()):
        raise ValueError(
            f"the tokenizer's chat template leaves the system message of row {index} out: {system!r:.80} is not in "
            f"what it writes. {way_out}"
        )
    if hidden:
        raise ValueError(
            f"the tokenizer's chat template does not show the tools to the policy: {', '.join(hidden)} not in the "
            f"prompt of row {index}. Set a chat template that writes its variable `tools`, such as that of "
            "rlframework.data.set_structured_chat_template, or describe the tools in system_prompt=... and leave tools "
            "out here"
        )
    return text


def _applied(tokenizer: PreTrainedTokenizerBase, messages: list[Message], tools: Sequence[Mapping[str, Any]]) -> str:
    shown: list[Any] | None = [dict(tool) for tool in tools] or None
    return str(tokenizer.apply_chat_template(messages, tools=shown, tokenize=False, add_generation_prompt=True))


def _hidden_tools(
    text: str, tokenizer: PreTrainedTokenizerBase, messages: list[Message], tools: Sequence[Mapping[str, Any]]
) -> list[str]:
    """Return the names of tools that a prompt does not show: those that it has no more often than without tools."""
    if not tools:
        return []
    without = _applied(tokenizer, messages, ())
    names = [str(tool["function"]["name"]) for tool in tools]
    return [name for name in names if text.count(name) <= without.count(name)]


def _within_quantile(prompts: list[Prompt], quantile: float) -> list[Prompt]:
    lengths = np.array([len(prompt.ids) for prompt in prompts])
    longest = int(np.quantile(lengths, quantile))
    kept = [prompt for prompt in prompts if len(prompt.ids) <= longest]
    rank_zero_info(
        f"{len(prompts) - len(kept)} of {len(prompts)} prompts are longer than {longest} tokens, which is "
        f"max_prompt_quantile={quantile} of their lengths (the longest has {lengths.max()}), and were left out"
    )
    return kept


def _within_budget(prompts: list[Prompt], budget: int | None, too_long: TooLong) -> list[Prompt]:
    long = [prompt for prompt in prompts if budget is not None and len(prompt.ids) > budget]
    if not long:
        return prompts
    longest = max(long, key=lambda prompt: len(prompt.ids))
    count = f"{len(long)} of {len(prompts)} prompts are longer than max_prompt_tokens={budget}"
    if too_long == "refuse" or len(long) == len(prompts):
        raise ValueError(
            f"{count} (the longest, row {longest.index}, has {len(longest.ids)}); raise the budget or pass "
            "too_long='drop'"
        )
    rank_zero_warn(f"{count} and were dropped")
    return [prompt for prompt in prompts if len(prompt.ids) <= (budget or 0)]
