"""The proof kit for an algorithm of one's own."""
