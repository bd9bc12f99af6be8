"""The proof kit for your own reward."""

import lazy_loader

# Nothing is imported before it is used: the processes that a reward is tried in start sooner.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
