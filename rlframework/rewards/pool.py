"""Worker processes that can be killed: a call that hangs or crashes loses its own result and nothing else."""

from __future__ import annotations

import atexit
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any, Literal

from rlframework.rewards.worker import Raised

Failure = Literal["timeout", "processor", "crash", "exception"]

# Far above what imports take, so that it is passed by what hangs and not on a busy machine.
START_LIMIT_S = 600.0


@dataclass(frozen=True)
class CallResult:
    """The result of one call of a `WorkerPool`, or the reason why there is none.

    Args:
        value: What the function returned, if it did.
        failure: None, or why there is no value: its time by the wall clock or its processor time was up, the process
            died, or the function raised.
        detail: The failure in words, so short that it can be logged.
        cpu_s: Seconds of processor time that the call took, if it came back.
        error: What the function raised, if it did: the names of its class and of those above, and its message.
    """

    value: Any = None
    failure: Failure | None = None
    detail: str = ""
    cpu_s: float = 0.0
    error: Raised | None = None

    @classmethod
    def of_error(cls, error: Raised, cpu_s: float = 0.0) -> CallResult:
        """Return the result of a call that raised."""
        return cls(failure="exception", detail=error.short, cpu_s=cpu_s, error=error)


Outcome = CallResult  # Its name until 0.1.


