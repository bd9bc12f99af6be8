"""Environments: what the policy talks to in an episode, such as tools, games and simulators."""

import lazy_loader

# What is imported from where is in `__init__.pyi`.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
