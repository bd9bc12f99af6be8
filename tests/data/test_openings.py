"""What a prompt begins and ends with: special tokens, the working that is opened once, the instruction that stays."""

from __future__ import annotations

import logging

import pytest
from tokenizers.processors import TemplateProcessing
from transformers import PreTrainedTokenizerFast

from rlframework import PromptDataModule
from rlframework.data.tokenize import tokenize_rows
from rlframework.rewards import AnswerTemplate
from rlframework.testing import letter_tokenizer

THINK = AnswerTemplate("<think>", "</think>", "<answer>", "</answer>")


def tokenizer_ending(end: str) -> PreTrainedTokenizerFast:
    """One whose chat template writes the messages' contents, and this where an answer begins."""
    tokenizer = letter_tokenizer("abcdefghijklmnopqrstuvwxyz <>/_|\n.:ATSOLUIN")
    tokenizer.chat_template = (
        "{% for message in messages %}{{ message['content'] + '|' }}{% endfor %}"
        "{% if add_generation_prompt %}" + "{{ " + repr(end) + " }}{% endif %}"
    )
    return tokenizer


def prompt_of(end: str, template: AnswerTemplate = THINK, plain: bool = False) -> str:
    data = PromptDataModule([{"prompt": "go"}], template=template, system_prompt="s", plain_chat=plain)
    return data.tokenize("train", tokenizer_ending(end))[0].text


@pytest.mark.parametrize("end", ["", "a:", "<think>", "<think>\n", "a:<think>\n\n", "<think> "])
def test_the_working_is_opened_once(end: str) -> None:
    text = prompt_of(end)
    assert text.count("<think>") == 1
    assert text.rstrip().endswith("<think>")


@pytest.mark.parametrize(
    "end",
    [
        "<think>\n\n</think>\n\n",
        "<think></think>",
        "a:<think>\n</think>\n",
        "<think>\nI have thought.\n</think>\n\n",
        "<think>\n<budget>0</budget>\n",
        "<think>\nso ",
        "a:</think>",
        "</think>\n\n",
        "<|end_of_thought|>",
    ],
)
def test_a_working_that_is_closed_at_once_is_refused(end: str) -> None:
    with pytest.raises(ValueError, match=r"and the answer template wants '<think>'.*opened a second time"):
        prompt_of(end)


@pytest.mark.parametrize(
    "end", ["<think>\n", "<thinking>", "<reasoning>\n", "a:<thought>", "<|begin_of_thought|>\n", "<Think>", "[THINK]"]
)
def test_another_opening_than_the_templates_is_refused(end: str) -> None:
    with pytest.raises(ValueError, match=r"wants '<start_working_out>'.*twice, and differently"):
        prompt_of(end, AnswerTemplate())


@pytest.mark.parametrize("end", ["<think>", "<think>\n", "<reasoning>", "[THINK]"])
def test_an_opening_that_completions_are_to_write_is_refused(end: str) -> None:
    template = AnswerTemplate("<think>", "</think>", "<answer>", "</answer>", working_opened_by_prompt=False)
    with pytest.raises(ValueError, match="working_opened_by_prompt=True"):
        prompt_of(end, template)
    assert prompt_of("a:", template).endswith("a:")


OWN = [{"role": "system", "content": "you are kind"}, {"role": "user", "content": "go"}]


@pytest.mark.parametrize("plain_chat", [False, True])
def test_a_system_message_of_a_row_keeps_the_instruction(plain_chat: bool) -> None:
    data = PromptDataModule([{"prompt": OWN}, {"prompt": "go"}], template=THINK, plain_chat=plain_chat)
    with_own, without = (prompt.text for prompt in data.tokenize("train", tokenizer_ending("")))
    assert with_own.startswith(f"you are kind\n\n{THINK.system_prompt}")
    assert without.startswith(THINK.system_prompt)
    assert with_own.count(THINK.system_prompt) == 1


@pytest.mark.parametrize("role", ["system", "user"])
def test_messages_in_parts_are_read_as_text(role: str) -> None:
    parts = [{"type": "text", "text": "be "}, {"type": "text", "text": "kind"}]
    row = [{"role": role, "content": parts}, *([] if role == "user" else OWN[1:])]
    data = PromptDataModule([{"prompt": row}], template=THINK, request="now")
    text = data.tokenize("train", tokenizer_ending(""))[0].text
    assert "be kind" in text
    assert "'type'" not in text


@pytest.mark.parametrize("content", [None, 3, [{"type": "image"}]])
def test_a_message_without_text_names_its_row(content: object) -> None:
    row = [{"role": "system", "content": content}, {"role": "user", "content": "go"}]
    with pytest.raises(ValueError, match="row 1: the message of the system has"):
        PromptDataModule([{"prompt": "go"}, {"prompt": row}], template=THINK).tokenize("train", tokenizer_ending(""))


@pytest.mark.parametrize(
    "prompt", [None, 3, float("nan"), b"a", {"role": "user", "content": "a"}, ["a"], [{"from": "a"}]]
)
def test_what_is_no_prompt_names_its_row(prompt: object) -> None:
    with pytest.raises(TypeError, match=r"row 1 has .* for a prompt; it is a text, or a list of messages"):
        tokenize_rows([{"prompt": "a"}, {"prompt": prompt}], tokenizer_ending(""))


