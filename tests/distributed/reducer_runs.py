"""The gradient of an optimizer step of any algorithm with any option, the step cut in any way.

``python reducer_runs.py <folder> drawn`` takes a set of pairs on two processes, of which it is one.
"""

from __future__ import annotations

import copy
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytorch_lightning as pl
import torch
from torch import Tensor

from rlframework import GroupSampler, Policy, PolicyGradient, PromptDataModule, RefreshReference, Rollout, algorithms
from rlframework.completions import Completion, Completions
from rlframework.functional.divergences import k1, k2
from rlframework.functional.logprobs import TokenLogProbs
from rlframework.prompt import Prompt
from rlframework.rewards import RowReward
from rlframework.terms import (
    AdaptiveEntropyBonus,
    EntropyBonus,
    KLInLoss,
    KLInReward,
    SequenceMask,
    SequenceTruncation,
    TokenMask,
    TokenTruncation,
)
from rlframework.testing import TablePolicy
from rlframework.testing.algorithms.trial import quiet

V, G, MAX_TOKENS = 11, 4, 6
PROMPTS = ["a", "bb", "ccc", "d", "ee", "f", "ggg", "h"]  # ids 3 to 10
TRUNCATED, FLAT, SILENT = 5, 6, 3  # prompts whose completions are all truncated, paid alike, not judged
ORDER = np.random.default_rng((0, 0)).permutation(len(PROMPTS)).tolist()  # of the first rollout; each rank gets a half
KINDS = {name: getattr(algorithms, name) for name in algorithms.NAMES}


class Bigrams(TablePolicy):
    """A table in double precision, so that rounding hides nothing; it leaves garbage on padding, as a model does."""

    def __init__(self, seed: int = 0) -> None:
        generator = torch.Generator().manual_seed(seed)
        super().__init__(torch.randn(V, V, generator=generator, dtype=torch.float64), letters="abcdefgh")

    def logprobs(self, batch: Rollout, *, entropy_gradient: bool = False) -> TokenLogProbs:
        scores = super().logprobs(batch, entropy_gradient=entropy_gradient)
        garbage = torch.where(batch.completion_mask, 0.0, 50.0)
        return TokenLogProbs(scores.logprobs + garbage, scores.entropy + garbage)

    reference = Policy.reference  # with its garbage


class Scripted(GroupSampler):
    """Ragged completions that depend on nothing but prompt, row and rollout; none, some or all of a group truncated."""

    def __init__(self, noisy: bool = False, lopsided: bool = False) -> None:
        super().__init__(G, MAX_TOKENS, temperature=0.8)
        self.noisy = noisy
        self.truncated = ORDER[4:] if lopsided else [TRUNCATED]

    def sample(self, policy: Policy, prompts: Sequence[Prompt], *, step: int = 0) -> Completions:
        return Completions([self._row(prompt, row, step) for prompt in prompts for row in range(G)], G)

    def _row(self, prompt: Prompt, row: int, step: int) -> Completion:
        generator = np.random.default_rng((prompt.index, row, step))
        length = 0 if (prompt.index, row) == (0, 0) else int(generator.integers(1, MAX_TOKENS + 1))
        truncated = prompt.index in self.truncated or length == MAX_TOKENS
        ids = generator.integers(1, V, length).tolist()
        # As an engine that rounds: near the policy's own, here and there far away, and silent on a token.
        logprobs = np.where(generator.random(length) < 0.1, np.nan, generator.normal(-3.5, 1.0, length))
        known = logprobs.tolist() if self.noisy else []
        return Completion(prompt, ids, str(ids), "length" if truncated else "stop", known)


class Judge(RowReward):
    """Pays 0 to 1 by what the ids add up to; on request silent on a prompt and on other rows here and there."""

    def __init__(self, name: str, divisor: int, abstains: bool) -> None:
        super().__init__(name)
        self.divisor = divisor
        self.abstains = abstains

    def score_row(self, completion: Completion) -> float | None:
        index, total = completion.prompt.index, sum(completion.ids)
        if self.abstains and (index == SILENT or total % 6 == 0 or (total + self.divisor) % 5 == 0):
            return None
        return 0.5 if index == FLAT else total % self.divisor / (self.divisor - 1)


@dataclass(frozen=True, eq=False)
class Option:
    """Arguments of an algorithm, and the option that they must not give the same gradient as."""

    arguments: dict[str, Any] = field(default_factory=dict)
    against: str = "plain"
    rollouts: int = 1
    refresh: bool = False
    noisy: bool = False
    abstains: bool = False
    lopsided: bool = False