class WorkerPool:
    """Calls a function in other processes, with a limit on the time and memory of each call.

    A worker is a fresh interpreter, not a fork, which would copy locks and GPU contexts. It imports the module of the
    function and nothing of the script that runs, unless the function is in that script. Workers start when they are
    first needed and stay. What the function imports, at the top of its module or in its own lines, is imported before
    the clock of a first call starts. A call beyond its limit is ended by killing its worker; a new one takes over. No
    signal handler is involved, so a pool works from any thread; several threads share the workers.

    The wall clock also runs while other processes have the machine. For a function that computes and does not wait,
    limit its processor time, and let the wall clock catch only what hangs.

    Args:
        function: A function at the top level of a module, or of the script that runs. Its arguments and results are
            pickled. Or several by name; then a call is a name and the arguments.
        workers: Processes.
        limit_s: Seconds of wall clock for one call, from when a worker has begun it.
        cpu_limit_s: Seconds of processor time for one call, on all cores together; no limit if None. Processes that the
            function starts are not counted.
        memory_mb: Mebibytes of address space that a worker may take beyond what its imports took; no limit if None.
        prepare: Called once in each worker before its first call and before any clock, such as to fill caches; a
            function like the others, without arguments.

    Raises:
        ValueError: A function that another process cannot import, such as a lambda or a method of an instance.

    Example:
        >>> import math
        >>> pool = WorkerPool(math.factorial, limit_s=5.0)
        >>> [outcome.value for outcome in pool.map([(3,), (4,)])]
        [6, 24]
        >>> pool.map([(-1,)])[0].detail
        'ValueError: factorial() not defined for negative values'
        >>> pool.close()
    """

    def __init__(
        self,
        function: Callable[..., Any] | Mapping[str, Callable[..., Any]],
        workers: int = 1,
        limit_s: float = 5.0,
        memory_mb: int | None = None,
        cpu_limit_s: float | None = None,
        prepare: Callable[[], Any] | None = None,
    ) -> None:
        functions = function if isinstance(function, Mapping) else {"": function}
        places = {name: importable(one) for name, one in functions.items()}
        ahead = None if prepare is None else importable(prepare)
        self.setup = {"functions": places, "prepare": ahead, "memory_mb": memory_mb, "cpu_limit_s": cpu_limit_s}
        self.workers = workers
        self.limit_s = limit_s
        self._forget()

    def map(self, calls: Sequence[tuple[Any, ...] | Mapping[str, Any]]) -> list[CallResult]:
        """Call the function with each tuple, or mapping by name, of arguments; return the outcomes in the same order.

        Raises:
            RuntimeError: A worker could not be started, or cannot import the function.
        """
        if sys.modules["__main__"].__name__ == "__mp_main__":
            raise RuntimeError(
                "a worker process imports the script that its function is in, and this script uses the pool when it is "
                'imported; put what it runs under `if __name__ == "__main__":`'
            )
        self._own()
        outcomes: dict[int, CallResult] = {}
        waiting = list(range(len(calls)))[::-1]
        busy: dict[int, Worker] = {}
        try:
            while len(outcomes) < len(calls):
                # Whoever has a worker waits for that one, and not for what another thread has.
                while waiting and (worker := self._taken(wait=not busy)):
                    busy[waiting[-1]] = worker
                    worker.begin(calls[waiting.pop()], self.limit_s)
                wait([worker.channel for worker in busy.values()], _nearest(busy.values()))
                for index, worker in list(busy.items()):
                    outcome = worker.poll()
                    if outcome is not None:
                        outcomes[index] = outcome
                        self._give_back(busy.pop(index))
        finally:
            for worker in busy.values():
                worker.kill()
                self._give_back(worker)
        return [outcomes[index] for index in range(len(calls))]

    def warm(self) -> None:
        """Start every worker now and wait until it is ready, so that the first call does not."""
        with self._all_of_it():
            self._idle += [Worker(self.setup) for _ in range(self.workers - len(self._idle))]
            for worker in self._idle:
                worker.finish_start()

    def close(self) -> None:
        """End the workers when no thread uses them; a later call starts new ones."""
        with self._all_of_it():
            while self._idle:
                self._idle.pop().kill()

    def _taken(self, wait: bool) -> Worker | None:
        """Return a worker for this thread alone; None if all are taken and it shall not wait."""
        if not self._free.acquire(blocking=wait):
            return None
        try:
            return self._idle.pop()
        except IndexError:
            pass
        try:
            return Worker(self.setup)
        except BaseException:
            self._free.release()
            raise

    def _give_back(self, worker: Worker) -> None:
        if worker.alive:
            self._idle.append(worker)
        self._free.release()

    @contextmanager
    def _all_of_it(self) -> Iterator[None]:
        """Enter a context in which no other thread has a worker."""
        self._own()
        with self._turn, ExitStack() as taken:
            for _ in range(self.workers):
                taken.enter_context(self._free)
            yield

    def _own(self) -> None:
        """Leave to the parent, after a fork, what is its own: the pipes, and maybe a lock that nobody frees."""
        if self._process != os.getpid():
            self._forget()

    def _forget(self) -> None:
        self._idle: list[Worker] = []
        self._turn, self._free, self._process = threading.Lock(), threading.Semaphore(self.workers), os.getpid()

    def __getstate__(self) -> dict[str, Any]:
        return {"setup": self.setup, "workers": self.workers, "limit_s": self.limit_s}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._forget()

    def __deepcopy__(self, memo: dict[int, Any]) -> WorkerPool:
        return self


