"""What a server may answer: which statuses are worth another attempt, and which answers are refused as malformed."""

from __future__ import annotations

import gzip
import itertools
import json
import re
import threading
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime, formatdate

import pytest

from rlframework.samplers import VLLMSampler
from rlframework.samplers.vllm import BadAnswerError, ServerError, UnavailableError
from rlframework.samplers.vllm.client import Server
from rlframework.samplers.vllm.patience import Patience
from tests.samplers.vllm.raw_server import RawServer, whole
from tests.samplers.vllm.recording import PROMPTS

ASKED = {"prompt": [3, 4], "n": 2, "max_tokens": 8, "stop_token_ids": [1]}
DEEP = b"[" * 200_000 + b"]" * 200_000


def answered(sent, call=lambda server: server.complete(ASKED)):
    """The error that an answer ends in, and how often it was asked for."""
    with RawServer(lambda: [sent]) as raw, pytest.raises(ServerError) as caught:
        call(Server(raw.url, 5.0))
    assert raw.url in str(caught.value)
    return caught.value


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504, 520, 521, 522, 523, 524, 529])
def test_a_status_that_may_pass_is_worth_another_attempt(status):
    error = answered(whole(status, b"<html>busy</html>", "text/html"))
    assert isinstance(error, UnavailableError)
    assert error.status == status
    assert f"status {status}: <html>busy" in str(error)


@pytest.mark.parametrize("status", [204, 302, 307, 400, 401, 403, 404, 405, 409, 413, 422, 501, 505, 507, 511, 526])
def test_a_status_that_stays_is_an_error_at_once(status):
    error = answered(whole(status, b"" if status == 204 else b"no"))
    assert type(error) is ServerError
    assert error.status == status


def test_weights_that_a_server_fails_to_read_are_not_asked_for_again():
    error = answered(whole(500, b"no such folder"), lambda server: server.ask("POST", "/v1/load_lora_adapter", {}))
    assert type(error) is ServerError


DATES = {
    "in five seconds": (lambda: format_datetime(datetime.now(UTC) + timedelta(seconds=5), usegmt=True), 3.0, 5.0),
    "an hour ago": (lambda: formatdate(time.time() - 3600, usegmt=True), 0.0, 0.0),
    "in a year": (lambda: formatdate(time.time() + 3e7, usegmt=True), 60.0, 60.0),
    **{
        text: (lambda text=text: text, value, value)
        for text, value in {
            "0": 0.0,
            "7": 7.0,
            "1.5": 1.5,
            "86400": 60.0,
            "9" * 5000: 60.0,
            "inf": 60.0,
            "-3": 0.0,
            "nan": 0.0,
            "soon": 0.0,
            "": 0.0,
            "Wed, 99 Oct 99999 07:28:00 GMT": 0.0,
        }.items()
    },
}


@pytest.mark.parametrize("name", DATES, ids=lambda name: name[:20])
def test_retry_after_is_read_and_bounded(name):
    text, least, most = DATES[name]
    error = answered(whole(503, b"", "text/plain", f"retry-after: {text()}"))
    assert isinstance(error, UnavailableError)
    assert least <= error.retry_after <= most


def test_without_retry_after_there_is_none():
    error = answered(whole(503, b""))
    assert isinstance(error, UnavailableError)
    assert error.retry_after == 0.0


@pytest.mark.parametrize(("least", "seconds", "expected"), [(0.3, 9.0, 0.3), (60.0, 0.4, 0.4), (0.0, 9.0, 0.05)])
def test_a_server_is_left_alone_as_long_as_it_asks_but_no_longer_than_patience(least, seconds, expected):
    patience, started = Patience(seconds, threading.Event()), time.monotonic()
    patience.wait(UnavailableError("busy"), least)
    assert expected <= time.monotonic() - started < expected + 1


def test_a_busy_server_is_asked_again_when_it_said(replay, sampler, adapted):
    made, times, left = sampler(), [], [(503, {})]
    made.sample(adapted, PROMPTS[:1])

    def before(path, body):
        if path == "/v1/completions":
            times.append(time.monotonic())
            return left.pop() if left else None
        return None

    replay.before, replay.retry_after = before, "1"
    made.sample(adapted, PROMPTS[:1])
    assert len(times) == 2
    assert 1.0 <= times[1] - times[0] < 4


def test_another_server_does_not_wait_for_one_that_is_busy(replay, second, sampler, adapted):
    made = sampler(replay.url, second.url, patience=50.0)
    made.sample(adapted, PROMPTS)
    replay.before = lambda path, body: (429, {}) if path == "/v1/completions" else None
    replay.retry_after = "30"
    started = time.monotonic()
    made.sample(adapted, PROMPTS)
    assert time.monotonic() - started < 5


