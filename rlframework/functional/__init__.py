"""Functional: advantages, ratios, surrogates, divergences, masks and token weights as pure functions of tensors."""
