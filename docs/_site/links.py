"""Links of the pages to files outside this folder, such as a module: on the site they lead to the code host."""

import re
import tomllib
from pathlib import Path

from sphinx.application import Sphinx

ROOT = Path(__file__).parents[2]
OUTWARD = re.compile(r"\]\((?P<target>(?:\.\./)+[^)#\s]+)(?P<anchor>#[^)]*)?\)")


def lead_out(app: Sphinx, docname: str, source: list[str]) -> None:
    """Rewrite the outward links of a page; `tests/test_docs.py` sees to it that their files exist."""
    folder = (Path(app.srcdir) / docname).parent

    def rewritten(link: re.Match[str]) -> str:
        target = (folder / link["target"]).resolve()
        if target.is_relative_to(app.srcdir):
            return link[0]
        return f"]({repository()}/blob/main/{target.relative_to(ROOT)}{link['anchor'] or ''})"

    source[0] = OUTWARD.sub(rewritten, source[0])


def repository() -> str:
    """Return the address of the repository."""
    return tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["urls"]["Source"]


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("source-read", lead_out)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
