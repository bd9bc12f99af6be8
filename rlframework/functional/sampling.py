"""Sampling a token from logits, with a random number that belongs to the row alone."""

from __future__ import annotations

import torch
from torch import Tensor
from transformers import LogitsProcessor, MinPLogitsWarper, TopKLogitsWarper, TopPLogitsWarper


def truncated(logits: Tensor, top_k: int | None = None, top_p: float = 1.0, min_p: float = 0.0) -> Tensor:
    """Forbid unlikely tokens: what is left has to be renormalised.

    In the order of transformers' ``generate``, whose processors these are: the ``top_k`` most likely tokens; of them
    the fewest that reach a probability of ``top_p`` together; of them those at least ``min_p`` times as likely as the
    first.

    Args:
        logits: ``(B, V)``, divided by the temperature.
        top_k: None keeps all.
        top_p: In (0, 1]; 1 keeps all.
        min_p: In [0, 1); 0 keeps all.

    Returns:
        ``(B, V)``, minus infinity on what is forbidden.

    Example:
        >>> truncated(torch.tensor([[3.0, 1.0, 2.0]]), top_k=2)
        tensor([[3., -inf, 2.]])
    """
    processors: list[LogitsProcessor] = []
    if top_k is not None:
        processors.append(TopKLogitsWarper(top_k))
    if top_p < 1:
        processors.append(TopPLogitsWarper(top_p))
    if min_p > 0:
        processors.append(MinPLogitsWarper(min_p))
    for processor in processors:
        logits = processor(None, logits)
    return logits


def inverse_cdf_sample(logits: Tensor, uniforms: Tensor, temperature: float = 1.0) -> tuple[Tensor, Tensor]:
    """Draw one token per row from ``softmax(logits / temperature)`` by inverting its distribution function.

    The token is the first whose cumulative probability exceeds the row's uniform number, so a row's draw depends on
    its own logits and number and on nothing else in the batch. In a large vocabulary it is looked for among blocks of
    tokens, then in its block, which saves the running sum.
    Temperature 0 takes the most likely token, whose log-probability under that point mass is 0.

    Args:
        logits: ``(B, V)``; minus infinity forbids a token.
        uniforms: ``(B,)`` in [0, 1); float64 where the device has it.
        temperature: At least 0.

    Returns:
        ``(B,)`` int64 tokens and ``(B,)`` float32 log-probabilities under the distribution they were drawn from.

    Example:
        >>> tokens, logprobs = inverse_cdf_sample(torch.zeros(2, 4), torch.tensor([0.1, 0.6], dtype=torch.float64))
        >>> tokens.tolist(), round(logprobs[0].item(), 4)
        ([0, 2], -1.3863)
    """
    if temperature == 0:
        tokens = logits.argmax(-1)
        return tokens, torch.zeros_like(tokens, dtype=torch.float32)
    highest = logits.amax(-1, keepdim=True)
    wide = logits.shape[-1] > _WIDE
    # Sums in the precision of the uniforms: a float32 running sum over a large vocabulary misses the last tokens' mass.
    sums = (_block_sums if wide else _mass)(logits, highest, temperature)
    reached = sums.to(uniforms.dtype).cumsum(-1)
    tokens, within = _find(reached, uniforms * reached[:, -1])
    if wide:
        tokens = _in_block(logits, highest, temperature, tokens, within)
    drawn = (logits.gather(-1, tokens.unsqueeze(-1)).float() - highest.float()).squeeze(-1) / temperature
    return tokens, drawn - reached[:, -1].log().float()


_BLOCK, _WIDE = 128, 4096


def _mass(logits: Tensor, highest: Tensor, temperature: float) -> Tensor:
    """Return unnormalised probabilities, the highest 1."""
    shifted = logits.float() - highest.float()
    return (shifted if temperature == 1 else shifted.div_(temperature)).exp_()


def _block_sums(logits: Tensor, highest: Tensor, temperature: float) -> Tensor:
    """Return the mass of each block, ``(B, ceil(V / 128))``."""
    short = -logits.shape[-1] % _BLOCK
    # A few rows at a time: what is read again and again had better stay in a CPU's cache.
    few = max(1, 2**20 // logits.shape[-1]) if logits.device.type == "cpu" else len(logits)
    sums = []
    for rows, top in zip(logits.split(few), highest.split(few), strict=True):
        mass = _mass(rows, top, temperature)
        sums.append((torch.nn.functional.pad(mass, (0, short)) if short else mass).view(len(rows), -1, _BLOCK).sum(-1))
    return torch.cat(sums)


def _in_block(logits: Tensor, highest: Tensor, temperature: float, block: Tensor, within: Tensor) -> Tensor:
    """Return the token that lies ``within`` its block, a share of the block's mass."""
    columns = _BLOCK * block.unsqueeze(-1) + torch.arange(_BLOCK, device=logits.device)
    nearby = logits.gather(-1, columns.clamp(max=logits.shape[-1] - 1))
    mass = _mass(nearby, highest, temperature).masked_fill(columns >= logits.shape[-1], 0.0)
    reached = mass.to(within.dtype).cumsum(-1)
    place, _ = _find(reached, within * reached[:, -1])
    return _BLOCK * block + place


def _find(cumulative: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Return the first entry beyond each target, ``(B,)``, and how far into it the target lies, in [0, 1]."""
    found = torch.searchsorted(cumulative, targets.unsqueeze(-1), right=True)
    # A target that was rounded up to the total takes the last entry that adds to it, not a forbidden one after it.
    last = (cumulative < cumulative[:, -1:]).sum(-1, keepdim=True)
    found = torch.minimum(found, last)
    start = torch.where(found > 0, cumulative.gather(-1, (found - 1).clamp(min=0)), 0.0)
    size = cumulative.gather(-1, found) - start
    return found.squeeze(-1), ((targets.unsqueeze(-1) - start) / size).squeeze(-1)
