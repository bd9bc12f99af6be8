"""Policy: the abstract language model that samples and is trained."""

from __future__ import annotations

import copy
import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_map
from transformers import PreTrainedTokenizerBase

from rlframework.functional.logprobs import TokenLogProbs
from rlframework.policies.decoding.kept_rows import KeptRows
from rlframework.rollout import Rollout
from rlframework.utilities.arguments import Checked
from rlframework.utilities.distributed import reshard

Objective = Callable[[TokenLogProbs], Tensor]


@contextmanager
def eval_mode(module: nn.Module) -> Iterator[None]:
    """Switch dropout and its like off inside the context, and give every submodule its own mode back.

    FSDP2 leaves what it gathered for a forward pass whole until a backward pass, which may never come: at the end each
    rank has its parts again, and nothing that reads or changes weights meets a copy.
    """
    modes = [(part, part.training) for part in module.modules()]
    module.eval()
    try:
        yield
    finally:
        for part, training in modes:
            part.training = training
        reshard(module)


def with_pad_token(tokenizer: PreTrainedTokenizerBase) -> PreTrainedTokenizerBase:
    """Return the tokenizer if it has a pad token.

    Raises:
        ValueError: It has none.
    """
    if tokenizer.pad_token_id is None:
        raise ValueError(
            "the tokenizer has no pad token; set tokenizer.pad_token = tokenizer.eos_token before passing it "
            "(safe here: padding is known by masks, so the end token is still trained on)"
        )
    return tokenizer


