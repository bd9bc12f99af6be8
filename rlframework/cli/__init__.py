"""Commands: ``rlframework fit``, ``validate``, ``probe``, ``check``, ``export`` and ``reward-report``."""

import lazy_loader

# ``rlframework --help`` and ``reward-report`` do without torch.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
