"""One vLLM server, asked over HTTP; each call is a single attempt."""

from __future__ import annotations

import email.utils
import json
import math
import threading
import time
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import urlsplit

from rlframework.samplers.vllm.errors import BadAnswerError, ServerError, UnavailableError, shown
from rlframework.utilities.imports import require

# Busy, or behind a proxy that does not reach it at the moment: too slow with the request (408), not ready for it yet
# (425), too many of them (429), overloaded (529); no server behind the proxy, or one that hangs, breaks off or answers
# it with nothing (502 to 504, and 520 to 524 of Cloudflare). 501 and 505 say that it never will.
PASSING = frozenset({408, 425, 429, 502, 503, 504, 520, 521, 522, 523, 524, 529})
"""Statuses that are worth another attempt."""
# Where nothing but the request itself can have failed; what loads weights says by it that it cannot read them.
_BROKEN = frozenset({500})
_LONGEST_REST = 60.0
# Bytes: of any answer, and of a completion for each token that was asked for and each that was sent. vLLM writes about
# 130 a token, of which the text is a third.
_LARGEST, _LARGEST_TOKEN, _LARGEST_ID = 2**24, 2**10, 32
_LARGEST_ERROR = 2**16
_OF_A_PROCESS = ("lock", "_client", "_client_lock")


class Server:
    """A vLLM server: what can be asked of it, and which weights it was given.

    Args:
        url: Such as ``"http://127.0.0.1:8000"``; a ``/v1`` at its end is left out.
        timeout: Seconds that one answer may take as a whole, from connecting to its last byte.
        model: Name of the base model that it serves; None asks it.

    Attributes:
        loaded: Versions of weights that it was given, and the number of the loading that gave each: an answer that a
            loading of its version falls into is no answer.
        down: Whether it did not answer the last time.
        missed: When it began not to answer, by `time.monotonic`; None while it does.
        rests_until: Until when it asked to be left alone, by `time.monotonic`.
        lock: Held while weights are loaded.

    Raises:
        ValueError: The address has no ``http://`` or ``https://``, or no host after it.

    Example:
        >>> Server("http://127.0.0.1:8000/v1/", timeout=10).url
        'http://127.0.0.1:8000'
    """

    def __init__(self, url: str, timeout: float, model: str | None = None) -> None:
        if not url.startswith(("http://", "https://")) or not _has_host(url):
            raise ValueError(f"expected the address of a server such as http://127.0.0.1:8000, got {url!r}")
        self.url = url.rstrip("/").removesuffix("/v1")
        self.timeout = timeout
        self.loaded: dict[str, int] = {}
        self._loadings = 0
        self.down = False
        self.missed: float | None = None
        self.rests_until = 0.0
        self.lock = threading.RLock()
        self._model = model
        self._client: Any = None
        self._client_lock = threading.Lock()

    def __getstate__(self) -> dict[str, Any]:
        """Leave out what belongs to this process; a copy elsewhere gives the weights again."""
        anew = {"loaded": {}, "_loadings": 0, "down": False, "missed": None, "rests_until": 0.0}
        return {**vars(self), **anew, **dict.fromkeys(_OF_A_PROCESS)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, lock=threading.RLock(), _client_lock=threading.Lock())

    def given(self, version: str) -> None:
        """Note that the server was given a version."""
        with self.lock:
            self._loadings += 1
            self.loaded[version] = self._loadings

    def lost(self, version: str, loading: int) -> None:
        """Note that the server may have been restarted since a loading; unless it was given the version after that."""
        with self.lock:
            if self.loaded.get(version) == loading:
                del self.loaded[version]

    @property
    def rest(self) -> float:
        """Seconds for which it still wants to be left alone."""
        return max(0.0, self.rests_until - time.monotonic())

    def complete(self, body: dict[str, Any]) -> dict[str, Any]:
        """Generate completions: one request to ``/v1/completions``.

        Raises:
            UnavailableError: No answer, or a server in trouble.
            BadAnswerError: It answers with what is no JSON object.
            ServerError: It refuses.
        """
        largest = _LARGEST + body["n"] * (body["max_tokens"] * _LARGEST_TOKEN + len(body["prompt"]) * _LARGEST_ID)
        answer = self.ask("POST", "/v1/completions", body, passing=PASSING | _BROKEN, largest=largest)
        if not isinstance(answer, dict):
            raise BadAnswerError(f"{self.url} answered POST /v1/completions with {shown(answer)}, no JSON object")
        return answer

    def base_model(self) -> str:
        """Return the name of the model that it was started with."""
        if self._model is None:
            listed = self.ask("GET", "/v1/models")
            try:
                name = next(card["id"] for card in listed["data"] if not card.get("parent"))
            except (AttributeError, KeyError, TypeError, StopIteration):
                name = None
            if not isinstance(name, str):
                raise BadAnswerError(
                    f"{self.url} lists no base model: GET /v1/models answered {shown(listed)}; is it a vLLM server? "
                    "Its name can be given as model=..."
                )
            self._model = name
        return self._model

    def ask(
        self,
        method: str,
        path: str,
        body: dict[str, Any] | None = None,
        passing: frozenset[int] = PASSING,
        largest: int = _LARGEST,
        upload: Iterable[bytes] | None = None,
        sent_headers: Mapping[str, str] | None = None,
    ) -> Any:
        """Send one request and return its answer, parsed if it is JSON.

        Args:
            method: Such as ``"GET"`` or ``"POST"``.
            path: From the root of the server.
            body: The JSON to send.
            passing: Statuses that are worth another attempt.
            largest: Bytes that an answer may have.
            upload: Bytes to send instead of JSON; ``sent_headers`` has their Content-Length.
            sent_headers: Of the request.

        Raises:
            UnavailableError: No whole answer in time, or one of those statuses.
            BadAnswerError: What came is no HTTP, no JSON though it says so, a web page, or larger than that.
            ServerError: Another status than 200.
            ImportError: httpx is not installed.
        """
        httpx = require("httpx", "vllm")
        try:
            client = self._connected(httpx)
            with client.stream(method, path, json=body, content=upload, headers=sent_headers) as response:
                status, headers = response.status_code, response.headers
                content = _read(response.iter_raw(), largest if status == 200 else _LARGEST_ERROR)
        except httpx.TimeoutException as error:
            raise UnavailableError(
                f"{self.url} gave no answer to {method} {path}: {_named(error)}, no whole one within "
                f"timeout={self.timeout:g} s"
            ) from error
        except httpx.RemoteProtocolError as error:
            raise BadAnswerError(f"{self.url} answered {method} {path} with what is no HTTP: {error}") from error
        except httpx.TransportError as error:
            raise UnavailableError(f"{self.url} gave no answer to {method} {path}: {_named(error)}") from error
        answered = f"{self.url} answered {method} {path} with"
        if status != 200:
            message = f"{answered} status {status}: {content[:2000].decode(errors='replace')[:500]}"
            if status in passing:
                raise UnavailableError(message, status, _rest(headers.get("retry-after")))
            raise ServerError(message, status)
        return _parsed(content, headers.get("content-type", ""), largest, answered)

    def _connected(self, httpx: Any) -> Any:
        with self._client_lock:
            if self._client is None:
                # It needs httpx when it is imported.
                from rlframework.samplers.vllm.deadline import DeadlineTransport

                timeout = httpx.Timeout(self.timeout, connect=min(10.0, self.timeout))
                # A compressed answer could be of any size. Servers of a run are near; the environment's proxies are for
                # the far away.
                self._client = httpx.Client(
                    base_url=self.url,
                    timeout=timeout,
                    transport=DeadlineTransport(),
                    headers={"accept-encoding": "identity"},
                    trust_env=False,
                )
            return self._client


