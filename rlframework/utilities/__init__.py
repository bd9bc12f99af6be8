"""Utilities: what every room needs and none is about."""
