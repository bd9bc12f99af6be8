"""Supervised fine-tuning as a LightningModule: its step, its figures, and runs that stop and go on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import ModelCheckpoint
from torch import Tensor

from rlframework import GRPO, SFT, CausalLMPolicy, DemonstrationDataModule, PromptDataModule, SharedPrefixSampler
from rlframework.environments import PlainGlue
from rlframework.functional.logprobs import TokenLogProbs
from rlframework.rewards import CorrectAnswer
from rlframework.rollout import Rollout
from rlframework.testing import letter_rows, letter_tokenizer, tiny_policy, tiny_qwen3

ROWS = [
    {"prompt": f"{a}{b}" * (1 + i % 3), "completion": b * (1 + 2 * i % 5) + a}
    for i, (a, b) in enumerate(zip("abcdefghij", "bcdefghijk", strict=True))
]


def fit(
    sft: SFT, folder: Path, rows: Any = ROWS, held_out: Any = None, ckpt_path: str | None = None, **options: Any
) -> pl.Trainer:
    quiet = {"enable_progress_bar": False, "enable_model_summary": False, "logger": False}
    trainer = pl.Trainer(
        default_root_dir=folder,
        accelerator="cpu",
        num_sanity_val_steps=0,
        **{**quiet, "enable_checkpointing": False, "max_epochs": 2, **options},
    )
    trainer.fit(sft, DemonstrationDataModule(rows, held_out), ckpt_path=ckpt_path)
    return trainer


def make(policy: CausalLMPolicy | None = None, **options: Any) -> SFT:
    return SFT(policy or tiny_policy(), **{"demonstrations_per_step": 4, "learning_rate": 1e-2, **options})


def weights(sft: SFT) -> Tensor:
    return torch.nn.utils.parameters_to_vector(sft.policy.parameters()).detach()


def loss_by_hand(policy: CausalLMPolicy, rows: list[dict[str, str]]) -> float:
    """Return the mean over completion tokens, one demonstration at a time, from the model's own logits."""
    tokenizer, total, tokens = policy.tokenizer, 0.0, 0
    for row in rows:
        prompt = tokenizer(row["prompt"])["input_ids"]
        completion = [*tokenizer(row["completion"])["input_ids"], tokenizer.eos_token_id]
        with torch.no_grad():
            logits = policy.model(torch.tensor([[*prompt, *completion]])).logits[0]
        scored = logits[len(prompt) - 1 : -1].log_softmax(-1)
        total -= float(scored[range(len(completion)), completion].sum())
        tokens += len(completion)
    return total / tokens


def test_the_loss_is_the_mean_over_completion_tokens(tmp_path: Path) -> None:
    expected = loss_by_hand(tiny_policy(), ROWS[:8])
    trainer = fit(make(demonstrations_per_step=8), tmp_path, ROWS[:8], max_steps=1)
    assert float(trainer.callback_metrics["train/loss"]) == pytest.approx(expected, abs=1e-5)
    assert trainer.callback_metrics["train/tokens"] == sum(len(row["completion"]) + 1 for row in ROWS[:8])


def test_the_held_out_loss_is_over_all_batches(tmp_path: Path) -> None:
    sft = make(learning_rate=0.0)
    data = DemonstrationDataModule(ROWS[:4], ROWS[4:], validation_batch_size=5)
    trainer = pl.Trainer(
        default_root_dir=tmp_path, max_epochs=1, logger=False, enable_checkpointing=False, enable_progress_bar=False
    )
    trainer.fit(sft, data)
    assert float(trainer.callback_metrics["val/loss"]) == pytest.approx(loss_by_hand(tiny_policy(), ROWS[4:]), abs=1e-5)


@pytest.mark.parametrize("accumulate", [2, 4])
def test_accumulation_changes_nothing(tmp_path: Path, accumulate: int) -> None:
    once, cut = make(), make()
    fit(once, tmp_path)
    fit(cut, tmp_path, accumulate_grad_batches=accumulate)
    torch.testing.assert_close(weights(cut), weights(once), atol=1e-6, rtol=0)
    assert (weights(once) - weights(make())).abs().max() > 1e-3


def test_a_run_goes_on_bit_by_bit(tmp_path: Path, dropout_policy: Callable[..., CausalLMPolicy]) -> None:
    options = {"accumulate_grad_batches": 2, "max_epochs": 3}
    saver = ModelCheckpoint(tmp_path, "{step}", every_n_train_steps=1, save_top_k=-1)
    whole = make(dropout_policy(0.1), schedule="linear", warmup_steps=2)
    assert fit(whole, tmp_path, callbacks=[saver], enable_checkpointing=True, **options).global_step == 6
    for step in range(1, 6):
        torch.manual_seed(99)
        resumed = make(dropout_policy(0.1, seed=5), schedule="linear", warmup_steps=2)
        fit(resumed, tmp_path, ckpt_path=str(tmp_path / f"step={step}.ckpt"), **options)
        assert torch.equal(weights(resumed), weights(whole)), step


