"""Probes of a policy before training: pass@k, spread, length and cost."""
