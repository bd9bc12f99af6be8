"""Memory estimates of a training step from sizes alone: rollout, scoring, backward pass and optimizer step."""

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
        tied: Whether the head is the embedding.
        weight_element: Bytes of a weight that does not learn; of one that does, if there is no adapter.
        trained_element: Bytes of a weight that learns, of its gradient and of each of its two moments.
        cast: Whether float32 weights are cast for every pass, as mixed precision does.
        head_norms: Whether queries and keys have norms of their own, as in Qwen3.
        feed_forward: Whether the feed-forward layers learn, or have adapters.
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
    tied: bool = True
    weight_element: float = 4
    trained_element: float = 4
    cast: bool = False
    head_norms: bool = False
    feed_forward: bool = True

    @property
    def weights(self) -> int:
        """Weights in all matrices, those of an adapter apart: layers, embedding and head."""
        return self.layer_weights + (1 if self.tied else 2) * self.vocabulary * self.hidden

    @property
    def weight_bytes(self) -> float:
        """Bytes of all weights, the adapter's too."""
        own = self.trained * self.trained_element if self.adapter else 0
        return self.weights * self.weight_element + own

    @property
    def joined_weights(self) -> int:
        """Weights that decoding copies: what reads the same input is joined, what has an adapter is added up."""
        if self.adapter and self.feed_forward:
            return self.layer_weights
        return self.layers * self.hidden * (self.query + 2 * self.key + 2 * self.intermediate)

    @property
    def kept_of_token(self) -> int:
        """Numbers that a layer keeps of a token for the backward pass: ``c h + n (q + k) + f i``.

        ``c = 6``, ``n = 2``, ``f = 4``. Norms that do not learn keep their input alone, so under an adapter ``c = 4``;
        what has no adapter does not keep its input: ``c = 3`` and ``f = 3`` if the feed-forward layers have none. Norms
        of queries and keys add 2 to ``n``, or 1 under an adapter.
        """
        inputs = (4 if self.feed_forward else 3) if self.adapter else 6
        states = 2 + self.head_norms * (1 if self.adapter else 2)
        inner = 4 if self.feed_forward or not self.adapter else 3
        return inputs * self.hidden + states * (self.query + self.key) + inner * self.intermediate

    @property
    def layer_weights(self) -> int:
        """Weights in the matrices of all layers."""
        attention = 2 * self.hidden * (self.query + self.key)
        return self.layers * (attention + 3 * self.hidden * self.intermediate)


def rollout_parts(
    sizes: DecoderSizes, rows: int, columns: int, prompt_tokens: int, joined_weights: bool
) -> dict[str, float]:
    """Estimate the bytes of sampling above the weights: keys and values, logits, and copies of weights that are joined.

    ``2 L k (rows * columns)`` keys and values; ``3 V rows`` of logits in float32, or ``prompt_tokens (4 h + q + 3 i)``
    for the pass over the prompts, whichever is more.

    Args:
        sizes: Of the model.
        rows: ``B`` completions that are sampled together.
        columns: Tokens whose keys and values are kept for a row.
        prompt_tokens: In the pass over the prompts.
        joined_weights: Whether the decoder holds copies of the layers' matrices.

    Example:
        >>> sizes = DecoderSizes(30, 576, 1536, 576, 192, 49_152, element=4, trained=0)
        >>> parts = rollout_parts(sizes, rows=64, columns=135, prompt_tokens=8 * 121, joined_weights=False)
        >>> {name: round(count / 2**20) for name, count in parts.items()}
        {'KV cache': 380, 'logits': 36, 'working layer': 0, 'weights of a pass': 0}
    """
    logits = 3.0 * sizes.vocabulary * rows * 4
    reading = float(prompt_tokens * (4 * sizes.hidden + sizes.query + 3 * sizes.intermediate) * sizes.element)
    return {
        "KV cache": float(2 * sizes.layers * sizes.key * rows * columns * sizes.element),
        "logits": logits if logits >= reading else 0.0,
        "working layer": reading if reading > logits else 0.0,
        "weights of a pass": float(sizes.joined_weights * sizes.element) if joined_weights else 0.0,
    }


def activation_parts(
    sizes: DecoderSizes, tokens: int, scored: int, masked: int = 0, on_cpu: bool = False, whole_head: bool = False
) -> dict[str, float]:
    """Estimate the bytes of the activations that the backward pass of a minibatch needs.

    Each of ``L`` layers keeps `DecoderSizes.kept_of_token` numbers of a token; with checkpointing ``1.5 h``, and one
    layer at a time all of it. The head takes ``3 h`` for a scored token, and if it learns its own gradient, ``V h`` in
    float32. At the peak there is besides either what one layer more takes, or a tile of logits with two copies, of
    which a CPU makes parts at a time: whichever is more.

    The coefficients follow from what autograd saves of each operation; ``benchmarks/plan_peaks.py`` measures the sum.

    Args:
        sizes: Of the model.
        tokens: That the body of the model reads.
        scored: Of these, that predict a sampled one.
        masked: Entries of attention masks, which all layers share.
        on_cpu: Whether that is done on a CPU.
        whole_head: Whether all logits are made at once, as FSDP does.

    Example:
        >>> sizes = DecoderSizes(30, 576, 1536, 576, 192, 49_152, element=4, trained=0)
        >>> parts = activation_parts(sizes, tokens=1_610, scored=640)
        >>> {name: round(count / 2**20) for name, count in parts.items()}
        {'activations': 2056, 'gradient of the head': 108, 'working layer': 0, 'logits': 192}
    """
    kept = sizes.kept_of_token
    before = 1.5 * sizes.hidden if sizes.checkpointing else kept
    states = 3.0 * scored * sizes.hidden * sizes.element
    layer = float(tokens * kept * sizes.element)
    tile = scored * sizes.vocabulary if whole_head else min(scored * sizes.vocabulary, _TILE)
    logits = 4.0 * (tile + 2 * (min(tile, _TILE_OF_CPU) if on_cpu else tile)) + (tile * 2 if sizes.element < 4 else 0)
    return {
        "activations": tokens * sizes.layers * before * sizes.element + states + masked * (1 + sizes.element),
        "gradient of the head": 0.0 if sizes.adapter else 4.0 * sizes.vocabulary * sizes.hidden,
        "working layer": layer if layer >= logits else 0.0,
        "logits": logits if logits > layer else 0.0,
    }


