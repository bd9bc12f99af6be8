"""Packed rows, end to end without padding, for models and minibatches that cannot be read as a tree."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from transformers import AttentionMaskInterface
from transformers.masking_utils import eager_mask, flash_attention_mask, flex_attention_mask, sdpa_mask

from rlframework.functional.logprobs import TokenLogProbs
from rlframework.policies.forward import ModelForward
from rlframework.policies.lm_head import Head, into_rows
from rlframework.policies.rope import rope_depends_on_batch
from rlframework.policies.scoring.base import Scorer, read_tokens
from rlframework.policies.wrappers import puts_tokens_in_front
from rlframework.rollout import Rollout
from rlframework.utilities.distributed import is_sharded


class PackedRows(Scorer):
    """Packed rows: scored end to end, each with its own prompt: nothing is padded.

    Position ids that start again at 0, without an attention mask or a cache, tell transformers where a row begins. It
    then hides the rows from each other in whatever attention the model has: sliding windows, capped scores, dropout.

    Args:
        tokens_per_sequence: How many tokens of rows go into one call of the model. A longer row has a sequence to
            itself. Masks, and with them attention, are quadratic in that number; flash attention has neither, and
            reads all rows in one call.
    """

    name = "packed rows"
    switch = "packed_rows"

    def __init__(self, tokens_per_sequence: int = 512) -> None:
        self._tokens_per_sequence = tokens_per_sequence
        self._hides_rows: bool | None = None

    def why_not(self, policy: ModelForward, batch: Rollout) -> str | None:
        """Return why this minibatch cannot be scored so, or None; the first call also tries the model out."""
        model = policy.model
        if missing := {"position_ids", "logits_to_keep"} - policy.forward_arguments:
            return f"the model takes no {' and no '.join(sorted(missing))}"
        if is_sharded(policy):
            # All ranks gather the weights together, and each would call the model as often as its own rows need.
            return "the weights are sharded, and ranks would not call the model equally often"
        if not batch.loss_mask.any():
            return "no token of a minibatch is scored"
        if not batch.prompt_mask.any(1).all():
            return "a prompt has no token"
        if reason := _why_not_model(model) or rope_depends_on_batch(model.config.get_text_config(), batch):
            return reason
        if self._hides_rows is None:
            self._hides_rows = _rows_are_hidden(policy)
        return None if self._hides_rows else "the model lets rows that share a sequence see each other"

    def score(self, policy: ModelForward, batch: Rollout, **options: Any) -> TokenLogProbs:
        """Score the rows in as many sequences as they need, ``(B, T)``."""
        width, scored = batch.completion_ids.shape[1], batch.loss_mask
        # What no scored token follows predicts nothing, and neither does the prompt of a row without one.
        read = torch.cat([batch.prompt_mask & scored.any(1, keepdim=True), read_tokens(batch)], dim=1)  # (B, S)
        predicts = torch.zeros_like(read)
        predicts[:, -width - 1 : -1] = scored
        ids = torch.cat([batch.prompt_ids, batch.completion_ids], dim=1)
        positions = read.long().cumsum(1) - 1
        sizes, head = self._deal(policy, read.sum(1).tolist()), policy.head
        sequences = zip(*(part[read].split(sizes) for part in (ids, positions, predicts)), strict=True)
        states = torch.cat([_states(head, *sequence) for sequence in sequences])  # in the order of `scored`
        return into_rows(head.score(states, batch.completion_ids[scored], batch.temperature, **options), scored)

    def _deal(self, policy: ModelForward, lengths: list[int]) -> list[int]:
        """Return the lengths of the sequences that take the rows in their order."""
        if _mask(policy.model) is flash_attention_mask:
            return [sum(lengths)]
        room = self._tokens_per_sequence
        # Some architectures hold a causal mask that is as long as their longest row may be.
        room = max(min(room, policy.max_positions or room), *lengths)
        sizes = [0]
        for length in lengths:
            if sizes[-1] + length > room:
                sizes.append(0)
            sizes[-1] += length
        return sizes


def _states(head: Head, ids: Tensor, positions: Tensor, predicts: Tensor) -> Tensor:
    """Return what the head keeps of a sequence, ``(L,)``, where it predicts."""
    inputs = {"input_ids": ids.unsqueeze(0), "position_ids": positions.unsqueeze(0)}
    return head.states({**inputs, "attention_mask": None, "use_cache": False}, predicts.nonzero().squeeze(1))


@torch.no_grad()
def _rows_are_hidden(policy: ModelForward) -> bool:
    """Return whether a change of tokens in front moves what is predicted by far less if a row begins in between.

    Some architectures take position ids for their embeddings alone, and make the mask without them.
    """
    device = policy.device
    # Some models warn of a padding id where there is no mask.
    tokens = [token for token in range(3) if token != policy.pad_id][:2]
    moved = []
    for positions in ([0, 1, 2, 3, 0], [0, 1, 2, 3, 4]):
        states: list[Tensor] = []
        for token in tokens:
            layout = (
                torch.tensor(part, device=device) for part in ([token] * 4 + tokens[:1], positions, [0, 0, 0, 0, 1])
            )
            # The same random numbers each time, so that dropout makes no difference; training does not miss them.
            with torch.random.fork_rng([device] if device.type == "cuda" else []):
                states.append(_states(policy.head, *layout).float())
        moved.append((states[1] - states[0]).nan_to_num().abs().max())
    return bool(moved[0] < 0.1 * moved[1])


def _mask(model: Any) -> Any:
    """Return what makes the mask for the model's attention, or None."""
    return AttentionMaskInterface().get(model.config.get_text_config()._attn_implementation)


def _why_not_model(model: Any) -> str | None:
    config = model.config.get_text_config()
    kinds = set(getattr(config, "layer_types", None) or getattr(config, "layers_block_type", None) or [])
    if odd := kinds - {"full_attention", "sliding_attention", "attention"}:  # the last is an older name of the first
        return f"the model has {', '.join(sorted(odd))}"
    if getattr(model, "_is_stateful", False):
        return "the model hands a state from token to token"
    if _mask(model) not in (sdpa_mask, eager_mask, flash_attention_mask, flex_attention_mask):
        return f"transformers makes no mask for the attention implementation {config._attn_implementation!r}"
    if puts_tokens_in_front(model):
        return "the adapter puts virtual tokens in front of a row"
    if getattr(config, "output_router_logits", False):
        return "the router's auxiliary loss counts every token of a minibatch"
    return None
