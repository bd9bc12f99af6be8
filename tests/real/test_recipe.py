"""make demo-real in small: the real model is asked, trained, saved, and read back by other libraries."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from peft import PeftModel
from transformers import AutoModelForCausalLM

from rlframework import CausalLMPolicy, SharedPrefixSampler, rewards
from rlframework.report.evaluation import evaluate
from rlframework.tasks.word_problems import MAX_TOKENS, WordProblemsData

pytestmark = pytest.mark.real

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def smoke(smollm2: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the run folder of three steps."""
    output = tmp_path_factory.mktemp("runs")
    command = [sys.executable, "recipes/real_model.py", "--smoke", "--model", str(smollm2), "--output", str(output)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr[-3000:]
    return output / "real_model" / "version_0"


def test_there_is_something_to_reinforce(smoke: Path) -> None:
    """Three steps at the foot of the warm-up teach next to nothing; that it learns is shown in test_road.py."""
    summary = json.loads((smoke / "summary.json").read_text())
    assert 0 < summary["accuracy_before"] <= 0.35
    assert summary["peak_mib"] <= 5 * 1024
    rewards_of_groups: dict[tuple[int, int], set[float]] = {}
    for line in (smoke / "rollouts.jsonl").open():
        record = json.loads(line)
        rewards_of_groups.setdefault((record["rollout"], record["prompt_index"]), set()).add(record["reward"])
    assert {rollout for rollout, _ in rewards_of_groups} == {0, 1, 2}
    differ = [len(found) > 1 for found in rewards_of_groups.values()]
    assert sum(differ) / len(differ) > 0.5


def test_the_adapter_is_read_back_by_peft_and_answers_as_in_the_table(smoke: Path, smollm2: Path) -> None:
    summary = json.loads((smoke / "summary.json").read_text())
    base = AutoModelForCausalLM.from_pretrained(smollm2, dtype=summary["dtype"])
    model = PeftModel.from_pretrained(base, smoke / "policy")
    policy = CausalLMPolicy(model, smollm2)
    prompts = WordProblemsData(n_heldout=32).tokenize("validation", policy.tokenizer)
    sampler = SharedPrefixSampler(group_size=1, max_tokens=MAX_TOKENS, temperature=0.0)
    found = evaluate("read back", policy, prompts, sampler, {"accuracy": rewards.RightEquation()})
    assert found.share("accuracy") == pytest.approx(summary["accuracy_after"], abs=1 / 32 + 1e-6)
