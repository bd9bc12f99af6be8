"""The other end of a `WorkerPool`: a fresh interpreter that answers one call after another until it is killed."""

from __future__ import annotations

import importlib
import importlib.util
import os
import resource
import sys
import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

MEGABYTE = 2**20


def main(descriptor: int) -> None:
    """Serve calls over an inherited pipe; end when the other side is gone."""
    channel = Connection(descriptor)
    # What a function prints must not mix with anything, and what it reads must not be the parent's.
    os.dup2(os.open(os.devnull, os.O_RDWR), 0)
    try:
        setup = channel.recv()
        sys.path[:] = setup["path"]
        function = load(setup["module"], setup["file"], setup["name"])
        if setup["memory_mb"]:
            limit_memory(setup["memory_mb"])
        channel.send(("ready", None))
    except EOFError:
        return
    except BaseException:
        channel.send(("broken", traceback.format_exc()))
        return
    serve(channel, function)


def serve(channel: Connection, function: Callable[..., Any]) -> None:
    """Answer calls until the channel closes."""
    while True:
        try:
            arguments = channel.recv()
        except EOFError:
            return
        try:
            answer = ("value", function(*arguments))
        except BaseException as error:
            # MemoryError, RecursionError and SystemExit of a single call are that call's failures, too.
            answer = ("exception", f"{type(error).__name__}: {error}"[:500])
        try:
            channel.send(answer)
        except (TypeError, ValueError, AttributeError) as error:
            channel.send(("exception", f"the result could not be sent back: {error}"[:500]))


def load(module: str, file: str | None, name: str) -> Callable[..., Any]:
    """Return a function by module and qualified name; one of a script is loaded from its file, not run as main."""
    if module == "__main__" and file:
        # The name that multiprocessing uses, too: the script's `if __name__ == "__main__"` stays closed.
        spec = importlib.util.spec_from_file_location("__mp_main__", file)
        if spec is None or spec.loader is None:
            raise ImportError(f"cannot load {name} from {file}")
        loaded = importlib.util.module_from_spec(spec)
        sys.modules["__mp_main__"] = sys.modules["__main__"] = loaded
        spec.loader.exec_module(loaded)
    else:
        loaded = importlib.import_module(module)
    found: Any = loaded
    for part in name.split("."):
        found = getattr(found, part)
    return found


def limit_memory(megabytes: int) -> None:
    """Allow so much more address space than is mapped now, whatever the imports took."""
    pages = int(Path("/proc/self/statm").read_text().split()[0]) if Path("/proc/self/statm").exists() else 0
    limit = pages * resource.getpagesize() + megabytes * MEGABYTE
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


if __name__ == "__main__":
    main(int(sys.argv[1]))
