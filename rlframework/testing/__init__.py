"""Small real parts for tests and examples, and the proof kit for an algorithm of one's own."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
