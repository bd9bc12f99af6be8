"""The report counts what a reward pays for, in numbers known beforehand, and says it in a table, JSON and a page."""

from __future__ import annotations

import json
import math
import re
from html.parser import HTMLParser
from typing import Any

import pytest
import torch

from rlframework.completions import Completion, Completions
from rlframework.prompt import Prompt
from rlframework.reward_report.layout import BareLayout, TaggedLayout
from rlframework.reward_report.probes import AnswerProbe, Expects, Question
from rlframework.reward_report.saving import save_reward_report
from rlframework.reward_report.scoring import PROBES, reward_report
from rlframework.reward_report.table import print_reward_report
from rlframework.reward_report.wrong_probes import every_number, misplaced_comma, percent, swapped_digits
from rlframework.rewards import (
    AnswerCheck,
    AnswerTemplate,
    CorrectAnswer,
    EpisodeReturn,
    ExactFormat,
    FunctionReward,
    NumberCheck,
    RewardModel,
    RowReward,
)
from rlframework.rewards.failure_limits import RewardLimits
from rlframework.rewards.judgement import Judgement

ROWS = [
    {"prompt": "6 suits at $100 each, and 3 at $50?", "answer": "750"},
    {"prompt": "17 + 1?", "answer": "18"},
    {"prompt": "All of it?", "answer": "2,125"},
    {"prompt": "The sky?", "answer": "blue"},
]


class AnswerAnywhere(RowReward):
    """The reward that everybody writes first."""

    def score_row(self, completion: Completion) -> float:
        return float(completion.prompt.column("answer") in completion.text)


def test_a_strict_reward_makes_no_mistake() -> None:
    report = reward_report(CorrectAnswer(), ROWS)
    assert report.ok()
    assert (report.false_accepts, report.false_refusals, report.rows) == (0, 0, 4)
    assert (report.accept_above, report.mistakes) == (0.5, [])
    assert "every right answer is accepted, and no wrong one" in str(report)


def test_a_probe_is_the_number_that_it_says_at_any_length() -> None:
    question = Question("2 to the 100?", "1267650600228229401496703205376", None, {}, TaggedLayout())
    assert question.wrong == "1267650600228229401496703205377"
    probes = {probe.name: probe.answer(question) for probe in PROBES if isinstance(probe, AnswerProbe)}
    assert probes["ten times"] == "12676506002282294014967032053760"
    assert probes["a tenth"] == "126765060022822940149670320537.6"


def test_a_reward_of_episodes_is_shown_each_answer_as_an_episode_of_one_turn() -> None:
    def brief(completion: str, answer: str, turns: list, calls: list) -> float:
        assert [turn.by for turn in turns] == ["policy"]
        assert turns[0].text == completion
        return float(answer in completion) - 0.1 * len(calls)

    plain = reward_report(AnswerAnywhere(), ROWS)
    assert reward_report(FunctionReward(brief), ROWS).false_accepts == plain.false_accepts > 0
    # There is no environment here that pays anything: right and wrong answers are the same to it, which is said.
    assert not reward_report(EpisodeReturn(), ROWS).ok()


def test_gold_anywhere_in_the_text_is_found_out() -> None:
    report = reward_report(AnswerAnywhere(), ROWS)
    for probe in ("wrong after right working", "only in the working", "right or wrong", "two blocks, wrong first"):
        assert report[probe].wrong == 4, probe
    assert report["another row's answer"].wrong == 0
    assert report["no thousands separators"].wrong == 1
    assert not report.ok(max_false_refusals=1.0)
    worst = report["right or wrong"].mistakes[0]
    assert (worst.gold, worst.score) == ("750", 1.0)
    assert "750 or 751" in worst.completion
    assert "4 of 4     accepted: right or wrong" in str(report)


def test_a_format_reward_accepts_every_answer() -> None:
    report = reward_report(ExactFormat(), ROWS)
    assert (report["gold"].wrong, report["one more"].wrong, report["empty"].wrong) == (0, 3, 0)
    assert "3 for the expected answer, and 3 for another one as well" in report.threshold


def test_a_sum_accepts_from_the_middle_and_what_it_pays_below_is_told() -> None:
    report = reward_report(AnswerCheck() + NumberCheck() + ExactFormat(), ROWS[:3])
    assert (report.right_score, report.wrong_score) == (11.5, -1.0)
    assert report.accept_above == 5.25
    assert report.false_accepts == 0
    assert report.paid_in_part()["half a percent off"] == pytest.approx(0.36)
    assert "empty" not in report.paid_in_part()


def test_a_threshold_may_be_given() -> None:
    report = reward_report(AnswerCheck() + NumberCheck() + ExactFormat(), ROWS[:3], accept_above=3.0)
    assert (report["half a percent off"].wrong, report.threshold) == (3, "as given")


