"""No circle of imports: neither among modules nor among rooms, the folders and loose modules right below rlframework/.

Read from the sources, with what is imported for types alone or inside a function: who needs whom to be understood.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Set
from graphlib import CycleError, TopologicalSorter
from itertools import pairwise
from pathlib import Path

ROOT = Path(__file__).parents[1]
Graph = Mapping[str, Set[str]]


def modules(root: Path) -> dict[str, Path]:
    """Return the files of the package by module name; nobody imports a ``__main__``."""
    paths = {path: path.relative_to(root).with_suffix("").parts for path in root.glob("rlframework/**/*.py")}
    return {".".join(parts).removesuffix(".__init__"): path for path, parts in paths.items() if parts[-1] != "__main__"}


def names(path: Path, package: str) -> Iterator[tuple[str, str]]:
    """Yield all that a file imports from this package, as module and name; the name is empty for a whole module."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from ((alias.name, "") for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: 1 - node.level or None] if node.level else []
            yield from ((".".join([*above, *filter(None, [node.module])]), alias.name) for alias in node.names)


def imports(root: Path) -> dict[str, set[str]]:
    """Return the modules that each module imports; a lazy package stands for where its stub takes a name from."""
    files = modules(root)
    stubs = {
        (package, name): (module, name)
        for package, path in files.items()
        if path.with_suffix(".pyi").exists()
        for module, name in names(path.with_suffix(".pyi"), package)
    }

    def target(module: str, name: str) -> str:
        if f"{module}.{name}" in files:
            return f"{module}.{name}"
        return target(*stubs[module, name]) if (module, name) in stubs else module

    graph: dict[str, set[str]] = {}
    for module, path in files.items():
        package = module if path.stem == "__init__" else module.rpartition(".")[0]
        graph[module] = {target(*name) for name in names(path, package)} & files.keys() - {module}
    return graph


def rooms(graph: Graph) -> dict[str, set[str]]:
    """Return the rooms that each room imports from."""
    found: dict[str, set[str]] = {}
    for module, others in graph.items():
        found.setdefault(room(module), set()).update({room(other) for other in others} - {room(module)})
    return found


def room(module: str) -> str:
    return ".".join(module.split(".")[:2])


def circle(graph: Graph) -> list[str]:
    """Return a circle, each importing the next, if there is one."""
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return error.args[1][::-1]
    return []


def test_modules_do_not_import_each_other_in_a_circle() -> None:
    found = circle(imports(ROOT))
    assert not found, " -> ".join(found)


def test_rooms_do_not_import_each_other_in_a_circle() -> None:
    graph = imports(ROOT)
    found = circle(rooms(graph))
    steps = set(pairwise(found))
    arrows = [f"{a} -> {b}" for a, others in graph.items() for b in others if (room(a), room(b)) in steps]
    assert not found, "\n".join([" -> ".join(found), *sorted(arrows)])


def test_a_circle_is_found_through_types_functions_and_lazy_packages(tmp_path: Path) -> None:
    files = {
        "__init__.py": "",
        "a/__init__.py": "",
        "a/__init__.pyi": "from .one import One",
        "a/one.py": "def f():\n    from rlframework.b import two",
        "b/__init__.py": "",
        "b/two.py": "if TYPE_CHECKING:\n    from rlframework.c import Three",
        "c/__init__.py": "",
        "c/__init__.pyi": "from .three import Three",
        "c/three.py": "import torch\nfrom rlframework.a import One",
    }
    for name, text in files.items():
        path = tmp_path / "rlframework" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    graph = imports(tmp_path)
    assert set(circle(graph)) == {"rlframework.a.one", "rlframework.b.two", "rlframework.c.three"}
    assert set(circle(rooms(graph))) == {"rlframework.a", "rlframework.b", "rlframework.c"}
    (tmp_path / "rlframework" / "b" / "two.py").write_text("")
    assert not circle(imports(tmp_path))
