"""Receiver of weights beside a vLLM server: takes files over HTTP into a folder that the server then loads from."""

from __future__ import annotations

import fcntl
import hashlib
import hmac
import http.server
import json
import os
import re
import shutil
import tempfile
import threading
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from rlframework.serving.server_list import enter, is_address, leave

PORT_OFFSET = 1000
"""Added to a server's port, gives its receiver's."""
LIST = "/servers.txt"
# One dot less than a path upwards; no separator, no hidden file.
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.\-]{0,199}")
_DIGEST = re.compile(r"[0-9a-f]{64}")
_LARGEST_MESSAGE = 2**20
_CHUNK = 2**20
# Seconds without a byte after which a sender is given up.
_SILENCE = 60.0
_PREFIX = "rlframework-received-"


class RefusalError(Exception):
    """Refused request, with its HTTP status and the reason.

    Args:
        status: Of HTTP.
        message: What was asked, the numbers, and the way out.
    """

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class FileEntry(NamedTuple):
    """A file that is announced.

    Args:
        size: In bytes.
        sha256: Fingerprint, 64 hexadecimal digits.
    """

    size: int
    sha256: str


class Store:
    """Stores versions of weights in folders of their own, each of which appears when all of its files are there.

    Args:
        folders: Where to write, the first one that has room: memory, then a disk.
        largest: Bytes that one version may have; None for what there is room for.

    Example:
        >>> content = b"weights"
        >>> files = {"model.safetensors": {"size": 7, "sha256": hashlib.sha256(content).hexdigest()}}
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     store = Store([folder])
        ...     announced = store.announce("policy-1", files, keep=[])
        ...     whole = store.put("policy-1", "model.safetensors", 7, [content])
        ...     received = Path(whole["path"], "model.safetensors").read_bytes()
        ...     store.close()
        >>> announced, whole["missing"], received
        ({'missing': ['model.safetensors'], 'path': None}, [], b'weights')
    """

    def __init__(self, folders: Iterable[str | Path], largest: int | None = None) -> None:
        self._largest = largest
        self._lock = threading.Lock()
        self._versions: dict[str, _Version] = {}
        self._roots, self._locks = [], []
        for folder in map(Path, folders):
            _remove_left_behind(folder)
            root = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=folder))
            # Held while this process lives: who finds it free removes the folder.
            lock = (root / ".lock").open("w")
            fcntl.flock(lock, fcntl.LOCK_EX)
            self._roots.append(root)
            self._locks.append(lock)

    def announce(self, version: str, files: Any, keep: Iterable[str]) -> dict[str, Any]:
        """Say what a version has; it is told which of it is missing.

        Args:
            version: Name of the weights.
            files: By name, ``{"size": bytes, "sha256": digits}``.
            keep: Other versions that the server still needs; the rest is removed.

        Raises:
            RefusalError: A name that is none, too much, or no room.
        """
        entries = _entries(files)
        size = sum(entry.size for entry in entries.values())
        _check_name(version, "version")
        if self._largest is not None and size > self._largest:
            raise RefusalError(413, f"{version} has {size} bytes, and at most {self._largest} are taken (--largest-gb)")
        with self._lock:
            for name in self._versions.keys() - {version, *keep}:
                self._versions.pop(name).remove()
            known = self._versions.get(version)
            if known is not None and known.entries != entries:
                self._versions.pop(version).remove()
                known = None
            if known is None:
                root = self._root(version, size)
                known = self._versions[version] = _Version(version, entries, root)
            return known.state()

    def put(self, version: str, name: str, size: int, content: Iterable[bytes]) -> dict[str, Any]:
        """Take one file that was announced; with the last one the version's folder appears.

        Args:
            version: Name of the weights.
            name: Of the file.
            size: Bytes that come.
            content: The bytes, in parts.

        Returns:
            ``missing``: names of files that are still to come; ``path``: the folder once there is none.

        Raises:
            RefusalError: It was not announced, is not what was announced, or cannot be written.
        """
        with self._lock:
            known = self._versions.get(version)
        if known is None or name not in known.entries:
            raise RefusalError(404, f"{version}/{name} was not announced: POST /weights/{version} comes first")
        entry = known.entries[name]
        if size != entry.size:
            raise RefusalError(413, f"{version}/{name} was announced with {entry.size} bytes, and {size} are sent")
        scratch, digest, written = known.scratch(), hashlib.sha256(), 0
        try:
            with scratch.open("wb") as file:
                for part in content:
                    digest.update(part)
                    written += file.write(part)
            if written != size:
                raise RefusalError(422, f"{version}/{name} ended after {written} of {size} bytes: send it again")
            if digest.hexdigest() != entry.sha256:
                raise RefusalError(
                    422,
                    f"{version}/{name} arrived with the fingerprint {digest.hexdigest()} where {entry.sha256} was "
                    "announced: it was changed on the way, or while it was read. Send it again",
                )
            with self._lock:
                if self._versions.get(version) is not known:
                    raise RefusalError(409, f"{version} was announced anew while {name} arrived: send it again")
                known.take(scratch, name)
                return known.state()
        except (TimeoutError, ConnectionError):  # of the sender
            raise
        except OSError as error:
            raise RefusalError(
                507, f"{version}/{name}, {size} bytes, cannot be written: {error}. Make room there"
            ) from error
        finally:
            scratch.unlink(missing_ok=True)

    def remove(self, version: str) -> None:
        """Remove a version; nothing happens if there is none."""
        with self._lock:
            known = self._versions.pop(version, None)
            if known is not None:
                known.remove()

    def state(self) -> dict[str, Any]:
        """Return the versions that are whole, and the bytes that are free in each folder."""
        with self._lock:
            whole = [name for name, version in self._versions.items() if version.whole]
        return {"versions": whole, "free": {str(root.parent): shutil.disk_usage(root).free for root in self._roots}}

    def close(self) -> None:
        """Remove all received weights."""
        for root, lock in zip(self._roots, self._locks, strict=True):
            shutil.rmtree(root, ignore_errors=True)
            lock.close()

    def _root(self, version: str, size: int) -> Path:
        # What is under way has its room, too.
        coming = {root: sum(one.left for one in self._versions.values() if one.root == root) for root in self._roots}
        free = {root: shutil.disk_usage(root).free - coming[root] for root in self._roots}
        for root in self._roots:
            # A full file system fails for all who use it.
            if size <= 0.95 * free[root]:
                return root
        room = ", ".join(f"{free[root]} in {root.parent}" for root in self._roots)
        raise RefusalError(
            507, f"{version} has {size} bytes, and free are {room}. Make room, or name a folder (--folder)"
        )


