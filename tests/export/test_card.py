"""The model card: measured numbers and settings as they lie beside a checkpoint, and a way to load that works."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from peft import LoraConfig

from rlframework import CausalLMPolicy
from rlframework.cli.commands import main
from rlframework.data import set_structured_chat_template
from rlframework.export.card import Facts, licence_of
from rlframework.export.write import export
from rlframework.testing import letter_tokenizer, tiny_policy
from tests import forked

BLOCK = re.compile(r"^```python\n(.*?)^```", re.DOTALL | re.MULTILINE)
LORA = LoraConfig(r=4, target_modules="all-linear", init_lora_weights=False)
BEFORE_AND_AFTER = {
    "accuracy_before": 0.25,
    "accuracy_before_interval": [0.2, 0.31],
    "accuracy_after": 0.75,
    "accuracy_after_interval": [0.69, 0.8],
    "n_heldout": 256,
}
EVAL = {
    "model": "runs/last.ckpt",
    "data": "mine.csv",
    "prompts": 64,
    "group_size": 4,
    "temperature": 1.0,
    "seed": 0,
    "measures": {
        "accuracy": {"mean": 0.5, "interval": [0.4, 0.6], "pass_at_k": {"4": {"share": 0.9, "interval": [0.8, 0.95]}}}
    },
}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, CausalLMPolicy]:
    """Return a run of an adapter as the command line leaves it: its policy, settings, figures and a summary."""
    folder = tmp_path_factory.mktemp("run")
    base = tiny_policy()
    base.save_pretrained(folder / "base")
    (folder / "base" / "README.md").write_text("---\nlicense: apache-2.0\n---\n# Base\n")
    tokenizer = letter_tokenizer()
    set_structured_chat_template(tokenizer, system_prompt="abc")
    policy = CausalLMPolicy(folder / "base", tokenizer, lora=LORA).eval()
    policy.save_pretrained(folder / "policy")
    logs = folder / "version_0"
    logs.mkdir()
    model = {"class_path": "rlframework.GRPO", "init_args": {"learning_rate": 0.0005, "kl": None}}
    (logs / "config.yaml").write_text(
        yaml.safe_dump({"model": model, "data": {"class_path": "GSM8K"}, "trainer": {"max_steps": 40, "logger": True}})
    )
    (logs / "metrics.csv").write_text("step,epoch,val/accuracy\n9,0,0.3\n19,0,0.7\n29,0,0.6\n")
    (logs / "summary.json").write_text(json.dumps(BEFORE_AND_AFTER))
    (folder / "eval.json").write_text(json.dumps(EVAL))
    return folder, policy


@pytest.fixture(scope="module")
def exported(run: tuple[Path, CausalLMPolicy]) -> Path:
    folder, _ = run
    export(folder / "policy", folder / "exported", measured=[folder / "eval.json"], say=lambda line: None)
    return folder / "exported"


@pytest.mark.parametrize("form", ["adapter", "merged"])
def test_the_card_says_what_was_measured_and_how_it_was_trained(form: str, exported: Path) -> None:
    card = (exported / form / "README.md").read_text()
    matter = yaml.safe_load(card.split("---\n")[1])
    assert matter["license"] == "apache-2.0"
    assert matter["base_model"].endswith("base")
    assert matter["library_name"] == {"adapter": "peft", "merged": "transformers"}[form]
    assert matter["tags"] == ["rlframework", "grpo"]
    for words in (
        "| accuracy | 0.250 | 0.200 - 0.310 | 0.750 | 0.690 - 0.800 |",
        "on 256 held-out prompts",
        "| accuracy | 0.500 | 0.400 - 0.600 |",
        "| accuracy, pass@4 | 0.900 | 0.800 - 0.950 |",
        "| val/accuracy | 0.300 (step 10) | 0.600 (step 30) | 0.700 |",
        "learning_rate: 0.0005",
        "class_path: GSM8K",
        "max_steps: 40",
        "r: 4",
        "apache-2.0, as ",
    ):
        assert words in card
    assert "null" not in card
    assert "logger" not in card


def test_the_programs_of_the_cards_answer_in_a_fresh_process_as_the_policy_does(
    run: tuple[Path, CausalLMPolicy], exported: Path, tmp_path: Path
) -> None:
    """By transformers and peft alone: base, adapter, merged model, tokenizer and chat template as they were written."""
    _, policy = run
    program = "import json, sys\n"
    for form in ("adapter", "merged"):
        [block] = BLOCK.findall((exported / form / "README.md").read_text())
        program += f"{block}print(json.dumps([inputs['input_ids'][0].tolist(), answer.tolist()]))\n"
    program += "assert 'rlframework' not in sys.modules\n"
    (tmp_path / "load.py").write_text(program)
    done = forked.run(tmp_path / "load.py", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    text = re.search(r"^prompt = ['\"](.*)['\"]$", program, re.MULTILINE)[1]  # type: ignore[index]
    chat = [{"role": "user", "content": text}]
    asked: Any = policy.tokenizer.apply_chat_template(
        chat, add_generation_prompt=True, return_tensors="pt", return_dict=True
    )
    with torch.no_grad():
        own = policy.model.generate(**asked, max_new_tokens=32, do_sample=False)[0].tolist()
    size = asked["input_ids"].shape[1]
    assert len(own) > size + 4
    for line in done.stdout.splitlines()[1::2]:
        assert json.loads(line) == [own[:size], own[size:]]


def test_a_checkpoint_says_its_own_step_settings_and_score(tmp_path: Path) -> None:
    torch.save(
        {
            "global_step": 7,
            "class_path": "rlframework.GRPO",
            "hyper_parameters": {"learning_rate": 0.1},
            "datamodule_hyper_parameters": {"data": {"class_path": "rlframework.data.GSM8K"}},
            "state_dict": {},
            "callbacks": {"ModelCheckpoint": {"monitor": "val/accuracy", "current_score": torch.tensor(0.5)}},
        },
        tmp_path / "last.ckpt",
    )
    (tmp_path / "config.yaml").write_text("model: {class_path: Another}\ntrainer: {max_steps: 9}\n")
    facts = Facts(tmp_path / "last.ckpt")
    assert facts.about == {"step": 7}
    assert facts.settings == {
        "model": {"class_path": "rlframework.GRPO", "init_args": {"learning_rate": 0.1}},
        "data": {"class_path": "rlframework.data.GSM8K"},
        "trainer": {"max_steps": 9},
    }
    assert facts.best == {"val/accuracy": 0.5}


def test_a_later_run_beside_it_is_another_one(tmp_path: Path) -> None:
    """`validate` reads the policy of a run and leaves a folder of its own beside that of the run."""
    for version, steps in enumerate((1, 2, 3)):
        (tmp_path / f"version_{version}").mkdir()
        (tmp_path / f"version_{version}" / "config.yaml").write_text(f"trainer: {{max_steps: {steps}}}")
        os.utime(tmp_path / f"version_{version}" / "config.yaml", (version, version))
    tiny_policy().save_pretrained(tmp_path / "policy")
    os.utime(tmp_path / "policy", (1.5, 1.5))
    assert Facts(tmp_path / "policy").settings == {"trainer": {"max_steps": 2}}


def test_a_whole_model_without_any_record_says_so(tmp_path: Path) -> None:
    tiny_policy().save_pretrained(tmp_path / "saved")
    export(tmp_path / "saved", tmp_path / "out", forms=["merged"], say=lambda line: None)
    card = (tmp_path / "out" / "merged" / "README.md").read_text()
    assert "Nothing that was measured lies beside the checkpoint." in card
    assert "Yours to state" in card
    assert "base_model" not in card


@pytest.mark.parametrize(
    ("content", "words"), [("{}", "holds no measures"), ("{", "is no JSON"), (None, "to take measures from")]
)
def test_what_is_no_summary_is_refused_before_anything_is_written(
    content: str | None, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tiny_policy().save_pretrained(tmp_path / "saved")
    if content is not None:
        (tmp_path / "measured.json").write_text(content)
    arguments = ["export", tmp_path / "saved", tmp_path / "out", "--measured", tmp_path / "measured.json"]
    with pytest.raises(SystemExit) as stopped:
        main([*map(str, arguments)])
    assert stopped.value.code == 2
    assert words in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_licence_is_what_the_card_of_the_base_states(tmp_path: Path) -> None:
    assert licence_of(str(tmp_path)) is None
    (tmp_path / "README.md").write_text("# No front matter\n")
    assert licence_of(str(tmp_path)) is None
    (tmp_path / "README.md").write_text("---\nlicense: mit\n---\n")
    assert licence_of(str(tmp_path)) == "mit"
    assert licence_of("nobody/has-this") is None
