"""Whether a run lives: its end is an end, an exception a failure, and silence is judged by its own pace."""

from __future__ import annotations

import pytest

from rlframework.watch.pulse import pulse, span

START = {"kind": "start", "time": 0, "step": 0, "message": "GRPO begins"}
END = {"kind": "end", "time": 990, "step": 9, "message": "finished after 9 optimizer steps"}
FAILED = {"kind": "exception", "time": 990, "step": 9, "source": "ValueError", "message": "too small"}
WARNED = {"kind": "warning", "time": 995, "step": 9, "message": "from the teardown"}
RESUMED = {"kind": "resume", "time": 999, "step": 5, "message": "goes on from last.ckpt"}


def judged(silence, usual=2.0, longest=0.0, events=(START,), process=None):
    return pulse(1000.0 + silence, 1000.0, usual, longest, events, process)


@pytest.mark.parametrize(
    ("events", "state", "words"),
    [
        ([START, END], "ended", "finished after 9"),
        ([START, END, WARNED], "ended", "finished after 9"),
        ([START, FAILED], "failed", "too small"),
        ([START, FAILED, RESUMED], "running", "last sign 1.0 s ago"),
        ([START, FAILED, RESUMED, END], "ended", "finished"),
    ],
)
def test_the_last_of_its_events_decides(events, state, words):
    found = judged(1, events=events)
    assert found.state == state
    assert words in found.evidence


@pytest.mark.parametrize(
    ("silence", "usual", "longest", "state"),
    [
        (50, 2, 0, "running"),
        (70, 2, 0, "silent"),
        (700, 2, 0, "died"),
        (700, 100, 0, "silent"),  # slow steps have longer
        (400, 100, 0, "running"),
        (2500, 100, 0, "died"),
        (700, 2, 300, "silent"),  # a validation as long as that was seen
        (500, 2, 300, "running"),
        (50_000, None, 0, "silent"),  # a first step that may be long
    ],
)
def test_silence_is_judged_by_the_pace_of_the_run(silence, usual, longest, state):
    found = judged(silence, usual, longest)
    assert found.state == state
    if state == "died":
        assert f"{span(silence)} ago, usually every {span(usual)}; no `end` in events.jsonl" in found.evidence


def test_a_process_that_has_gone_is_evidence_at_once():
    found = judged(3, process="gone")
    assert found.state == "died"
    assert "process is no longer on this machine" in found.evidence


def test_a_process_that_is_there_has_not_died():
    found = judged(50_000, process="there")
    assert found.state == "silent"
    assert "its process is there" in found.evidence


def test_a_process_that_has_gone_after_its_end_has_not_died():
    assert judged(3, events=[START, END], process="gone").state == "ended"


def test_without_events_an_end_cannot_be_told_from_a_death():
    assert "would tell an end from a death" in judged(5000, events=()).evidence


def test_before_any_sign_it_waits():
    assert pulse(1000.0, None, None, 0.0, [], None).state == "waiting"
