"""Scoring: log-probabilities of a minibatch, each way faster than the last and held against it."""