CHUNKED = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n"
MALFORMED = {
    "200,000 lists": (whole(200, DEEP), "nested too deep"),
    "200,000 objects": (whole(200, b'{"a":' * 200_000 + b"1" + b"}" * 200_000), "nested too deep"),
    "200,000 lists that are not closed": (whole(200, b'{"choices": ' + b"[" * 200_000), "nested too deep"),
    "deep in a choice": (whole(200, b'{"choices": [{"token_ids": ' + DEEP + b"}]}"), "nested too deep"),
    "broken UTF-8": (whole(200, b'{"text": "\xff\xfe"}'), "no UTF-8"),
    "half a character": (whole(200, b'{"text": "\xe2\x82"}'), "no UTF-8"),
    "a lone surrogate": (whole(200, b'{"text": "\xed\xa0\x80"}'), "no UTF-8"),
    "UTF-16": (whole(200, '{"choices": []}'.encode("utf-16")), "no UTF-8"),
    "compressed": (whole(200, gzip.compress(b"{}"), "application/json", "content-encoding: gzip"), "no UTF-8"),
    "a web page": (whole(200, b"<html>Please log in</html>", "text/html; charset=utf-8"), "a web page.*log in"),
    "a web page that says JSON": (whole(200, b"<html>Please log in</html>"), "what is no JSON.*log in"),
    "text": (whole(200, b"hello", "text/plain"), "'hello', no JSON object"),
    "nothing": (whole(200, b""), "what is no JSON"),
    "half of it": (whole(200, b'{"choices": ['), "what is no JSON"),
    "two of them": (whole(200, b"{}{}"), "what is no JSON"),
    "a number of 5,000 digits": (whole(200, b'{"id": ' + b"9" * 5000 + b"}"), "what is no JSON"),
    "a list": (whole(200, b"[]"), r"\[\], no JSON object"),
    "null": (whole(200, b"null"), "None, no JSON object"),
    "no HTTP": (b"SSH-2.0-OpenSSH_9.6\r\n\r\n", "no HTTP.*SSH"),
    "two lengths": (b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n{}", "no HTTP"),
    "a chunk of no size": (CHUNKED + b"many\r\n{}\r\n", "no HTTP"),
    "a head without end": (b"HTTP/1.1 200 OK\r\nx-a: " + b"a" * 300_000, "no HTTP"),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_a_malformed_answer_is_refused_and_names_its_server(name):
    sent, message = MALFORMED[name]
    error = answered(sent)
    assert isinstance(error, BadAnswerError)
    assert re.search(message, str(error)), error
    assert len(str(error)) < 1000


@pytest.mark.parametrize("framing", ["chunked", "until the end"])
def test_an_answer_far_too_large_is_not_read_to_its_end(framing):
    """An endless one, so that reading it whole would end by the deadline and not by the size."""
    head = CHUNKED if framing == "chunked" else b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n"
    piece = b"100000\r\n" + b" " * 2**20 + b"\r\n" if framing == "chunked" else b" " * 2**20
    message = "http://127.0.0.1.* answered.*more than .* bytes, far more than was asked for"
    with (
        RawServer(lambda: itertools.chain([head], itertools.repeat(piece))) as raw,
        pytest.raises(BadAnswerError, match=message),
    ):
        Server(raw.url, 20.0).complete(ASKED)


def test_the_size_of_an_answer_follows_what_was_asked():
    text = json.dumps({"text": "a" * 2**24}).encode()
    with RawServer(lambda: [whole(200, text)]) as raw:
        server = Server(raw.url, 20.0)
        assert len(server.complete({**ASKED, "max_tokens": 2048})["text"]) == 2**24
        with pytest.raises(BadAnswerError, match="far more than was asked for"):
            server.ask("GET", "/v1/models")


def test_of_a_refusal_the_first_part_is_enough():
    endless = itertools.chain([b"HTTP/1.1 400 Bad\r\n\r\n"], itertools.repeat(b"no! " * 2**10))
    with RawServer(lambda: endless) as raw, pytest.raises(ServerError, match="status 400: no! no!") as caught:
        Server(raw.url, 20.0).complete(ASKED)
    assert len(str(caught.value)) < 1000


@pytest.mark.parametrize(
    "listed",
    [
        *(
            b"{}",
            b"[]",
            b"3",
            b'{"data": 3}',
            b'{"data": []}',
            b'{"data": [3]}',
            b'{"data": ["tiny"]}',
            b'{"data": [{}]}',
        ),
        *(b'{"data": [{"id": 3}]}', b'{"data": [{"id": null}]}', b'{"data": ' + b"[" * 500 + b"]" * 500 + b"}"),
    ],
)
def test_what_lists_no_model_is_refused(listed):
    error = answered(whole(200, listed), lambda server: server.base_model())
    assert isinstance(error, BadAnswerError)
    assert "lists no base model" in str(error)
    assert len(str(error)) < 1000


@pytest.mark.parametrize("info", ["<html>", [], {}, {"weight_version": 3}, {"weight_version": None}], ids=str)
def test_a_server_that_names_no_weights_is_refused(info, replay, sampler, whole):
    replay.before = lambda path, body: (200, info) if path == "/weight_info" else None
    with pytest.raises(BadAnswerError, match=f"{replay.url} answered GET /weight_info with .*names no weights"):
        sampler().sample(whole, PROMPTS[:1])


@pytest.mark.parametrize("kind", ["adapted", "whole"])
def test_a_malformed_answer_to_a_loading_blames_no_folder(kind, replay, sampler, request):
    paths = {"/v1/load_lora_adapter", "/collective_rpc"}
    replay.before = lambda path, body: (200, DEEP[:9]) if path in paths else None
    with pytest.raises(BadAnswerError, match=f"{replay.url} answered POST .*what is no JSON") as caught:
        sampler().sample(request.getfixturevalue(kind), PROMPTS[:1])
    assert "sync_folder" not in str(caught.value)


@pytest.mark.parametrize(
    "url", ["http://", "https:///v1", "http://:8000", "http://a:b", "http://a:99999", "http://[::1"]
)
def test_an_address_without_a_host_is_refused(url):
    with pytest.raises(ValueError, match="expected the address of a server such as"):
        VLLMSampler(url, 2, 4)


@pytest.mark.parametrize("timeout", [float("inf"), 1e9, -1.0])
def test_a_timeout_that_no_clock_can_keep_is_refused(timeout):
    with pytest.raises(ValueError, match=r"a timeout above 0 and at most 1e\+06 s"):
        VLLMSampler("http://127.0.0.1:8000", 2, 4, timeout=timeout)
