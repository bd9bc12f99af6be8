"""A base model that blurts: it can add, but works sums out only when it is told to think, and then only short ones."""

from __future__ import annotations

import hashlib
from pathlib import Path
from random import Random

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase, Qwen3ForCausalLM

from rlframework.data.tokenize import tokenize_rows
from rlframework.policies.causal_lm import CausalLMPolicy
from rlframework.report.evaluation import evaluate
from rlframework.rewards.math import LenientMathCheck
from rlframework.rewards.template import AnswerTemplate
from rlframework.samplers.batched import BatchedSampler
from rlframework.tasks import chain_sums
from rlframework.tasks.tiny.base import create_base, progress_bars, save_model
from rlframework.tasks.tiny.recipe import BaseRecipe
from rlframework.tasks.tiny.task import Care, Row
from rlframework.tasks.tiny.tokenizer import tiny_tokenizer
from rlframework.tasks.tiny.training import GATE_SEED, Lesson, Pair, fresh_rows, lessons_of, place_new_tokens, prime
from rlframework.utilities.paths import make_once

# Of its answers to a bare question, and to one that it is told to think about: the most that are right.
MOST_BARE, MOST_TOLD = 0.25, 0.6
# What being told to think is worth at least, as a share of the problems.
LEAST_GAIN = 0.15

RASH, THOUGHTFUL = Care(blurted=0.9), Care(blurted=0.1)


def create_rash_base(
    seed: int, cache_dir: str | Path | None = None, recipe: BaseRecipe | None = None, progress: bool = True
) -> Path:
    """Make the rash base of a seed, or find it in the cache: for showing what prompt, priming and GRPO each bring.

    It is the base of `create_base` after as many steps on careless texts as that one is primed with. They are bare
    sums, nine in ten with nothing but an answer, mostly wrong; and sums under the instruction to think, of which the
    short ones, with three terms, are worked out nine times in ten. None has the layout that the instruction asks for.

    Args:
        seed: Of the base, and of the texts.
        cache_dir: Where models are kept; by default ``rlframework`` in the user's cache folder.
        recipe: Sizes and numbers.
        progress: Show progress bars.

    Raises:
        RuntimeError: A gate stayed closed; the message has the figures.
        PermissionError: The cache folder cannot be written to.
    """
    recipe = recipe or BaseRecipe()
    base = create_base(seed, cache_dir, recipe, progress).base
    source = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()[:12]
    folder = base.with_name(f"rash-{source}")

    def make(scratch: Path) -> None:
        tokenizer, model = tiny_tokenizer(), Qwen3ForCausalLM.from_pretrained(base, attn_implementation="eager")
        with torch.random.fork_rng():
            save_model(_made_rash(model, tokenizer, recipe, Random(f"rash {seed}"), progress), tokenizer, scratch)

    make_once(folder, make)
    return folder


def _made_rash(
    model: Qwen3ForCausalLM, tokenizer: PreTrainedTokenizerBase, recipe: BaseRecipe, random: Random, progress: bool
) -> Qwen3ForCausalLM:
    place_new_tokens(model, tokenizer, random)
    bar, steps = progress_bars(progress), recipe.priming_steps

    def draw() -> list[Lesson]:
        return lessons_of(_texts(tokenizer, recipe.batch_size, random), tokenizer)

    figures = []
    for _ in range(1 + recipe.corrections):
        prime(model, tokenizer.pad_token_id, recipe, draw, bar("Making it rash", steps))
        bare, told = (_solved(model, tokenizer, instructed) for instructed in (False, True))
        if bare <= MOST_BARE and bare + LEAST_GAIN <= told <= MOST_TOLD:
            return model
        figures.append(f"bare {bare:.2f}, told {told:.2f}")
        steps = recipe.correction_steps
    raise RuntimeError(
        f"the base did not become rash: at most {MOST_BARE} of bare sums solved, at least {LEAST_GAIN} more and at "
        f"most {MOST_TOLD} under the instruction, in {recipe.corrections} corrections ({'; '.join(figures)}); try "
        "another seed, or allow more corrections"
    )


def _texts(tokenizer: PreTrainedTokenizerBase, n: int, random: Random) -> list[Pair]:
    """Return a batch of careless texts, with stray characters before each answer as pretraining has them."""
    instructed = random.random() < 0.5
    pairs = []
    for row in fresh_rows(chain_sums, n, random):
        short = len(chain_sums.worked(row).split(";")) < chain_sums.MIN_TERMS
        working, answer = chain_sums.careless_answer(row, random, THOUGHTFUL if instructed and short else RASH)
        stray = "".join(random.choices(" .,:;>\n", k=random.randint(0, 3)))
        pairs.append((_asked(row, tokenizer, instructed) + stray, f"{working}=>{answer}{tokenizer.eos_token}"))
    return pairs


def _asked(row: Row, tokenizer: PreTrainedTokenizerBase, instructed: bool) -> str:
    """Return a sum as it is, or as the plain chat template of the maths recipes asks it."""
    template = AnswerTemplate()
    if not instructed:
        return row["prompt"]
    return f"{template.system_prompt}{tokenizer.eos_token}{row['prompt']}{template.generation_prompt}"


def _solved(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, instructed: bool) -> float:
    """Return the share of problems outside the held-out set that are solved, in whatever layout."""
    rows = chain_sums.problems(96, GATE_SEED, exclude=chain_sums.reserved_prompts())
    asked = [{**row, "prompt": _asked(row, tokenizer, instructed)} for row in rows]
    sampler = BatchedSampler(group_size=1, max_tokens=chain_sums.MAX_TOKENS, temperature=0.0)
    policy, prompts = CausalLMPolicy(model, tokenizer), tokenize_rows(asked, tokenizer)
    return evaluate("solved", policy, prompts, sampler, {"solved": LenientMathCheck()}).share("solved")
