"""The page of a replay: a parser finds the text of every token, and no element, attribute or script of a policy."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

from rlframework.pages.page import visible
from rlframework.replay import save_page
from rlframework.replay.page import page_of
from tests.replay.replays import HOSTILE, replayed


class Page(HTMLParser):
    """Takes down elements with their attributes, and the text of the tokens."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.tokens: list[str] = []
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in ("meta", "input", "link"):
            self.open.append(tag)
        if "data-note" in dict(attrs):
            self.tokens.append("")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "span" and "data-note" in self.elements[-1][1]:
            self.tokens[-1] += data


def test_nothing_that_a_policy_wrote_acts() -> None:
    text, plain = page_of(replayed()), page_of(replayed(tame=True))
    page = Page(text)
    assert not page.open
    assert page.tokens == [visible(piece.replace("\n", "↵\n")) for piece in [*HOSTILE, "a", "b", "c", "d", "e"]]
    structures = [[(tag, list(attributes)) for tag, attributes in Page(one).elements] for one in (text, plain)]
    assert structures[0] == structures[1]
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f\u202a-\u202e\u2066-\u2069\ud800-\udfff]", text)
    [policy] = [attributes["content"] for _, attributes in page.elements if attributes.get("http-equiv")]
    assert str(policy).startswith("default-src 'none';")


def test_every_token_has_its_levels_and_its_note() -> None:
    spans = [attributes for _, attributes in Page(page_of(replayed())).elements if "data-note" in attributes]
    assert spans[0]["class"] == "advantage9 ratio5 slope9 entropy9 high"
    assert "ratio 1.5\nclipped, high\n" in str(spans[0]["data-note"])
    a, b, c = spans[len(HOSTILE) : len(HOSTILE) + 3]
    assert (a["class"], b["class"], c["class"]) == (
        "advantage-4 ratio-9 slope-2 entropy9 low",
        "given",
        "advantage-4 ratio0 slope-3 entropy9",
    )
    assert b["data-note"] == "given by the environment"


def test_the_figures_stand_beside_the_log(tmp_path: Path) -> None:
    path = save_page(replayed(), tmp_path / "page.html")
    text = path.read_text(encoding="utf-8")
    assert '<tr class="bad-text"><td>kl</td><td class="n">0.25</td><td class="n">0.75</td></tr>' in text
    assert '<tr><td>new</td><td class="n">–</td><td class="n">3</td></tr>' in text
    assert "those of &lt;last&gt;.ckpt" in text
    assert "left out: &lt;x&gt;" in text


def test_groups_that_are_left_out_are_counted() -> None:
    text = page_of(replayed(), groups=1)
    assert "1 more groups" in text
    assert len(Page(text).tokens) == len(HOSTILE) + 3
