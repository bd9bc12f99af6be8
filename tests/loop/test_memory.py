"""Memory is foretold within a factor of 2 of what autograd keeps, and what is named halves it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from peft import LoraConfig
from transformers import GPT2Config, GPT2LMHeadModel

from rlframework import CausalLMPolicy, PromptDataModule, SharedPrefixSampler
from rlframework.callbacks import RolloutCallback
from rlframework.completions import Completion
from rlframework.loop.memory import Foretold
from rlframework.rewards.base import RowReward
from rlframework.testing import letter_tokenizer, tiny_qwen3
from tests.drawn import drawn

LORA = LoraConfig(r=4, target_modules=["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"])
SIZES = {
    "hidden_size": 144,
    "intermediate_size": 384,
    "num_hidden_layers": 2,
    "num_attention_heads": 9,
    "num_key_value_heads": 3,
    "head_dim": 16,
    "max_position_embeddings": 512,
}


def rows(length: int, alike: int = 0) -> list[dict[str, str]]:
    """Return prompts of one length; the first ``alike`` letters are the same in all."""
    letters = "abcdefghijklmnop"
    return [{"prompt": "z" * alike + letter * (length - alike), "answer": "a"} for letter in letters]


class Endless(CausalLMPolicy):
    """Ends with a token that is never sampled, so that each completion uses its budget."""

    eos_ids = frozenset({1_000_000})


def policy(**options: Any) -> CausalLMPolicy:
    return Endless(tiny_qwen3(**SIZES), letter_tokenizer(), **options)


class Sum(RowReward):
    """Differs in every group: one without spread would be scored without gradients."""

    def score_row(self, completion: Completion) -> float:
        return float(sum(completion.ids))


class Kept(RolloutCallback):
    """Counts the bytes that autograd keeps of each minibatch, weights aside, once the shortcuts are proven."""

    def __init__(self) -> None:
        self.bytes: list[int] = []
        self.foretold: Foretold | None = None

    def on_train_start(self, trainer: pl.Trainer, pl_module: Any) -> None:
        self.foretold = pl_module.foretell_memory()
        self._weights = {weight.untyped_storage().data_ptr() for weight in pl_module.parameters()}

    def on_train_batch_start(self, trainer: pl.Trainer, pl_module: Any, batch: Any, batch_idx: int) -> None:
        self._held: dict[int, tuple[int, torch.Tensor]] = {}
        self._hooks = torch.autograd.graph.saved_tensors_hooks(self._pack, lambda tensor: tensor)
        self._hooks.__enter__()

    def on_before_backward(self, trainer: pl.Trainer, pl_module: Any, loss: torch.Tensor) -> None:
        self._hooks.__exit__(None, None, None)
        self.bytes.append(sum(size for size, _ in self._held.values()))

    def _pack(self, tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in self._weights:
            # Held, so that its address is not given to another.
            self._held[storage.data_ptr()] = storage.nbytes(), tensor
        return tensor


@pytest.fixture
def run(grpo: Callable, tmp_path: Any) -> Callable[..., Kept]:
    def make(
        length: int = 40, budget: int = 20, alike: int = 0, parts: int = 1, prompts: int = 4, **options: Any
    ) -> Kept:
        kept = Kept()
        algorithm = grpo(
            policy(**options),
            reward=Sum(),
            sampler=SharedPrefixSampler(group_size=4, max_tokens=budget),
            prompts_per_rollout=prompts,
            minibatches_per_rollout=parts,
            learning_rate=1e-6,
        )
        quiet = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False, "accelerator": "cpu"}
        steps = {"max_steps": 2, "accumulate_grad_batches": parts, "enable_model_summary": False}
        trainer = pl.Trainer(default_root_dir=tmp_path, callbacks=[kept], **quiet, **steps)
        trainer.fit(algorithm, PromptDataModule(rows(length, alike)))
        return kept

    return make


def activations(foretold: Foretold, trained: int, accumulates: bool = False) -> float:
    return foretold.update - 4 * trained * (3 if accumulates else 2)


@pytest.mark.parametrize(
    ("lora", "shape"),
    drawn(
        {
            "whole": (None, {}),
            "lora": (LORA, {}),
            "long prompts": (LORA, {"length": 150, "budget": 10}),
            "long completions": (LORA, {"length": 20, "budget": 100}),
            "alike": (LORA, {"length": 100, "alike": 90}),
            "padded": (LORA, {"shared_prefix": False, "packed_rows": False}),
        },
        {"whole", "alike", "padded"},
    ),
)
def test_an_update_keeps_about_what_was_foretold(run: Callable[..., Kept], lora: Any, shape: dict[str, Any]) -> None:
    kept = run(lora=lora, **shape)
    trained = sum(p.numel() for p in policy(lora=lora).parameters() if p.requires_grad)
    assert kept.foretold is not None
    ratio = activations(kept.foretold, trained) / kept.bytes[-1]
    assert 0.8 < ratio < 1.6, ratio


def test_what_is_named_halves_it(run: Callable[..., Kept]) -> None:
    whole = run(lora=LORA, budget=60)
    assert whole.foretold is not None
    words = "minibatches_per_rollout=2 with accumulate_grad_batches=2 halves an update's activations"
    assert words in str(whole.foretold)
    halved = run(lora=LORA, budget=60, parts=2)
    assert halved.bytes[-1] == pytest.approx(whole.bytes[-1] / 2, rel=0.1)


def test_checkpointing_is_named_where_nothing_can_be_cut_and_halves_it(run: Callable[..., Kept]) -> None:
    whole = run(lora=LORA, prompts=1, budget=60)
    assert "gradient_checkpointing=True" in str(whole.foretold)
    less = run(lora=LORA, prompts=1, budget=60, gradient_checkpointing=True)
    assert less.bytes[-1] < whole.bytes[-1] / 2
    assert "max_tokens" in str(less.foretold)


def test_the_line_is_said_once_when_a_run_starts(run: Callable[..., Kept], caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO"):
        kept = run()
    said = [record.getMessage() for record in caplog.records if "Memory above the weights" in record.getMessage()]
    assert said == [str(kept.foretold)]


def test_an_unknown_kind_of_model_is_not_guessed_at(grpo: Callable, fit: Callable) -> None:
    tokenizer = letter_tokenizer()
    config = GPT2Config(vocab_size=len(tokenizer), n_positions=32, n_embd=16, n_layer=1, n_head=2)
    told = []

    class Ask(pl.Callback):
        def on_train_start(self, trainer: pl.Trainer, pl_module: Any) -> None:
            told.append(pl_module.foretell_memory())

    fit(grpo(CausalLMPolicy(GPT2LMHeadModel(config), tokenizer)), callbacks=[Ask()], max_steps=1)
    assert told == [None]
