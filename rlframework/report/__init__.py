"""Reports of a run: comparison, table, curves, summary; and before any run, of a policy and of a reward."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
