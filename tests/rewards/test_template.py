"""The strict reading of the answer template."""

from __future__ import annotations

import time
from dataclasses import FrozenInstanceError

import pytest

from rlframework.completions import Completion
from rlframework.prompt import Prompt
from rlframework.rewards import AnswerTemplate

END, OPEN, CLOSE, START = "<end_working_out>", "<SOLUTION>", "</SOLUTION>", "<start_working_out>"

OPENED_BY_PROMPT = [
    ("plain", f"work{END}{OPEN}34{CLOSE}", "34"),
    ("no working", f"{END}{OPEN}34{CLOSE}", "34"),
    ("answer kept as written", f"work{END}{OPEN}\n 34 {CLOSE}", "\n 34 "),
    ("blanks between and after", f"work{END}\n\n{OPEN}34{CLOSE} \n\t", "34"),
    ("lines in the answer", f"work{END}{OPEN}3\n4{CLOSE}", "3\n4"),
    ("empty text", "", None),
    ("no tags", "34", None),
    ("no end of working", f"work{OPEN}34{CLOSE}", None),
    ("no start of answer", f"work{END}34{CLOSE}", None),
    ("no end of answer", f"work{END}{OPEN}34", None),
    ("text after the answer", f"work{END}{OPEN}34{CLOSE} done", None),
    ("text on a new line after the answer", f"work{END}{OPEN}34{CLOSE}\nOr was it 35?", None),
    ("text between", f"work{END} So: {OPEN}34{CLOSE}", None),
    ("empty answer", f"work{END}{OPEN}{CLOSE}", None),
    ("blank answer", f"work{END}{OPEN} \n {CLOSE}", None),
    ("two ends of working", f"work{END}more{END}{OPEN}34{CLOSE}", None),
    ("end of working in the answer", f"work{END}{OPEN}34{END}{CLOSE}", None),
    ("two answers", f"work{END}{OPEN}34{CLOSE}{OPEN}35{CLOSE}", None),
    ("two starts of answer", f"work{END}{OPEN}33{OPEN}34{CLOSE}", None),
    ("two ends of answer", f"work{END}{OPEN}34{CLOSE}{CLOSE}", None),
    ("answer before the working ends", f"work{OPEN}34{CLOSE}{END}", None),
    ("answer tags swapped", f"work{END}{CLOSE}34{OPEN}", None),
    ("start of answer in the working", f"a {OPEN} goes last{END}{OPEN}34{CLOSE}", None),
    ("opening copied from the prompt", f"{START}work{END}{OPEN}34{CLOSE}", "34"),
    ("opening copied behind blanks", f" \n{START}\nwork{END}{OPEN}34{CLOSE}", "34"),
    ("opening copied, no working", f"{START}{END}{OPEN} 34{CLOSE}\n", " 34"),
    ("opening copied twice", f"{START}{START}work{END}{OPEN}34{CLOSE}", None),
    ("opening copied and opened again", f"{START}work{START}{END}{OPEN}34{CLOSE}", None),
    ("opening behind a word", f"So {START}work{END}{OPEN}34{CLOSE}", None),
    ("opening behind the working", f"work{END}{START}{OPEN}34{CLOSE}", None),
    ("opening behind the answer", f"work{END}{OPEN}34{CLOSE}{START}", None),
    ("opening copied, a tag missing", f"{START}work{OPEN}34{CLOSE}", None),
    ("working opened in the answer", f"work{END}{OPEN}{START}34{CLOSE}", None),
    ("tags in another case", f"work{END}<solution>34</solution>", None),
]

OPENED_BY_POLICY = [
    ("plain", f"{START}work{END}{OPEN}34{CLOSE}", "34"),
    ("blanks before", f" \n{START}work{END}{OPEN}34{CLOSE}", "34"),
    ("not opened", f"work{END}{OPEN}34{CLOSE}", None),
    ("text before", f"Well, {START}work{END}{OPEN}34{CLOSE}", None),
    ("opened twice", f"{START}{START}work{END}{OPEN}34{CLOSE}", None),
    ("opened after its end", f"{END}{START}{OPEN}34{CLOSE}", None),
]


@pytest.mark.parametrize(("case", "text", "answer"), OPENED_BY_PROMPT, ids=[case for case, *_ in OPENED_BY_PROMPT])
def test_parse_where_the_prompt_opens_the_working(case: str, text: str, answer: str | None) -> None:
    assert AnswerTemplate().parse(text) == answer


