"""Rewards: formats, numbers, mathematics, code, logic, plain functions, and sums of them."""

import lazy_loader

# What is imported from where is in `__init__.pyi`. Nothing is before it is used: worker processes and the command line
# start in a fraction of the time that torch takes to import.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
