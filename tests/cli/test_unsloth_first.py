"""Unsloth is imported before transformers by the command line, where something names one of its classes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from rlframework.cli.unsloth_first import import_unsloth_first

YAML = "model:\n  init_args:\n    policy: {class_path: rlframework.UnslothPolicy}  # a comment\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with a package ``unsloth`` that refuses to be imported after transformers."""
    (tmp_path / "unsloth.py").write_text(
        "import sys\nassert 'transformers' not in sys.modules or 'pytest' in sys.modules\n"
    )
    (tmp_path / "named.yaml").write_text(YAML)
    (tmp_path / "other.yaml").write_text("# For Unsloth: rlframework.UnslothPolicy\nmodel: rlframework.GRPO\n")
    (tmp_path / "broken.yaml").write_text("model: [rlframework.UnslothPolicy\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "unsloth", raising=False)
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--config", "named.yaml"], "for the UnslothPolicy of named.yaml"),
        (["--config=named.yaml"], "for the UnslothPolicy of named.yaml"),
        (["--model.sampler", "UnslothSampler"], "for the UnslothSampler of the command line"),
        (["--model.sampler=rlframework.UnslothEngineSampler"], "for the UnslothEngineSampler of --model.sampler"),
        (["--config", "other.yaml", "--config", "broken.yaml", "--config", "missing.yaml"], ""),
        (["--model.policy.model", "unsloth/Qwen3-4B-Base"], ""),
    ],
)
def test_where_one_of_its_classes_is_named(
    folder: Path, arguments: list[str], said: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import_unsloth_first(["fit", *arguments])
    assert ("unsloth" in sys.modules) is bool(said)
    assert capsys.readouterr().err == (f"importing Unsloth before transformers, {said}\n" if said else "")
    monkeypatch.delitem(sys.modules, "unsloth", raising=False)


def test_the_command_imports_it_before_transformers(folder: Path) -> None:
    # It ends there: all that is imported behind it takes long.
    (folder / "unsloth.py").write_text("import sys\nsys.exit('late' if 'transformers' in sys.modules else 'in time')\n")
    command = [sys.executable, "-m", "rlframework.cli", "fit", "--config", "named.yaml"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    said = "importing Unsloth before transformers, for the UnslothPolicy of named.yaml"
    assert done.stderr.splitlines() == [said, "in time"]
