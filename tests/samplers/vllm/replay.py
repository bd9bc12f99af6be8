"""A server over real HTTP that answers what the real one answered (recorded.json), and fails when it is told to."""

from __future__ import annotations

import copy
import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

Answer = tuple[int, Any]
FILE = Path(__file__).with_name("recorded.json")


def read() -> list[dict[str, Any]]:
    """Return what was recorded; here, since `recording` imports torch, which a process of a server can do without."""
    return json.loads(FILE.read_text())


def key(body: dict[str, Any]) -> str:
    return json.dumps({name: value for name, value in body.items() if name != "model"}, sort_keys=True)


class Replay:
    """What the server knows, and what a test has it do otherwise.

    Attributes:
        before: Asked first, with path and body; what it returns is the answer, None lets the server answer.
        change: Given body and answer of a completion that went well; returns what is sent.
        retry_after: What a refusal says of when to come again; None says nothing.
        log: (path, body) of every request, in the order of their arrival.
        peak: Most completions that were in flight at once.
    """

    def __init__(self) -> None:
        self.exchanges = read()
        completions = [one for one in self.exchanges if one["path"] == "/v1/completions" and one["status"] == 200]
        self.recorded = {key(one["body"]): one["answer"] for one in completions}
        self.adapters: set[str] = set()
        self.version = "default"
        self.before: Callable[[str, dict[str, Any]], Answer | None] = lambda path, body: None
        self.change: Callable[[dict[str, Any], dict[str, Any]], dict[str, Any]] = lambda body, answer: answer
        self.retry_after: str | None = None
        self.log: list[tuple[str, dict[str, Any]]] = []
        self.in_flight = self.peak = 0
        self._lock = threading.Lock()
        self._host, self._port = "127.0.0.1", 0
        self._http: ThreadingHTTPServer | None = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: Any) -> None:
        self.stop()

    def start(self) -> Self:
        self._http = ThreadingHTTPServer((self._host, self._port), handler(self))
        self._http.daemon_threads = True
        self._port = self._http.server_address[1]
        threading.Thread(target=self._http.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def stop(self) -> None:
        """Connections are refused from now on, and what was loaded is gone."""
        if self._http is not None:
            self._http.shutdown()
            self._http.server_close()
            self._http = None
        self.forget()

    def forget(self) -> None:
        """As a server that is started anew."""
        self.adapters.clear()
        self.version = "default"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def asked(self, path: str) -> list[dict[str, Any]]:
        return [body for asked, body in self.log if asked == path]

    def adapters_given(self) -> list[dict[str, Any]]:
        """What was loaded, apart from altered adapters."""
        return [body for body in self.asked("/v1/load_lora_adapter") if not body["lora_name"].endswith("-altered")]

    def answer(self, method: str, path: str, body: dict[str, Any]) -> Answer:
        with self._lock:
            self.log.append((path, body))
            self.in_flight += path == "/v1/completions"
            self.peak = max(self.peak, self.in_flight)
        try:
            return self.before(path, body) or self._own_answer(method, path, body)
        finally:
            with self._lock:
                self.in_flight -= path == "/v1/completions"

    def _own_answer(self, method: str, path: str, body: dict[str, Any]) -> Answer:
        if path == "/v1/completions":
            return self._complete(body)
        if path == "/v1/load_lora_adapter" and body["lora_name"] in self.adapters:
            return self._recorded(method, path, status=400)
        if path == "/v1/load_lora_adapter":
            self.adapters.add(body["lora_name"])
        if path == "/v1/unload_lora_adapter" and body["lora_name"] not in self.adapters:
            return self._recorded(method, path, status=404)
        if path == "/v1/unload_lora_adapter":
            self.adapters.remove(body["lora_name"])
        if path == "/update_weight_version":
            self.version = body["new_version"]
        if path == "/weight_info":
            return 200, {"weight_version": self.version}
        return self._recorded(method, path, status=200)

    def _complete(self, body: dict[str, Any]) -> Answer:
        if body["model"] not in {"tiny", *self.adapters}:
            status, answer = self._recorded("POST", "/v1/completions", status=404)
            return status, json.loads(json.dumps(answer).replace("unknown", body["model"]))
        if key(body) not in self.recorded:
            return 501, {"error": f"not recorded: {key(body)}"}
        answer = {**copy.deepcopy(self.recorded[key(body)]), "model": body["model"]}
        return 200, self.change(body, answer)

    def _recorded(self, method: str, path: str, status: int) -> Answer:
        known = (one for one in self.exchanges if (one["method"], one["path"], one["status"]) == (method, path, status))
        exchange = next(known, None)
        return (501, {"error": f"not recorded: {path}"}) if exchange is None else (status, exchange["answer"])


def handler(replay: Replay) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True  # or the body waits 40 ms for the client to acknowledge the headers

        def do_GET(self) -> None:
            self.serve("GET")

        def do_POST(self) -> None:
            self.serve("POST")

        def serve(self, method: str) -> None:
            text = self.rfile.read(int(self.headers.get("content-length", 0)))
            path = self.path if "?" in self.path else urlsplit(self.path).path
            status, answer = replay.answer(method, path, json.loads(text) if text else {})
            if replay._http is None or status == 0:  # gone, without an answer
                self.close_connection = True
                return
            # Bytes are sent as they are, as JSON.
            sent = answer if isinstance(answer, bytes) else self.text(answer).encode()
            self.send_response(status)
            self.send_header("content-type", "text/plain" if isinstance(answer, str) else "application/json")
            self.send_header("content-length", str(len(sent)))
            if status != 200 and replay.retry_after is not None:
                self.send_header("retry-after", replay.retry_after)
            self.end_headers()
            self.wfile.write(sent)

        @staticmethod
        def text(answer: Any) -> str:
            return answer if isinstance(answer, str) else json.dumps(answer)

        def log_message(self, *_: Any) -> None:
            return

    return Handler
