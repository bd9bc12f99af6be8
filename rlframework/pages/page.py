"""HTML page in one file, from a Jinja template: style, scripts and data are inside, and it opens offline."""

from __future__ import annotations

import json
import re
from base64 import b64encode
from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

from rlframework.utilities.imports import require

SHARED = Path(__file__).parent / "templates"
# Control characters, marks that turn the direction of writing, characters without width and half ones of UTF-16. Raw in
# a file they make an editor show another text than a program reads, and the last cannot be written at all.
_UNSEEN = "\\u007f-\\u009f\\u00ad\\u061c\\u200b\\u200e\\u200f\\u2028-\\u202e\\u2060-\\u206f\\ufeff\\ud800-\\udfff"

_CONTROL = "\\x00-\\x08\\x0b\\x0c\\x0e-\\x1f"


def page(
    template: str,
    values: Mapping[str, Any],
    data: Any = None,
    folders: Sequence[Path] = (),
    styles: Sequence[str] = (),
    scripts: Sequence[str] = (),
) -> str:
    """Return a page: a template filled with values, which extends ``base.html.jinja``.

    All values are escaped. What the scripts read is JSON in an element that no browser runs, and the page's own policy
    allows it neither other scripts than these, by their hashes, nor any request. So a text of a model that contains a
    script, or an address, is a text.

    Args:
        template: File name of the template.
        values: What it is filled with.
        data: Anything of plain values, for the scripts: ``report_data()`` there.
        folders: Where template, styles and scripts are, besides those that all pages share.
        styles: Style files, after the shared one.
        scripts: Script files, after the shared one.

    Raises:
        ImportError: Jinja is not installed.
    """
    jinja2, places = require("jinja2", "report"), [*folders, SHARED]
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(places),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=lambda value: visible(value) if type(value) is str else value,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["number"] = number
    code = [_read(places, name) for name in ("page.js", *scripts)]
    html = environment.get_template(template).render(
        **values,
        styles=[_read(places, name) for name in ("page.css", *styles)],
        scripts=code,
        script_policy=" ".join(f"'sha256-{b64encode(sha256(part.encode()).digest()).decode()}'" for part in code),
        data=as_json(data),
    )
    return str(html)


def write_page(path: str | Path, html: str) -> Path:
    """Write a page as a whole: who has it open, or opens it meanwhile, finds the old one or the new one.

    Args:
        path: The file.
        html: The page.
    """
    path = Path(path)
    scratch = path.with_name(f".{path.name}.unfinished")
    scratch.write_text(html, encoding="utf-8", errors="backslashreplace")
    scratch.replace(path)
    return path


def as_json(data: Any) -> str:
    r"""Return plain values as JSON that can stand inside a ``<script>``: nothing in it closes the element.

    Args:
        data: Dictionaries, lists, texts, numbers; NaN becomes null.

    Example:
        >>> print(as_json(["</script>", "\u202e", float("nan"), "é"]))
        ["\u003c/script>","\u202e",null,"é"]
    """
    text = json.dumps(_finite(data), ensure_ascii=False, separators=(",", ":"))
    return re.sub(f"[<{_UNSEEN}]", lambda found: f"\\u{ord(found[0]):04x}", text)


def visible(text: str) -> str:
    r"""Return a text in which characters that cannot be seen, or turn the direction of writing, are their code points.

    Args:
        text: Any text; line ends and tabs stay.

    Example:
        >>> print(visible("7\u202e8\x00"))
        7⟨U+202E⟩8⟨U+0000⟩
    """
    return re.sub(f"[{_UNSEEN}{_CONTROL}]", lambda found: f"⟨U+{ord(found[0]):04X}⟩", text)


def number(value: float | None, digits: int = 3) -> str:
    """Return a number as people read it: so many significant digits, thousands apart.

    Args:
        value: The number; None and NaN are a dash.
        digits: Significant ones.

    Example:
        >>> [number(value) for value in (0.98765, 1234567, 2.0, 1e-6, None)]
        ['0.988', '1,234,567', '2', '1e-06', '–']
    """
    if value is None or value != value:
        return "–"
    if abs(value) >= 10**digits or value == round(value):
        return f"{value:,.0f}"
    return f"{value:.{digits}g}"


def _read(places: Sequence[Path], name: str) -> str:
    path = next(place / name for place in places if (place / name).exists())
    return path.read_text(encoding="utf-8").strip()


def _finite(value: Any) -> Any:
    """Return plain values without NaN and infinities, for which JSON has no word."""
    if isinstance(value, float):
        return value if value - value == 0 else None
    if isinstance(value, Mapping):
        return {str(name): _finite(part) for name, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(part) for part in value]
    return value
