"""The sizes and numbers that a tiny base model is made with."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class BaseRecipe:
    """The recipe of a tiny base. Every number is part of the cache key.

    Args:
        hidden_size: Width of the model.
        intermediate_size: Width of its feed-forward layers.
        layers: Depth.
        heads: Attention heads, as many for keys and values.
        head_dim: Width of a head.
        initializer_range: Spread of the first weights; at this width the usual 0.02 learns much more slowly.
        batch_size: Documents per step, in both stages.
        pretraining_lr: Peak learning rate of the first stage.
        understood_loss: Below this mean loss of 20 steps, in nats per token, the learning rate begins to fall.
        decay_steps: It falls for so many steps.
        competent_loss: With at most this loss at the end of the decay the first stage is over; with a higher one the
            rate is raised again, and falls again.
        pretraining_steps: A model that has not understood by then is begun anew with other weights.
        most_steps: Of the first stage, decays included.
        attempts: How often pretraining is begun.
        priming_lr: Learning rate of the second stage, falling to 0.
        priming_steps: Steps of the second stage.
        correction_steps: Steps of a correction: after the second stage, and as long as a gate is closed, the model sees
            demonstrations without slips, and more blurted ones if it answers too well.
        corrections: The most of them.
        least_worked: Of the primed model's samples that show their working this share must be right: what it never does
            well, reinforcement cannot find.
        corrected_worked: What corrections aim at, so that they do not end where the trouble begins; a model that is
            above ``least_worked`` after the last of them is taken, too.
        most_greedy: And at most this share at first answer: or there would be nothing left to show.
    """

    hidden_size: int = 64
    intermediate_size: int = 192
    layers: int = 2
    heads: int = 2
    head_dim: int = 32
    initializer_range: float = 0.08
    batch_size: int = 32
    pretraining_lr: float = 4e-3
    understood_loss: float = 0.05
    decay_steps: int = 150
    competent_loss: float = 0.01
    pretraining_steps: int = 750
    most_steps: int = 1200
    attempts: int = 8
    priming_lr: float = 2e-3
    priming_steps: int = 150
    correction_steps: int = 50
    corrections: int = 10
    least_worked: float = 0.7
    corrected_worked: float = 0.85
    most_greedy: float = 0.27