def corrected(correction: Any) -> Option:
    return Option({"sampler_correction": correction}, noisy=True)


TWICE = {"passes_per_rollout": 2}
IN_LOSS = {"kl_coefficient": 0.3, "kl": KLInLoss()}
OPTIONS = {
    "plain": Option(),
    "two passes": Option(TWICE),
    "two rollouts": Option(rollouts=2),
    "kl k3": Option(IN_LOSS),
    "kl k2": Option({"kl_coefficient": 0.3, "kl": KLInLoss(k2)}, "kl k3"),
    "kl k3 corrected": Option({"kl_coefficient": 0.3, "kl": KLInLoss(ratio_corrected=True)}, "kl k3"),
    "kl k1 corrected": Option({"kl_coefficient": 0.3, "kl": KLInLoss(k1, ratio_corrected=True)}),
    "kl corrected, two passes": Option(
        {"kl_coefficient": 0.3, "kl": KLInLoss(ratio_corrected=True), **TWICE}, "two passes"
    ),
    "kl in reward": Option({"kl_coefficient": 0.3, "kl": KLInReward()}),
    "ratio cap": Option({"ratio_cap": 1.5, **TWICE}, "two passes"),
    "off-policy threshold": Option({"off_policy_threshold": 0.05, **TWICE}, "two passes"),
    "off-policy threshold, by the sampler": Option({"off_policy_threshold": 0.05}, noisy=True),
    "top entropy": Option({"top_entropy_share": 0.4}),
    "entropy bonus": Option({"entropy_bonus": EntropyBonus(0.1)}),
    "entropy bonus, top entropy": Option({"entropy_bonus": EntropyBonus(0.1), "top_entropy_share": 0.4}, "top entropy"),
    "adaptive entropy bonus": Option({"entropy_bonus": AdaptiveEntropyBonus(5.0, step=0.1), **TWICE}, "two passes"),
    "mask truncated": Option({"mask_truncated": True}),
    "count masked": Option({"mask_truncated": True, "count_masked": True}, "mask truncated"),
    "one rank all truncated": Option({"mask_truncated": True}, "mask truncated", lopsided=True),
    "token truncation": corrected(TokenTruncation()),
    "token mask": corrected(TokenMask()),
    "sequence truncation": corrected(SequenceTruncation()),
    "sequence mask": corrected(SequenceMask(low=0.1)),
    "abstentions": Option(abstains=True),
    "refreshed reference": Option(IN_LOSS, "kl k3, two rollouts", rollouts=2, refresh=True),
    "kl k3, two rollouts": Option(IN_LOSS, "two rollouts", rollouts=2),
    "together": Option(
        {
            **TWICE,
            **IN_LOSS,
            "off_policy_threshold": 0.05,
            "entropy_bonus": EntropyBonus(0.1),
            "mask_truncated": True,
            "sampler_correction": TokenTruncation(),
        },
        "two passes",
        noisy=True,
        abstains=True,
    ),
}
# Their clip leaves nothing of bad completions whose ratio has fallen, and ratios of whole completions move less.
PARTICULAR = {(kind, "ratio cap"): {"ratio_cap": 1.1} for kind in ("GSPO", "LUSPO")}
REFUSED = {
    **dict.fromkeys([("GDPO", "kl in reward"), ("MaxRL", "kl in reward")], "use KLInLoss"),
    ("VESPO", "ratio cap"): "bounded already",
    **dict.fromkeys([("VESPO", "sequence truncation"), ("VESPO", "sequence mask")], "use TokenTruncation or TokenMask"),
    **{
        (kind, option): "one number per completion"
        for kind in ("GSPO", "LUSPO", "RLOO")
        for option in ("top entropy", "entropy bonus, top entropy")
    },
}
PAIRS = [(kind, option) for kind in KINDS for option in OPTIONS if (kind, option) not in REFUSED]
# Options act in the base class, algorithms in what they override: every option on GRPO, and every algorithm with all
# that goes together. A ratio of whole completions and a spread over the whole rollout also with what acts on them.
PARTICULARLY = {
    "GSPO": ("ratio cap", "kl corrected, two passes", "off-policy threshold, by the sampler", "sequence mask"),
    "LitePPO": ("plain", "abstentions", "one rank all truncated"),
}
DRAWN = [
    (kind, option)
    for kind, option in PAIRS
    if kind == "GRPO" or option == "together" or option in PARTICULARLY.get(kind, ())
]
# Those that measure something over the whole step or rollout, which is more than a rank has.
OVER_RANKS = [
    "two rollouts",
    "top entropy",
    "adaptive entropy bonus",
    "mask truncated",
    "one rank all truncated",
    "abstentions",
    "sequence mask",
    "refreshed reference",
]
ON_RANKS = [(kind, option) for kind, option in DRAWN if kind != "GRPO" or option in ("together", *OVER_RANKS)]
SETS = {"drawn": ON_RANKS, "rest": [pair for pair in PAIRS if pair not in ON_RANKS]}