NO_SYSTEM = "{% for m in messages %}{% if m['role'] == 'user' %}{{ m['content'] }}{% endif %}{% endfor %}"
REFUSES = "{{ raise_exception('System role not supported') if messages[0]['role'] == 'system' }}" + NO_SYSTEM


@pytest.mark.parametrize(
    ("chat_template", "says"),
    [(NO_SYSTEM, "leaves the system message of row 0 out"), (REFUSES, "refuses row 0 with messages of system, user")],
)
def test_a_chat_template_without_a_system_turn_is_refused_with_a_way_out(chat_template: str, says: str) -> None:
    tokenizer = tokenizer_ending("")
    tokenizer.chat_template = chat_template
    with pytest.raises(ValueError, match=rf"{says}.*system_prompt='' and request="):
        PromptDataModule([{"prompt": "go"}], template=THINK).tokenize("train", tokenizer)
    data = PromptDataModule([{"prompt": "go"}], template=THINK, system_prompt="", request="think")
    (prompt,) = data.tokenize("train", tokenizer)
    assert prompt.text.replace("None", "") == "go\nthink<think>"


def test_an_instruction_that_is_there_is_not_written_twice() -> None:
    own = [{**OWN[0], "content": f"Hello. {THINK.system_prompt}"}, OWN[1]]
    (prompt,) = PromptDataModule([{"prompt": own}], template=THINK).tokenize("train", tokenizer_ending(""))
    assert prompt.text.count(THINK.system_prompt) == 1


def adding(before: str = "", behind: str = "") -> PreTrainedTokenizerFast:
    """A tokenizer that adds special tokens to a text: <unk> is its start token."""
    tokenizer = letter_tokenizer()
    tokenizer.bos_token = "<unk>"
    tokenizer.chat_template = "{{ bos_token }}{% for m in messages %}{{ m['content'] }}{% endfor %}"
    ids = [(token, tokenizer.convert_tokens_to_ids(token)) for token in ("<unk>", "<eos>")]
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(f"{before} $A {behind}".strip(), None, ids)
    return tokenizer


@pytest.mark.parametrize(
    ("text", "tokenizer", "expected"),
    [
        ("abc", adding("<unk>"), ["<unk>", "a", "b", "c"]),
        ("<unk>abc", adding("<unk>"), ["<unk>", "a", "b", "c"]),
        ("<unk><unk>abc", adding("<unk>"), ["<unk>", "a", "b", "c"]),
        ("<unk>abc", adding(), ["<unk>", "a", "b", "c"]),
        ("abc", adding("", "<eos>"), ["a", "b", "c"]),
        ("abc<eos>", adding("<unk>", "<eos>"), ["<unk>", "a", "b", "c"]),
        ("a<eos>b", adding("", "<eos>"), ["a", "<eos>", "b"]),
        ([{"role": "user", "content": "<unk>abc"}], adding("<unk>"), ["<unk>", "a", "b", "c"]),
        ([{"role": "user", "content": "abc<eos>"}], adding("<unk>"), ["<unk>", "a", "b", "c"]),
    ],
)
def test_a_second_start_and_an_end_are_dropped(text, tokenizer, expected: list[str]) -> None:
    (prompt,) = tokenize_rows([{"prompt": text}], tokenizer)
    assert tokenizer.convert_ids_to_tokens(prompt.ids) == expected


def test_what_was_dropped_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    rows = [{"prompt": "<unk>abc"}, {"prompt": "abc"}, {"prompt": "<unk>b"}]
    with caplog.at_level(logging.INFO):
        tokenize_rows(rows, adding("<unk>", "<eos>"), system_prompt=None)
    said = [record.getMessage() for record in caplog.records]
    assert "2 of 3 prompts: a second start token was dropped." in said
    assert "3 of 3 prompts: an end token at the end was dropped." in said


def test_plain_text_beside_a_chat_template_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        tokenize_rows([{"prompt": "abc"}, {"prompt": "b"}, {"prompt": OWN}], tokenizer_ending("a"))
    (said,) = [record.getMessage() for record in caplog.records if "chat template" in record.getMessage()]
    assert said.startswith("2 of 3 prompts: the text is read as it is")
    caplog.clear()
    with caplog.at_level(logging.INFO):
        tokenize_rows([{"prompt": "abc"}], letter_tokenizer())
    assert not caplog.records


@pytest.mark.parametrize("name", ["odd.csv", "data/rows.jsonl", "x.TSV", "rows.txt", "rows.json.gz", "/x/y.arrow"])
def test_the_name_of_a_file_names_the_class_that_reads_it(name: str) -> None:
    with pytest.raises(ValueError, match=r"is a file.*pass LocalFile\("):
        PromptDataModule(name)


@pytest.mark.parametrize("name", ["./rows", "../rows", "/nowhere/rows", "~/rows"])
def test_a_path_to_nothing_is_not_looked_for_on_the_hub(name: str) -> None:
    with pytest.raises(FileNotFoundError, match=r"there is no folder .*LocalFile"):
        PromptDataModule(name)


def test_an_existing_file_of_any_name(tmp_path) -> None:
    file = tmp_path / "rows"
    file.write_text("a")
    with pytest.raises(ValueError, match="pass LocalFile"):
        PromptDataModule([{"prompt": "a"}], str(file))
    assert PromptDataModule("openai/gsm8k").sources["train"]
