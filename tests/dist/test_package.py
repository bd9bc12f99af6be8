"""The package as it is released: what is in wheel and sdist, and the wheel in a fresh environment, without repository.

`make dist` builds both, makes the environment with nothing but torch in it, and runs this.
"""

from __future__ import annotations

import email
import os
import re
import subprocess
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest

pytestmark = pytest.mark.dist

ROOT = Path(__file__).parents[2]
DIST = ROOT / "dist"
FRESH = ROOT / ".venv-dist" / "fresh" / "bin"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
COMMANDS = re.findall(r'^    "([\w-]+)": \("', (ROOT / "rlframework" / "cli" / "commands.py").read_text(), re.MULTILINE)
# Of the repository's own work, and in no release.
OURS = (".ci/", ".editorconfig", ".gitignore", ".pre-commit-config.yaml")


@pytest.fixture(scope="session")
def wheel():
    [path] = DIST.glob("*.whl")
    return path


@pytest.fixture(scope="session")
def metadata(wheel):
    with zipfile.ZipFile(wheel) as archive:
        [name] = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
        return email.message_from_bytes(archive.read(name))


@pytest.fixture(scope="session")
def description(metadata):
    return metadata.get_payload(decode=True).decode()


@pytest.fixture(scope="session")
def place(tmp_path_factory):
    """A folder that all commands run in, as a user's working folder."""
    return tmp_path_factory.mktemp("place")


@pytest.fixture(scope="session")
def bare(wheel):
    """The wheel without extras in the fresh environment."""
    pip(str(wheel))
    return FRESH / "python"


@pytest.fixture(scope="session")
def full(bare, wheel):
    """The same with what the commands need."""
    pip(f"{wheel}[cli,report]")
    return FRESH / "rlframework"


# A PYTHONPATH with the repository on it would be an installed package to pip.
OUTSIDE = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV"))}


def pip(*what):
    command = [FRESH / "python", "-m", "pip", "install", "-q", "--disable-pip-version-check", *what]
    subprocess.run(command, env=OUTSIDE, check=True)


def run(place, *command, status=0):
    """Run a command as a user would: in another folder, without the repository on any path."""
    # One thread, as in the other tests: more of them wait for each other beside other work.
    single = {"OMP_NUM_THREADS": "1", "COLUMNS": "100"}
    outside = OUTSIDE | single | {"HF_HUB_OFFLINE": "1", "XDG_CACHE_HOME": str(place / "cache")}
    done = subprocess.run(command, cwd=place, env=outside, capture_output=True, text=True, check=False, timeout=1800)
    assert done.returncode == status, f"{command}: {done.returncode}\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
    return done.stdout


def tracked(*under):
    found = subprocess.run(["git", "ls-files", *under], cwd=ROOT, capture_output=True, text=True, check=True)
    return {name for name in found.stdout.splitlines() if (ROOT / name).exists()}


