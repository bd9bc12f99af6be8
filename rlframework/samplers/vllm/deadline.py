"""HTTP with a deadline: the timeouts of a request count from its start, however often a byte arrives in between."""

from __future__ import annotations

import contextlib
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpcore
import httpx

_FAILURES = (httpcore.TimeoutException, httpcore.NetworkError, httpcore.ProtocolError, httpcore.ProxyError)


class Deadline:
    """A point in time for which a part of a request is waited; it goes where httpcore expects seconds.

    Args:
        seconds: From now.

    Attributes:
        closed: Whether the server has closed the connection.
    """

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds
        self.closed = False

    def left(self, over: Callable[[], Exception]) -> float:
        """Return the seconds that are left.

        Args:
            over: Makes what is raised if none are: a socket takes 0 for "do not wait", and would go on.
        """
        seconds = self._end - time.monotonic()
        if seconds <= 0:
            raise over()
        return seconds


class DeadlineTransport(httpx.BaseTransport):
    """Sends requests with connections that know deadlines; httpx's own begins to wait again with every byte.

    As many connections as are wanted at once, kept for a while. A server that breaks off raises a ``NetworkError``, one
    that does not speak HTTP a ``RemoteProtocolError``.
    """

    def __init__(self) -> None:
        # vLLM closes a connection that is idle for 5 s, as between two turns of an episode. Who then still sends loses
        # the request, and takes the server for one that was started anew.
        self._pool = httpcore.ConnectionPool(
            max_connections=None, max_keepalive_connections=None, keepalive_expiry=2.0, network_backend=_Network()
        )

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request, and return the answer when its head is there."""
        seconds: dict[str, float] = request.extensions["timeout"]
        rest = Deadline(seconds["read"])
        deadlines = {"connect": Deadline(seconds["connect"]), "write": rest, "read": rest}
        url = httpcore.URL(
            scheme=request.url.raw_scheme, host=request.url.raw_host, port=request.url.port, target=request.url.raw_path
        )
        sent = httpcore.Request(
            request.method,
            url,
            headers=request.headers.raw,
            content=request.stream,
            extensions={**request.extensions, "timeout": deadlines},
        )
        with _errors(rest):
            answer = self._pool.handle_request(sent)
        return httpx.Response(
            answer.status, headers=answer.headers, stream=_Body(answer, rest), extensions=answer.extensions
        )

    def close(self) -> None:
        """Close all HTTP connections of this client."""
        self._pool.close()


class _Body(httpx.SyncByteStream):
    def __init__(self, answer: httpcore.Response, rest: Deadline) -> None:
        self._answer = answer
        self._rest = rest

    def __iter__(self) -> Iterator[bytes]:
        with _errors(self._rest):
            yield from self._answer.iter_stream()

    def close(self) -> None:
        self._answer.close()


@contextlib.contextmanager
def _errors(rest: Deadline) -> Iterator[None]:
    """Raise httpx's errors for those of httpcore, which have the same names."""
    try:
        yield
    except httpcore.RemoteProtocolError as error:
        if rest.closed:
            raise httpx.ReadError(str(error)) from error
        raise httpx.RemoteProtocolError(str(error)) from error
    except _FAILURES as error:
        raise getattr(httpx, type(error).__name__)(str(error)) from error


class _Network(httpcore.NetworkBackend):
    """Opens connections whose deadline counts from the start of a request."""

    def __init__(self) -> None:
        self._plain = httpcore.SyncBackend()

    def connect_tcp(self, host: str, port: int, timeout: Any = None, *args: Any, **options: Any) -> _Connection:
        """Try the addresses of a host in turn, each with its share of the time: one that hangs is not the last."""
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except OSError as error:
            raise httpcore.ConnectError(str(error)) from error
        addresses = list(dict.fromkeys(str(one[4][0]) for one in found))
        for turn, address in enumerate(addresses):
            share = timeout.left(httpcore.ConnectTimeout) / (len(addresses) - turn)
            try:
                return _Connection(self._plain.connect_tcp(address, port, share, *args, **options))
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                if address == addresses[-1]:
                    raise
        raise httpcore.ConnectError(f"{host} has no address")


class _Connection(httpcore.NetworkStream):
    """One connection, which is waited for until a `Deadline` and not for seconds each time."""

    def __init__(self, plain: httpcore.NetworkStream) -> None:
        self._plain = plain

    def read(self, max_bytes: int, timeout: Any = None) -> bytes:
        data = self._plain.read(max_bytes, timeout.left(httpcore.ReadTimeout))
        timeout.closed = not data
        return data

    def write(self, buffer: bytes, timeout: Any = None) -> None:
        """Send the whole buffer; httpcore's own would wait again after each part that a slow reader takes."""
        connected: socket.socket = self._plain.get_extra_info("socket")
        rest = memoryview(buffer)
        while rest:
            connected.settimeout(timeout.left(httpcore.WriteTimeout))
            try:
                rest = rest[connected.send(rest) :]
            except TimeoutError as error:
                raise httpcore.WriteTimeout(str(error)) from error
            except OSError as error:
                raise httpcore.WriteError(str(error)) from error

    def close(self) -> None:
        self._plain.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: Any = None
    ) -> _Connection:
        return _Connection(self._plain.start_tls(ssl_context, server_hostname, timeout.left(httpcore.ConnectTimeout)))

    def get_extra_info(self, info: str) -> Any:
        return self._plain.get_extra_info(info)
