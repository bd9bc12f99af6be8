"""Pages: all values are escaped, data closes no element, the policy names the scripts, a page is written as a whole."""

from __future__ import annotations

import json
import re
from base64 import b64encode
from hashlib import sha256
from pathlib import Path

from rlframework.pages.page import as_json, page, visible, write_page

TEMPLATE = """{% extends "base.html.jinja" %}{% block content %}<p title="{{ text }}">{{ text }}</p>{% endblock %}"""


def test_values_and_data_are_text(tmp_path: Path) -> None:
    (tmp_path / "mine.html.jinja").write_text(TEMPLATE)
    text = "\"'><script>alert(1)</script>\u202e\x00"
    html = page("mine.html.jinja", {"text": text}, {"text": text}, folders=[tmp_path])
    assert "<script>alert" not in html
    assert html.count("⟨U+202E⟩⟨U+0000⟩") == 2
    (data,) = re.findall(r'<script type="application/json" id="report-data">(.*?)</script>', html, re.DOTALL)
    assert json.loads(data) == {"text": text}


def test_the_policy_allows_the_scripts_of_the_page_and_no_others(tmp_path: Path) -> None:
    (tmp_path / "mine.html.jinja").write_text(TEMPLATE)
    (tmp_path / "mine.js").write_text("window.mine = '&<>';\n")
    html = page("mine.html.jinja", {"text": ""}, folders=[tmp_path], scripts=["mine.js"])
    for script in re.findall(r"<script>(.*?)</script>", html, re.DOTALL):
        assert f"'sha256-{b64encode(sha256(script.encode()).digest()).decode()}'" in html
    assert "<script>window.mine = '&<>';</script>" in html


def test_no_text_is_lost_in_data() -> None:
    text = "".join(map(chr, range(0x3000))) + "\ud83d🙂<!--</script>"
    assert json.loads(as_json([text, {"a": float("inf")}])) == [text, {"a": None}]
    assert visible("a\tb\nc") == "a\tb\nc"


def test_a_page_takes_the_place_of_the_old_one_as_a_whole(tmp_path: Path) -> None:
    target = tmp_path / "report.html"
    for html in ("old", "new \ud800"):
        write_page(target, html)
    assert target.read_text() == "new \\ud800"
    assert [file.name for file in tmp_path.iterdir()] == ["report.html"]