class Worker:
    """One worker process and the pipe to it."""

    def __init__(self, setup: dict[str, Any]) -> None:
        self.name = ", ".join(place["name"] for place in setup["functions"].values())
        self.cpu_limit_s = setup["cpu_limit_s"]
        self.channel, theirs = multiprocessing.Pipe()
        # -P: or the folder of the script would come first, where `numbers` and `math` are not Python's.
        file = str(Path(__file__).with_name("worker.py"))
        command = [sys.executable, "-P", file, str(theirs.fileno()), str(os.getpid())]
        # A group of its own: an interrupt from the keyboard is the parent's to handle, and a kill reaches children.
        self.process = subprocess.Popen(command, pass_fds=[theirs.fileno()], start_new_session=True)  # noqa: S603
        self.parent = os.getpid()
        _WORKERS.add(self)
        theirs.close()
        self.channel.send(setup)
        self.ready = False
        self.pending: tuple[Any, ...] | Mapping[str, Any] | None = None
        self.unsent: CallResult | None = None
        self.limit_s = 0.0
        self.deadline = time.monotonic() + START_LIMIT_S

    @property
    def alive(self) -> bool:
        """Whether the process can take another call."""
        return self.process.poll() is None and not self.channel.closed

    def begin(self, arguments: tuple[Any, ...] | Mapping[str, Any], limit_s: float) -> None:
        """Send a call, as soon as the worker is ready to take it; its clock runs from then."""
        self.limit_s = limit_s
        self.pending = arguments
        if self.ready:
            self._send()

    def _send(self) -> None:
        arguments, self.pending = self.pending, None
        if arguments is not None:
            self.deadline = time.monotonic() + self.limit_s
            try:
                self.channel.send(arguments)
            except ConnectionError:
                pass  # It has died; `poll` will say so.
            except Exception as error:  # What is sent says itself how it is pickled.
                detail = f"the arguments cannot be sent to a worker: {type(error).__name__}: {error}"
                self.unsent, self.deadline = CallResult(failure="exception", detail=detail), 0.0

    def poll(self) -> CallResult | None:
        """Return the outcome of the call if there is one by now."""
        try:
            while self.unsent is None and self.channel.poll():
                kind, content, cpu_s = self.channel.recv()
                if kind == "ready":
                    self.ready = True
                    self._send()
                elif kind == "broken":
                    self.kill()
                    raise RuntimeError(f"a worker process cannot load {self.name}:\n{content}")
                elif kind == "value":
                    return CallResult(content, cpu_s=cpu_s)
                else:
                    return CallResult.of_error(Raised(*content), cpu_s)
        except (EOFError, ConnectionError):
            self.kill()
            if not self.ready:
                code = self.process.returncode
                raise RuntimeError(
                    f"a worker process for {self.name} ended with exit code {code} while it started"
                ) from None
            if self.cpu_limit_s is not None and self.process.returncode == -signal.SIGPROF:
                detail = f"no answer within {self.cpu_limit_s:g} s of processor time"
                return CallResult(failure="processor", detail=detail)
            return CallResult(failure="crash", detail=f"the worker ended with exit code {self.process.returncode}")
        if self.unsent is not None:
            unsent, self.unsent = self.unsent, None
            return unsent
        if time.monotonic() < self.deadline:
            return None
        self.kill()
        if not self.ready:
            raise RuntimeError(f"a worker process for {self.name} was not ready within {START_LIMIT_S:.0f} s")
        return CallResult(failure="timeout", detail=f"no answer within {self.limit_s:g} s")

    def finish_start(self) -> None:
        """Wait until the worker is ready."""
        while not self.ready:
            wait([self.channel], max(0.0, self.deadline - time.monotonic()))
            self.poll()

    def kill(self) -> None:
        """End the process and all that it has started."""
        # Until it is waited for the number is its own, also of a process that has ended and left children.
        if self.process.returncode is None:
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.channel.close()


def importable(function: Callable[..., Any]) -> dict[str, Any]:
    """Return where another process finds a function.

    Raises:
        ValueError: Nowhere.
    """
    module, name = getattr(function, "__module__", None), getattr(function, "__qualname__", "<none>")
    file = getattr(sys.modules.get(module or ""), "__file__", None)
    if module is None or "<" in name or getattr(function, "__self__", None) not in (None, sys.modules.get(module)):
        raise ValueError(f"{function!r} cannot be imported by another process; define it at the top of a module")
    if module == "__main__" and file is None:
        raise ValueError(f"{name} was defined in an interactive session, where no process finds it; put it in a file")
    return {"module": module, "file": file and os.path.abspath(file), "name": name, "path": list(sys.path)}


def _nearest(workers: Iterable[Worker]) -> float:
    return max(0.0, min(worker.deadline for worker in workers) - time.monotonic())


_WORKERS: weakref.WeakSet[Worker] = weakref.WeakSet()


@atexit.register
def end_workers() -> None:
    """End the workers of all pools, also those that are busy; done when the interpreter ends."""
    for worker in list(_WORKERS):
        if worker.parent == os.getpid():
            worker.kill()
