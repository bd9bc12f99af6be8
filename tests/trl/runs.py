"""What a training run against TRL consists of: a case in the words of both sides, a script, and what is recorded.

`tests.trl.ours` runs a case with this library and `tests.trl.theirs` with TRL: same model, prompts, completions and
rewards. TRL gets the prompts in the order in which our loader asked for them; both get completions from a script.
"""

import functools
import itertools
import logging
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import AutoModelForCausalLM, PreTrainedModel
from transformers.utils.logging import disable_progress_bar, enable_progress_bar, is_progress_bar_enabled

from rlframework.algorithms import GRPO, PolicyGradient
from rlframework.prompt import Prompt
from rlframework.testing import letter_tokenizer, tiny_qwen3
from rlframework.turns import Turn

DATA, GROUP, MAX_TOKENS = 8, 4, 12
LEARNING_RATES = {"sgd": 0.05, "adamw": 2e-3}

letter_tokenizer = functools.cache(letter_tokenizer)

Judge = Callable[[str, list[int]], float | None]


def quality(prompt: str, ids: list[int]) -> float:
    return sum(ids) % 7 / 3


def brevity(prompt: str, ids: list[int]) -> float | None:
    """Judge every other completion, so that totals lack a component here and there."""
    return None if len(ids) % 2 else 1 / len(ids)


def indifferent(prompt: str, ids: list[int]) -> float:
    """Give all answers to half of the prompts the same reward."""
    return 1.0 if prompt[0] in "aceg" else quality(prompt, ids)


def abstaining(prompt: str, ids: list[int]) -> float | None:
    """Leave one prompt and about a quarter of the other rows without any reward."""
    return None if prompt[0] == "d" or sum(ids) % 4 == 0 else quality(prompt, ids)


Script = Callable[[int, Prompt, int], list[int]]


def script(rollout: int, prompt: Prompt, row: int) -> list[int]:
    """Return the completion of a row: ragged, most with an end token, some cut at the budget."""
    rng = np.random.default_rng((rollout, prompt.index, row))
    return tokens(rng, int(rng.integers(1, MAX_TOKENS + 5)))


def even_script(rollout: int, prompt: Prompt, row: int) -> list[int]:
    """Return completions that are as ragged, but whose groups all have the same number of tokens, one row cut."""
    order = np.random.default_rng((rollout, prompt.index)).permutation(GROUP)
    length = (3, 7, MAX_TOKENS, MAX_TOKENS + 1)[order[row]]
    return tokens(np.random.default_rng((rollout, prompt.index, row)), length)


def tokens(rng: np.random.Generator, length: int) -> list[int]:
    ids = rng.integers(3, len(letter_tokenizer()), size=min(length, MAX_TOKENS)).tolist()
    return ids if length > MAX_TOKENS else [*ids[:-1], letter_tokenizer().eos_token_id]


def sampled(rollout: int, prompt: Prompt, row: int, length: int) -> list[bool]:
    """Return which tokens of a row the policy sampled: not a third of them, drawn from the second token on.

    How many depends on the length alone, so that `even_script` stays even.
    """
    rng = np.random.default_rng((11, rollout, prompt.index, row))
    given = 1 + rng.permutation(max(length - 1, 0))[: length // 3]
    return [place not in given for place in range(length)]


def turns_of(sampled: list[bool]) -> list[Turn]:
    """Return the turns in which a policy and an environment write a row."""
    turns, start = [], 0
    for mine, tokens in itertools.groupby(sampled):
        end = start + len(list(tokens))
        turns.append(Turn(start, end, "policy" if mine else "environment", ""))
        start = end
    return turns


TWO = ((quality, 1.0), (brevity, 0.5))


@dataclass(frozen=True, eq=False)
class Case:
    """What is trained.

    Args:
        kind: The algorithm here.
        ours: Makes its options, anew for every run since some of them learn.
        trainer: TRL's trainer, ``"grpo"``, ``"rloo"`` or ``"gmpo"``.
        theirs: Fields of its config.
        rewards: Judges of (prompt, completion ids) with their weights.
        accumulate: Minibatches of an optimizer step.
        slices: Optimizer steps of one pass over a rollout.
        passes: Passes over a rollout.
        prompts: Prompts of a rollout; by default four, or as many as there are minibatches.
        script: What is sampled; with `even_script` all optimizer steps have the same number of tokens.
        given: Whether an environment gave a third of the tokens.
        sampler_known: Whether the sampler says its log-probabilities, with noise and holes.
        vllm: TRL's settings of the correction for them, if it is on.
        shuffled: Whether TRL may shuffle the rows of a rollout before it cuts them into minibatches.
        evaluate: Whether TRL evaluates the prompts of the first rollout before it trains.
        slower: What the learning rate is divided by, so that large gradients take steps of the usual size.
        lora: Whether an adapter is trained, and not the model.
    """

    kind: type[PolicyGradient] = GRPO
    ours: Callable[[], dict[str, Any]] = dict
    trainer: str = "grpo"
    theirs: Mapping[str, Any] = field(default_factory=dict)
    rewards: tuple[tuple[Judge, float], ...] = TWO
    accumulate: int = 2
    slices: int = 1
    passes: int = 1
    prompts: int = 0
    steps: int = 3
    temperature: float = 1.0
    warmup: int = 0
    weight_decay: float = 0.0
    script: Script = script
    given: bool = False
    sampler_known: bool = False
    vllm: Mapping[str, Any] | None = None
    shuffled: bool = False
    evaluate: bool = False
    slower: float = 1.0
    lora: bool = False

    @property
    def minibatches(self) -> int:
        """Minibatches of a rollout."""
        return self.accumulate * self.slices

    @property
    def prompts_per_rollout(self) -> int:
        return self.prompts or max(4, self.minibatches)

    def learning_rate(self, optimizer: str) -> float:
        return LEARNING_RATES[optimizer] / (self.slower if optimizer == "sgd" else 1.0)


@dataclass
class Run:
    """What happened: one entry per rollout, per minibatch or per optimizer step, and the weights at the end."""

    prompts: list[list[Prompt]] = field(default_factory=list)
    completions: list[list[list[int]]] = field(default_factory=list)
    sampler_logprobs: list[list[list[float]]] = field(default_factory=list)
    advantages: list[torch.Tensor] = field(default_factory=list)
    logprobs: list[torch.Tensor] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)
    gradients: list[dict[str, torch.Tensor]] = field(default_factory=list)
    metrics: list[dict[str, float]] = field(default_factory=list)
    weights: dict[str, torch.Tensor] = field(default_factory=dict)
    eval_loss: float | None = None


