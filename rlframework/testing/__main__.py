"""``python -m rlframework.testing``, another name of ``rlframework check``."""

import sys

from rlframework.cli.check import main

if __name__ == "__main__":
    sys.exit(main())
