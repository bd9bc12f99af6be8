"""Chat template for base models, with the structured answer built in."""

from __future__ import annotations

import json

from transformers import PreTrainedTokenizerBase

from rlframework.rewards.template import AnswerTemplate

_CHAT_TEMPLATE = """\
{%- if messages[0]['role'] == 'system' -%}
    {{- messages[0]['content'] -}}
    {%- set messages = messages[1:] -%}
{%- else -%}
    {{- SYSTEM_PROMPT -}}
{%- endif -%}
{%- if tools -%}
    {{- TOOLS_PROMPT -}}
    {%- for tool in tools -%}
        {{- '\\n' + (tool | tojson) -}}
    {%- endfor -%}
{%- endif -%}
{{- eos_token -}}
{%- for message in messages -%}
    {%- if message['role'] == 'user' -%}
        {{- message['content'] -}}
    {%- elif message['role'] == 'assistant' -%}
        {{- message['content'] -}}
        {%- for call in message['tool_calls'] or [] -%}
            {%- set function = call['function'] -%}
            {{- '<tool_call>{"name": "' + function['name'] + '", "arguments": ' -}}
            {{- (function['arguments'] | tojson) + '}</tool_call>' -}}
        {%- endfor -%}
        {{- eos_token -}}
    {%- elif message['role'] == 'tool' -%}
        {{- '<tool_response>' + message['content'] + '</tool_response>' -}}
    {%- else -%}
        {{- raise_exception('this chat template has no place for a message of the role ' + message['role']) -}}
    {%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}
    {{- GENERATION_PROMPT -}}
{%- endif -%}
"""
_TOOLS_PROMPT = (
    "\n\nYou can call functions. Write a call as "
    '<tool_call>{"name": ..., "arguments": {...}}</tool_call> and end your turn; what it returns comes back between '
    "<tool_response> and </tool_response>. The functions:"
)


def set_structured_chat_template(
    tokenizer: PreTrainedTokenizerBase, template: AnswerTemplate | None = None, system_prompt: str | None = None
) -> None:
    """Give a base model's tokenizer the plain chat template of Unsloth's Qwen3-4B GRPO notebook.

    The system prompt and the end token, the user's text as it is, the assistant's text and the end token; a generation
    prompt is the opening tag of the working and nothing else. A conversation without a system prompt gets that of the
    template. Tools are listed behind the system prompt, with how `HermesCalls` reads a call; what they return stands
    between tags. A chat template that the tokenizer has already is replaced.

    Args:
        tokenizer: Of the policy; it is changed.
        template: Whose tags and system prompt; `AnswerTemplate()` by default.
        system_prompt: In place of the template's.

    Raises:
        ValueError: The tokenizer has no end token.

    Example:
        >>> from rlframework.testing import letter_tokenizer
        >>> tokenizer = letter_tokenizer()
        >>> set_structured_chat_template(tokenizer, system_prompt="Think.")
        >>> chat = [{"role": "user", "content": "3 + 4?"}]
        >>> tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=True)
        'Think.<eos>3 + 4?<start_working_out>'
    """
    if tokenizer.eos_token is None:
        raise ValueError("the tokenizer has no end token, which this chat template ends a text with; set eos_token")
    template = template or AnswerTemplate()
    texts = {
        "SYSTEM_PROMPT": template.system_prompt if system_prompt is None else system_prompt,
        "GENERATION_PROMPT": template.generation_prompt,
        "TOOLS_PROMPT": _TOOLS_PROMPT,
    }
    chat_template = _CHAT_TEMPLATE
    for name, text in texts.items():
        # JSON, because Jinja reads its escapes as they are meant, line ends and quotes among them.
        chat_template = chat_template.replace(name, json.dumps(text))
    tokenizer.chat_template = chat_template