def test_abstentions_and_failures_are_no_verdicts() -> None:
    report = reward_report(NumberCheck(), ROWS)
    assert (report["gold"].accepted, report["gold"].abstained, report["gold"].rows) == (3, 1, 4)

    def fragile(completion: str, answer: str) -> float:
        return float(completion.split("<SOLUTION>")[1].startswith(f"{answer}</"))

    report = reward_report(FunctionReward(fragile), ROWS)
    assert (report["empty"].failed, report["empty"].judged) == (4, 0)
    assert report["empty"].failure == "fragile: IndexError: list index out of range"
    assert any("it failed on" in problem for problem in report.problems())


def test_a_reward_that_raises_on_one_row_keeps_the_others() -> None:
    report = reward_report(Sneezes(), ROWS)
    assert (report["gold"].accepted, report["gold"].failed) == (3, 1)
    assert "ValueError: no colours" in report["gold"].failure
    assert "in score_row" in report["gold"].failure


class Sneezes(RowReward):
    def score_row(self, completion: Completion) -> float:
        if completion.prompt.column("answer") == "blue":
            raise ValueError("no colours")
        return CorrectAnswer().score_row(completion)


def test_nothing_judged_is_no_pass() -> None:
    with pytest.raises(ValueError, match="the reward abstains on all of them"):
        reward_report(NumberCheck(), [ROWS[3], {"prompt": "?", "answer": "red"}])
    report = reward_report(NumberCheck(), [ROWS[3], {"prompt": "?", "answer": "red"}], accept_above=0.0)
    assert list(report.problems()) == ["it judged no right answer; does it read the column of the expected answer?"]


def test_a_single_answer_needs_a_threshold() -> None:
    with pytest.raises(ValueError, match="all rows expect the same answer"):
        reward_report(CorrectAnswer(), [ROWS[1]] * 3)
    assert reward_report(CorrectAnswer(), [ROWS[1]] * 3, accept_above=0.5).ok()


def test_rows_without_a_usable_answer_are_told_and_left_out() -> None:
    report = reward_report(CorrectAnswer(), [*ROWS, {"prompt": "?", "answer": " "}, {"prompt": "?"}])
    assert (report.rows, list(report.unusable)) == (4, [4, 5])
    assert "which no answer can match" in report.unusable[4]
    with pytest.raises(ValueError, match="none of 1 rows can be used; the first: prompt 0 has no column 'prompt'"):
        reward_report(CorrectAnswer(), [{"answer": "4"}])


def test_other_columns_chats_and_numbers() -> None:
    rows = [{"chat": [{"role": "user", "content": f"{n} + 1?"}], "final": float(n + 1)} for n in range(10, 20)]
    report = reward_report(CorrectAnswer(), rows, prompt_column="chat", answer_column="final", max_rows=4)
    assert (report.ok(), report.rows) == (True, 4)
    assert reward_report(AnswerAnywhere(), rows, prompt_column="chat", answer_column="final").mistakes[0].gold == "11"


def test_the_template_is_the_reward_s_own_unless_given() -> None:
    template = AnswerTemplate("<think>", "</think>", "<answer>", "</answer>", working_opened_by_prompt=False)
    assert reward_report(CorrectAnswer(template), ROWS).ok()
    assert reward_report(CorrectAnswer(), ROWS, template=template, accept_above=0.5)["gold"].wrong == 4


def test_a_reward_without_tags_is_tried_bare() -> None:
    def exact(completion: str, answer: str) -> float:
        return float(completion.strip().replace(",", "") == answer.replace(",", ""))

    report = reward_report(exact, ROWS, template=BareLayout())
    # That the token budget cut it is nothing that a function of the text can know.
    wrong = {result.probe: result.wrong for result in report.results if result.wrong}
    assert wrong == {"zeros after the point": 3, "misplaced comma": 3, "cut by the budget": 4}


def question(gold: str, prompt: str = "6 suits at $100?") -> Question:
    return Question(prompt, gold, "9", {"answer": gold}, TaggedLayout())


@pytest.mark.parametrize(
    "gold", ["18", "2,125", "-3", "0", "2.50", "0.5", "1000000", "blue", "(1, 2)", "x^2 + 1", "7/2"]
)
def test_every_probe_makes_what_it_says(gold: str) -> None:
    strict = CorrectAnswer()
    for probe in PROBES:
        made = probe.make(question(gold))
        if made is None or (probe.name == "other writing of a fraction"):
            continue
        text, truncated = (made, False) if isinstance(made, str) else made
        row = Completion(Prompt([1], "?", {"answer": gold}), [2], text, "length" if truncated else "stop")
        assert strict.score_row(row) == float(probe.expects is Expects.ACCEPT), probe.name


def test_probes_have_names_and_say_what_they_try() -> None:
    names = [probe.name for probe in PROBES]
    assert len(set(names)) == len(names) > 50
    assert all(probe.about.endswith(".") for probe in PROBES)


@pytest.mark.parametrize(
    ("make", "gold", "answer"),
    [
        (swapped_digits, "18", "81"),
        (swapped_digits, "-205", "-250"),
        (swapped_digits, "1000", None),
        (swapped_digits, "7", None),
        (misplaced_comma, "18", "1,8"),
        (misplaced_comma, "2,125", "21,25"),
        (misplaced_comma, "-18", None),
        (percent, "18", "18%"),
        (every_number, "600", "6, 100, 600"),
        (every_number, "blue", None),
    ],
)
def test_answers_of_probes(make: Any, gold: str, answer: str | None) -> None:
    assert make(question(gold)) == answer


