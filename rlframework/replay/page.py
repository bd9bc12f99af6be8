"""A replay as one HTML page that needs nothing else: tokens in colour, and what there is to say of each on hover."""

from __future__ import annotations

from pathlib import Path

from rlframework.pages.page import page, write_page
from rlframework.replay.result import Replay, ReplayedCompletion
from rlframework.replay.shading import chosen, clipped, coloured_terms, notes, shades

TEMPLATES = Path(__file__).parent / "templates"
LEVELS = 9
"""Steps from no colour to the strongest."""


def save_page(replayed: Replay, path: str | Path, groups: int | None = 16) -> Path:
    """Write a replay as an HTML page.

    Args:
        replayed: The step.
        path: Of the file.
        groups: How many groups it shows; None shows all. A token takes some hundred bytes.

    Raises:
        ImportError: Jinja is not installed.
    """
    return write_page(path, page_of(replayed, groups))


def page_of(replayed: Replay, groups: int | None = 16) -> str:
    """Return the page. Nothing that a policy wrote acts in it.

    Args:
        replayed: The step.
        groups: How many groups it shows; None shows all.

    Raises:
        ImportError: Jinja is not installed.
    """
    terms = coloured_terms(replayed)
    strengths = {name: shades(replayed.completions, name) for name in terms}
    places = {id(row): place for place, row in enumerate(replayed.completions)}

    def tokens(row: ReplayedCompletion) -> list[dict[str, str]]:
        levels = {name: strengths[name][places[id(row)]] for name in terms}
        columns = zip(row.pieces, clipped(row), notes(row), row.completion.sampled, strict=True)
        return [
            {
                "text": piece.replace("\n", "↵\n"),
                "classes": " ".join(f"{name}{round(LEVELS * levels[name][place])}" for name in terms)
                if sampled
                else "given",
                "clipped": side,
                "note": note,
            }
            for place, (piece, side, note, sampled) in enumerate(columns)
        ]

    shown = chosen(replayed, groups)
    values = {
        "replayed": replayed,
        "terms": terms,
        "levels": range(1, LEVELS + 1),
        "strongest": LEVELS,
        "groups": shown,
        "left_out": len(chosen(replayed, None)) - len(shown),
        "tokens": tokens,
    }
    return page("replay.html.jinja", values, folders=[TEMPLATES], styles=["replay.css"])