class Policy(Checked, nn.Module, ABC):
    """A language model that samples and learns.

    Override `logprobs` (what learning needs) and `next_logits` (what in-process sampling needs). Override `reference`
    only if a frozen copy of the whole policy is not the cheapest reference. `decode` and the token properties serve any
    policy with a Hugging Face tokenizer.

    Example:
        A model over a table of logits, without context; real policies differ in size, not in kind.

        >>> import torch
        >>> from rlframework.functional.logprobs import token_logprobs
        >>> class Unigram(Policy):
        ...     def __init__(self, tokenizer, vocabulary):
        ...         super().__init__(tokenizer)
        ...         self.table = nn.Parameter(torch.zeros(vocabulary))
        ...     def logprobs(self, batch, **options):
        ...         logits = self.table.expand(*batch.completion_ids.shape, -1)
        ...         return token_logprobs(logits, batch.completion_ids, batch.temperature, **options)
        ...     def next_logits(self, ids, mask, cache=None):
        ...         return self.table.expand(len(ids), -1), None
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        super().__init__()
        self.tokenizer = with_pad_token(tokenizer)

    @abstractmethod
    def logprobs(self, batch: Rollout, *, entropy_gradient: bool = False) -> TokenLogProbs:
        """Score the loss tokens of a batch, ``(B, T)``, with gradient; anywhere else may stand anything finite.

        ``completion_mask`` is what has to be read, padding aside, and ``loss_mask`` what has to be scored. The
        distribution is that at ``batch.temperature``. An override may have a third argument, ``objective=None``,
        where knowing the loss saves work (`logprobs_for`).

        Args:
            batch: What is scored.
            entropy_gradient: To be handed on to `token_logprobs`: an entropy bonus needs entropies with gradient, and
                nothing else does.
        """

    def single_logprobs(self, batch: Rollout, *, entropy_gradient: bool = False) -> TokenLogProbs:
        """Score the completions row by row, ``(B, T)``, without padding: faster ways are checked against this.

        Args:
            batch: What is scored.
            entropy_gradient: Let gradients flow through the entropy.
        """
        rows = [batch.select(slice(row, row + 1)).trim() for row in range(len(batch))]
        options = {"entropy_gradient": True} if entropy_gradient else {}
        scored = [self.logprobs(row, **options) for row in rows]
        width = batch.completion_ids.shape[1]
        return TokenLogProbs(
            *(
                torch.cat([torch.nn.functional.pad(part, (0, width - part.shape[1])) for part in parts])
                for parts in zip(*scored, strict=True)
            )
        )

    def logprobs_for(self, objective: Objective, batch: Rollout, **options: Any) -> TokenLogProbs:
        """Score the completions, ``(B, T)``, for a loss that is known: `logprobs` gets it if it takes ``objective``.

        Args:
            objective: Pure function from what `logprobs` returns to the loss, up to a constant factor.
            batch: What is scored.
            **options: Of `logprobs`.
        """
        if "objective" in inspect.signature(self.logprobs).parameters:
            options["objective"] = objective
        return self.logprobs(batch, **options)

    def auxiliary_loss(self) -> Tensor | None:
        """Return the auxiliary loss that the model itself adds for the minibatch that was just scored with gradient.

        A scalar that is asked for once a minibatch, with its coefficient, or None.
        """
        return None

    def scores_rows_apart(self, batch: Rollout) -> bool:
        """Return whether the score of a row does not depend on the other rows of its batch, rounding aside."""
        return True

    @abstractmethod
    def next_logits(self, ids: Tensor, mask: Tensor, cache: Any = None) -> tuple[Tensor, Any]:
        """Return logits for the token that follows, and a cache to continue from.

        Args:
            ids: ``(B, L)`` tokens that the cache has not seen: the left-padded prompts at first, then one per row; of
                what `KeptRows` kept, several again.
            mask: ``(B, S)`` bool over everything seen so far and ``ids``; false on padding.
            cache: What the last call returned; None on the first.

        Returns:
            ``(B, V)`` logits, and the cache.
        """

    def prefill(self, ids: Tensor, mask: Tensor) -> tuple[Tensor, Any]:
        """Read prompts before their cache is branched into groups; return ``(N, V)`` logits and the cache.

        Override it where prompts that begin alike can be read faster together.

        Args:
            ids: ``(N, P)``, left-padded.
            mask: ``(N, P)`` bool, false on padding.
        """
        return self.next_logits(ids, mask)

    def select_rows(self, cache: Any, rows: Tensor, room: int) -> Any:
        """Keep some rows of the cache that `next_logits` returned; override it if rows are not dimension 0 in it.

        Args:
            cache: Tensors, or lists, tuples and dictionaries of them.
            rows: ``(B',)`` int64, in the order wanted; a row may come several times.
            room: Tokens that are still to come, at most: space to set aside.
        """
        return tree_map(lambda part: part[rows] if isinstance(part, Tensor) else part, cache)

    def branch(self, cache: Any, mask: Tensor, copies: int, room: int) -> Any:
        """Branch the cache of ``N`` prompts into one of ``N * copies`` rows, group by group.

        Args:
            cache: What `next_logits` returned for the prompts.
            mask: ``(N, P)`` bool, that of the prompts.
            copies: Rows of a group.
            room: Tokens that are still to come for each row, at most.
        """
        rows = torch.arange(len(mask), device=mask.device).repeat_interleave(copies)
        return self.select_rows(cache, rows, room)

    def keep_rows(self, cache: Any, mask: Tensor, copies: int) -> KeptRows | None:
        """Return what keeps the cache of rows while they wait for their next turn; None has them read again.

        Args:
            cache: What `branch` returned.
            mask: ``(N, P)`` bool, that of the prompts.
            copies: Rows of a group.
        """
        return None

    def reference(self) -> Policy:
        """Return a frozen policy with the present weights of this very instance."""
        frozen = copy.deepcopy(self)
        return frozen.requires_grad_(False).eval()

    @property
    def frozen_base(self) -> frozenset[str]:
        """Names, as in ``state_dict``, of weights that never change and that checkpoints therefore leave out."""
        return frozenset()

    def origin(self) -> dict[str, Any]:
        """Return in plain values what this was made of, for whoever makes it again from a checkpoint; here nothing."""
        return {}

    @property
    def device(self) -> torch.device:
        """The device of the policy's first weight."""
        return next(self.parameters()).device

    @property
    def pad_id(self) -> int:
        """Id that fills padding; never looked at."""
        return int(self.tokenizer.pad_token_id)

    @property
    def eos_ids(self) -> frozenset[int]:
        """Every id that ends a completion."""
        return frozenset({self.tokenizer.eos_token_id} - {None})

    @property
    def max_positions(self) -> int | None:
        """The most tokens, prompt and completion together, that the model can read; None if unbounded."""
        return None

    def changing_rotation(self, prompts: Sequence[int], budget: int) -> str | None:
        """Return why RoPE would rotate a row by other angles when it is sampled than when it is scored, or None.

        Args:
            prompts: Lengths in tokens.
            budget: The most tokens of a completion.
        """
        return None

    def decode(self, ids: Sequence[int]) -> str:
        """Turn completion ids into text, without special tokens."""
        text = self.tokenizer.decode(list(ids), skip_special_tokens=True, clean_up_tokenization_spaces=False)
        return str(text)
