"""The proof kit for your own algorithm."""
