"""A replay as one HTML page that needs nothing else: tokens in colour, and what there is to say of each on hover."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rlframework.replay.pieces import visible
from rlframework.replay.result import Replay
from rlframework.replay.shading import chosen, clipped, coloured_terms, notes, shades
from rlframework.utilities.imports import require

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
    place = Path(path)
    place.write_text(page_of(replayed, groups), encoding="utf-8")
    return place


def page_of(replayed: Replay, groups: int | None = 16) -> str:
    """Return the page. Nothing that a policy wrote acts in it: it is escaped, and the page allows no script.

    Args:
        replayed: The step.
        groups: How many groups it shows; None shows all.
    """
    jinja = require("jinja2", "report")
    pages = jinja.Environment(
        loader=jinja.PackageLoader("rlframework.replay", "."), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    pages.filters["visible"] = visible
    terms = coloured_terms(replayed)
    strengths = {name: shades(replayed.completions, name) for name in terms}
    places = {id(row): place for place, row in enumerate(replayed.completions)}

    def tokens(row: Any) -> list[dict[str, Any]]:
        levels = {name: strengths[name][places[id(row)]] for name in terms}
        return [
            {
                "text": piece.replace("\n", "↵\n"),
                "classes": " ".join(f"{name}{round(LEVELS * levels[name][place])}" for name in terms)
                if sampled
                else "given",
                "clipped": side,
                "note": note,
            }
            for place, (piece, side, note, sampled) in enumerate(
                zip(row.pieces, clipped(row), notes(row), row.completion.sampled, strict=True)
            )
        ]

    shown = chosen(replayed, groups)
    return pages.get_template("page.html.jinja").render(
        replayed=replayed,
        terms=terms,
        levels=range(1, LEVELS + 1),
        strongest=LEVELS,
        groups=shown,
        left_out=len(chosen(replayed, None)) - len(shown),
        tokens=tokens,
    )
