"""Replay: a step of a past run again, token by token, held against its log; and what another reward would have paid."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
