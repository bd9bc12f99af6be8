"""List of servers in a file or at a URL, an address in each line: servers enter and leave it while runs go on."""

from __future__ import annotations

import fcntl
import os
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

_LARGEST = 2**20
_SECONDS = 10.0
# Between two readings of a last line without an end; whoever writes it has finished if they are the same.
_PAUSE = 0.5


def is_list(servers: str) -> bool:
    """Return whether a string names a list of servers: a file or a URL that ends in ``.txt``; else it is an address.

    Args:
        servers: The string.

    Example:
        >>> [is_list(one) for one in ("http://10.0.0.1:8000", "http://10.0.0.1:9000/servers.txt", "runs/servers.txt")]
        [False, True, True]
    """
    return servers.endswith(".txt")


def read_servers(place: str) -> list[str]:
    r"""Return the addresses in a list of servers, each once and in its order; empty lines and ``# ...`` are left out.

    A last line without an end may be half written: it is read again until it stays the same.

    Args:
        place: The file, or an ``http(s)://`` URL.

    Raises:
        OSError: It cannot be read; `FileNotFoundError` if there is none.
        ValueError: A line is no address; the message has its number.

    Example:
        >>> file = Path(tempfile.mkdtemp(), "servers.txt")
        >>> _ = file.write_text("# of the second rack\nhttp://10.0.0.1:8000\nhttp://10.0.0.2:8000\n")
        >>> read_servers(str(file))
        ['http://10.0.0.1:8000', 'http://10.0.0.2:8000']
    """
    text = _read(place)
    until = time.monotonic() + _SECONDS
    while text and not text.endswith("\n"):
        time.sleep(_PAUSE)
        text, before = _read(place), text
        if text == before:
            break
        if time.monotonic() > until:
            raise OSError(f"{place} is still being written after {_SECONDS:g} s: its last line has no end and changes")
    lines = [line.partition("#")[0].strip() for line in text.splitlines()]
    for number, line in enumerate(lines, start=1):
        if line and not is_address(line):
            raise ValueError(
                f"line {number} of {len(lines)} in {place} is no address of a server: {line[:200]!r}; each line is "
                "empty, a # and a remark, or an address such as http://10.0.0.1:8000"
            )
    return list(dict.fromkeys(line for line in lines if line))


def is_address(text: str) -> bool:
    """Return whether a text is the address of a server.

    Example:
        >>> is_address("http://10.0.0.1:8000"), is_address("10.0.0.1:8000"), is_address("http://a:8000 b")
        (True, False, False)
    """
    try:
        parts = urlsplit(text)
        return is_url(text) and bool(parts.hostname) and parts.port != 0 and not any(map(str.isspace, text))
    except ValueError:  # Of a port that is no number, or too large.
        return False


def enter(place: str, address: str, token: str = "") -> None:
    """Enter a server in a list; one that is there already stays as it is.

    Args:
        place: The file, which is made if need be, or the URL of another machine's receiver (``/servers.txt``).
        address: Of the server.
        token: For a URL.

    Raises:
        OSError: It cannot be written.
    """
    if is_url(place):
        _send("POST", place, address, token)
    else:
        _edit(Path(place), lambda lines: lines if address in _addresses(lines) else [*lines, address])


def leave(place: str, address: str, token: str = "") -> None:
    """Remove a server from a list; nothing happens if it is not there.

    Args:
        place: As in `enter`.
        address: Of the server.
        token: For a URL.

    Raises:
        OSError: It cannot be written.
    """
    if is_url(place):
        _send("DELETE", place, address, token)
    elif Path(place).exists():
        _edit(Path(place), lambda lines: [line for line in lines if _addresses([line]) != [address]])


def _addresses(lines: list[str]) -> list[str]:
    return [line.partition("#")[0].strip() for line in lines]


def _edit(path: Path, change: Callable[[list[str]], list[str]]) -> None:
    """Write a file anew while no other does, and put it in its place as a whole: readers need no lock."""
    path = path.resolve()
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.with_name(f".{path.name}.lock").open("a") as lock:
        with suppress(OSError):  # of a file system without locks
            fcntl.flock(lock, fcntl.LOCK_EX)
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        handle, scratch = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.writelines(f"{line}\n" for line in change(lines))
                file.flush()
                os.fsync(file.fileno())
            os.chmod(scratch, path.stat().st_mode & 0o777 if path.exists() else 0o644)
            os.replace(scratch, path)
        except BaseException:
            Path(scratch).unlink(missing_ok=True)
            raise


def is_url(place: str) -> bool:
    """Return whether a place is a URL, and no file."""
    return place.startswith(("http://", "https://"))


def _read(place: str) -> str:
    if not is_url(place):
        with Path(place).open("rb") as file:
            content = file.read(_LARGEST + 1)
    else:
        content = _send("GET", place)
    if len(content) > _LARGEST:
        raise ValueError(f"{place} has more than {_LARGEST} bytes, far more than a list of servers")
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise ValueError(f"{place} is no text ({error}), and no list of servers") from error


def _send(method: str, url: str, address: str = "", token: str = "") -> bytes:
    request = urllib.request.Request(url, address.encode() or None, method=method)  # noqa: S310 - the caller's list
    if token:
        request.add_unredirected_header("Authorization", f"Bearer {token}")
    # The environment's proxies are for what is far away.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=_SECONDS) as answer:
            return answer.read(_LARGEST + 1)
    except urllib.error.HTTPError as error:
        said = error.read(500).decode(errors="replace")
        raise OSError(f"{url} answered {method} with status {error.code}: {said}") from error
