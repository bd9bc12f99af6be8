"""One vLLM server, asked over HTTP; each call is a single attempt."""

from __future__ import annotations

import threading
from typing import Any

from rlframework.optional import require
from rlframework.samplers.vllm.errors import BadAnswerError, ServerError, UnavailableError

# Busy, or behind a proxy that does not reach it at the moment.
_PASSING = frozenset({429, 502, 503, 504})
_OF_A_PROCESS = ("lock", "_client", "_client_lock")


class Server:
    """A vLLM server: what can be asked of it, and which weights it was given.

    Args:
        url: Such as ``"http://127.0.0.1:8000"``; a ``/v1`` at its end is left out.
        timeout: Seconds that one answer may take.
        model: Name of the base model that it serves; None asks it.

    Attributes:
        holds: Version of the weights that it was given; None if it has to be given them (again).
        epoch: How often it was given any; an answer that a loading falls into is no answer.
        down: Whether it did not answer the last time.
        missed: When it began not to answer, by `time.monotonic`; None while it does.
        lock: Held while weights are loaded.

    Raises:
        ValueError: The address has no ``http://`` or ``https://``.

    Example:
        >>> Server("http://127.0.0.1:8000/v1/", timeout=10).url
        'http://127.0.0.1:8000'
    """

    def __init__(self, url: str, timeout: float, model: str | None = None) -> None:
        if not url.startswith(("http://", "https://")):
            raise ValueError(f"expected the address of a server such as http://127.0.0.1:8000, got {url!r}")
        self.url = url.rstrip("/").removesuffix("/v1")
        self.timeout = timeout
        self.holds: str | None = None
        self.epoch = 0
        self.down = False
        self.missed: float | None = None
        self.lock = threading.RLock()
        self._model = model
        self._client: Any = None
        self._client_lock = threading.Lock()

    def __getstate__(self) -> dict[str, Any]:
        """Leave out what belongs to this process; a copy elsewhere gives the weights anew."""
        return {**vars(self), "holds": None, "epoch": 0, "down": False, "missed": None, **dict.fromkeys(_OF_A_PROCESS)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, lock=threading.RLock(), _client_lock=threading.Lock())

    def lost(self, epoch: int) -> None:
        """Note that it may have been started anew since; unless it was given weights after that."""
        with self.lock:
            if self.epoch == epoch:
                self.holds = None

    def complete(self, body: dict[str, Any]) -> dict[str, Any]:
        """Generate.

        Raises:
            UnavailableError: No answer, or a server in trouble.
            ServerError: It refuses.
        """
        answer = self.ask("POST", "/v1/completions", body, passing=_PASSING | {500})
        if not isinstance(answer, dict):
            raise BadAnswerError(f"{self.url} answered POST /v1/completions with {str(answer)[:200]!r}, no JSON object")
        return answer

    def base_model(self) -> str:
        """Return the name of the model that it was started with."""
        if self._model is None:
            listed = self.ask("GET", "/v1/models")
            try:
                self._model = next(str(card["id"]) for card in listed["data"] if not card.get("parent"))
            except (KeyError, TypeError, StopIteration) as error:
                raise BadAnswerError(
                    f"{self.url} lists no base model: GET /v1/models answered {str(listed)[:200]!r}; is it a vLLM "
                    "server? Its name can be given as model=..."
                ) from error
        return self._model

    def ask(
        self, method: str, path: str, body: dict[str, Any] | None = None, passing: frozenset[int] = _PASSING
    ) -> Any:
        """Send one request and return its answer, parsed if it is JSON.

        Args:
            method: ``"GET"`` or ``"POST"``.
            path: From the root of the server.
            body: What is sent, as JSON.
            passing: Statuses that are worth another attempt.

        Raises:
            UnavailableError: No answer in time, or one of those statuses.
            ServerError: Another status than 200.
            ImportError: httpx is not installed.
        """
        httpx = require("httpx", "vllm")
        try:
            response = self._connected(httpx).request(method, path, json=body)
        except httpx.TransportError as error:
            raise UnavailableError(f"{self.url} gave no answer to {method} {path}: {_named(error)}") from error
        if response.status_code != 200:
            kind = UnavailableError if response.status_code in passing else ServerError
            raise kind(
                f"{self.url} answered {method} {path} with status {response.status_code}: {response.text[:500]}",
                response.status_code,
            )
        if "json" not in response.headers.get("content-type", ""):
            return response.text
        try:
            return response.json()
        except ValueError as error:
            raise BadAnswerError(
                f"{self.url} answered {method} {path} with what is no JSON: {response.text[:200]!r}"
            ) from error

    def _connected(self, httpx: Any) -> Any:
        with self._client_lock:
            if self._client is None:
                # Servers of a run are near; the environment's proxies are for the far away.
                limits = httpx.Limits(max_connections=None, max_keepalive_connections=None)
                timeout = httpx.Timeout(self.timeout, connect=min(10.0, self.timeout))
                self._client = httpx.Client(base_url=self.url, timeout=timeout, limits=limits, trust_env=False)
            return self._client


def _named(error: Exception) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
