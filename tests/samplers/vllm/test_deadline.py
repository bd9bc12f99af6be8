"""A timeout is a deadline: however slowly an answer comes, it is waited for no longer."""

from __future__ import annotations

import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from rlframework.samplers.vllm import ServerError, UnavailableError
from rlframework.samplers.vllm.client import Server
from tests.samplers.vllm.raw_server import RawServer, drip, whole
from tests.samplers.vllm.recording import PROMPTS

OK, JSON = b"HTTP/1.1 200 OK\r\n", b"content-type: application/json\r\n"
# What drips goes on for 4 s; the slack is for a busy machine.
TIMEOUT, SLACK = 0.4, 2.0

SLOW = {
    "nothing": lambda: drip(b"", b""),
    "the status line": lambda: drip(b"HTTP/1.1 200 O", b"K"),
    "a header": lambda: drip(OK + b"x-header: ", b"a"),
    "header after header": lambda: drip(OK, b"x-header: a\r\n"),
    "please wait": lambda: drip(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "a body with its length": lambda: drip(OK + JSON + b"content-length: 100000\r\n\r\n", b" "),
    "a body until the end": lambda: drip(OK + JSON + b"connection: close\r\n\r\n", b" "),
    "small chunks": lambda: drip(OK + JSON + b"transfer-encoding: chunked\r\n\r\n", b"1\r\n \r\n"),
    "the size of a chunk": lambda: drip(OK + JSON + b"transfer-encoding: chunked\r\n\r\n", b"0"),
    "a chunk": lambda: drip(OK + JSON + b"transfer-encoding: chunked\r\n\r\nffff\r\n", b" "),
    "trailers": lambda: drip(OK + JSON + b"transfer-encoding: chunked\r\n\r\n0\r\n", b"x-a: b\r\n"),
    "why it refuses": lambda: drip(b"HTTP/1.1 400 Bad\r\ncontent-length: 9999\r\n\r\n", b"a"),
    "bytes without a pause": lambda: drip(OK + JSON + b"transfer-encoding: chunked\r\n\r\n", b"1\r\n \r\n", 1e-4),
}


def seconds_of(call):
    started = time.monotonic()
    with pytest.raises(UnavailableError) as caught:
        call()
    return time.monotonic() - started, caught.value


def given_up(what):
    with RawServer(SLOW[what]) as slow:
        return slow.url, *seconds_of(lambda: Server(slow.url, TIMEOUT).ask("POST", "/v1/completions", {}))


@pytest.fixture(scope="module")
def all_given_up():
    """What became of each: they are asked at the same time, as nothing but waiting is done."""
    with ThreadPoolExecutor(len(SLOW)) as threads:
        return dict(zip(SLOW, threads.map(given_up, SLOW), strict=True))


@pytest.mark.parametrize("what", SLOW)
def test_a_server_that_drips_is_given_up_in_time(what, all_given_up):
    url, seconds, error = all_given_up[what]
    assert f"{url} gave no answer to POST /v1/completions: ReadTimeout" in str(error)
    assert "timeout=0.4" in str(error)
    assert error.status is None
    assert 0.9 * TIMEOUT < seconds < TIMEOUT + SLACK


def test_a_server_that_reads_slowly_is_given_up_in_time():
    def reads(connection):
        """Faster than a socket's buffers need to be seen to empty, and 5 s for all of it."""
        while connection.recv(65536):
            time.sleep(0.01)

    with RawServer(lambda: [], reads) as slow:
        body = {"prompt": "a" * 2**25}
        seconds, error = seconds_of(lambda: Server(slow.url, TIMEOUT).ask("POST", "/v1/completions", body))
    assert "WriteTimeout" in str(error)
    assert 0.9 * TIMEOUT < seconds < TIMEOUT + SLACK


def test_a_handshake_that_drips_is_given_up_in_time():
    """The head of a TLS record, and then a byte of it at a time."""
    with RawServer(lambda: drip(b"\x16\x03\x03\x40\x00", b"\x02"), lambda connection: connection.recv(1)) as slow:
        seconds, error = seconds_of(lambda: Server(f"https://{slow.address}", TIMEOUT).ask("GET", "/v1/models"))
    assert "ConnectTimeout" in str(error)
    assert 0.9 * TIMEOUT < seconds < TIMEOUT + SLACK


def test_a_slow_answer_that_is_whole_in_time_is_taken():
    text = json.dumps({"a": 1}).encode()

    def slowly():
        for byte in whole(200, text):
            yield bytes([byte])
            yield 0.003

    with RawServer(slowly) as slow:
        assert Server(slow.url, 5.0).ask("GET", "/v1/models") == {"a": 1}


def test_each_request_has_a_deadline_of_its_own():
    """Also on a connection that is used again, and with as many at once as are wanted."""
    with RawServer(lambda: [0.25, whole(200, b"{}")]) as slow:
        server = Server(slow.url, TIMEOUT)
        for _ in range(3):
            assert server.ask("GET", "/v1/models") == {}
        threads = [threading.Thread(target=server.ask, args=("GET", "/v1/models")) for _ in range(20)]
        started = time.monotonic()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert time.monotonic() - started < 3
    assert slow.asked == 23


def test_a_connection_is_used_again(replay):
    server, ports = Server(replay.url, 5.0), []
    connected = server._connected(pytest.importorskip("httpx"))
    for _ in range(3):
        with connected.stream("GET", "/weight_info") as answer:
            answer.read()
            ports.append(answer.extensions["network_stream"].get_extra_info("client_addr")[1])
    assert len(set(ports)) == 1


def test_a_run_ends_when_its_server_drips(sampler, adapted):
    with RawServer(SLOW["small chunks"]) as slow:
        started = time.monotonic()
        with pytest.raises(ServerError, match=f"{slow.url} gave no answer.*timeout=0.4.*patience=0"):
            sampler(slow.url, timeout=TIMEOUT, patience=0.0).sample(adapted, PROMPTS)
        assert time.monotonic() - started < 5


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"HTTP/1.1 200 OK\r\ncontent-ty",
        OK + JSON + b"content-length: 100\r\n\r\n{",
        OK + JSON + b"transfer-encoding: chunked\r\n\r\n5\r\n{",
        OK + JSON + b"transfer-encoding: chunked\r\n\r\n1\r\n{\r\n",
    ],
)
def test_a_server_that_breaks_off_is_worth_another_attempt(sent):
    with RawServer(lambda: [sent]) as dying:
        seconds, error = seconds_of(lambda: Server(dying.url, 5.0).ask("GET", "/v1/models"))
    assert f"{dying.url} gave no answer to GET /v1/models: ReadError" in str(error)
    assert seconds < 3
