"""A base model made in seconds: it can do its task, and ignores the layout asked for."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import torch
import transformers
from pytorch_lightning.utilities.rank_zero import rank_zero_info
from tqdm.auto import tqdm
from transformers import PreTrainedTokenizerBase, Qwen3Config, Qwen3ForCausalLM

from rlframework.tasks import chain_sums
from rlframework.tasks.tiny.recipe import BaseRecipe
from rlframework.tasks.tiny.task import CARELESS, Care, TinyTask
from rlframework.tasks.tiny.tokenizer import tiny_tokenizer
from rlframework.tasks.tiny.training import Draw, demonstrations, documents, gate, place_new_tokens, pretrain, prime
from rlframework.utilities.paths import cache_folder, make_once

Bars = Callable[[str, int], tqdm]


class BasePaths(NamedTuple):
    """Folders of the base and the primed model, each with its tokenizer."""

    base: Path
    primed: Path


def create_base(
    seed: int,
    cache_dir: str | Path | None = None,
    recipe: BaseRecipe | None = None,
    progress: bool = True,
    task: TinyTask = chain_sums,
) -> BasePaths:
    """Make the base and the primed model of a seed, or find them in the cache.

    The base is pretrained on solved problems, half as raw text and half as chats that ignore the layout asked for.
    The primed model has seen a few careless demonstrations of the layout on top: mostly blurted answers, slips, broken
    tags. Both stages are gated on what the model can do, not on a number of steps: a model that has not understood is
    begun anew, and one that is primed too well or too badly is corrected until it passes. Held-out problems occur in
    neither.

    Args:
        seed: Of the first weights and of all data.
        cache_dir: Where models are kept; by default ``rlframework`` in the user's cache folder.
        recipe: Sizes and numbers.
        progress: Show progress bars.
        task: What the base can do; a module such as `chain_sums`.

    Raises:
        RuntimeError: A stage did not reach its gate; the message has the figures.
        PermissionError: The cache folder cannot be written to.
    """
    recipe = recipe or BaseRecipe()
    tokenizer = tiny_tokenizer(characters=task.CHARACTERS)
    folder = cache_folder(cache_dir) / task.__name__.rpartition(".")[2] / _key(seed, task, recipe, tokenizer)
    # Not by the rank that makes it, which may be another one. Where there is a terminal, a bar is drawn.
    if progress and not folder.exists() and not sys.stderr.isatty():
        rank_zero_info(f"Making the base of seed {seed}: a minute or two on two cores, once. It is kept in {folder}")

    def make(scratch: Path) -> None:
        bar = progress_bars(progress)
        with torch.random.fork_rng():
            model = _pretrained(seed, task, recipe, tokenizer, bar)
            save_model(model, tokenizer, scratch / "base")
            save_model(_primed(model, seed, task, recipe, tokenizer, bar), tokenizer, scratch / "primed")

    make_once(folder, make)
    return BasePaths(folder / "base", folder / "primed")


def _pretrained(
    seed: int, task: TinyTask, recipe: BaseRecipe, tokenizer: PreTrainedTokenizerBase, bar: Bars
) -> Qwen3ForCausalLM:
    return pretrained(
        seed, recipe, tokenizer, lambda random: partial(documents, tokenizer, task, recipe.batch_size, random), bar
    )


def pretrained(
    seed: int, recipe: BaseRecipe, tokenizer: PreTrainedTokenizerBase, lessons: Callable[[Random], Draw], bar: Bars
) -> Qwen3ForCausalLM:
    """Return a model that has understood its lessons, begun anew with other weights as often as it did not.

    Args:
        seed: Of the first weights and of the lessons.
        recipe: Sizes and numbers.
        tokenizer: Of the model.
        lessons: Returns what draws a batch of them with a generator.
        bar: Makes progress bars.

    Raises:
        RuntimeError: It never did; the message has the figures.
    """
    losses = []
    for attempt in range(recipe.attempts):
        random = Random(f"pretraining {seed} {attempt}")
        torch.manual_seed(random.getrandbits(32))
        model = Qwen3ForCausalLM(_config(recipe, tokenizer))
        shown = bar("Pretraining", recipe.most_steps)
        losses.append(pretrain(model, tokenizer.pad_token_id, recipe, lessons(random), shown))
        if losses[-1] <= recipe.understood_loss:
            return model
    raise RuntimeError(
        f"pretraining reached a loss of {', '.join(f'{loss:.3f}' for loss in losses)} in {recipe.pretraining_steps} "
        f"steps each, and a competent base has at most {recipe.understood_loss}; try another seed, or allow more "
        "pretraining_steps"
    )


def _primed(
    model: Qwen3ForCausalLM,
    seed: int,
    task: TinyTask,
    recipe: BaseRecipe,
    tokenizer: PreTrainedTokenizerBase,
    bar: Bars,
) -> Qwen3ForCausalLM:
    random = Random(f"priming {seed} 0")
    place_new_tokens(model, tokenizer, random)
    return primed(
        model,
        tokenizer.pad_token_id,
        recipe,
        lambda care: partial(demonstrations, tokenizer, task, recipe.batch_size, random, care),
        lambda: gate(model, tokenizer, task),
        bar,
    )


def primed(
    model: Qwen3ForCausalLM,
    pad_id: int,
    recipe: BaseRecipe,
    lessons: Callable[[Care], Draw],
    measure: Callable[[], tuple[float, float]],
    bar: Bars,
) -> Qwen3ForCausalLM:
    """Return the model after careless demonstrations, corrected until it passes the gate.

    Args:
        model: What is primed; it is changed.
        pad_id: What fills lessons up.
        recipe: Numbers of steps, and the gate.
        lessons: Returns what draws a batch of demonstrations that are so careless.
        measure: Returns the greedy accuracy, and the share of right answers among samples that show any working.
        bar: Makes progress bars.

    Raises:
        RuntimeError: The gate stayed closed; the message has the figures.
    """
    care, steps, aim = CARELESS, recipe.priming_steps, recipe.least_worked
    figures = []
    for _ in range(1 + recipe.corrections):
        prime(model, pad_id, recipe, lessons(care), bar("Priming", steps))
        greedy, worked = measure()
        if greedy <= recipe.most_greedy and worked >= aim:
            return model
        figures.append(f"greedy {greedy:.2f}, worked {worked:.2f}")
        care = CARELESS._replace(slips=0.0)
        if greedy > recipe.most_greedy:
            care = care._replace(blurted=0.85, right=0.0)
        steps, aim = recipe.correction_steps, recipe.corrected_worked
    if greedy <= recipe.most_greedy and worked >= recipe.least_worked:
        return model
    raise RuntimeError(
        f"priming did not give a greedy accuracy of at most {recipe.most_greedy} with at least {recipe.least_worked} "
        f"of the worked samples right in {recipe.corrections} corrections ({'; '.join(figures)}); try another seed, or "
        "allow more corrections"
    )


def _config(recipe: BaseRecipe, tokenizer: PreTrainedTokenizerBase) -> Qwen3Config:
    # Eager attention is faster than sdpa at this size.
    options: dict[str, Any] = {"attn_implementation": "eager"}
    return Qwen3Config(
        vocab_size=len(tokenizer),
        hidden_size=recipe.hidden_size,
        intermediate_size=recipe.intermediate_size,
        num_hidden_layers=recipe.layers,
        num_attention_heads=recipe.heads,
        num_key_value_heads=recipe.heads,
        head_dim=recipe.head_dim,
        initializer_range=recipe.initializer_range,
        tie_word_embeddings=True,
        max_position_embeddings=256,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        **options,
    )


def _key(seed: int, task: TinyTask, recipe: BaseRecipe, tokenizer: PreTrainedTokenizerBase) -> str:
    """Whatever decides the weights decides the name; the sources of the data and of the training are part of it."""
    mine = [Path(__file__).with_name(f"{part}.py") for part in ("base", "task", "tokenizer", "training")]
    sources = [path.read_text() for path in (Path(str(task.__file__)), *mine)]
    versions = [torch.__version__, transformers.__version__]  # of the numbers, and of the files
    facts = [seed, asdict(recipe), tokenizer.get_vocab(), tokenizer.chat_template, sources, versions]
    return f"{seed}-{hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:12]}"


def save_model(model: Qwen3ForCausalLM, tokenizer: PreTrainedTokenizerBase, folder: Path) -> None:
    """Save a model with its tokenizer."""
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def progress_bars(shown: bool) -> Bars:
    """Return a maker of progress bars, of a name and how many steps they count."""
    return lambda name, total: tqdm(total=total, desc=name, unit="step", leave=False, disable=None if shown else True)