def test_the_policy_goes_on_to_reinforcement(tmp_path: Path) -> None:
    policy = tiny_policy()
    fit(make(policy), tmp_path)
    primed = weights(make(policy))
    grpo = GRPO(policy, CorrectAnswer(), SharedPrefixSampler(group_size=2, max_tokens=4), kl_coefficient=0.1)
    assert torch.equal(torch.nn.utils.parameters_to_vector(grpo.reference.parameters()), primed)


def test_prompts_without_completions_are_refused(tmp_path: Path) -> None:
    trainer = pl.Trainer(max_steps=1, logger=False, enable_checkpointing=False, default_root_dir=tmp_path)
    with pytest.raises(TypeError, match="comes without a completion to learn from"):
        trainer.fit(make(), PromptDataModule(letter_rows(8)))


def test_what_does_not_fit_the_model_is_refused_before_training(tmp_path: Path) -> None:
    rows = [*ROWS, {"prompt": "a" * 40, "completion": "b" * 30}]
    with pytest.raises(
        ValueError, match=r"1 of 11 demonstrations \(the longest of 71 tokens\) exceed the 64 positions"
    ):
        fit(make(), tmp_path, rows)


def test_demonstrations_of_a_step_divide_by_the_accumulation(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="must be a multiple of 3"):
        fit(make(), tmp_path, accumulate_grad_batches=3)


CONVERSATIONS = [
    {
        "prompt": row["prompt"],
        "completion": [
            {"role": "assistant", "content": row["completion"]},
            {"role": "tool", "content": row["prompt"][:2]},
            {"role": "assistant", "content": row["prompt"][0]},
        ],
    }
    for row in ROWS
]


class WithJunk(CausalLMPolicy):
    """Scores what an environment said with numbers that mean nothing."""

    def logprobs(self, batch: Rollout, *, entropy_gradient: bool = False) -> TokenLogProbs:
        scored = super().logprobs(batch, entropy_gradient=entropy_gradient)
        observed = batch.completion_mask & ~batch.loss_mask
        assert observed.any()
        # A weight of 0 would be enough against numbers, and not against these.
        odd = observed & (torch.arange(observed.shape[1]) % 2 == 1)
        return TokenLogProbs(
            torch.where(observed, scored.logprobs * 1e6 - 7.0, scored.logprobs).masked_fill(odd, float("nan")),
            torch.where(observed, 1e9, scored.entropy).masked_fill(odd, float("inf")),
        )


def after(policy: CausalLMPolicy, folder: Path, rows: Any) -> tuple[Tensor, dict[str, float]]:
    sft = make(policy)
    data = DemonstrationDataModule(rows, rows[:3], glue=PlainGlue(policy.tokenizer, before="x", after="y"))
    quiet = {"enable_progress_bar": False, "enable_model_summary": False, "logger": False}
    trainer = pl.Trainer(default_root_dir=folder, accelerator="cpu", max_epochs=2, enable_checkpointing=False, **quiet)
    trainer.fit(sft, data)
    figures = {name: float(value) for name, value in trainer.callback_metrics.items() if "seconds" not in name}
    return weights(sft), figures


def test_what_a_tool_said_is_read_and_moves_nothing(tmp_path: Path) -> None:
    clean, figures = after(tiny_policy(), tmp_path, CONVERSATIONS)
    junk, junk_figures = after(WithJunk(tiny_qwen3(), letter_tokenizer()), tmp_path, CONVERSATIONS)
    assert torch.equal(junk, clean)
    assert junk_figures == figures
    turns = [len(row["completion"][place]["content"]) + 1 for row in CONVERSATIONS for place in (0, 2)]
    assert 0 < figures["train/tokens"] < sum(turns)
    # It is read: other words of the tool are another context.
    told = [
        {**row, "completion": [*row["completion"][:1], {"role": "tool", "content": "zz"}, *row["completion"][2:]]}
        for row in CONVERSATIONS
    ]
    other, _ = after(tiny_policy(), tmp_path, told)
    assert (other - clean).abs().max() > 1e-4


def test_the_loss_of_conversations_is_the_mean_over_the_turns_of_the_policy(tmp_path: Path) -> None:
    policy, total, tokens = tiny_policy(), 0.0, 0
    glue = PlainGlue(policy.tokenizer, before="x", after="y")
    data = DemonstrationDataModule(CONVERSATIONS[:4], glue=glue)
    for shown in data.tokenize("train", policy.tokenizer):
        ids = torch.tensor([shown.ids + shown.completion_ids])
        logprobs = policy.model(ids).logits[0, :-1].detach().log_softmax(-1).gather(1, ids[0, 1:, None])[:, 0]
        for turn in shown.turns:
            if turn.by == "policy":
                start = len(shown.ids) + turn.start - 1
                total -= float(logprobs[start : start + turn.end - turn.start].sum())
                tokens += turn.end - turn.start
    sft = make(learning_rate=0.0)
    trainer = pl.Trainer(
        default_root_dir=tmp_path, max_steps=1, logger=False, enable_checkpointing=False, enable_progress_bar=False
    )
    trainer.fit(sft, data)
    assert trainer.callback_metrics["train/tokens"] == tokens
    assert float(trainer.callback_metrics["train/loss"]) == pytest.approx(total / tokens, abs=1e-5)
    assert f"over 4 demonstrations of {tokens} tokens" in sft.describe()
