"""Every causal architecture of transformers samples, scores and learns as its own forward pass says, or is refused."""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pytest
import pytorch_lightning as pl
import torch
import transformers
from transformers.models.auto.configuration_auto import CONFIG_MAPPING_NAMES

from rlframework import GRPO, CausalLMPolicy, Completions, PromptDataModule, SharedPrefixSampler
from rlframework.prompt import Prompt
from rlframework.rewards import FunctionReward
from rlframework.rollout import Rollout
from tests.drawn import drawn
from tests.policies.tiny_architectures import KINDS, TOKENIZER, tiny_architecture

PAGE = Path(__file__).parents[2] / "docs" / "architectures.md"
BEGIN, END = "<!-- architectures:begin -->\n", "<!-- architectures:end -->"
# Those that differ in kind: full attention with and without experts, sliding windows, ALiBi, learned positions, latent
# attention, linear attention beside full, state spaces, no cache at all, positions that are counted otherwise.
REPRESENTATIVE = ["qwen3", "mixtral", "gemma2", "bloom", "opt", "deepseek_v3", "qwen3_5_text", "granitemoehybrid"]
REPRESENTATIVE += ["mamba", "jamba", "falcon_h1", "lfm2", "minimax", "rwkv", "openai-gpt", "roberta", "bart", "moshi"]
LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789"
SHORT, LONG = (5, 11, 3, 8), (140, 131, 150, 72)


class Outcome(NamedTuple):
    """What became of an architecture.

    Args:
        gap: The largest difference of a log-probability from an unpadded forward pass without cache, in nats.
        left: Shortcuts that do not hold for it.
        refused: Why it is refused.
    """

    gap: float | None = None
    left: tuple[str, ...] = ()
    refused: str | None = None


def prompts(lengths: Sequence[int]) -> list[Prompt]:
    texts = ["".join(LETTERS[(7 * j * (i + 1) + i + j * j) % 36] for j in range(n)) for i, n in enumerate(lengths)]
    return [Prompt(TOKENIZER(text)["input_ids"], text, {"prompt": text}, i) for i, text in enumerate(texts)]


def gap_of(policy: CausalLMPolicy, completions: Completions) -> float:
    """Return how far sampler and policy are from what the model says of each whole row."""
    with torch.no_grad():
        scored = policy.logprobs(Rollout.of(completions, pad_id=0)).logprobs
        gaps = []
        for row, found in zip(completions.rows, scored, strict=True):
            logits = policy.model(input_ids=torch.tensor([row.prompt.ids + row.ids]), use_cache=False).logits[0]
            right = logits[-len(row.ids) - 1 : -1].float().log_softmax(-1)
            right = right.gather(1, torch.tensor(row.ids).unsqueeze(1)).squeeze(1)
            gaps += [found[: len(row.ids)] - right, torch.tensor(row.logprobs) - right]
    return float(torch.cat(gaps).abs().max())


def vowels(completion: str) -> float:
    return sum(letter in "aeiou" for letter in completion) / 4


def learn(policy: CausalLMPolicy) -> None:
    """Take one step."""
    sampler = SharedPrefixSampler(group_size=4, max_tokens=6)
    algorithm = GRPO(policy, FunctionReward(vowels), sampler, prompts_per_rollout=4, learning_rate=1e-3)
    silent = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False}
    trainer = pl.Trainer(max_steps=1, accelerator="cpu", enable_checkpointing=False, **silent)
    trainer.fit(algorithm, PromptDataModule([prompt.row for prompt in prompts(SHORT)]))


def outcome(kind: str) -> Outcome:
    """Try an architecture out.

    Raises:
        Exception: It crashes.
    """
    gap, model = 0.0, tiny_architecture(kind)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        try:
            for lengths in (SHORT, LONG):
                policy = CausalLMPolicy(model, TOKENIZER).eval()
                completions = SharedPrefixSampler(group_size=3, max_tokens=9, seed=1).sample(policy, prompts(lengths))
                gap = max(gap, gap_of(policy, completions))
            learn(CausalLMPolicy(model, TOKENIZER))
        except (RuntimeError, ValueError) as error:
            reason = str(error).partition(". ")[0]
            if not reason.startswith(type(model).__name__):
                raise  # It is the architecture's own, and nobody saw it coming.
            return Outcome(refused=reason)
    lines = {str(line.message).partition(":")[0] for line in said if str(line.message).startswith("Left ")}
    return Outcome(gap, tuple(sorted(line.removeprefix("Left ") for line in lines)))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", drawn(REPRESENTATIVE, ["gemma2", "qwen3_5_text", "openai-gpt"]))
def test_those_that_differ_in_kind(kind: str) -> None:
    if kind == "qwen3_5_text" and kind not in CONFIG_MAPPING_NAMES:
        pytest.skip(f"transformers {transformers.__version__} has no qwen3_5_text")
    found = outcome(kind)
    assert found.refused is None
    assert found.gap < 1e-3


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_every_architecture_and_the_table_of_the_docs() -> None:
    found: dict[str, Outcome] = {}
    unbuilt: dict[str, str] = {}
    crashed: dict[str, str] = {}
    for kind in KINDS:
        try:
            tiny_architecture(kind)
        except Exception as error:  # Strict settings raise what they like.
            unbuilt[kind] = f"{type(error).__name__}: {error}"
            continue
        try:
            found[kind] = outcome(kind)
        except Exception as error:
            crashed[kind] = f"{type(error).__name__}: {error}"
    assert not crashed
    wrong = {kind: result for kind, result in found.items() if result.refused is None and not result.gap < 1e-3}
    assert not wrong, wrong
    assert len(found) >= 150, unbuilt
    before, begin, rest = PAGE.read_text().partition(BEGIN)
    table, end, after = rest.partition(END)
    if os.environ.get("RLFRAMEWORK_WRITE_TABLE"):
        table = render(found)
        PAGE.write_text(before + begin + table + end + after)
    listed = {line.split(" | ")[0].removeprefix("| ") for line in table.splitlines()[2:]}
    assert listed == {f"`{kind}`" for kind in found}, "the table is of another version: write it with `make tables`"


def render(found: dict[str, Outcome]) -> str:
    lines = ["| model type | outcome | largest gap (nats) |", "| --- | --- | --- |"]
    for kind, result in found.items():
        if result.refused is not None:
            lines.append(f"| `{kind}` | refused: {result.refused} | |")
        else:
            said = f"right, without {'; '.join(result.left)}" if result.left else "right, every shortcut that applies"
            lines.append(f"| `{kind}` | {said} | {result.gap:.0e} |")
    return "\n".join(lines) + "\n"
