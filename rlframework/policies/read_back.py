"""Read-back check of a saved model: it has to score some tokens as the policy that was saved does."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from rlframework.policies.self_check import exactly

# Rows and columns that are scored: PROBES tokens.
_ROWS, _LENGTH = 4, 24
PROBES = _ROWS * _LENGTH
# Mean difference of log-probabilities, in nats. The same weights in the same precision, computed in the same order, or
# in float32 in another order.
SAME = 1e-4
# What it makes of a policy that adding the adapter to weights in half precision rounds these.
ROUNDED = {torch.bfloat16: 0.05, torch.float16: 0.02}


class Probe:
    """Tokens that a model samples after random ones, and their log-probabilities; held against what is saved of it.

    It costs three forward passes over `PROBES` tokens, and the time to read the weights once.

    Args:
        model: The model, in eval mode.

    Example:
        >>> from rlframework.testing.tiny import tiny_qwen3
        >>> Probe(tiny_qwen3().eval()).hold("as it is", tiny_qwen3().eval())
        0.0
    """

    def __init__(self, model: Any) -> None:
        self.dtype = model.dtype
        self._device = model.device
        # Angles of rotary positions are not saved but made, and a model that was cast as a whole has them rounded.
        self._rounds_buffers = any(buffer.dtype in ROUNDED for buffer in model.buffers())
        rows = model.get_input_embeddings().weight.shape[0]
        generator = torch.Generator().manual_seed(0)
        positions = getattr(model.config.get_text_config(), "max_position_embeddings", None) or _LENGTH
        shape = (_ROWS, min(_LENGTH, positions) if positions > 0 else _LENGTH)
        self._ids = torch.randint(rows, shape, generator=generator)
        scores = self._score(model)
        self._tokens = torch.multinomial(scores.exp().flatten(0, 1), 1, generator=generator).reshape(*shape, 1)
        self._expected = scores.gather(-1, self._tokens)

    def hold(self, what: str, model: Any, place: str = "") -> float:
        """Return the mean difference of log-probabilities, which rounding has to explain; what holds is held next.

        Args:
            what: What was done to the model.
            model: What came of it, in eval mode.
            place: The folder that it was read from, which is no reason to round weights.

        Raises:
            RuntimeError: Rounding does not explain it.
        """
        scores = self._score(model.to(self._device)).gather(-1, self._tokens)
        gaps = (scores - self._expected).abs()
        allowed = SAME if place and not self._rounds_buffers else ROUNDED.get(self.dtype, SAME)
        mean = gaps.mean().item()
        if not mean <= allowed:  # NaN is no agreement either.
            raise RuntimeError(
                f"the model that was {what} is not the policy: log-probabilities of {gaps.numel()} tokens differ by a "
                f"mean of {mean:.2g} and at most {gaps.max().item():.2g}, where rounding explains {allowed:g} in "
                f"{str(self.dtype).removeprefix('torch.')}. "
                + (f"Do not use {place}; s" if place else "Nothing was written; s")
                + "ave the adapter alone by save_pretrained, or train one that leaves tied weights out"
            )
        self._expected = scores
        return mean

    @torch.no_grad()
    def _score(self, model: Any) -> Tensor:
        """Return the log-probabilities of all tokens after each, on the CPU."""
        with exactly(model):
            logits = model(input_ids=self._ids.to(self._device), use_cache=False).logits
        return logits.float().log_softmax(-1).cpu()
