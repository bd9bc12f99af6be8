"""Decoding: caches and steps that sample from a policy."""
