"""``python -m rlframework.commands``, another name of ``rlframework``, kept for version 0.1."""

import sys

from rlframework.cli.commands import main

if __name__ == "__main__":
    sys.exit(main())
