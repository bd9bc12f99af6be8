"""The screen: it fits any terminal, says what matters, and lets nothing that a model wrote steer the terminal."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pytest
from rich.cells import cell_len
from rich.console import Console

from rlframework.watch.pulse import Pulse
from rlframework.watch.run import Look
from rlframework.watch.screen import chosen, screen

SIZES = [(20, 5), (40, 12), (80, 24), (160, 50), (300, 90)]
HOSTILE = ["\x1b[2J\x1b]0;gone\x07", "\u202e txet", "日本語" * 200, "[bold red]", "\ud800", "\r\b", ":boom:"]
COLOUR = re.compile(r"\x1b\[[\d;]*m")
WARNED = {"kind": "warning", "source": "UserWarning", "step": 3, "message": "few workers"}
SPOKE = {"kind": "sentinel", "source": "Truncation", "step": 40, "message": "Truncation, since step 38: " + "cut " * 80}


def look(**changes):
    figures = {name: {step: step / 7 for step in range(1, 100)} for name in ("train/reward/total", "train/entropy")}
    rows = [
        {
            "row": {"prompt": f"What is {n} + {n}?", "answer": str(2 * n)},
            "completion": f"{n} and {n}\nis {2 * n}",
            "reward": float(n),
            "rewards": {"exact": 1.0, "abstains": None},
            "stop_reason": "length" if n % 2 else "stop",
        }
        for n in range(20)
    ]
    values = {
        "folder": Path("/runs/mine/version_3"),
        "time": 1e9,
        "seconds": 0.25,
        "settings": {"trainer": {"max_steps": 200}, "algorithm": {"class": "GRPO"}},
        "figures": figures | {"val/accuracy": {50: 0.25, 100: 0.5}},
        "rows": rows,
        "source": "rollout 99",
        "events": [{"kind": "start", "step": 0}, SPOKE, WARNED],
        "pulse": Pulse("running", "last sign 1.0 s ago"),
        "step": 100,
        "pace": 2.0,
    }
    return Look(**values | changes)


def printed(lines, width):
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, width=width, color_system="truecolor", highlight=False)
    for line in lines:
        console.print(line, soft_wrap=True)
    return out.getvalue()


def plain(look, width=80, height=24, **options):
    return "\n".join(line.plain for line in screen(look, width, height, **options))


@pytest.mark.parametrize(("width", "height"), SIZES)
@pytest.mark.parametrize("empty", [False, True])
def test_it_fits_every_terminal(width, height, empty):
    shown = Look(Path("/runs"), 0.0, 0.0) if empty else look()
    lines = screen(shown, width, height)
    assert len(lines) == height
    assert max(line.cell_len for line in lines) <= width


def test_it_says_what_matters():
    shown = plain(look())
    for words in (
        "mine/version_3",
        " running ",
        "last sign 1.0 s ago",
        "GRPO · step 100 of 200 · 2.0 s a step · about 3 min 20 s left",
        "val/accuracy",
        "train/reward/total",
        "sentinels: 1, warnings: 1",
        "step 40  Truncation, since step 38",
        "step 3  UserWarning: few workers",
        "rollout 99: from the best to the worst of 20",
        "What is 19 + 19? → 38",
        "19 and 19⏎is 38",
        "length · exact 1",
        "What is 0 + 0? → 0",
        "read at",
        "in 0.25 s",
    ):
        assert words in shown


def test_a_larger_terminal_shows_more():
    small, large = plain(look()), plain(look(), 160, 50)
    assert "train/entropy" not in small
    assert "train/entropy" in large
    assert large.count("⏎is") > small.count("⏎is") > 1


@pytest.mark.parametrize(("width", "height"), SIZES)
@pytest.mark.parametrize("hostile", HOSTILE)
def test_nothing_that_a_model_or_a_file_says_steers_the_terminal(hostile, width, height):
    row = {
        "prompt": hostile,
        "completion": hostile * 50,
        "reward": 1.0,
        "stop_reason": hostile,
        "rewards": {hostile: 1.0},
    }
    said = [{"kind": kind, "source": hostile, "step": 1, "message": hostile} for kind in ("sentinel", "warning")]
    found = look(
        folder=Path("/runs", hostile),
        rows=[row, row | {"turns": [{"by": hostile, "text": hostile}]}],
        source=hostile,
        events=said,
        pulse=Pulse("failed", hostile),
        figures={hostile: {1: 0.5}},
        settings={"algorithm": {"class": hostile}},
        unreadable={hostile: 1},
    )
    lines = screen(found, width, height, figures=[hostile], waiting=hostile)
    out = printed(lines, width)
    rest = COLOUR.sub("", out)
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", rest)
    assert max(map(cell_len, rest.splitlines())) <= width
    if hostile == "[bold red]" and width >= 80:
        assert hostile in rest


def test_a_death_is_told_with_its_whole_evidence():
    evidence = "its process is no longer on this machine; last sign at 12:00:00, 5 s ago; no `end` in events.jsonl"
    assert evidence in " ".join(plain(look(pulse=Pulse("died", evidence))).split())


def test_a_long_completion_shows_both_of_its_ends():
    row = {"prompt": "p", "completion": "begins " + "x" * 10_000 + " comes to 42", "reward": 0.0}
    shown = plain(look(rows=[row]))
    assert "begins xxx" in shown
    assert "comes to 42" in shown
    assert re.search(r"… \d+ characters? …", "".join(line.strip() for line in shown.splitlines()))


def test_an_episode_is_shown_with_its_turns():
    turns = [{"by": "policy", "text": "look(3)"}, {"by": "environment", "text": "7"}]
    assert "[policy] look(3)  [environment] 7" in plain(look(rows=[{"completion": "", "turns": turns, "reward": 1.0}]))


def test_what_is_missing_is_named():
    shown = plain(Look(Path("/runs/x"), 0.0, 0.0))
    assert "no figures yet (metrics.csv)" in shown
    assert "no events.jsonl: RunWriter writes it" in shown
    assert "none yet (RolloutWriter" in shown
    assert "none has spoken" in plain(look(events=[{"kind": "start"}]))


def test_figures_can_be_asked_for():
    assert "train/entropy" in plain(look(), figures=["train/entropy"])
    assert "no figures of train/none" in plain(look(), figures=["train/none"])
    assert chosen(["a", "train/kl", "val/x", "val/accuracy"], 9) == ["val/accuracy", "train/kl"]


def test_a_look_that_does_not_come_back_is_said():
    waiting = "slow disk: reading for 9.0 s; shown is what was there 11 s ago"
    assert plain(look(), waiting=waiting).splitlines()[-1] == waiting


def test_lines_that_could_not_be_read_are_counted():
    assert "3 lines of rollouts.jsonl cannot be read" in plain(look(unreadable={"rollouts.jsonl": 3}))
