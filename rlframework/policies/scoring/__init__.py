"""Scoring: log-probabilities of a minibatch, by faster and slower ways that are checked against each other."""
