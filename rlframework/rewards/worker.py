"""The worker process of a `WorkerPool`: a fresh interpreter that answers one call after another until it is killed."""

from __future__ import annotations

import dis
import importlib
import importlib.util
import os
import resource
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any, NamedTuple

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
        functions = {name: load(**place) for name, place in setup["functions"].items()}
        for function in functions.values():
            import_ahead(function)
        if setup["prepare"]:
            # What fails here fails in the first call, which says so.
            with suppress(Exception):
                load(**setup["prepare"])()
        if setup["memory_mb"]:
            limit_memory(setup["memory_mb"])
        channel.send(("ready", None, 0.0))
    except EOFError:
        return
    except BaseException:
        channel.send(("broken", traceback.format_exc(), 0.0))
        return
    serve(channel, functions.get("") or partial(chosen, functions), setup["cpu_limit_s"])


def end_with(parent: int) -> None:
    """End this process and all that it has started once its parent is gone, which may have been killed in a call."""
    while os.getppid() == parent:
        time.sleep(1.0)
    os.killpg(0, signal.SIGKILL)


class UnsentResultError(Exception):
    """A function returned what cannot be pickled."""


class Raised(NamedTuple):
    """Exception as text, with the names of its classes: it may have no way to another process.

    Args:
        kinds: The full names of its class and of all above it.
        message: What it says.

    Example:
        >>> error = Raised.by(KeyError("x"))
        >>> error.short, "builtins.LookupError" in error.kinds
        ("KeyError: 'x'", True)
    """

    kinds: tuple[str, ...]
    message: str

    @property
    def short(self) -> str:
        """The class and the message, so short that it can be logged."""
        return f"{self.kinds[0].rpartition('.')[2]}: {self.message}"[:500]

    @staticmethod
    def by(error: BaseException) -> Raised:
        """Return what is to be told of an exception."""
        return Raised(tuple(map(full_name, type(error).__mro__)), str(error))


def full_name(kind: type) -> str:
    """Return the name of a class with its module, the same in a script and in a worker that loaded it from its file."""
    module = "__main__" if kind.__module__ == "__mp_main__" else kind.__module__
    return f"{module}.{kind.__qualname__}"


def chosen(functions: Mapping[str, Callable[..., Any]], name: str, arguments: Any) -> Any:
    """Call one of several functions."""
    return called(functions[name], arguments)


def called(function: Callable[..., Any], arguments: tuple[Any, ...] | Mapping[str, Any]) -> Any:
    """Call a function with arguments by their place or by their names."""
    return function(**arguments) if isinstance(arguments, Mapping) else function(*arguments)


def serve(channel: Connection, function: Callable[..., Any], cpu_limit_s: float | None = None) -> None:
    """Answer calls until the channel closes."""
    own = os.getpid()
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
            answer = ("exception", tuple(Raised.by(error)))
        if os.getpid() != own:
            # The function forked and came back twice; a second answer would be taken for that to the next call.
            os._exit(0)
        limit_processor_time(0.0)
        took = time.process_time() - begun
        try:
            channel.send((*answer, took))
        except (TypeError, ValueError, AttributeError) as error:
            unsent = UnsentResultError(f"the result could not be sent back: {error}")
            channel.send(("exception", tuple(Raised.by(unsent)), took))


def load(module: str, file: str | None, name: str, path: Sequence[str]) -> Callable[..., Any]:
    """Return a function by module and qualified name; one of a script is loaded from its file, not run as main."""
    sys.path[:] = path
    found: Any = sys.modules.get("__mp_main__")
    if module == "__main__" and file and getattr(found, "__file__", None) == file:
        pass  # Loaded for another function.
    elif module == "__main__" and file:
        # The name that multiprocessing uses, too: the script's `if __name__ == "__main__"` stays closed.
        spec = importlib.util.spec_from_file_location("__mp_main__", file)
        if spec is None or spec.loader is None:
            raise ImportError(f"cannot load {name} from {file}")
        found = importlib.util.module_from_spec(spec)
        sys.modules["__mp_main__"] = sys.modules["__main__"] = found
        spec.loader.exec_module(found)
    else:
        found = importlib.import_module(module)
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
    threading.Thread(target=end_with, args=(int(sys.argv[2]),), daemon=True).start()
    main(int(sys.argv[1]))
