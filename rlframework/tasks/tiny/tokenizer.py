"""A tokenizer made in memory: one token for each digit, sign, tag, and word of the instruction."""

from __future__ import annotations

import re
from collections.abc import Sequence

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from rlframework.rewards.template import AnswerTemplate
from rlframework.tasks import chain_sums

PAD, UNKNOWN, START, END = "<|pad|>", "<|unk|>", "<|im_start|>", "<|im_end|>"
ROLES = ("system", "user", "assistant")
PIECE = r" ?[A-Za-z]+|[\s\S]"

CHAT_TEMPLATE = """\
{%- for message in messages -%}
    {{- START + message['role'] + '\\n' + message['content'] + END + '\\n' -}}
{%- endfor -%}
{%- if add_generation_prompt -%}
    {{- START + 'assistant\\n' + OPENING -}}
{%- endif -%}
"""


def tiny_tokenizer(
    system_prompt: str | None = None,
    template: AnswerTemplate | None = None,
    characters: str = chain_sums.CHARACTERS,
    pieces: Sequence[str] = (),
    chat_template: str = CHAT_TEMPLATE,
) -> PreTrainedTokenizerFast:
    """Make a tokenizer for the characters of one task and the words of one instruction.

    A word with the blank before it is one token, so that the instruction costs few; everything else is split into
    characters. What the vocabulary does not have becomes ``<|unk|>``.

    Args:
        system_prompt: The instruction whose words get a token each; by default the template's.
        template: The tags, one token each.
        characters: What the task is written in, by default the digits and signs of the chain sums; one token each.
        pieces: Other texts that are one token each.
        chat_template: In which START, END and OPENING stand for the tokens that begin and end a message, and for the
            tag that opens the working.

    Example:
        >>> tokenizer = tiny_tokenizer()
        >>> tokenizer.tokenize("9+2=?<SOLUTION>11</SOLUTION>")
        ['9', '+', '2', '=', '?', '<SOLUTION>', '1', '1', '</SOLUTION>']
    """
    template = template or AnswerTemplate()
    tags = [template.start_working, template.end_working, template.start_answer, template.end_answer]
    words = _pieces(template.system_prompt if system_prompt is None else system_prompt, tags)
    vocabulary = dict.fromkeys([PAD, UNKNOWN, START, END, *tags, *characters, *ROLES, *words, *pieces])
    core = Tokenizer(models.WordLevel({piece: index for index, piece in enumerate(vocabulary)}, unk_token=UNKNOWN))
    core.pre_tokenizer = pre_tokenizers.Split(Regex(PIECE), behavior="isolated")
    core.decoder = decoders.Fuse()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=core,
        unk_token=UNKNOWN,
        pad_token=PAD,
        eos_token=END,
        additional_special_tokens=[START],
        clean_up_tokenization_spaces=False,
        # Else transformers 4 adds token types, which no decoder takes.
        model_input_names=["input_ids", "attention_mask"],
        model_max_length=256,
    )
    # A special token would vanish from decoded text, and the rewards could not see the tags.
    tokenizer.add_tokens([*tags, *pieces], special_tokens=False)
    for name, text in (("START", START), ("END", END), ("OPENING", template.generation_prompt)):
        chat_template = _literal(chat_template, name, text)
    tokenizer.chat_template = chat_template
    return tokenizer


def _literal(template: str, name: str, text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("'", "\\'").replace("\n", "\\n")
    return re.sub(rf"\b{name}\b", lambda _: f"'{escaped}'", template)


def _pieces(text: str, tags: list[str]) -> list[str]:
    """Return what the text splits into, in order of appearance, without the tags."""
    between = re.split("|".join(map(re.escape, sorted(tags, key=len, reverse=True))), text)
    return [piece for part in between for piece in re.findall(PIECE, part)]