def test_percent_is_not_tried_where_it_may_be_meant() -> None:
    assert percent(question("18", prompt="What percentage?")) is None


class Reader(HTMLParser):
    """Collects tags, what they point to, and whether they are closed."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.links += [value or "" for name, value in attrs if name in ("src", "href")]
        if tag not in ("meta", "link"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_it_is_written_as_json_and_as_a_page_that_needs_nothing_else(tmp_path: Any) -> None:
    rows = [*ROWS, {"prompt": "<script>alert(1)</script>", "answer": "\ud800<b>9</b>"}]
    report = reward_report(AnswerAnywhere(), rows)
    data, page = save_reward_report(report, tmp_path / "out")
    written = json.loads(data.read_text())
    assert (written["reward"], written["false_accepts"]) == ("answer_anywhere", report.false_accepts)
    (gold,) = [probe for probe in written["probes"] if probe["probe"] == "gold"]
    assert (gold["accepted"], gold["wrong"], gold["expects"]) == (5, 0, "accept")
    reader = Reader()
    html = page.read_text()
    reader.feed(html)
    assert (reader.open, reader.links) == ([], ["data:,", "#content"])
    assert "<script>alert" not in html
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html
    assert not re.search(r"https?://|url\(|@import", html)
    assert "two blocks, wrong first" in html


def test_the_table_shows_counts_examples_and_the_verdict(capsys: pytest.CaptureFixture[str]) -> None:
    print_reward_report(reward_report(AnswerAnywhere(), ROWS), examples=2)
    printed = capsys.readouterr().out
    assert re.search(r"right or wrong +4 +4 +- +4 \(100%\) +1\.00", printed)
    assert re.search(r"one more +3 +0 +- +0 +0\.00", printed)
    assert "more probes; the page shows them all" in printed
    assert re.search(r"wrong answers of \d+ kinds are accepted", printed)
    print_reward_report(reward_report(CorrectAnswer(), ROWS))
    assert "fit for training" in capsys.readouterr().out


def test_there_is_no_mean_where_there_is_no_score() -> None:
    report = reward_report(NumberCheck(), [*ROWS[:2], ROWS[3]])
    assert report["other word"].mean_score is None
    assert report["other word"].rate == 0.0
    assert math.isfinite(report["gold"].mean_score or 0.0)
    with pytest.raises(KeyError, match="no probe 'nothing' was tried; these were: gold"):
        report["nothing"]


class JudgesFew(RowReward):
    """Right where it judges, and it judges three rows."""

    def score_row(self, completion: Completion) -> float | None:
        return CorrectAnswer().score_row(completion) if completion.prompt.index < 3 else None


class KnowsFewGolds(RewardModel):
    """Says of all but three expected answers that they cannot be checked."""

    def score(self, completions: Completions) -> Judgement:
        unknown = torch.tensor([row.prompt.index >= 3 for row in completions])
        totals = CorrectAnswer().evaluate(completions).total.flatten()
        return Judgement(totals.masked_fill(unknown, math.nan), None, unknown)


SUMS = [{"prompt": f"{n} + 1?", "answer": str(n + 1)} for n in range(20, 220)]


@pytest.mark.parametrize(
    ("reward", "rows", "words"),
    [
        (JudgesFew(), SUMS, "of 3 of 200 rows (1.5%; at least 80% are asked for): 197 got no score"),
        (
            KnowsFewGolds(),
            SUMS,
            "'knows_few_golds' cannot check the expected answer of 197 of 200 rows (98.5%; limit 20%)",
        ),
        (
            KnowsFewGolds() + 0.1 * CorrectAnswer(),  # with a term that judges everything the total is always a number
            SUMS,
            "'knows_few_golds' cannot check the expected answer of 197 of 200 rows",
        ),
        (
            CorrectAnswer(),
            [*SUMS[:3], *({"prompt": "?", "answer": ""} for _ in range(197))],
            "of 3 of 200 rows (1.5%; at least 80% are asked for): 197 cannot be used, such as row 3: column 'answer'",
        ),
    ],
)
def test_too_few_rows_judged_is_no_pass(reward: RewardModel, rows: list[dict[str, str]], words: str) -> None:
    report = reward_report(reward, rows)
    assert report.false_accepts == report.false_refusals == 0
    assert words in "\n".join(report.problems())
    assert json.loads(json.dumps(report.as_dict()))["max_unverifiable"] == 0.2
    assert reward_report(reward, rows, limits=RewardLimits(unverifiable=0.985)).ok()


def test_a_few_rows_less_are_within_the_limits() -> None:
    report = reward_report(CorrectAnswer(), [*SUMS[:9], {"prompt": "?", "answer": ""}])
    assert (report.silent_rows, report.ok()) == (1, True)