class _Version:
    """One version: a hidden folder until it is whole."""

    def __init__(self, name: str, entries: dict[str, FileEntry], root: Path) -> None:
        self.entries = entries
        self.root = root
        self._missing = set(entries)
        self._path = Path(tempfile.mkdtemp(prefix=f".{name}-", dir=root))
        self.whole = False

    @property
    def left(self) -> int:
        return sum(self.entries[name].size for name in self._missing)

    def scratch(self) -> Path:
        handle, path = tempfile.mkstemp(prefix=".coming-", dir=self._path)
        os.close(handle)
        return Path(path)

    def take(self, scratch: Path, name: str) -> None:
        if self.whole:  # By another sender of the same.
            return
        scratch.chmod(0o644)
        scratch.rename(self._path / name)
        self._missing.discard(name)
        if not self._missing:
            self._path.chmod(0o755)
            visible = self._path.with_name(self._path.name.removeprefix("."))
            self._path.rename(visible)
            self._path, self.whole = visible, True

    def state(self) -> dict[str, Any]:
        return {"missing": sorted(self._missing), "path": str(self._path) if self.whole else None}

    def remove(self) -> None:
        shutil.rmtree(self._path, ignore_errors=True)


class Receiver(http.server.ThreadingHTTPServer):
    """Receiver: an HTTP server in threads of this process that takes weights, and shows a list of servers.

    Args:
        host: Address to listen at.
        port: Port; 0 takes a free one.
        token: What a sender has to know.
        store: Where weights go.
        server_list: File with the list of servers that it shows and edits (``/servers.txt``); None shows none.

    Raises:
        OSError: The port is taken.
    """

    daemon_threads = True

    def __init__(self, host: str, port: int, token: str, store: Store, server_list: str | None = None) -> None:
        self.token = token
        self.store = store
        self.server_list = server_list
        self._started = False
        super().__init__((host, port), _Handler)

    @property
    def port(self) -> int:
        """The port that it listens at."""
        return int(self.server_address[1])

    def start(self) -> None:
        """Answer from now on, in threads."""
        self._started = True
        threading.Thread(target=self.serve_forever, args=(0.1,), daemon=True).start()

    def stop(self) -> None:
        """Answer no more, and remove what was received."""
        if self._started:
            self.shutdown()
        self.server_close()
        self.store.close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of senders that break off."""


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    timeout = _SILENCE
    server: Receiver

    def do_GET(self) -> None:
        self._answer(self._get, public=self.path in ("/health", LIST))

    def do_POST(self) -> None:
        self._answer(self._post)

    def do_PUT(self) -> None:
        self._answer(self._put)

    def do_DELETE(self) -> None:
        self._answer(self._delete)

    def log_message(self, *_: Any) -> None:
        """Say nothing: vLLM's log is beside it."""

    def _get(self) -> Any:
        if self.path == "/health":
            return {"receives": "weights"}
        if self.path == LIST:
            return Path(self._list()).read_bytes()
        if self.path == "/weights":
            return self.server.store.state()
        raise RefusalError(404, f"GET {self.path[:200]}: there are /health, /weights and {LIST}")

    def _post(self) -> Any:
        if self.path == LIST:
            enter(self._list(), self._address())
            return {}
        (version,) = self._parts(1)
        try:
            message = json.loads(self._message())
            files, keep = message["files"], [str(name) for name in message["keep"]]
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            raise RefusalError(
                400, f'expected {{"files": ..., "keep": [...]}}: {type(error).__name__}: {error}'
            ) from error
        return self.server.store.announce(version, files, keep)

    def _put(self) -> Any:
        version, name = self._parts(2)
        return self.server.store.put(version, name, self._size(), self._body())

    def _delete(self) -> Any:
        if self.path == LIST:
            leave(self._list(), self._address())
            return {}
        (version,) = self._parts(1)
        self.server.store.remove(version)
        return {}

    def _answer(self, work: Any, public: bool = False) -> None:
        self._left = 0
        try:
            self._size()
            if not public:
                self._check_token()
            status, sent = 200, work()
        except RefusalError as refusal:
            status, sent = refusal.status, {"error": str(refusal)}
        except (TimeoutError, ConnectionError):
            self.close_connection = True
            return
        except OSError as error:
            status, sent = 500, {"error": str(error)}
        if self._left:
            # The rest of what was refused is not read: it may be large.
            self.close_connection = True
        body = sent if isinstance(sent, bytes) else json.dumps(sent).encode()
        self.send_response(status)
        self.send_header("content-type", "text/plain" if isinstance(sent, bytes) else "application/json")
        self.send_header("content-length", str(len(body)))
        if self.close_connection:
            self.send_header("connection", "close")
        self.end_headers()
        with suppress(OSError):
            self.wfile.write(body)

    def _check_token(self) -> None:
        given = self.headers.get("authorization", "").encode("latin-1", "replace")
        if not hmac.compare_digest(given, f"Bearer {self.server.token}".encode()):
            raise RefusalError(401, "the token is not that of this receiver: both sides need the same one")

    def _size(self) -> int:
        if self._left:
            return self._left
        text = self.headers.get("content-length", "0")
        if "transfer-encoding" in self.headers or not text.isdecimal():
            self.close_connection = True
            raise RefusalError(411, f"a Content-Length in bytes is needed, got {text[:50]!r}")
        self._left = int(text)
        return self._left

    def _body(self) -> Iterable[bytes]:
        while self._left:
            part = self.rfile.read(min(_CHUNK, self._left))
            if not part:
                self.close_connection = True
                return
            self._left -= len(part)
            yield part

    def _message(self) -> bytes:
        if self._size() > _LARGEST_MESSAGE:
            raise RefusalError(413, f"a message of {self._size()} bytes; at most {_LARGEST_MESSAGE} are read")
        return b"".join(self._body())

    def _address(self) -> str:
        address = self._message().decode(errors="replace").strip()
        if not is_address(address):
            raise RefusalError(
                400, f"expected the address of a server such as http://10.0.0.1:8000, got {address[:200]!r}"
            )
        return address

    def _list(self) -> str:
        if self.server.server_list is None:
            raise RefusalError(404, "this receiver shows no list of servers: start its server with --register FILE")
        return self.server.server_list

    def _parts(self, count: int) -> list[str]:
        parts = self.path.split("/")[2:] if self.path.startswith("/weights/") else []
        if len(parts) != count:
            expected = "/".join(["/weights", "VERSION", "FILE"][: count + 1])
            raise RefusalError(404, f"{self.command} {self.path[:200]}: expected {expected}")
        for part, kind in zip(parts, ("version", "file"), strict=False):
            _check_name(part, kind)
        return parts


def _check_name(name: str, kind: str) -> None:
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise RefusalError(
            400,
            f"{str(name)[:200]!r} is no name of a {kind}: 1 to 200 letters, digits, _, - and ., the first no - or .; "
            "no folder",
        )


def _entries(files: Any) -> dict[str, FileEntry]:
    if not isinstance(files, dict) or not files:
        raise RefusalError(400, "expected at least one file, by its name")
    entries = {}
    for name, about in files.items():
        _check_name(name, "file")
        size, digest = (about.get("size"), about.get("sha256")) if isinstance(about, dict) else (None, None)
        if type(size) is not int or size < 0 or not isinstance(digest, str) or not _DIGEST.fullmatch(digest):
            raise RefusalError(
                400, f'expected {{"size": bytes, "sha256": 64 digits}} of {name}, got {str(about)[:200]}'
            )
        entries[name] = FileEntry(size, digest)
    return entries


def _remove_left_behind(folder: Path) -> None:
    """Remove what receivers left that were killed."""
    for root in folder.glob(f"{_PREFIX}*"):
        with suppress(OSError), (root / ".lock").open("r+") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(root, ignore_errors=True)
