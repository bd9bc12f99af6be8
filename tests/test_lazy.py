"""Packages that import lazily have all that their stubs say, and take nothing else along."""

import ast
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = sorted(
    ".".join(path.parent.relative_to(ROOT).parts) for path in (ROOT / "rlframework").rglob("__init__.pyi")
)


@pytest.mark.parametrize("package", PACKAGES)
def test_every_name_is_there(package):
    module = importlib.import_module(package)
    assert module.__all__
    assert [name for name in module.__all__ if not hasattr(module, name)] == []
    assert set(module.__all__) <= set(dir(module))


def test_the_package_itself_is_among_them():
    assert {"rlframework", "rlframework.rewards", "rlframework.rewards.math"} <= set(PACKAGES)


def test_torch_is_imported_when_it_is_needed_and_not_before():
    # It ends where torch is asked for: to import it takes long.
    program = """
import sys

class Asked(BaseException): ...

class Torch:
    def find_spec(name, *_):
        if name == "torch":
            raise Asked

sys.meta_path.insert(0, Torch)
import rlframework.rewards.math
print("not before")
try:
    rlframework.GRPO
except Asked:
    print("now")
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.splitlines() == ["not before", "now"], done.stderr


def test_notebooks_are_shown_what_the_stub_says():
    # Jedi, which completes in notebooks, reads the module, and type checkers the stub.
    stub, module = (ast.parse((ROOT / "rlframework" / name).read_text()) for name in ("__init__.pyi", "__init__.py"))
    [shown] = [node for node in module.body if isinstance(node, ast.If)]

    def imported(nodes):
        found = {}
        for node in nodes:
            if isinstance(node, ast.ImportFrom):
                place = ".".join(["rlframework"] * node.level + [node.module] * bool(node.module))
                found |= {alias.name: place for alias in node.names}
        return found

    assert imported(shown.body) == imported(stub.body)
