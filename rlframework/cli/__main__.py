"""``python -m rlframework.cli fit``, another name of ``rlframework fit``."""

import sys

from rlframework.cli.commands import main

if __name__ == "__main__":
    sys.exit(main())
