from .lightning import main

__all__ = ["main"]