# Logits of `projected_logprobs` at a time, and those whose probabilities it makes at a time on a CPU.
_TILE, _TILE_OF_CPU = 2**24, 2**20


@dataclass(frozen=True)
class StepSizes:
    """Sizes of a training step on one device.

    Args:
        prompts: Groups of a rollout on this device.
        group: Completions of a prompt, ``G``.
        prompt: Tokens of a prompt, the mean.
        longest_prompt: Tokens of the longest prompt; by default the mean.
        trunk: Tokens that all prompts begin with.
        budget: Tokens of a completion at most, ``T``.
        minibatches: Of a rollout.
        accumulates: Whether an optimizer step has several of them.
        shares: Whether a prompt is read once for its group.
        packs_cache: Whether a prompt's keys and values are kept once for its group while sampling.
        samples: Whether this device samples.
        joins_weights: Whether the decoder holds copies of the layers' matrices.
        masked: Entries of the attention masks of a group.
        shards: Devices that share weights, gradients and optimizer state, as FSDP does.
        copies_weights: Whether the optimizer holds a copy of what learns while it steps, as one that is not fused does.
        on_cpu: Whether the device is a CPU.
    """

    prompts: float
    group: int
    prompt: float
    budget: int
    longest_prompt: float = 0.0
    trunk: int = 0
    minibatches: int = 1
    accumulates: bool = False
    shares: bool = True
    packs_cache: bool = False
    samples: bool = True
    joins_weights: bool = False
    masked: int = 0
    shards: int = 1
    copies_weights: bool = False
    on_cpu: bool = False

    @property
    def groups(self) -> float:
        """Groups of a minibatch."""
        return self.prompts / self.minibatches

    @property
    def tokens(self) -> int:
        """Tokens that the model reads of a minibatch: ``groups (P + G T)`` where prompts are shared.

        Rows that are not shared take ``groups G (P + T)``. What all prompts begin with is read once if that saves more
        than a tenth.
        """
        if not self.shares:
            return int(self.groups * self.group * (self.prompt + self.budget))
        tokens = self.groups * (self.prompt + self.group * self.budget)
        saved = self.trunk * (self.groups - 1)
        return int(tokens - saved if saved > 0.1 * tokens else tokens)

    @property
    def scored(self) -> int:
        """Completion tokens of a minibatch."""
        return int(self.groups * self.group * self.budget)


def moments_of(sizes: DecoderSizes, step: StepSizes) -> dict[str, dict[str, float]]:
    """Estimate the bytes in use at the peak of each moment of a step, by part; a moment's peak is the sum of its parts.

    The moments are ``"rollout"``, ``"scoring"`` (old or reference log-probabilities), ``"backward"`` and
    ``"optimizer step"``. Weights and the two moments of AdamW are there in all of them, gradients are not while a
    rollout is made, and of a step with one minibatch they come as activations go. Shards divide the first three.

    Args:
        sizes: Of the model.
        step: Of the step.

    Example:
        >>> sizes = DecoderSizes(6, 256, 768, 256, 128, 4_096, element=4, trained=5_769_472)
        >>> step = StepSizes(prompts=4, group=4, prompt=48, budget=32, joins_weights=True)
        >>> {moment: round(sum(parts.values()) / 2**20) for moment, parts in moments_of(sizes, step).items()}
        {'rollout': 88, 'scoring': 90, 'backward': 182, 'optimizer step': 88}
    """
    weights, learned = sizes.weight_bytes / step.shards, sizes.trained * sizes.trained_element / step.shards
    kept = {"weights": weights, "optimizer state": 2 * learned}
    rollout: dict[str, float] = {}
    if step.samples:
        longest = step.longest_prompt or step.prompt
        columns = int(step.budget + (longest / step.group if step.packs_cache else longest))
        rows = int(step.prompts * step.group)
        rollout = rollout_parts(sizes, rows, columns, int(step.prompts * step.prompt), step.joins_weights)
    masked = int(step.groups) * step.masked if step.shares else 0
    backward = activation_parts(sizes, step.tokens, step.scored, masked, step.on_cpu, step.shards > 1)
    # What is read of a layer that is not there: its weights gathered from all shards, or cast.
    layer = sizes.weights * sizes.element / sizes.layers if step.shards > 1 else 0.0
    casts = sizes.weights * 2.0 if sizes.cast else 0.0
    scoring = {
        "working layer": backward["working layer"],
        "logits": backward["logits"],
        "weights of a pass": layer + casts / sizes.layers,
    }
    backward["weights of a pass"] = layer + casts
    passing = sum(backward.values())
    arriving = learned if step.accumulates else max(0.0, learned - passing)
    copies = learned if step.copies_weights else 0.0
    return {
        "rollout": {**kept, **rollout},
        "scoring": {**kept, **scoring},
        "backward": {**kept, "gradients": arriving, **backward},
        "optimizer step": {**kept, "gradients": learned, "weights of a pass": copies},
    }
