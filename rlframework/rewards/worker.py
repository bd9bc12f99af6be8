"""The worker process of a `WorkerPool`: a fresh interpreter that answers one call after another until it is killed."""

from __future__ import annotations

import dis
import importlib
import importlib.util
import os
import resource
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from multiprocessing.connection import Connection
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any

MEGABYTE = 2**20


def main(descriptor: int) -> None:
    """Serve calls over an inherited pipe; end when the other side is gone."""
    channel = Connection(descriptor)
    # Or a process that the function starts would keep the pipe open, and nobody would see this one end.
    os.set_inheritable(descriptor, False)
    # What a function prints must not mix with anything, and what it reads must not be the parent's.
    os.dup2(os.open(os.devnull, os.O_RDWR), 0)
    try:
        setup = channel.recv()
        sys.path[:] = setup["path"]
        function = load(setup["module"], setup["file"], setup["name"])
        import_ahead(function)
        if setup["memory_mb"]:
            limit_memory(setup["memory_mb"])
        channel.send(("ready", None, 0.0))
    except EOFError:
        return
    except BaseException:
        channel.send(("broken", traceback.format_exc(), 0.0))
        return
    serve(channel, function, setup["cpu_limit_s"])


def called(function: Callable[..., Any], arguments: tuple[Any, ...] | Mapping[str, Any]) -> Any:
    """Call a function with arguments by their place or by their names."""
    return function(**arguments) if isinstance(arguments, Mapping) else function(*arguments)


def serve(channel: Connection, function: Callable[..., Any], cpu_limit_s: float | None = None) -> None:
    """Answer calls until the channel closes."""
    while True:
        try:
            arguments = channel.recv()
        except EOFError:
            return
        begun = time.process_time()
        limit_processor_time(cpu_limit_s or 0.0)
        try:
            answer = ("value", called(function, arguments))
        except BaseException as error:
            # MemoryError, RecursionError and SystemExit of a single call are that call's failures, too.
            answer = ("exception", f"{type(error).__name__}: {error}"[:500])
        limit_processor_time(0.0)
        took = time.process_time() - begun
        try:
            channel.send((*answer, took))
        except (TypeError, ValueError, AttributeError) as error:
            channel.send(("exception", f"the result could not be sent back: {error}"[:500], took))


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


def import_ahead(function: Callable[..., Any]) -> None:
    """Import what a function imports in its own lines, so that the first call pays for nothing but itself."""
    for name, names, level, namespace in imports_of(function):
        try:
            importlib.__import__(name, namespace, None, names, level)
        except Exception:  # noqa: S112
            # Maybe in a branch that no call takes. A call that does take it says what is missing.
            continue


def imports_of(function: Any) -> Iterator[tuple[str, tuple[str, ...], int, dict[str, Any]]]:
    """Yield the import statements in a function, and in the functions and classes of its module that it names."""
    waiting: list[Any] = [function]
    seen: set[int] = set()
    while waiting:
        found = waiting.pop()
        while hasattr(found, "__wrapped__"):
            found = found.__wrapped__
        if id(found) in seen:
            continue
        seen.add(id(found))
        if isinstance(found, type):
            waiting += [getattr(member, "__func__", member) for member in vars(found).values()]
        elif isinstance(found, FunctionType):
            for code in _codes(found.__code__):
                steps = list(dis.get_instructions(code))
                for place, step in enumerate(steps):
                    if step.opname == "IMPORT_NAME":
                        level, names = (part.argval for part in steps[place - 2 : place])
                        yield step.argval, tuple(names or ()), level, found.__globals__
                named = [found.__globals__.get(name) for name in code.co_names]
                waiting += [part for part in named if getattr(part, "__module__", None) == found.__module__]


def _codes(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _codes(constant)


def limit_processor_time(seconds: float) -> None:
    """Have the kernel end this process when it has computed for so many seconds more; never if 0.

    No handler: one in Python would wait for the end of a long call into C.
    """
    if seconds:
        # The program may have been started with it ignored or blocked, and a call before may have done so.
        signal.signal(signal.SIGPROF, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGPROF})
    signal.setitimer(signal.ITIMER_PROF, seconds)


def limit_memory(megabytes: int) -> None:
    """Allow so much more address space than is mapped now, on top of what the imports took."""
    pages = int(Path("/proc/self/statm").read_text().split()[0]) if Path("/proc/self/statm").exists() else 0
    limit = pages * resource.getpagesize() + megabytes * MEGABYTE
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


if __name__ == "__main__":
    main(int(sys.argv[1]))