class Cut(NamedTuple):
    """How an optimizer step is cut up: minibatches, order of prompts, padding columns on either side, processes."""

    parts: int = 1
    seed: int = 0
    left: int = 0
    right: int = 0
    devices: int = 1


WHOLE = Cut()
CLIP, LENGTH = 1e-3, 3.0


class Watch(pl.Callback):
    """Widens every minibatch by padding that holds anything finite, and keeps the gradient of the last step."""

    def __init__(self, cut: Cut) -> None:
        self.cut = cut
        self.gradient = torch.zeros(0)

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx) -> None:
        width = batch.completion_ids.shape[1]
        for name in [entry.name for entry in fields(batch)]:
            value = getattr(batch, name)
            if name in ("prompt_ids", "prompt_mask"):
                size = (self.cut.left, 0)
            elif isinstance(value, Tensor) and value.ndim == 2 and value.shape[1] == width > 1:
                size = (0, self.cut.right)
            else:
                continue
            filler = 0 if value.dtype == torch.bool or name in ("weights", "entropy_weights") else 7
            setattr(batch, name, torch.nn.functional.pad(value, size, value=filler))

    def on_before_optimizer_step(self, trainer, pl_module, optimizer) -> None:
        self.gradient = pl_module.policy.table.grad.clone()


class Descent(PolicyGradient):
    """Gradient descent: Adam would blow up the rounding of gradients that are 0 but for it."""

    def configure_optimizers(self) -> torch.optim.Optimizer:
        # With the Trainer's gradient clip, steps of one length for every algorithm.
        return torch.optim.SGD(self.policy.parameters(), lr=LENGTH / CLIP)


def make(kind: str, name: str | Option, cut: Cut = WHOLE) -> PolicyGradient:
    """Return an algorithm with an option of the table, or with one of the caller's."""
    option = name if isinstance(name, Option) else OPTIONS[name]
    descending = type(kind, (Descent, KINDS[kind]), {})
    policy = Bigrams()
    algorithm = descending(
        policy,
        Judge("fives", 5, option.abstains) + 0.5 * Judge("threes", 3, option.abstains),
        Scripted(option.noisy, option.lopsided),
        prompts_per_rollout=len(PROMPTS),
        minibatches_per_rollout=cut.parts,
        seed=cut.seed,
        **copy.deepcopy(option.arguments | PARTICULAR.get((kind, name), {})),
    )
    with torch.no_grad():
        policy.table.add_(Bigrams(seed=1).table, alpha=0.5)  # away from the reference
    return algorithm


def gradient(kind: str, name: str, cut: Cut = WHOLE) -> Tensor:
    """Return the gradient of the last optimizer step that the option needs."""
    option = OPTIONS[name]
    callbacks = [RefreshReference(every_n_steps=1, mixing=0.5)] if option.refresh else []
    return learn(make(kind, name, cut), cut, option.rollouts, callbacks)


def learn(
    algorithm: PolicyGradient, cut: Cut = WHOLE, rollouts: int = 1, callbacks: Sequence[pl.Callback] = ()
) -> Tensor:
    """Take the optimizer steps of some rollouts and return the gradient of the last."""
    watch, steps = Watch(cut), rollouts * algorithm.passes_per_rollout
    with quiet():
        trainer = pl.Trainer(
            accelerator="cpu",
            strategy="ddp" if cut.devices > 1 else "auto",
            devices=cut.devices,
            max_steps=steps,
            accumulate_grad_batches=cut.parts,
            gradient_clip_val=CLIP,
            callbacks=[watch, *callbacks],
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        trainer.fit(algorithm, PromptDataModule([{"prompt": prompt} for prompt in PROMPTS]))
    assert trainer.global_step == steps
    return watch.gradient


if __name__ == "__main__":
    gradients = {pair: gradient(*pair, Cut(devices=2)) for pair in SETS[sys.argv[2]]}
    torch.save(gradients, Path(sys.argv[1]) / f"rank{torch.distributed.get_rank()}.pt")