@pytest.mark.parametrize(("case", "text", "answer"), OPENED_BY_POLICY, ids=[case for case, *_ in OPENED_BY_POLICY])
def test_parse_where_the_policy_opens_the_working(case: str, text: str, answer: str | None) -> None:
    assert AnswerTemplate(working_opened_by_prompt=False).parse(text) == answer


def test_a_copied_opening_is_read_over_but_is_not_the_exact_layout() -> None:
    template, by_policy = AnswerTemplate(), AnswerTemplate(working_opened_by_prompt=False)
    whole = f"work{END}{OPEN}34{CLOSE}"
    assert [template.keeps(text) for text in (whole, START + whole, f"\n{START}{whole}", "34")] == [True, *[False] * 3]
    assert [by_policy.keeps(text) for text in (START + whole, START + START + whole)] == [True, False]
    with pytest.raises(ValueError, match="a tag inside"):
        template.written(f"{START}work", "34")


def test_tags_that_share_characters_must_still_stand_apart() -> None:
    template = AnswerTemplate("start", "xyz", "zab", "end")
    assert template.parse("xyz zab1end") == "1"
    assert template.parse("xyzab1end") is None


def test_a_cut_completion_has_no_answer_however_whole_its_text() -> None:
    text = f"work{END}{OPEN}34{CLOSE}"
    finished, cut = (Completion(Prompt([1], "?"), [2], text, reason) for reason in ("stop", "length"))
    assert AnswerTemplate().answer_of(finished) == "34"
    assert AnswerTemplate().answer_of(cut) is None


@pytest.mark.parametrize(
    ("tags", "message"),
    [
        ({"start_answer": ""}, "start_answer='' is blank"),
        ({"end_working": " \n"}, "end_working=.* is blank"),
        ({"start_answer": "<A>", "end_answer": "<A>"}, "start_answer='<A>' occurs inside end_answer='<A>'"),
        ({"start_answer": "answer", "end_answer": "/answer"}, "start_answer='answer' occurs inside end_answer"),
        ({"start_working": "<think><x>", "end_answer": "<x>"}, "end_answer='<x>' occurs inside start_working"),
    ],
)
def test_tags_that_cannot_be_told_apart_are_refused(tags: dict[str, str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        AnswerTemplate(**tags)  # type: ignore[arg-type]


def test_a_template_cannot_change_under_the_rewards_that_share_it() -> None:
    with pytest.raises(FrozenInstanceError):
        AnswerTemplate().end_answer = "</A>"  # type: ignore[misc]


def test_the_system_prompt_names_the_tags_in_their_order() -> None:
    prompt = AnswerTemplate("<a>", "<b>", "<c>", "<d>").system_prompt
    positions = [prompt.index(tag) for tag in ("<a>", "<b>", "<c>", "<d>")]
    assert positions == sorted(positions)


def test_who_opens_the_working_decides_the_generation_prompt_and_the_tags_of_a_completion() -> None:
    by_prompt, by_policy = AnswerTemplate(), AnswerTemplate(working_opened_by_prompt=False)
    assert (by_prompt.generation_prompt, by_policy.generation_prompt) == (START, "")
    assert by_prompt.completion_tags == (END, OPEN, CLOSE)
    assert by_policy.completion_tags == (START, END, OPEN, CLOSE)
    assert by_policy.tag_counts(f"{END}{OPEN}{OPEN}") == {START: 0, END: 1, OPEN: 2, CLOSE: 0}


LOOPS = [OPEN, f"{END}{OPEN}x", f"{END}{OPEN}34{CLOSE}", "<" * 10, f"{END[:-1]}"]


def seconds(text: str) -> float:
    """The fastest of three, so that a busy machine does not fail the test."""
    template, times = AnswerTemplate(), []
    for _ in range(3):
        start = time.perf_counter()
        assert template.parse(text) is None
        times.append(time.perf_counter() - start)
    return min(times)


@pytest.mark.parametrize("loop", LOOPS)
def test_looping_tags_are_read_in_linear_time(loop: str) -> None:
    short = seconds(loop * (25_000 // len(loop)))
    assert short < 0.05
    long = seconds(loop * (200_000 // len(loop)))
    assert long < 0.05
    # 8 times the text: 8 times the time if linear, 64 if quadratic; the floor is for clocks and noise.
    assert long < 30 * max(short, 1e-4)


def test_a_whole_layout_about_200_kilobytes_of_working_is_read_fast() -> None:
    text = "<start" * 33_000 + f"{END}{OPEN}34{CLOSE}"
    start = time.perf_counter()
    assert AnswerTemplate().parse(text) == "34"
    assert time.perf_counter() - start < 0.05
