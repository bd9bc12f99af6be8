"""A language model of your own, in plain torch, is primed and reinforced: no transformers in it.

    python recipes/own_model.py --seed 0      # one thread, two and a half minutes: 0.16 after SFT, 0.89 after GRPO

`Decoder` is the model as somebody has it, `DecoderPolicy` all the framework needs: docs/write_your_own/policy.md.
"""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from transformers import PreTrainedTokenizerBase

from rlframework import GRPO, SFT, DemonstrationDataModule, Policy, PromptDataModule, Rollout, SharedPrefixSampler
from rlframework.functional.logprobs import TokenLogProbs, token_logprobs
from rlframework.loggers import AppendingCSVLogger
from rlframework.report import Comparison
from rlframework.rewards import AnswerCheck, AnswerTemplate, ApproximateFormat, CorrectAnswer, ExactFormat, NumberCheck
from rlframework.run_report import save_run_report
from rlframework.tasks import chain_sums, tiny_tokenizer
from rlframework.tasks.tiny.run import recipe_parser, sizes, tiny_trainer

MEASURES = {"accuracy": CorrectAnswer(), "format": ExactFormat(score=1.0)}
RULES = ExactFormat() + ApproximateFormat() + AnswerCheck() + NumberCheck()
TEMPLATE = AnswerTemplate()
SETTINGS: dict[str, Any] = {"prompts_per_rollout": 16, "learning_rate": 7e-4, "betas": (0.9, 0.95), "warmup_steps": 5}


class Decoder(nn.Module):
    """A small causal transformer: ``(B, L)`` ids and a mask of what is no padding, to ``(B, L, V)`` logits."""

    def __init__(self, vocabulary: int, width: int = 64, layers: int = 2, heads: int = 2, longest: int = 128) -> None:
        super().__init__()
        self.heads = heads
        self.tokens, self.places = nn.Embedding(vocabulary, width), nn.Embedding(longest, width)
        for weight in (self.tokens.weight, self.places.weight):
            nn.init.normal_(weight, std=0.1)  # at torch's 1.0 what a layer adds is drowned
        layer = nn.TransformerEncoderLayer(width, heads, 4 * width, 0.0, "gelu", batch_first=True, norm_first=True)
        self.body = nn.TransformerEncoder(layer, layers, nn.LayerNorm(width), enable_nested_tensor=False)
        self.head = nn.Linear(width, vocabulary)

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        places = (mask.long().cumsum(1) - 1).clamp(min=0)  # counted from a row's first real token
        before = torch.ones(ids.shape[1], ids.shape[1], dtype=torch.bool, device=ids.device).tril()
        itself = torch.eye(ids.shape[1], dtype=torch.bool, device=ids.device)  # padding sees itself: never nothing
        seen = before & mask.unsqueeze(1) | itself  # (B, L, L)
        states = self.tokens(ids) + self.places(places)
        return self.head(self.body(states, mask=~seen.repeat_interleave(self.heads, 0)))


class DecoderPolicy(Policy):
    """The model as a policy. Without a key-value cache of its own, what it has seen is its cache."""

    def __init__(self, model: nn.Module, tokenizer: PreTrainedTokenizerBase) -> None:
        super().__init__(tokenizer)
        self.model = model

    def logprobs(self, batch: Rollout, **options: bool) -> TokenLogProbs:
        ids = torch.cat([batch.prompt_ids, batch.completion_ids], dim=1)  # prompts end where completions begin
        mask = torch.cat([batch.prompt_mask, batch.completion_mask], dim=1)
        logits = self.model(ids, mask)[:, -batch.completion_ids.shape[1] - 1 : -1]  # each predicts the next token
        return token_logprobs(logits, batch.completion_ids, batch.temperature, **options)

    def next_logits(self, ids: Tensor, mask: Tensor, cache: Tensor | None = None) -> tuple[Tensor, Tensor]:
        seen = ids if cache is None else torch.cat([cache, ids], dim=1)
        return self.model(seen, mask)[:, -1], seen


def main(seed: int, output: Path, steps: int, n_heldout: int, priming: int) -> None:
    pl.seed_everything(seed)
    logger, tokenizer, random = AppendingCSVLogger(output, "own_model"), tiny_tokenizer(), Random(seed)
    policy = DecoderPolicy(Decoder(len(tokenizer)), tokenizer)
    data = PromptDataModule(*chain_sums.splits(seed, n_train=16 * steps, n_heldout=n_heldout), template=TEMPLATE)
    pool = chain_sums.problems(32 * priming, seed + 1, exclude=chain_sums.reserved_prompts())
    worked = [{**row, "completion": TEMPLATE.written(chain_sums.worked(row), row["answer"])} for row in pool]
    careless = [{**row, "completion": chain_sums.sloppy_demonstration(row, random)} for row in pool[: len(pool) // 10]]
    sampler = SharedPrefixSampler(group_size=8, max_tokens=48, seed=seed)
    comparison = Comparison(data.tokenize("validation", tokenizer), sampler.for_evaluation(), MEASURES)

    # First it learns to do sums, and then, from a tenth as many careless demonstrations, that people mostly blurt.
    for rows, rate in ((worked, 3e-3), (careless, 1e-3)):
        sft = SFT(policy, demonstrations_per_step=32, learning_rate=rate, betas=(0.9, 0.98), warmup_steps=20, seed=seed)
        priming_data = DemonstrationDataModule(rows, template=TEMPLATE)
        tiny_trainer(AppendingCSVLogger(logger.log_dir, "sft"), len(rows) // 32).fit(sft, priming_data)
    comparison.add("SFT", policy)
    tiny_trainer(logger, steps).fit(GRPO(policy, RULES, sampler, validation=MEASURES, seed=seed, **SETTINGS), data)
    comparison.add("+ GRPO", policy)
    comparison.print(examples=2)
    comparison.save(logger.log_dir, {"algorithm": "GRPO", "seed": seed})
    save_run_report(logger.log_dir)


if __name__ == "__main__":
    options = recipe_parser(__doc__, steps=40).parse_args()
    main(options.seed, options.output, *sizes(options), priming=20 if options.smoke else 1000)
