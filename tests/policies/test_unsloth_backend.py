"""What is decided before Unsloth is asked; the rest is in tests/unsloth, in Unsloth's own environment."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from peft import LoraConfig

from rlframework import UnslothPolicy, unsloth_cli
from rlframework.policies.unsloth_backend import LORA_SETTINGS, check_loaded, lora_arguments
from tests import forked


def test_a_lora_configuration_becomes_arguments() -> None:
    lora = LoraConfig(
        r=4, lora_alpha=8, target_modules=["v_proj", "q_proj"], lora_dropout=0.1, bias="all", use_rslora=True
    )
    expected = (4, 8, ["q_proj", "v_proj"], 0.1, "all", True)
    assert lora_arguments(lora) == dict(zip(LORA_SETTINGS, expected, strict=True))
    assert lora_arguments(LoraConfig(target_modules="all-linear"))["target_modules"] == "all-linear"
    assert "target_modules" not in lora_arguments(LoraConfig(task_type="CAUSAL_LM"))


@pytest.mark.parametrize(
    "setting",
    [{"use_dora": True}, {"modules_to_save": ["lm_head"]}, {"rank_pattern": {"q_proj": 3}}, {"layers_to_transform": 1}],
)
def test_a_setting_that_unsloth_does_not_take_is_refused_by_name(setting: dict) -> None:
    [name] = setting
    with pytest.raises(ValueError, match=f"also sets {name};"):
        lora_arguments(LoraConfig(target_modules=["q_proj"], **setting))


@pytest.mark.parametrize(
    ("asked", "loaded", "message"),
    [
        ({"load_in_4bit": True}, {}, "16-bit weights"),
        ({"dtype": torch.float16}, {"dtype": torch.bfloat16}, "loaded torch.bfloat16"),
    ],
)
def test_another_model_than_was_asked_for_is_refused(asked: dict, loaded: dict, message: str) -> None:
    model = SimpleNamespace(**{"dtype": torch.float32, **loaded})
    options = {"load_in_4bit": False, "full_finetuning": False, **asked}
    with pytest.raises(RuntimeError, match=message):
        check_loaded(model, options.pop("dtype", None), options)


def test_a_missing_package_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "unsloth", None)
    monkeypatch.setattr("rlframework.policies.unsloth_backend.find_spec", lambda _: None)
    for use in (lambda: UnslothPolicy("folder"), lambda: unsloth_cli.main([])):
        with pytest.raises(ImportError, match=r"pip install 'rlframework\[unsloth\]'"):
            use()


@pytest.mark.parametrize(
    ("first", "verdict"),
    [("import unsloth", "in time"), ("import transformers, unsloth", "late"), ("import rlframework", "late")],
    ids=["first", "behind transformers", "behind ours"],
)
def test_it_has_to_be_imported_first(first: str, verdict: str, tmp_path: Path) -> None:
    package = tmp_path / "unsloth"
    package.mkdir()
    # As Unsloth itself does, import transformers behind parts of its own.
    (package / "__init__.py").write_text("from . import parts\nimport transformers\nclass FastLanguageModel: ...\n")
    (package / "parts.py").touch()
    # In a fork of a process that has imported transformers, and forgets that it has.
    program = f"""
import sys
for name in [name for name in sys.modules if name.split(".")[0] == "transformers"]:
    del sys.modules[name]
{first}
from rlframework.policies.unsloth_backend import fast_language_model
try:
    fast_language_model()
    print("in time")
except ImportError as error:
    print("late" if "`import unsloth` as the first line" in str(error) else error)
"""
    (tmp_path / "program.py").write_text(program)
    done = forked.run(tmp_path / "program.py")
    assert done.stdout.strip() == verdict, done.stderr
