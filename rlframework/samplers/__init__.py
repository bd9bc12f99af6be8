"""Samplers: groups of completions, decoded in this process or by vLLM servers."""

import lazy_loader

# What is imported from where is in `__init__.pyi`.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
