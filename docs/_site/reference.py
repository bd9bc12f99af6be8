"""The reference: a page for each package of the library, with an entry for every public name of it.

The names are those of ``tests/public_names.json``. An object that several packages export has one entry, in the
package of its subject, which is the longest of those paths; the others lead to it as well.
"""

import inspect
import json
import pkgutil
import re
from functools import cache
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "docs" / "api"


@cache
def public_names() -> list[str]:
    return list(json.loads((ROOT / "tests" / "public_names.json").read_text()))


@cache
def resolve(path: str) -> Any:
    return pkgutil.resolve_name(path)


@cache
def paths() -> dict[str, list[str]]:
    """Return every path of each public object, by the longest of them."""
    by_object: dict[int, list[str]] = {}
    for path in public_names():
        by_object.setdefault(id(resolve(path)), []).append(path)
    return {max(same, key=lambda path: path.count(".")): same for same in by_object.values()}


@cache
def entries() -> dict[str, Any]:
    """Return every object with an entry, by the path of the entry."""
    return {path: resolve(path) for path in paths()}


@cache
def pages() -> dict[str, list[str]]:
    """Return the entries of each page, by its package."""
    found: dict[str, list[str]] = {path.rpartition(".")[0]: [] for path in public_names()}
    for path in entries():
        if path not in found:
            found[path.rpartition(".")[0]].append(path)
    return found


def write_pages(app: Sphinx) -> None:
    """Write the page of each package; one that has not changed is left alone, so that it is not read again."""
    FOLDER.mkdir(exist_ok=True)
    texts = {f"{package}.rst": page(package, names) for package, names in pages().items()}
    for old in FOLDER.glob("*.rst"):
        if old.name not in texts:
            old.unlink()
    for name, text in texts.items():
        file = FOLDER / name
        if not file.exists() or file.read_text() != text:
            file.write_text(text)


def page(package: str, names: list[str]) -> str:
    """Return the page of a package in reStructuredText: its sentence, a line for each of its names, and the entries."""
    lines = [package, "=" * len(package), "", f".. automodule:: {package}", "   :no-members:", ""]
    others = [name for name in exported(package) if name not in names]
    for name in [*names, *others]:
        lines += [f"- :py:obj:`~{name}`: {first_line(entries()[name])}"]
    lines += ["", f".. py:currentmodule:: {package}", ""]
    for name in names:
        lines += [f".. auto{kind(entries()[name])}:: {name}"]
        # What is in a module by itself is no public name.
        lines += ["   :no-members:", ""] if inspect.ismodule(entries()[name]) else [""]
    return "\n".join(lines)


def first_line(value: Any) -> str:
    """Return the first line of a docstring, with the names in it as code: links are in the entry."""
    line = (inspect.getdoc(value) or "").partition("\n")[0]
    return re.sub(r"(?<!`)`([^`]+)`(?!`)", r"``\1``", line)


def exported(package: str) -> list[str]:
    """Return the entries of what a package exports, whatever page they are on."""
    return [path for path, same in paths().items() if any(one.rpartition(".")[0] == package for one in same)]


def kind(value: Any) -> str:
    """Return what autodoc calls an object."""
    if inspect.ismodule(value):
        return "module"
    if inspect.isclass(value):
        return "exception" if issubclass(value, BaseException) else "class"
    return "function" if callable(value) and hasattr(value, "__name__") else "data"


def add_fields(app: Sphinx, what: str, name: str, value: Any, options: Any, lines: list[str]) -> None:
    """Add the texts under the fields of a class to its docstring: they say what its arguments are.

    A class says those of its own; for the others, which its signature has as well, it names the class that says them.
    """
    if what != "class" or not getattr(vars(value).get("__init__"), "made_of_fields", False):
        return
    told = dict(re.findall(r"^    (\w+): (.*(?:\n     .*|\n$)*)", value.__init__.__doc__, re.MULTILINE))
    own = [name for name in inspect.get_annotations(value) if name in told]
    if own:
        lines += ["", "Args:", *"\n".join(f"    {name}: {told[name]}" for name in own).splitlines()]
    base = next((base for base in value.__mro__[1:] if hasattr(base, "__dataclass_fields__")), None)
    if base is not None and len(told) > len(own):
        lines += ["", f"Other arguments: those of `{base.__name__}`.", ""]


def show_factories(
    app: Sphinx, what: str, name: str, value: Any, options: Any, given: str | None, returned: Any
) -> Any:
    """Write ``...`` for a default that is made for each object: what dataclasses write for it is no Python."""
    return (given.replace("<factory>", "..."), returned) if given else None


WITHOUT_SECTIONS = ("attribute", "data", "property")
before_napoleon: dict[str, list[str]] = {}


def keep_lines(app: Sphinx, what: str, name: str, value: Any, options: Any, lines: list[str]) -> None:
    """Keep the docstring of a value from napoleon, which takes the words before a colon there for a type."""
    if what in WITHOUT_SECTIONS:
        before_napoleon[name] = list(lines)


def put_back(app: Sphinx, what: str, name: str, value: Any, options: Any, lines: list[str]) -> None:
    if what in WITHOUT_SECTIONS:
        lines[:] = before_napoleon.pop(name)


def lead_there(app: Sphinx, env: Any) -> None:
    """Have every path of an object lead to its entry, in this site and from others."""
    objects = env.domains.python_domain.objects
    for path, same in paths().items():
        for other in same:
            if path in objects and other not in objects:
                objects[other] = objects[path]._replace(aliased=True)


def setup(app: Sphinx) -> dict[str, bool]:
    # Before napoleon, which reads what is added here.
    app.connect("autodoc-process-docstring", add_fields, priority=400)
    app.connect("autodoc-process-docstring", keep_lines, priority=400)
    app.connect("autodoc-process-docstring", put_back, priority=600)
    app.connect("builder-inited", write_pages)
    app.connect("autodoc-process-signature", show_factories)
    app.connect("env-updated", lead_there)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
