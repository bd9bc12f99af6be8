"""The driver inside the jail: reads a program and its inputs from stdin, and runs it or calls its functions.

It is two processes under the same limits. The first waits, and nothing can reach into it; the second is the program's.
Neither knows an expected value. Whatever a program does to its own process can only change what is taken for the
program's output. It is sent as text, so it uses nothing but the standard library, and of it what is loaded quickly.
"""

from __future__ import annotations

# `signal` loads `enum` for its names; this is what it takes them from.
import _signal  # type: ignore[import-not-found]
import ctypes
import marshal
import os
import resource
import select
import sys

# `typing`, like `json` and `re`, would take longer to load than all the rest.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# What stdout begins with. The program runs after it, so a jail that did not start can be told from a bad program.
READY = b"ready\n"
HEADER_DIGITS = 12
# Far from the depth at which the interpreter itself gives up.
MAX_DEPTH = 50
SET_DUMPABLE = 4
ESCAPES = {code: f"\\u{code:04x}" for code in (*range(32), ord('"'), ord("\\"))}


def encode(value: Any, depth: int = MAX_DEPTH) -> Any:
    """Write a value as JSON that keeps its types; `values.same_value` compares the two.

    Exact builtin types only: an int with its own ``__eq__`` is no int.

    Raises:
        TypeError: Another type, or more than ``MAX_DEPTH`` levels.

    Example:
        >>> encode([1, 2.0, (True, None)])
        [1, {'float': '0x1.0000000000000p+1'}, {'tuple': [True, None]}]
    """
    kind = type(value)
    if depth == 0:
        raise TypeError(f"a value of more than {MAX_DEPTH} levels")
    if value is None or kind is bool or kind is str:
        return value
    if kind is int:
        # Beyond this the text of a number in base ten takes quadratic time, and Python refuses it.
        return value if -(2**63) <= value < 2**63 else {"int": hex(value)}
    if kind is float:
        return {"float": value.hex()}
    if kind is complex:
        return {"complex": [value.real.hex(), value.imag.hex()]}
    if kind is bytes:
        return {"bytes": value.hex()}
    if kind is list:
        return [encode(item, depth - 1) for item in value]
    if kind is tuple:
        return {"tuple": [encode(item, depth - 1) for item in value]}
    if kind is dict:
        pairs = [[encode(key, depth - 1), encode(item, depth - 1)] for key, item in value.items()]
        return {"dict": sorted(pairs, key=lambda pair: text_of(pair[0]))}
    if kind is set or kind is frozenset:
        return {kind.__name__: sorted((encode(item, depth - 1) for item in value), key=text_of)}
    raise TypeError(f"a value of type {kind.__name__}, which is not one of the builtin types that are compared")


def text_of(tree: Any) -> str:
    r"""Return what `encode` made as JSON text, in one line.

    Example:
        >>> text_of(encode([None, True, "a\n", (1, 2.5)]))
        '[null, true, "a\\u000a", {"tuple": [1, {"float": "0x1.4000000000000p+1"}]}]'
    """
    if type(tree) is str:
        return f'"{tree.translate(ESCAPES)}"'
    if type(tree) is list:
        return f"[{', '.join(map(text_of, tree))}]"
    if type(tree) is dict:
        return "{" + ", ".join(f"{text_of(key)}: {text_of(item)}" for key, item in tree.items()) + "}"
    return {None: "null", True: "true", False: "false"}[tree] if tree is None or type(tree) is bool else repr(tree)


def decode(tree: Any) -> Any:
    """Return the value that `encode` wrote.

    Example:
        >>> decode(encode({(1, 2.5): {b"x"}}))
        {(1, 2.5): {b'x'}}
    """
    if type(tree) is list:
        return [decode(item) for item in tree]
    if type(tree) is not dict:
        return tree
    ((kind, body),) = tree.items()
    if kind == "int":
        return int(body, 16)
    if kind == "float":
        return float.fromhex(body)
    if kind == "complex":
        return complex(float.fromhex(body[0]), float.fromhex(body[1]))
    if kind == "bytes":
        return bytes.fromhex(body)
    if kind == "dict":
        return {decode(key): decode(item) for key, item in body}
    return {"tuple": tuple, "set": set, "frozenset": frozenset}[kind](map(decode, body))


