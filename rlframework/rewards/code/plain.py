"""Programs run without a sandbox, for machines that can have none and programs that are trusted."""

from __future__ import annotations

import sys
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from rlframework.rewards.code.sandbox import DRIVER, Launch, Sandbox


class PlainSandbox(Sandbox):
    r"""No sandbox: a process with limits on time, memory, files and output, under this user's own rights.

    It does **not** hold: the network; reading any file that this user can read, keys and data among them; writing and
    deleting the same; killing or tracing this process; starting processes, which may outlive the program if they leave
    its group; memory over all of them together. Only for programs that you would run yourself, or inside a container
    that is thrown away.

    What it keeps: expected values are not in the program's process, the environment is not passed on, a fresh process
    runs each case in a folder of its own, and output, clock time, memory and file size of each process have limits.

    Args:
        limits: As for `BubblewrapSandbox`; ``processes`` is not held.
        packages: Folders of importable packages, in addition to the standard library.

    Example:
        >>> [output.output for output in PlainSandbox().run("print(int(input()) + 1)", [{"stdin": "41"}])]
        [b'42\n']
    """

    counts_processes = False

    def probe(self) -> None:
        """Warn that nothing is held."""
        warnings.warn(
            "isolation='none': programs run with all rights of this user, and can read, write, send and kill what you "
            "can. Use it for programs that you trust, or in a container that is thrown away",
            stacklevel=3,
        )

    @contextmanager
    def launch(self) -> Iterator[Launch]:
        """Return the driver's command line and an empty folder for it."""
        python = getattr(sys, "_base_executable", sys.executable)
        with tempfile.TemporaryDirectory(prefix="rlframework-program-", ignore_cleanup_errors=True) as folder:
            yield Launch([python, "-I", "-S", "-X", "utf8", "-c", DRIVER], folder)