def sampler_noise(rollout: int, prompt: Prompt, row: int, length: int) -> np.ndarray:
    """Return what an engine of other precision is off by, in nats per token; NaN where it did not say."""
    rng = np.random.default_rng((7, rollout, prompt.index, row))
    return np.where(rng.random(length) < 0.1, np.nan, rng.normal(0.0, 0.3, length))


@functools.cache
def model_folder(dtype: torch.dtype) -> Path:
    """Save a tiny Qwen3, once: TRL loads its reference from where the policy came from."""
    folder = tempfile.TemporaryDirectory(prefix="trl_model_")
    _kept.append(folder)
    sizes = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2}
    model = tiny_qwen3(num_attention_heads=4, num_key_value_heads=2, initializer_range=0.2, **sizes)
    with quiet():
        model.to(dtype).save_pretrained(folder.name)
    return Path(folder.name)


_kept: list[tempfile.TemporaryDirectory] = []


def load_model(lora: bool = False) -> PreTrainedModel | PeftModel:
    dtype = torch.get_default_dtype()
    model = AutoModelForCausalLM.from_pretrained(model_folder(dtype), dtype=dtype, attn_implementation="eager")
    return with_adapter(model) if lora else model


def with_adapter(model: PreTrainedModel) -> PeftModel:
    """Put the same adapter on, every time; it is not new, so that it has gradients from the first step on."""
    everywhere = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        return get_peft_model(model, LoraConfig(r=4, lora_alpha=8, target_modules=everywhere, init_lora_weights=False))


def ranked(entropies: torch.Tensor) -> torch.Tensor:
    """Return entropies to be ranked: the first tokens of a group have one context, and so one entropy but for rounding.

    Where the threshold lands among them, rounding would decide, which is another one on each side and each machine.
    """
    return entropies.round(decimals=3)


def copy_gradients(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {name: p.grad.clone() for name, p in model.named_parameters() if p.requires_grad}


def copy_weights(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {name: p.detach().clone() for name, p in model.named_parameters() if p.requires_grad}


@contextmanager
def quiet() -> Iterator[None]:
    bars, level = is_progress_bar_enabled(), logging.root.manager.disable
    logging.disable(logging.WARNING)
    disable_progress_bar()
    try:
        yield
    finally:
        logging.disable(level)
        if bars:
            enable_progress_bar()


@contextmanager
def double_precision() -> Iterator[None]:
    """Let everything compute in float64, also where it asks for float32.

    Models cast norms and rotary angles to float32 whatever their dtype, TRL its output layer, and we our token weights.
    For a moment, float32 is another name of float64.
    """
    # The weights are read before: a file of float32 cannot be read under another name.
    model_folder(torch.float64)
    default = torch.get_default_dtype()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch, "float32", torch.float64)
        patch.setattr(torch, "float", torch.float64)
        patch.setattr(torch.Tensor, "float", torch.Tensor.double)
        torch.set_default_dtype(torch.float64)
        try:
            yield
        finally:
            torch.set_default_dtype(default)
