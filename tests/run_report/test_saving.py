"""The report is one page with all that the run folder holds, whatever a policy said and whatever is missing."""

from __future__ import annotations

import json
import math
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from rlframework.run_report import save_run_report
from tests.run_report.made_runs import HOSTILE, made_run, write_lines


class Page(HTMLParser):
    """Reads a page as a browser does: its scripts, what it asks for, and its text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.scripts: list[tuple[dict[str, Any], str]] = []
        self.links: list[str] = []
        self.text = ""
        self._inside = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._inside = tag
        self.links += [value or "" for name, value in attrs if name in ("src", "href")]
        assert not [name for name, _ in attrs if name.startswith("on")]
        if tag == "script":
            self.scripts.append((dict(attrs), ""))

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""

    def handle_data(self, data: str) -> None:
        if self._inside == "script":
            attributes, text = self.scripts.pop()
            self.scripts.append((attributes, text + data))
        elif self._inside != "style":
            self.text += f"{data} "

    @property
    def data(self) -> dict[str, Any]:
        (text,) = [text for attributes, text in self.scripts if attributes.get("id") == "report-data"]
        found: dict[str, Any] = json.loads(text)
        return found


def page_of(folder: Path) -> Page:
    return Page(save_run_report(folder).read_text(encoding="utf-8"))


def test_the_page_needs_nothing_else(tmp_path: Path) -> None:
    page = page_of(made_run(tmp_path / "mine" / "version_0"))
    assert {link for link in page.links if not link.startswith("#")} == {"data:,"}
    html = (tmp_path / "mine" / "version_0" / "report.html").read_text()
    assert not re.search(r"@import|url\(|<link[^>]+http|<script[^>]+src", html)
    # The page's own policy: no request at all, and none but these scripts.
    assert "default-src 'none'" in html
    assert html.count("'sha256-") == len(page.scripts) - 1


def test_what_a_policy_said_is_text_and_comes_back_as_it_was(tmp_path: Path) -> None:
    page = page_of(made_run(tmp_path / "run"))
    assert page.data["completions"]["text"][: len(HOSTILE)] == HOSTILE
    assert page.data["events"][1]["message"] == HOSTILE[0]
    assert page.data["heldout"]["rows"][0]["answers"][0][0]["text"] == HOSTILE[0]
    raw = (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    assert "window.planted = 1</script>" not in raw
    # Neither shall an editor show the file otherwise than a program reads it.
    assert not re.search("[\x00-\x08\u202a-\u202e\u2066-\u2069\u2028\u200b\ud800-\udfff]", raw)


def test_the_numbers_are_those_of_the_folder(tmp_path: Path) -> None:
    page = page_of(made_run(tmp_path / "run"))
    words = " ".join(page.text.split())
    # 10 of 40 before, 32 of 40 after; 24 became right and 2 wrong.
    assert "0.250 → 0.800" in words
    assert re.search(r"accuracy base \+ GRPO \+0\.550 \+0\.\d{3} to \+0\.\d{3} < 0\.001 24 2 40", words)
    assert "2 min 10 s" in words
    assert "812 MiB" in words
    assert "16 prompts × 8 completions = 128, by SharedPrefixSampler, of at most 64 tokens" in words
    assert "0123456789ab-dirty" in words
    assert "1 of libraries, 1 of sentinels" in words
    assert "finished" in words
    charts = {chart["title"]: chart for chart in page.data["charts"]}
    assert [line["name"] for line in charts["reward"]["lines"]] == ["total", "right"]
    assert charts["held-out"]["steps"][0] == 0
    assert charts["held-out"]["lines"][0]["values"][0] == 0.25
    assert "errors of rewards" not in charts  # 0 at every step: said in words
    assert "right: errors" in words


def test_ten_thousand_completions_take_little_room_beside_their_texts(tmp_path: Path) -> None:
    path = save_run_report(made_run(tmp_path / "run", completions=10_000, words=60))
    completions = Page(path.read_text(encoding="utf-8")).data["completions"]
    assert len(completions["text"]) == completions["of"] == 10_000
    texts = sum(len(text.encode("utf-8", "backslashreplace")) for text in completions["text"])
    texts += sum(len(prompt["text"].encode()) for prompt in completions["prompts"])
    assert path.stat().st_size - texts <= 5e6


@pytest.mark.parametrize("missing", ["rollouts.jsonl", "evaluations.jsonl", "events.jsonl", "run.json", "summary.json"])
def test_what_is_missing_in_the_folder_is_missing_on_the_page(tmp_path: Path, missing: str) -> None:
    folder = made_run(tmp_path / "run")
    (folder / missing).unlink()
    assert "run" in page_of(folder).text


def test_of_metrics_alone_there_is_a_page(tmp_path: Path) -> None:
    folder = made_run(tmp_path / "run")
    for file in folder.glob("*.json*"):
        file.unlink()
    page = page_of(folder)
    assert "no record of how it ended" in page.text
    assert page.data["completions"] is None


def test_numbers_without_end_and_none_at_all_leave_a_page_whose_data_are_json(tmp_path: Path) -> None:
    (tmp_path / "metrics.csv").write_text(
        "step,epoch,train/reward/total,train/rollout_seconds,train/truncated,val/accuracy\n"
        "0,0,nan,nan,inf,0.5\n1,0,inf,0,0.25,nan\n2,0,-inf,0,nan,-inf\n"
    )
    (tmp_path / "summary.json").write_text('{"seconds_training": NaN, "cpu_seconds": Infinity, "peak_mib": Infinity}')
    (tmp_path / "events.jsonl").write_text('{"kind": "start", "time": NaN}\n{"kind": "end", "time": Infinity}\n')
    rewards = [None, math.nan, math.inf, "-inf", 0.0, 1.0]
    write_lines(
        tmp_path / "rollouts.jsonl",
        [
            {"rollout": 0, "step": 0, "prompt_index": 0, "prompt": "?", "completion": "!", "reward": reward}
            | {"rewards": {"</script>": reward}, "advantage": math.nan}
            for reward in rewards
        ],
    )
    write_lines(
        tmp_path / "evaluations.jsonl",
        [{"scores": {"accuracy": 1.0}}, {"name": "after", "prompt_index": 0, "scores": {"accuracy": math.nan}}],
    )
    page = page_of(tmp_path)

    def refuse(word: str) -> None:
        raise ValueError(word)

    json.loads(json.dumps(page.data, allow_nan=False), parse_constant=refuse)
    assert sum(page.data["histogram"]["shares"][0]) == 1  # of the two that have a place
    assert "finished" in page.text
    assert "nan %" not in page.text
    assert "inf %" not in page.text


def test_several_answers_give_pass_and_majority(tmp_path: Path) -> None:
    page = page_of(made_run(tmp_path / "run", tries=4))
    titles = [chart["title"] for chart in page.data["tries"]]
    assert titles[:2] == ["pass@k, accuracy", "maj@k, accuracy"]
    first = page.data["tries"][0]
    assert first["steps"] == [1, 2, 4]
    for low, share, high in zip(
        first["lines"][0]["low"], first["lines"][0]["values"], first["lines"][0]["high"], strict=True
    ):
        assert low <= share <= high


def test_episodes_are_there_turn_by_turn(tmp_path: Path) -> None:
    page = page_of(made_run(tmp_path / "run", episodes=True))
    assert "turn by turn" in page.text
    turns = page.data["completions"]["turns"]["20"]
    assert [turn["by"] for turn in turns] == ["policy", "environment", "policy"]
    assert turns[0]["calls"][0]["fault"] == "unknown"
    # Tokens are those of the policy: 4 and 3.
    assert page.data["completions"]["tokens"][20] == 7


def test_several_runs_are_compared(tmp_path: Path) -> None:
    one, two = (made_run(tmp_path / name, learning_rate=rate) for name, rate in (("one", 1e-3), ("two", 2e-3)))
    output = tmp_path / "both.html"
    with pytest.raises(ValueError, match="say output="):
        save_run_report([one, two])
    page = Page(save_run_report([one, two], output).read_text())
    words = " ".join(page.text.split())
    assert "2 runs compared" in words
    assert "algorithm.learning_rate 0.001 0.002" in words
    assert "algorithm.seed" not in words
    # The same answers: no difference, and that is said.
    assert re.search(r"accuracy \S+/one \S+/two \+0\.000 \+0\.000 to \+0\.000 1\.000 0 0 40", words)
    charts = {chart["title"]: chart for chart in page.data["charts"]}
    assert [line["name"].rpartition("/")[2] for line in charts["reward: total"]["lines"]] == ["one", "two"]
    assert page.data["heldout"]["rows"][-1]["name"].endswith("two: + GRPO")
