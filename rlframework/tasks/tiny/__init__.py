"""Tiny base models that are made in seconds."""
