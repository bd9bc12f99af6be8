"""What a strict build does not see: every public name has an entry, and every link of a built page leads somewhere."""

import sys
from collections import defaultdict
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

from reference import paths
from sphinx.util.inventory import InventoryFile


class Page(HTMLParser):
    """The anchors of a page, and where its links lead."""

    def __init__(self, file: Path) -> None:
        super().__init__()
        self.anchors: set[str] = set()
        self.links: set[str] = set()
        self.feed(file.read_text())

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        for name, value in attributes:
            if name == "id" and value:
                self.anchors.add(value)
            elif name in ("href", "src") and value and not urlsplit(value).scheme and not value.startswith("//"):
                self.links.add(value)


def broken_links(site: Path) -> dict[str, list[str]]:
    """Return the links that lead nowhere, by the page that has them."""
    pages = {file: Page(file) for file in site.rglob("*.html")}
    found = defaultdict(list)
    for file, page in pages.items():
        for link in page.links:
            parts = urlsplit(link)
            target = (file.parent / unquote(parts.path)).resolve() if parts.path else file
            anchors = pages[target].anchors if target in pages else None
            if not target.is_file() or (parts.fragment and anchors is not None and parts.fragment not in anchors):
                found[str(file.relative_to(site))].append(link)
    return dict(found)


def without_entry(site: Path) -> list[str]:
    """Return the public names that the reference lacks, under each path that imports them."""
    inventory = InventoryFile.loads((site / "objects.inv").read_bytes(), uri="")
    known = {name for kind, names in inventory.data.items() if kind.startswith("py:") for name in names}
    return [path for same in paths().values() for path in same if path not in known]


def main(site: Path) -> int:
    """Print what is wrong, and return 1 if anything is."""
    broken, lacking = broken_links(site), without_entry(site)
    for page, links in broken.items():
        print(f"{page}: no such target: {', '.join(sorted(links))}")
    if lacking:
        print(f"no entry in the reference: {', '.join(lacking)}")
    return int(bool(broken or lacking))


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]).resolve()))
