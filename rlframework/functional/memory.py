"""Memory estimates of a rollout and of an update, above the weights, from sizes alone."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class DecoderSizes:
    """Sizes of a decoder-only transformer with gated feed-forward layers.

    Args:
        layers: ``L``.
        hidden: Width ``h`` of the residual stream.
        intermediate: Width ``i`` of the feed-forward layers.
        query: Query heads times their width, ``q``.
        key: Key heads times their width, ``k``.
        vocabulary: ``V``.
        element: Bytes of an activation: 4 in float32, 2 in half precision.
        trained: Weights that learn.
        adapter: Whether they are an adapter's.
        checkpointing: Whether activations are computed again in the backward pass.
    """

    layers: int
    hidden: int
    intermediate: int
    query: int
    key: int
    vocabulary: int
    element: int
    trained: int
    adapter: bool = False
    checkpointing: bool = False

    @property
    def layer_weights(self) -> int:
        """Weights in the matrices of all layers."""
        attention = 2 * self.hidden * (self.query + self.key)
        return self.layers * (attention + 3 * self.hidden * self.intermediate)


def rollout_bytes(sizes: DecoderSizes, rows: int, columns: int, prompt_tokens: int, joined_weights: bool) -> float:
    """Estimate the memory of sampling: keys and values, logits, and the copies of weights that a decoder joins.

    ``2 L k (rows * columns)`` keys and values, ``3 V rows`` of logits in float32, ``prompt_tokens (4 h + q + 3 i)`` for
    the pass over the prompts.

    Args:
        sizes: Of the model.
        rows: ``B`` completions that are sampled together.
        columns: Tokens whose keys and values are kept for a row.
        prompt_tokens: In the pass over the prompts.
        joined_weights: Whether the decoder holds copies of the layers' matrices.

    Example:
        >>> sizes = DecoderSizes(30, 576, 1536, 576, 192, 49_152, element=4, trained=0)
        >>> round(rollout_bytes(sizes, rows=64, columns=135, prompt_tokens=8 * 121, joined_weights=False) / 2**20)
        416
    """
    cache = 2 * sizes.layers * sizes.key * rows * columns * sizes.element
    logits = 3 * sizes.vocabulary * rows * 4
    reading = prompt_tokens * (4 * sizes.hidden + sizes.query + 3 * sizes.intermediate) * sizes.element
    copies = sizes.layer_weights * sizes.element if joined_weights else 0
    return copies + cache + max(logits, reading)


def activation_bytes(sizes: DecoderSizes, tokens: int, scored: int, masked: int = 0) -> float:
    """Estimate the memory of the activations that the backward pass of a minibatch needs.

    A layer keeps ``c h + 2 (q + k) + 4 i`` numbers of a token: ``c = 6``, or 4 under an adapter, whose norms do not
    learn. With checkpointing it keeps ``1.5 h``, and one layer at a time all of it. One layer more is what the layer
    takes that is gone through at the moment. The head takes ``3 h`` for a scored token and two tiles of logits.

    Args:
        sizes: Of the model.
        tokens: That the body of the model reads.
        scored: Of these, that predict a sampled one.
        masked: Entries of attention masks, which all layers share.

    Example:
        >>> sizes = DecoderSizes(30, 576, 1536, 576, 192, 49_152, element=4, trained=0)
        >>> round(activation_bytes(sizes, tokens=1_610, scored=640) / 2**20)
        2252
    """
    kept = (4 if sizes.adapter else 6) * sizes.hidden + 2 * (sizes.query + sizes.key) + 4 * sizes.intermediate
    before = 1.5 * sizes.hidden if sizes.checkpointing else kept
    head = 3 * scored * sizes.hidden * sizes.element + 2 * min(scored * sizes.vocabulary, 2**24) * 4
    masks = masked * (1 + sizes.element)
    return tokens * (sizes.layers * before + kept) * sizes.element + head + masks


def update_bytes(sizes: DecoderSizes, activations: float, accumulates: bool) -> float:
    """Estimate the memory of an optimizer step: activations, gradients, and AdamW's two moments of the trained weights.

    Gradients come as activations go; only those of an earlier minibatch of the step stay next to them.

    Args:
        sizes: Of the model.
        activations: Of a minibatch, `activation_bytes`.
        accumulates: Whether a step has several minibatches.

    Example:
        >>> sizes = DecoderSizes(30, 576, 1536, 576, 192, 49_152, element=4, trained=10**6, adapter=True)
        >>> update_bytes(sizes, activations=5e6, accumulates=False), update_bytes(sizes, 5e6, accumulates=True)
        (13000000.0, 17000000.0)
    """
    gradients = 4.0 * sizes.trained
    return 8.0 * sizes.trained + (activations + gradients if accumulates else max(activations, gradients))
