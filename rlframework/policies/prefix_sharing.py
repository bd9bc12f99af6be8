"""When a model can read a group as a tree, and the proof that it reads the same."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from peft import PeftModel
from pytorch_lightning.utilities.rank_zero import rank_zero_info
from torch import Tensor, nn
from torch.distributed.tensor import DTensor
from transformers import PreTrainedModel

from rlframework.functional.logprobs import TokenLogProbs, token_logprobs
from rlframework.policies.prefix_tree import TREE_ATTENTION, PrefixTree
from rlframework.rollout import Rollout

if TYPE_CHECKING:
    from rlframework.policies.causal_lm import CausalLMPolicy


class PrefixSharing:
    """The fast way to score a minibatch: every prompt is read once for its whole group, and nothing is padded.

    It serves models whose every layer is plain attention over all tokens before. For others, and while dropout is
    active, the policy scores padded rows; the log says so once, with the reason. The first minibatch, and the first one
    with gradients, are scored both ways for one group, and the run stops if the two differ.

    Args:
        policy: The policy that scores.
    """

    def __init__(self, policy: CausalLMPolicy) -> None:
        self._policy = policy
        self._told: set[str] = set()
        self._proven: set[bool] = set()
        self._unfit = _unfit(policy.model)
        if self._unfit is None:
            model: Any = unwrapped(policy.model)
            model.set_attn_implementation(TREE_ATTENTION)

    def applies(self, batch: Rollout) -> bool:
        """Whether this minibatch can be scored so; the first of its kind is scored both ways."""
        reason = self._unfit or self._unfit_now(batch)
        if reason is not None:
            if reason not in self._told:
                self._told.add(reason)
                rank_zero_info(f"Scoring padded rows, each with its own prompt: {reason}.")
            return False
        if torch.is_grad_enabled() not in self._proven:
            self._prove(_longest_group(batch), torch.is_grad_enabled())
            self._proven.add(torch.is_grad_enabled())
        return True

    def score(self, batch: Rollout, entropy_gradient: bool = False) -> TokenLogProbs:
        """Return what `CausalLMPolicy.padded_logprobs` returns, 0 on padding."""
        tree = PrefixTree.of(batch)
        ids = batch.completion_ids[tree.scored]
        logits = tree.forward(self._policy.model)
        scored = token_logprobs(logits, ids, batch.temperature, entropy_gradient=entropy_gradient)
        empty = torch.zeros(tree.scored.shape, dtype=scored.logprobs.dtype, device=ids.device)
        return TokenLogProbs(*(empty.masked_scatter(tree.scored, values) for values in scored))

    def _unfit_now(self, batch: Rollout) -> str | None:
        if self._policy.training and any(_dropout(part) > 0 for part in self._policy.modules()):
            return "dropout would draw other numbers"
        if len(batch) % batch.group_size or batch.group_size == 1:
            return "the rows are not in groups"
        if not batch.completion_mask.any():
            return "no completion of a minibatch has a token"
        return None

    def _prove(self, group: Rollout, with_gradient: bool) -> None:
        parameters = [p for p in self._policy.parameters() if p.requires_grad and not isinstance(p, DTensor)]
        results = []
        for score in (self._policy.padded_logprobs, self.score):
            logprobs = score(group).logprobs.masked_fill(~group.completion_mask, 0.0)
            gradient = torch.zeros(1)
            if with_gradient and parameters and logprobs.requires_grad:
                slopes = torch.linspace(-1, 1, logprobs.numel(), device=logprobs.device).view_as(logprobs)
                parts = torch.autograd.grad((logprobs * slopes).sum(), parameters, allow_unused=True)
                gradient = torch.cat([part.flatten().float() for part in parts if part is not None])
            results.append((logprobs.detach(), gradient))
        (padded, padded_gradient), (shared, shared_gradient) = results
        half = torch.is_autocast_enabled(padded.device.type) or next(self._policy.parameters()).element_size() == 2
        _compare("log-probabilities", (padded - shared).abs().max(), 0.3 if half else 1e-3)
        error = (padded_gradient - shared_gradient).norm() / padded_gradient.norm().clamp(min=1e-12)
        _compare("gradients (relative)", error, 0.2 if half else 1e-3)


def _longest_group(batch: Rollout) -> Rollout:
    tokens = batch.completion_mask.sum(1).view(-1, batch.group_size).sum(1)
    start = int(tokens.argmax()) * batch.group_size
    return batch.select(slice(start, start + batch.group_size)).trim()


def unwrapped(model: Any) -> PreTrainedModel:
    """Return the transformers model inside PEFT and ``torch.compile``."""
    while not isinstance(model, PreTrainedModel):
        model = model.get_base_model() if isinstance(model, PeftModel) else model._orig_mod
    return model


def _compare(what: str, error: Tensor, tolerance: float) -> None:
    if not error <= tolerance:
        raise RuntimeError(
            f"{what} of a group read as a tree differ by {float(error):.2g} from those of padded rows (tolerance "
            f"{tolerance}): this model does not attend as its configuration says. Pass shared_prefix=False to "
            "CausalLMPolicy, and please report the architecture"
        )


def _dropout(part: Any) -> float:
    rate = part.p if isinstance(part, nn.Dropout) else getattr(part, "attention_dropout", 0.0)
    return rate if isinstance(rate, float) else 0.0


def _unfit(model: Any) -> str | None:
    """Return why an architecture cannot read a tree, as far as its configuration tells."""
    config = unwrapped(model).config
    kinds = set(getattr(config, "layer_types", None) or ["full_attention"]) - {"full_attention"}
    window = getattr(config, "sliding_window", None) if getattr(config, "use_sliding_window", True) else None
    if kinds or window:
        return f"the model has {', '.join(sorted(kinds)) or f'a sliding window of {window}'}"
    if getattr(config, "attn_logit_softcapping", None):
        return "the model caps its attention scores"
    if getattr(config, "output_router_logits", False):
        return "the router's auxiliary loss counts every token"
    if config._attn_implementation not in ("sdpa", TREE_ATTENTION):
        return f"the attention implementation is {config._attn_implementation!r}, not 'sdpa'"
    return None