def test_the_wheel_has_the_package_and_nothing_else(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    ours = {name for name in names if ".dist-info/" not in name}
    assert ours == tracked("rlframework")
    assert "rlframework/py.typed" in ours
    assert sum(name.endswith(".pyi") for name in ours) > 10
    assert [name for name in names if name.endswith("/licenses/LICENSE")]


def test_the_source_distribution_has_what_it_is_tested_with():
    [path] = DIST.glob("*.tar.gz")
    with tarfile.open(path) as archive:
        names = {name.partition("/")[2] for name in archive.getnames() if archive.getmember(name).isfile()}
    expected = {name for name in tracked() if not name.startswith(OURS)}
    assert expected - names == set()
    made = {name for name in names - expected if not name.startswith("rlframework.egg-info/")}
    assert made == {"PKG-INFO"}


def test_metadata_is_that_of_the_project(metadata):
    assert metadata["Name"] == PROJECT["name"]
    assert metadata["Version"] == PROJECT["version"]
    assert metadata["License-Expression"] == PROJECT["license"]
    assert metadata["Description-Content-Type"] == "text/markdown"
    assert "Typing :: Typed" in metadata.get_all("Classifier")
    assert set(metadata.get_all("Provides-Extra")) == set(PROJECT["optional-dependencies"])


def test_every_link_of_the_description_leads_to_a_file_of_this_version(description):
    targets = re.findall(r"\]\(([^)\s]+)\)", description)
    assert len(targets) > 20
    source = PROJECT["urls"]["Source"]
    raw = source.replace("github.com", "raw.githubusercontent.com")
    for target in targets:
        assert target.startswith("https://"), f"{target} leads nowhere from a package index"
        path = re.fullmatch(rf"(?:{source}/blob|{raw})/v{re.escape(PROJECT['version'])}/([^#]+)(#.*)?", target)
        assert path is None or (ROOT / path[1]).exists(), f"there is no {path[1]}"
        assert path or not target.startswith((source, raw)), f"{target} is of another version"


def test_modules_can_be_imported_without_extras_but_for_those_that_work_with_one(bare, place):
    program = (
        "import importlib, pkgutil, rlframework, warnings\n"
        "warnings.simplefilter('ignore')\n"
        "print(rlframework.__file__)\n"
        "for module in pkgutil.walk_packages(rlframework.__path__, 'rlframework.'):\n"
        "    try:\n"
        "        if not module.name.endswith('__main__'): importlib.import_module(module.name)\n"
        "    except ImportError: print(module.name)\n"
    )
    file, *refused = run(place, bare, "-c", program).split()
    assert not Path(file).is_relative_to(ROOT / "rlframework")
    assert set(refused) == {
        "rlframework.cli.mistakes",  # reads what jsonargparse says
        "rlframework.rewards.logic.gym_scorer",  # runs in the processes that have reasoning-gym
        "rlframework.samplers.vllm.deadline",  # is a transport of httpx
    }


def test_the_programs_of_the_description_run_without_extras(bare, place, description):
    programs = re.findall(r"^```python\n(.*?)^```", description, re.DOTALL | re.MULTILINE)
    assert len([line for line in programs[0].splitlines() if line.strip()]) <= 20
    (place / "my_module.py").write_text("\n".join(programs[1:]))
    (place / "twenty_lines.py").write_text(programs[0])
    run(place, bare, "my_module.py")
    reward, accuracy = run(place, bare, "twenty_lines.py").splitlines()[-1].split()
    assert "tensor" in reward + accuracy


def test_types_are_seen_from_outside(bare, place):
    program = "from rlframework import SharedPrefixSampler\n{}(SharedPrefixSampler(group_size={}, max_tokens=48))\n"
    checker = [ROOT / ".venv-dist" / "bin" / "python", "-m", "mypy", "--python-executable", bare]
    silent = ["--follow-imports=silent", "--ignore-missing-imports", "--no-incremental"]
    (place / "right.py").write_text(program.format("reveal_type", "8"))
    assert 'Revealed type is "rlframework.samplers.' in run(place, *checker, *silent, "right.py")
    (place / "wrong.py").write_text(program.format("print", "'8'"))
    assert '"group_size"' in run(place, *checker, *silent, "wrong.py", status=1)


def test_the_command_says_its_version_and_lists_its_commands(full, place):
    assert run(place, full, "--version").split() == ["rlframework", PROJECT["version"]]
    listed = run(place, full, "--help")
    assert [name for name in COMMANDS if not re.search(rf"^ +{name}\s", listed, re.MULTILINE)] == []


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(full, place, command):
    assert f"usage: rlframework {command}" in run(place, full, command, "--help")


def test_the_commands_work(full, bare, place):
    """From a YAML file to an export, with a tiny model: the file is that of the page on the command line."""
    [recipe] = re.findall(r"^```yaml\n(.*?)^```", (ROOT / "docs" / "command_line.md").read_text(), re.DOTALL | re.M)
    (place / "mine.yaml").write_text(recipe)
    rows = "".join(f"{a} + {b}?,{a + b}\n" for a in range(10) for b in range(10))
    (place / "mine.csv").write_text(f"question,answer\n{rows}")
    make = (
        "from rlframework import CausalLMPolicy\nfrom rlframework.tasks import tiny_tokenizer\n"
        "from rlframework.testing import tiny_qwen3\ntokenizer = tiny_tokenizer()\n"
        "sizes = dict(vocab_size=len(tokenizer), max_position_embeddings=512, eos_token_id=tokenizer.eos_token_id)\n"
        "CausalLMPolicy(tiny_qwen3(**sizes), tokenizer).save_pretrained('my_model')\n"
    )
    run(place, bare, "-c", make)
    checkpoint = "runs/mine/version_0/checkpoints/last.ckpt"
    run(place, full, "plan", "-c", "mine.yaml", "--device", "H200")
    run(place, full, "fit", "-c", "mine.yaml", "--trainer.max_steps", "2", "--trainer.val_check_interval", "1")
    assert "train/reward/total" in run(place, full, "watch", "runs/mine/version_0", "--once")
    for command in ("validate", "test", "predict"):
        run(place, full, command, "-c", "mine.yaml", "--ckpt_path", checkpoint)
    run(place, full, "eval", checkpoint, "--data", "mine.yaml", "-n", "2")
    run(place, full, "export", "runs/mine/policy", "exported", "--only", "adapter")
    columns = ["--prompt-column", "question", "--answer-column", "answer"]
    assert "correct" in run(place, full, "reward-report", "--reward", "MathCheck", "--data", "mine.csv", *columns)
    assert "WeightedReinforce" in run(place, full, "check", "my_module:WeightedReinforce")
