"""Scoring by prefix tree: log-probabilities of whole groups, each prompt and the common trunk read once."""

from __future__ import annotations

from typing import Any

from rlframework.functional.logprobs import TokenLogProbs
from rlframework.policies.forward import ModelForward
from rlframework.policies.lm_head import into_rows
from rlframework.policies.rope import rope_depends_on_batch
from rlframework.policies.scoring.base import Scorer, has_active_dropout
from rlframework.policies.scoring.prefix_tree import PrefixTree, common_prefix
from rlframework.policies.scoring.tree_attention import TREE_ATTENTION, TreeAttention
from rlframework.policies.wrappers import puts_tokens_in_front, unwrapped
from rlframework.rollout import Rollout


class PrefixSharing(Scorer):
    """Prefix sharing: every prompt is read once for its whole group, and nothing is padded.

    It serves models whose every layer is plain attention over all tokens before.

    Args:
        model: The model that will be read so: its attention is replaced by `tree_attention`, if it fits.
    """

    name = "shared prefixes"
    switch = "shared_prefix"

    def __init__(self, model: Any) -> None:
        self._why_not = _why_not(model)
        if self._why_not is None:
            unwrapped(model).set_attn_implementation(TREE_ATTENTION)

    def why_not(self, policy: ModelForward, batch: Rollout) -> str | None:
        """Return why this minibatch cannot be read as trees."""
        if self._why_not is not None:
            return self._why_not
        if has_active_dropout(policy):
            return "dropout would draw the same for a prompt in every row of its group"
        if len(batch) % batch.group_size or batch.group_size == 1:
            return "the rows are not in groups"
        if not batch.loss_mask.any():
            return "no token of a minibatch is scored"
        return rope_depends_on_batch(policy.model.config.get_text_config(), batch)

    def score(self, policy: ModelForward, batch: Rollout, **options: Any) -> TokenLogProbs:
        """Score all groups in one sequence, ``(B, T)``."""
        return _score(policy, PrefixTree.of(batch), batch, options)


class TrunkSharing(PrefixSharing):
    """Trunk sharing: what all prompts of a minibatch begin with is read once, such as a system turn and examples."""

    name = "shared trunk"
    switch = "shared_trunk"
    is_news = False

    def why_not(self, policy: ModelForward, batch: Rollout) -> str | None:
        """Return why this minibatch is not read as one tree: it cannot, or its prompts have too little in common."""
        return super().why_not(policy, batch) or (
            None if _worth_a_trunk(batch) else "the prompts have too little in common"
        )

    def score(self, policy: ModelForward, batch: Rollout, **options: Any) -> TokenLogProbs:
        """Score all groups in one sequence behind their trunk, ``(B, T)``."""
        return _score(policy, PrefixTree.of(batch, _trunk(batch)), batch, options)


def _trunk(batch: Rollout) -> int:
    return common_prefix(batch.prompt_ids[:: batch.group_size], batch.prompt_mask[:: batch.group_size])


def _worth_a_trunk(batch: Rollout) -> bool:
    """Return whether a trunk saves more than the attention to it in a piece of its own costs: a tenth of the tokens."""
    prompts, completions = batch.prompt_mask[:: batch.group_size].sum(), batch.completion_mask.sum()
    return _trunk(batch) * (batch.num_groups - 1) > 0.1 * float(prompts + completions)


def _score(policy: ModelForward, tree: PrefixTree, batch: Rollout, options: dict[str, Any]) -> TokenLogProbs:
    head = policy.head
    states = head.states({**tree.inputs, "tree": TreeAttention(tree.group, tree.owner)}, tree.predictors)
    scored = head.score(states, batch.completion_ids[tree.scored], batch.temperature, **options)
    return into_rows(scored, tree.scored)


def _why_not(model: Any) -> str | None:
    """Return why an architecture cannot read a tree, as far as its configuration tells."""
    if puts_tokens_in_front(model):
        return "the adapter puts virtual tokens in front of a row"
    config = unwrapped(model).config
    kinds = set(getattr(config, "layer_types", None) or ["full_attention"]) - {"full_attention"}
    window = getattr(config, "sliding_window", None) if getattr(config, "use_sliding_window", True) else None
    if kinds or window:
        return f"the model has {', '.join(sorted(kinds)) or f'a sliding window of {window}'}"
    if getattr(config, "attn_logit_softcapping", None):
        return "the model caps its attention scores"
    if getattr(config, "output_router_logits", False):
        return "the router's auxiliary loss counts every token of a minibatch"
    if config._attn_implementation not in ("sdpa", TREE_ATTENTION):
        return f"the attention implementation is {config._attn_implementation!r}, not 'sdpa'"
    return None
