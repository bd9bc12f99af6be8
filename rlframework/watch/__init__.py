"""Watching a run from its folder: curves, completions, sentinels and whether it lives, in the terminal."""
