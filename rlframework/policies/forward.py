"""Forward passes of a transformers model: whole rows, padded rows, or the token that follows a cache."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, ClassVar

import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from rlframework.functional.logprobs import TokenLogProbs, token_logprobs
from rlframework.policies.base import Policy
from rlframework.policies.lm_head import Head, TiledHead, WholeHead, into_rows
from rlframework.policies.rope import changing_rotation, rope_depends_on_batch
from rlframework.policies.router_loss import RouterLoss
from rlframework.policies.wrappers import unwrapped
from rlframework.rollout import Rollout


class ModelForward(Policy):
    """A causal language model of transformers and its forward passes, without any shortcut.

    Strategies of scoring and decoding are written against it; `CausalLMPolicy` chooses among them. Positions are
    counted from a row's first real token.

    Args:
        model: The model, inside PEFT or ``torch.compile`` or neither.
        tokenizer: Its tokenizer.

    Attributes:
        forward_arguments: Names that the architecture's forward takes.
        keeps_columns: Whether ``logits_to_keep`` may be an index of columns, as transformers has it.
    """

    keeps_columns: ClassVar[bool] = True

    def __init__(self, model: torch.nn.Module, tokenizer: PreTrainedTokenizerBase) -> None:
        super().__init__(tokenizer)
        self.model: Any = model
        inner = unwrapped(model)
        for config in (inner.config, inner.config.get_text_config()):
            config.return_dict = True  # Outputs are read by their names.
        # Some architectures take no position ids, or always return all logits.
        self.forward_arguments = frozenset(inspect.signature(inner.forward).parameters)
        self._router_loss = RouterLoss.asked_for(inner.config)

    @property
    def head(self) -> Head:
        """The language-model head as it is now: a strategy may shard the model after the policy was made."""
        return TiledHead(self.model) if TiledHead.fits(self.model) else WholeHead(self.model)

    def scores_rows_apart(self, batch: Rollout) -> bool:
        """Return whether no row is so long that it decides how the others are rotated, and no router counts them."""
        return self._router_loss is None and rope_depends_on_batch(self.model.config.get_text_config(), batch) is None

    def single_logprobs(self, batch: Rollout, *, entropy_gradient: bool = False) -> TokenLogProbs:
        """Score the loss tokens of each row in a forward pass of its own, ``(B, T)``: what the model says of a text.

        There is no padding, no mask, no cache, and positions are counted by the model. Everything faster is checked
        against this.
        """
        rows = [batch.select(slice(row, row + 1)) for row in range(len(batch))]
        scored = [self._alone(row, entropy_gradient) for row in rows]
        return TokenLogProbs(*(torch.cat(parts) for parts in zip(*scored, strict=True)))

    def _alone(self, row: Rollout, entropy_gradient: bool) -> TokenLogProbs:
        if not row.prompt_mask.any():  # There is nothing that its first token could follow.
            return self.padded_logprobs(row, entropy_gradient=entropy_gradient)
        tokens, scored = row.completion_ids[row.completion_mask], row.loss_mask[row.completion_mask]
        ids = torch.cat([row.prompt_ids[row.prompt_mask], tokens]).unsqueeze(0)
        predictors = scored.nonzero().squeeze(1) + ids.shape[1] - len(tokens) - 1
        logits = self._logits_at(predictors, partial(self._call, ids, use_cache=False), ids.shape[1])
        found = token_logprobs(logits[0], tokens[scored], row.temperature, entropy_gradient=entropy_gradient)
        return into_rows(found, row.loss_mask)

    def single_logits(self, ids: Tensor, kept: int) -> Tensor:
        """Return the logits of the last columns of rows of one length, ``(B, kept, V)``, as `single_logprobs` does.

        Args:
            ids: ``(B, L)``, all of it text.
            kept: How many columns.
        """
        return self._call(ids, use_cache=False, logits_to_keep=kept).logits[:, -kept:]

    def single_next_logits(self, ids: Tensor, cache: Any = None) -> tuple[Tensor, Any]:
        """Run the tokens that the cache of rows of one length lacks; return ``(B, V)`` logits and the cache.

        Args:
            ids: ``(B, L)`` tokens that the cache has not seen.
            cache: What the last call returned; None on the first.
        """
        output = self._call(ids, **{self._cache_name: cache}, use_cache=True, logits_to_keep=1)
        return output.logits[:, -1], output[self._cache_name]

    def padded_logprobs(self, batch: Rollout, *, entropy_gradient: bool = False) -> TokenLogProbs:
        """Score the loss tokens in one padded forward pass, ``(B, T)``, each row with its own prompt.

        Args:
            batch: What is scored.
            entropy_gradient: Let gradients flow through the entropy.
        """
        ids = torch.cat([batch.prompt_ids, batch.completion_ids], dim=1)  # (B, S)
        mask = torch.cat([batch.prompt_mask, batch.completion_mask], dim=1)
        columns = batch.loss_mask.any(0).nonzero().squeeze(1)  # (C,)
        predictors = columns + batch.prompt_ids.shape[1] - 1
        logits = self._logits_at(predictors, partial(self._forward, ids, mask, use_cache=False), ids.shape[1])
        tokens, scored = batch.completion_ids[:, columns], batch.loss_mask[:, columns]
        found = token_logprobs(logits, tokens, batch.temperature, entropy_gradient=entropy_gradient)
        return into_rows(TokenLogProbs(*(part[scored] for part in found)), batch.loss_mask)

    def _logits_at(self, columns: Tensor, call: Callable[..., Any], length: int) -> Tensor:
        """Return the logits of some columns of a forward pass, ``(B, C, V)``.

        Args:
            columns: ``(C,)`` int64, ascending, without the last one.
            call: The forward pass; it takes ``logits_to_keep``.
            length: Columns of what is read.
        """
        first = int(columns[0]) if len(columns) else length - 1
        span = int(columns[-1]) + 1 - first if len(columns) else 0
        gaps = span > len(columns)
        # A number of columns from the end is what every forward understands; one that ignores it returns all of them.
        logits = call(logits_to_keep=columns if gaps and self.keeps_columns else length - first).logits
        if logits.shape[1] == len(columns):
            return logits
        logits = logits[:, first - length :]
        return logits[:, columns - first] if gaps else logits[:, :span]

    def plain_next_logits(self, ids: Tensor, mask: Tensor, cache: Any = None, **inputs: Any) -> tuple[Tensor, Any]:
        """Run the tokens that the cache of padded rows lacks; return ``(B, V)`` logits and the cache.

        Args:
            ids: ``(B, L)`` tokens that the cache has not seen.
            mask: ``(B, S)`` bool over everything seen and ``ids``, false on padding.
            cache: What the last call returned; None on the first.
            **inputs: For the model, in the place of the mask.
        """
        # By its index: of a slice torch would multiply every row with a copy of the head of its own.
        last = torch.tensor([ids.shape[1] - 1], device=ids.device)
        output = self._forward(ids, mask, **{self._cache_name: cache}, use_cache=True, logits_to_keep=last, **inputs)
        return output.logits[:, -1], output[self._cache_name]

    @property
    def keeps_cache(self) -> bool:
        """Whether the model's forward takes and returns a cache that it can go on from."""
        return self._cache_name in self.forward_arguments

    @property
    def _cache_name(self) -> str:
        # It is `cache` from transformers 5.24 on.
        return "cache" if "cache" in self.forward_arguments else "past_key_values"

    def select_rows(self, cache: Any, rows: Tensor, room: int) -> Any:
        """Keep some rows of the key-value cache."""
        if not hasattr(cache, "reorder_cache"):
            return super().select_rows(cache, rows, room)
        # As in beam search: it is what every layer knows, whatever it holds, and a row may come several times.
        cache.reorder_cache(rows)
        return cache

    @property
    def max_positions(self) -> int | None:
        """``max_position_embeddings`` of the model's configuration."""
        positions = getattr(self.model.config, "max_position_embeddings", None)
        return None if positions is None or positions < 1 else positions  # XLNet says -1 for any number

    def changing_rotation(self, prompts: Sequence[int], budget: int) -> str | None:
        """Return why LongRoPE or dynamic scaling would rotate a row in two ways, with the lengths."""
        return changing_rotation(self.model.config.get_text_config(), prompts, budget)

    def _forward(self, ids: Tensor, mask: Tensor, **options: Any) -> Any:
        positions = (mask.long().cumsum(1) - 1).clamp(min=0)[:, -ids.shape[1] :]
        return self._call(ids, **{"attention_mask": mask.long(), **options}, position_ids=positions)

    def _call(self, ids: Tensor, **options: Any) -> Any:
        """Call the model with what its forward takes, and with outputs that only training wants where it trains."""
        router = self._router_loss if torch.is_grad_enabled() else None
        options["output_router_logits"] = router is not None
        optional = {"position_ids", "logits_to_keep", "output_router_logits"} - self.forward_arguments
        output = self.model(input_ids=ids, **{name: value for name, value in options.items() if name not in optional})
        if router is not None:
            router.observe(output)
        return output