def read_exactly(count: int) -> bytes:
    """Read from stdin without taking a byte of what follows, which is the program's own input."""
    chunks = []
    while count:
        chunk = os.read(0, count)
        if not chunk:
            raise EOFError("the job is cut short")
        chunks.append(chunk)
        count -= len(chunk)
    return b"".join(chunks)


def keep_rest_as_stdin() -> None:
    """Make what is left of stdin a file of its own, since ``/dev/stdin`` opens a file from its beginning."""
    name = ".stdin"
    with open(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o400), "wb") as file:
        while chunk := os.read(0, 65_536):
            file.write(chunk)
    source = os.open(name, os.O_RDONLY)
    os.unlink(name)
    os.dup2(source, 0)
    os.close(source)


def set_dumpable(dumpable: bool) -> None:
    """Say whether other processes of this user may read and write this one's memory.

    Raises:
        OSError: The kernel refuses.
    """
    if ctypes.CDLL(None).prctl(SET_DUMPABLE, ctypes.c_ulong(dumpable), 0, 0, 0):
        raise OSError("prctl(PR_SET_DUMPABLE) failed")


def step_aside() -> None:
    """Return in a child process, and end as it ends.

    The first process of a jail belongs to the program's user. A program that could write to its memory would have
    another process, one that nobody counted.
    """
    set_dumpable(False)
    # The one signal that Python handles, and so the one that a jail's first process would hear from inside; from the
    # first moment on.
    _signal.signal(_signal.SIGINT, _signal.SIG_DFL)
    ended = {_signal.SIGCHLD}
    _signal.pthread_sigmask(_signal.SIG_BLOCK, ended)
    child = os.fork()
    if not child:
        _signal.signal(_signal.SIGINT, _signal.default_int_handler)
        _signal.pthread_sigmask(_signal.SIG_UNBLOCK, ended)
        set_dumpable(True)
        return
    output = select.poll()
    output.register(1, 0)
    while not output.poll(0):
        _signal.sigtimedwait(ended, 1.0)
        while (gone := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG)) is not None:
            if gone.si_pid == child:
                os._exit(gone.si_status if gone.si_code == os.CLD_EXITED else 128 + gone.si_status)
    # Nobody reads any more: the run was killed, and cannot kill what is in here.
    os._exit(1)


def main() -> None:
    """Read the job, set the limits, say that the jail works, and let the program have its way."""
    job = marshal.loads(read_exactly(int(read_exactly(HEADER_DIGITS))))  # noqa: S302 - the parent wrote it
    keep_rest_as_stdin()
    for name, size in job["limits"].items():
        resource.setrlimit(getattr(resource, name), (size, size))
    step_aside()
    run(job["program"], job["calls"], job["packages"])


def run(program: str, calls: list[dict[str, Any]], packages: list[str]) -> None:
    """Run a program, and write what its functions return."""
    decoded = [(call["call"], decode(call["args"]), decode({"dict": list(call["kwargs"].items())})) for call in calls]
    sys.path += packages
    write = os.write
    write(1, READY)
    # From here on what goes wrong is the program's doing.
    code = compile(program, "<program>", "exec", dont_inherit=True)
    module = type(sys)("__main__")
    module.__dict__["__builtins__"] = __builtins__
    # As for any program: pickle and dataclasses look a class up where it says it is.
    sys.modules["__main__"] = module
    if not decoded:
        exec(code, module.__dict__)  # noqa: S102 - what the jail is for
        return
    # What the program prints is not its result.
    results = os.dup(1)
    os.dup2(os.open("/dev/null", os.O_WRONLY), 1)
    exec(code, module.__dict__)  # noqa: S102
    for name, args, kwargs in decoded:
        line = text_of(encode(module.__dict__[name](*args, **kwargs))).encode("utf-8", "surrogatepass") + b"\n"
        while line:
            line = line[write(results, line) :]
