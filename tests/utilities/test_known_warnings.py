"""A run begins without warnings that nobody can act on, and keeps all others."""

from __future__ import annotations

import subprocess
import sys
import warnings
from pathlib import Path

import pytest
import yaml

from rlframework.testing import letter_rows
from rlframework.utilities.known_warnings import LEAF_SPEC, LOFTQ, NO_VALIDATION, leave_out, without
from tests import forked

RUN = """
import pytorch_lightning as pl
from rlframework import GRPO, PromptDataModule, SharedPrefixSampler, rewards
from rlframework.testing import letter_rows, tiny_policy
quiet = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False, "accelerator": "cpu"}
algorithm = GRPO(tiny_policy(), rewards.ExactFormat(), SharedPrefixSampler(4, 4), prompts_per_rollout=2)
pl.Trainer(max_steps=1, **quiet).fit(algorithm, PromptDataModule(letter_rows(4)))
"""


def test_a_plain_run_warns_of_nothing() -> None:
    said = subprocess.run([sys.executable, "-c", RUN], capture_output=True, text=True, check=True).stderr
    assert "Warning" not in said
    assert "deprecated" not in said
    assert "Total length" not in said
    assert "overridden" not in said


def test_a_recipe_with_an_adapter_says_nothing_of_defaults(tmp_path: Path) -> None:
    lora = {"class_path": "peft.LoraConfig", "init_args": {"r": 2, "target_modules": ["q_proj"]}}
    model = {"class_path": "rlframework.testing.tiny_qwen3"}
    tokenizer = {"class_path": "rlframework.testing.letter_tokenizer"}
    policy = {"model": model, "tokenizer": tokenizer, "lora": lora}
    trainer = {"accelerator": "cpu", "logger": False, "max_steps": 1, "enable_checkpointing": False}
    config = {
        "model": {
            "class_path": "rlframework.GRPO",
            "init_args": {
                "policy": {"class_path": "rlframework.CausalLMPolicy", "init_args": policy},
                "reward": {"class_path": "rlframework.rewards.ExactFormat"},
                "sampler": {
                    "class_path": "rlframework.BatchedSampler",
                    "init_args": {"group_size": 2, "max_tokens": 4},
                },
            },
        },
        "data": {"class_path": "rlframework.PromptDataModule", "init_args": {"train": letter_rows(8)}},
        "trainer": {**trainer, "default_root_dir": str(tmp_path)},
    }
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(config))
    done = forked.run("-m", "rlframework.cli", "fit", "--config", tmp_path / "recipe.yaml")
    assert done.returncode == 0, done.stderr
    assert "loftq" not in done.stderr


def warn(message: str, category: type[Warning], module: str) -> None:
    warnings.warn_explicit(message, category, "file.py", 1, module, registry={})


@pytest.mark.parametrize(
    ("message", "category", "module"),
    [
        # The same words elsewhere, other words there, another class: each may be somebody's to act on.
        ("`isinstance(treespec, LeafSpec)` is deprecated, use", FutureWarning, "my_module"),
        ("`isinstance(treespec, TreeSpec)` is deprecated", FutureWarning, "pytorch_lightning.utilities._pytree"),
        ("Total length of `DataLoader` across ranks is zero", UserWarning, "pytorch_lightning.utilities.data"),
        ("Total length of `list` across ranks is zero", RuntimeWarning, "pytorch_lightning.utilities.data"),
    ],
)
def test_other_warnings_are_heard(message: str, category: type[Warning], module: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        leave_out(LEAF_SPEC, NO_VALIDATION)
        with pytest.warns(category):
            warn(message, category, module)


def test_inside_a_context_only() -> None:
    words = "`loftq_config` specified but will be ignored when `init_lora_weights` is not 'loftq'."
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        with without(LOFTQ):
            warn(words, UserWarning, "peft.tuners.lora.config")
        assert not heard
        warn(words, UserWarning, "peft.tuners.lora.config")
        assert len(heard) == 1
