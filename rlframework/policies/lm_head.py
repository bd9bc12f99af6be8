"""The language-model head: it meets scored positions only, and where it can be taken apart, in tiles."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from rlframework.functional.logprobs import TokenLogProbs, token_logprobs
from rlframework.functional.projection import projected_logprobs
from rlframework.policies.wrappers import without_adapter
from rlframework.utilities.distributed import is_sharded


class Head(ABC):
    """Head of a model: runs it up to the states that predict tokens, and scores tokens from such states."""

    @abstractmethod
    def states(self, inputs: dict[str, Any], predictors: Tensor) -> Tensor:
        """Run one sequence through the model and return what is kept of its ``(n,)`` predicting positions.

        Args:
            inputs: Arguments of the model's forward, ``(1, L)``.
            predictors: ``(n,)`` int64, places in the sequence.
        """

    @abstractmethod
    def states_of_rows(self, ids: Tensor, predicts: Tensor) -> Tensor:
        """Run rows that are padded on the right, and return what is kept of their predicting positions, row by row.

        There is no mask: causal attention never looks at what is behind.

        Args:
            ids: ``(B, S)``.
            predicts: ``(B, S)`` bool, with ``n`` positions in all.
        """

    @abstractmethod
    def score(self, states: Tensor, ids: Tensor, temperature: float, **options: Any) -> TokenLogProbs:
        """Score the ``(n,)`` tokens that the states predict.

        Args:
            states: From `states` or `states_of_rows`, in the order of the tokens.
            ids: ``(n,)`` int64.
            temperature: Greater than 0.
            **options: Of `projected_logprobs`.
        """


class WholeHead(Head):
    """Whole head, in the model's own forward: logits of all scored positions at once.

    Args:
        model: Any causal language model of transformers.
    """

    def __init__(self, model: Any) -> None:
        self._model = model

    def states(self, inputs: dict[str, Any], predictors: Tensor) -> Tensor:
        """Return logits, ``(n, V)``."""
        return self._model(**inputs, logits_to_keep=predictors).logits.squeeze(0)

    def states_of_rows(self, ids: Tensor, predicts: Tensor) -> Tensor:
        """Return logits, ``(n, V)``."""
        # A number of columns is what every forward understands; one that ignores it returns all of them.
        needed = ids.shape[1] - int(predicts.any(0).long().argmax())
        logits = self._model(input_ids=ids, use_cache=False, logits_to_keep=needed).logits
        return logits[:, -needed:][predicts[:, -needed:]]

    def score(self, states: Tensor, ids: Tensor, temperature: float, **options: Any) -> TokenLogProbs:
        """Score the ``(n,)`` tokens; to know the slopes of the loss saves nothing here."""
        return token_logprobs(states, ids, temperature, entropy_gradient=options.get("entropy_gradient", False))


class TiledHead(Head):
    """Tiled head, apart from the body: `projected_logprobs` makes a few logits at a time.

    Args:
        model: A model that `fits`.
    """

    def __init__(self, model: Any) -> None:
        inner = without_adapter(model)
        self._body = inner.base_model
        self._projection = inner.get_output_embeddings()

    @staticmethod
    def fits(model: Any) -> bool:
        """Return whether logits are a matrix times hidden states and no more, and the model is not sharded."""
        inner = without_adapter(model)
        if not isinstance(inner, PreTrainedModel) or inner.base_model is inner:
            return False
        head = inner.get_output_embeddings()
        behind = (getattr(inner.config, name, None) for name in _BEHIND_THE_HEAD)
        plain = type(head) is nn.Linear and head.bias is None and not is_sharded(model)
        return plain and all(factor in (None, 1.0) for factor in behind)

    def states(self, inputs: dict[str, Any], predictors: Tensor) -> Tensor:
        """Return hidden states, ``(n, D)``."""
        return self._body(**inputs).last_hidden_state.squeeze(0)[predictors]

    def states_of_rows(self, ids: Tensor, predicts: Tensor) -> Tensor:
        """Return hidden states, ``(n, D)``."""
        return self._body(input_ids=ids, use_cache=False).last_hidden_state[predicts]

    def score(self, states: Tensor, ids: Tensor, temperature: float, **options: Any) -> TokenLogProbs:
        """Score the ``(n,)`` tokens tile by tile."""
        return projected_logprobs(states, self._projection.weight, ids, temperature, **options)


# What some families do to logits behind the head.
_BEHIND_THE_HEAD = ("final_logit_softcapping", "logits_scaling", "logit_scale")


def into_rows(scored: TokenLogProbs, mask: Tensor) -> TokenLogProbs:
    """Turn the values of ``(n,)`` tokens into rows, ``(B, T)``, with 0 elsewhere.

    Args:
        scored: ``(n,)`` each, in the order of the mask.
        mask: ``(B, T)`` bool, true on the tokens.
    """
    empty = torch.zeros(mask.shape, dtype=scored.logprobs.dtype, device=mask.device)
    return TokenLogProbs(*(empty.masked_scatter(mask, values) for values in scored))
