"""A server on a socket that sends what a test has it send, byte for byte and as slowly, and need not know HTTP."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Self

Script = Callable[[], Iterable[bytes | float]]


class RawServer:
    """Answers every request with a script of bytes and of seconds to wait, and closes the connection after it.

    Attributes:
        script: Makes what is sent.
        reads: How a request is read.
        asked: How many requests there were.
        address: Host and port.
        url: The same as an address of HTTP.
    """

    def __init__(self, script: Script, reads: Callable[[socket.socket], None] | None = None) -> None:
        self.script = script
        self.reads = reads or read_request
        self.asked = 0
        self._over = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self.url = f"http://{self.address}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._listen, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        # Closed alone, it would go on to wait in `accept`.
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _listen(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

    def _answer(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            self.reads(connection)
            self.asked += 1
            for part in self.script():
                if self._over.is_set():
                    return
                if isinstance(part, bytes):
                    connection.sendall(part)
                else:
                    time.sleep(part)


def read_request(connection: socket.socket) -> None:
    """Head, and the body that it announces."""
    text = b""
    while b"\r\n\r\n" not in text:
        text += connection.recv(65536)
    head, _, body = text.partition(b"\r\n\r\n")
    length = next((int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), 0)
    while len(body) < length:
        body += connection.recv(65536)


def whole(status: int, body: bytes, kind: str = "application/json", *headers: str) -> bytes:
    """An answer with its length."""
    lines = [
        f"HTTP/1.1 {status} X",
        f"content-type: {kind}",
        f"content-length: {len(body)}",
        "connection: close",
        *headers,
    ]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def drip(start: bytes, piece: bytes, every: float = 0.05) -> Iterator[bytes | float]:
    """A start, and then a piece again and again, until nobody who has a deadline can still be there."""
    yield start
    end = time.monotonic() + 4.0
    while time.monotonic() < end:
        yield every
        yield piece
