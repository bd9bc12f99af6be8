"""A base that is made in a second."""

from rlframework.tasks import BaseRecipe

# Far from competent, and its gates are open: it only shows that the machinery holds together.
QUICK = BaseRecipe(
    hidden_size=16,
    intermediate_size=32,
    layers=1,
    head_dim=8,
    batch_size=4,
    understood_loss=100.0,
    decay_steps=2,
    competent_loss=100.0,
    pretraining_steps=12,
    most_steps=12,
    priming_steps=2,
    attempts=1,
    corrections=0,
    least_worked=0.0,
    most_greedy=1.0,
)
