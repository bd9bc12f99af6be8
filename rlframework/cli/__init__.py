"""Commands: ``rlframework fit``, ``validate``, ``probe``, ``check``, ``export`` and ``reward-report``."""
