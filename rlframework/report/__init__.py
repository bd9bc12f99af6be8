"""What a run has to show: comparison, table, curves, summary; and what a reward pays for, before any run."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
