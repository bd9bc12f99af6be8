"""Reward reports: what a reward pays for, before any training."""
