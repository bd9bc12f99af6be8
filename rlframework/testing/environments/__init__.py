"""The proof kit for your own environment."""

import lazy_loader

# As the kit for rewards: nothing is imported before it is used.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
