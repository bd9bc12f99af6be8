"""Every module can be the first that is imported: no circle of imports hides behind the order of the others."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import rlframework

# Half a minute: part of make test-long.
pytestmark = pytest.mark.slow

ROOT = Path(rlframework.__file__).parent
# What other packages take to import is taken once, in a parent that imports nothing of this one.
EACH_FIRST = """
import importlib, os, sys, traceback
import datasets, peft, pytorch_lightning.cli, torch, torchmetrics, transformers

for name in sys.argv[1:]:
    sys.stdout.flush()
    child = os.fork()
    if not child:
        try:
            module, _, public = name.partition(":")
            getattr(importlib.import_module(module), public or "__name__")
        except ImportError as error:
            # A package that is not there is another matter.
            if not isinstance(error, ModuleNotFoundError) or str(error.name).startswith("rlframework"):
                print(name, repr(error))
        except BaseException:
            print(name, traceback.format_exc())
        sys.stdout.flush()
        os._exit(0)
    os.waitpid(child, 0)
"""


def failures(names: list[str]) -> str:
    """Import each of some modules, ``a.b``, or public names, ``a:Name``, as the first; return what went wrong."""
    done = subprocess.run(
        [sys.executable, "-c", EACH_FIRST, *names], capture_output=True, text=True, timeout=600, cwd=ROOT.parent
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_every_public_name_can_be_imported_first() -> None:
    assert not failures([f"rlframework:{name}" for name in rlframework.__all__])


def test_every_module_can_be_imported_first() -> None:
    paths = [path.relative_to(ROOT.parent).with_suffix("") for path in sorted(ROOT.rglob("*.py"))]
    names = [".".join(path.parts).removesuffix(".__init__") for path in paths if path.name != "__main__"]
    assert len(names) > 250
    assert not failures(names)


def test_a_circle_is_found(tmp_path: Path) -> None:
    (tmp_path / "one.py").write_text("import two\nvalue = 1\n")
    (tmp_path / "two.py").write_text("from one import value\n")
    done = subprocess.run(
        [sys.executable, "-c", EACH_FIRST, "one", "two"], capture_output=True, text=True, cwd=tmp_path
    )
    assert done.stdout.startswith("one ImportError")
    assert "two " not in done.stdout