def _has_host(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return bool(parts.hostname) and parts.port != 0
    except ValueError:  # Of a port that is no number, or too large.
        return False


def _read(parts: Iterable[bytes], largest: int) -> bytes:
    """Return what an answer holds, up to its largest size and the part that exceeds it."""
    content = bytearray()
    for part in parts:
        content += part
        if len(content) > largest:
            break
    return bytes(content)


def _parsed(content: bytes, kind: str, largest: int, answered: str) -> Any:
    """Return an answer that is JSON, or text."""
    if len(content) > largest:
        raise BadAnswerError(f"{answered} more than {largest} bytes, far more than was asked for: {content[:200]!r}")
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        raise BadAnswerError(f"{answered} bytes that are no UTF-8 ({error}): {content[:200]!r}") from error
    if "html" in kind:
        raise BadAnswerError(f"{answered} a web page, {text[:200]!r}; is it a vLLM server?")
    if "json" not in kind:
        return text
    try:
        return json.loads(text)
    except RecursionError as error:
        raise BadAnswerError(f"{answered} JSON that is nested too deep to be read: {text[:200]!r}") from error
    except ValueError as error:
        raise BadAnswerError(f"{answered} what is no JSON ({error}): {text[:200]!r}") from error


def _rest(header: str | None) -> float:
    """Return the seconds of a ``Retry-After``, a number or a date; 0 if it says nothing, and a minute at most.

    Example:
        >>> _rest("7"), _rest("3600"), _rest("soon"), _rest("Wed, 21 Oct 2015 07:28:00 GMT")
        (7.0, 60.0, 0.0, 0.0)
    """
    try:
        seconds = float(header or 0)
    except ValueError:
        try:
            seconds = email.utils.parsedate_to_datetime(str(header)).timestamp() - time.time()
        except (ValueError, OverflowError):
            return 0.0
    return min(max(0.0, seconds), _LONGEST_REST) if not math.isnan(seconds) else 0.0


def _named(error: Exception) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
