"""Names in docstrings and signatures: single backticks name something of the project, which has to exist.

A name is looked for as a reader would: in what the docstring belongs to, in its class, in its module, among the public
names, then anywhere in the library. What has an entry in the reference is linked to it, whatever the path that it was
named by; what exists without one is shown as code; what does not exist is a warning, which fails the build. The names
of other libraries are held against the libraries that are installed, as their lists of names are not here.
"""

import ast
import inspect
from functools import cache
from typing import Any

from docutils import nodes
from reference import ROOT, entries, pages, resolve
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util import logging
from sphinx.util.docutils import SphinxRole
from sphinx.util.nodes import make_refnode

logger = logging.getLogger(__name__)


class NameRole(SphinxRole):
    """A name in single backticks; of ``name(arguments)`` the name counts, and words with a space are a command."""

    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        literal = nodes.literal(self.rawtext, self.text, classes=["py", "py-obj"])
        name = self.text.partition("(")[0]
        if " " in name:
            return [literal], []
        # autodoc names the object as the source of its docstring.
        path = located(name, self.get_source_info()[0].rpartition("docstring of ")[2])
        if path is None:
            logger.warning("there is no `%s`", self.text, location=self.get_location(), type="ref", subtype="name")
            return [literal], []
        reference = addnodes.pending_xref("", literal, refdomain="py", reftype="obj", reftarget=path)
        self.set_source_info(reference)
        return [reference], []


@cache
def located(name: str, owner: str) -> str | None:
    """Return the path of what the docstring of ``owner`` calls ``name``."""
    for scope in scopes(owner):
        if exists(f"{scope}.{name}"):
            return f"{scope}.{name}"
    first, dot, rest = name.partition(".")
    anywhere = [path for path in (*entries(), *definitions()) if path.endswith(f".{first}")]
    paths = [f"{path}{dot}{rest}" for path in anywhere] + [name, f"builtins.{name}"]
    return next((path for path in paths if exists(path)), None)


def scopes(owner: str) -> list[str]:
    """Return the object, what it is in, and the modules that define these."""
    found = []
    while "." in owner:
        found.append(owner)
        owner = owner.rpartition(".")[0]
    modules = [getattr(value, "__module__", None) for value in map(value_of, found)]
    return [*found, *dict.fromkeys(module for module in modules if isinstance(module, str))]


@cache
def definitions() -> list[str]:
    """Return the path of every class, function and constant at the top of a module of the library."""
    found = []
    for file in sorted((ROOT / "rlframework").rglob("*.py")):
        module = ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        found.append(module)
        for node in ast.parse(file.read_text()).body:
            targets = node.targets if isinstance(node, ast.Assign) else [node]
            names = (getattr(one, "name", getattr(one, "id", None)) for one in targets)
            found += [f"{module}.{name}" for name in names if name]
    return found


def value_of(path: str) -> Any:
    try:
        return resolve(path)
    except (ImportError, AttributeError, ValueError):
        return None


@cache
def exists(path: str) -> bool:
    """Whether there is an object of this path, an argument of one, or a field of a class, which has no value."""
    if path == "builtins.None" or value_of(path) is not None:
        return True
    owner, _, name = path.rpartition(".")
    value = value_of(owner)
    if any(name in vars(base).get("__annotations__", ()) for base in getattr(value, "__mro__", ())):
        return True
    try:
        return name in inspect.signature(value).parameters
    except (TypeError, ValueError):
        return False


def link_to_entry(app: Sphinx, env: BuildEnvironment, node: addnodes.pending_xref, shown: nodes.TextElement) -> Any:
    """Resolve a name that is not that of an entry, by the object that it names."""
    if node.get("refdomain") != "py":
        return None
    # A signature is not yet inside what it belongs to, and its module is one of those of the page.
    scope = ".".join(filter(None, (node.get("py:module"), node.get("py:class"))))
    owners = [scope, *pages().get(node["refdoc"].removeprefix("api/"), ())]
    path = next(filter(None, (located(node["reftarget"], owner) for owner in owners)), None)
    if path is None:
        return None
    objects = env.domains.python_domain.objects
    for same in same_objects(path):
        if same in objects:
            entry = objects[same]
            return make_refnode(app.builder, node["refdoc"], entry.docname, entry.node_id, shown, same)
    return shown


def same_objects(path: str) -> list[str]:
    """Return the paths in the reference of the object that ``path`` names, or of one in the class that it is in."""
    names = {id(value): entry for entry, value in entries().items()}
    whole = names.get(id(value_of(path)))
    owner, _, member = path.rpartition(".")
    classes = [names.get(id(base)) for base in getattr(value_of(owner), "__mro__", ())]
    return [path, *([whole] if whole else []), *(f"{entry}.{member}" for entry in classes if entry)]


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_role("name", NameRole())
    # After intersphinx, which knows the pages of other libraries where it is on.
    app.connect("missing-reference", link_to_entry, priority=900)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
