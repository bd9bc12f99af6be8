"""The receiver over real HTTP: what it takes, and what it refuses with which words."""

from __future__ import annotations

import hashlib
import json
import resource
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from rlframework.serving.receiver import Receiver, Store
from rlframework.serving.server_list import enter, leave, read_servers

TOKEN = "0123456789abcdef"
CONTENT = {"config.json": b"{}", "model.safetensors": bytes(range(256)) * 5000}


def listing(content=CONTENT):
    return {name: {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()} for name, data in content.items()}


@pytest.fixture
def receiver(tmp_path):
    (tmp_path / "memory").mkdir()
    made = Receiver("127.0.0.1", 0, TOKEN, Store([tmp_path / "memory"], 10**7), str(tmp_path / "servers.txt"))
    made.start()
    yield made
    made.stop()
    assert not list((tmp_path / "memory").iterdir())


@pytest.fixture
def ask(receiver):
    def ask(method, path, body=None, token=TOKEN, **headers):
        data = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        request = urllib.request.Request(f"http://127.0.0.1:{receiver.port}{path}", data, method=method)
        request.add_header("Authorization", f"Bearer {token}")
        for name, value in headers.items():
            request.add_header(name.replace("_", "-"), value)
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return answer.status, json.loads(answer.read())
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read())["error"]

    return ask


def test_a_version_appears_when_all_of_it_is_there(ask, tmp_path):
    status, state = ask("POST", "/weights/policy-1", {"files": listing(), "keep": []})
    assert (status, state) == (200, {"missing": sorted(CONTENT), "path": None})
    assert ask("PUT", "/weights/policy-1/config.json", CONTENT["config.json"])[1]["path"] is None
    (root,) = (tmp_path / "memory").iterdir()
    assert all(path.name.startswith(".") for path in root.iterdir())
    status, state = ask("PUT", "/weights/policy-1/model.safetensors", CONTENT["model.safetensors"])
    assert (status, state["missing"]) == (200, [])
    place = Path(state["path"])
    assert {path.name: path.read_bytes() for path in place.iterdir()} == CONTENT
    # Who announces the same again need not send anything.
    assert ask("POST", "/weights/policy-1", {"files": listing(), "keep": []}) == (200, state)
    assert ask("GET", "/weights")[1]["versions"] == ["policy-1"]


def test_what_nobody_keeps_goes_when_the_next_is_announced(ask, tmp_path):
    for version, keep in (("a", []), ("b", ["a"]), ("c", ["b"])):
        ask("POST", f"/weights/{version}", {"files": listing(), "keep": keep})
        for name, data in CONTENT.items():
            ask("PUT", f"/weights/{version}/{name}", data)
    assert sorted(ask("GET", "/weights")[1]["versions"]) == ["b", "c"]
    assert ask("DELETE", "/weights/b") == ask("DELETE", "/weights/b") == (200, {})
    assert ask("GET", "/weights")[1]["versions"] == ["c"]
    (root,) = (tmp_path / "memory").iterdir()
    assert [path.name[0] for path in root.iterdir() if path.is_dir()] == ["c"]


def test_other_bytes_under_the_same_name_replace_it(ask):
    ask("POST", "/weights/a", {"files": listing(), "keep": []})
    other = {"config.json": b"[]"}
    assert ask("POST", "/weights/a", {"files": listing(other), "keep": []})[1]["missing"] == ["config.json"]
    _, state = ask("PUT", "/weights/a/config.json", b"[]")
    assert [path.read_bytes() for path in Path(state["path"]).iterdir()] == [b"[]"]


@pytest.mark.parametrize("path", ["/weights", "/weights/a", "/weights/a/config.json", "/servers.txt"])
@pytest.mark.parametrize("token", ["", "0123456789abcdeg", "é"])
def test_without_the_token_nothing_is_taken(path, token, ask):
    method = {1: "POST", 2: "POST", 3: "PUT"}[path.count("/")] if path != "/weights" else "GET"
    status, said = ask(method, path, b"{}" if method != "GET" else None, token=token.encode().decode("latin-1"))
    assert status == 401
    assert TOKEN not in said


@pytest.mark.parametrize("name", ["..", ".", ".hidden", "a%2Fb", "..%2Fb", "a\\b", "-", "a" * 201, "a%00", ""])
def test_no_name_leads_out_of_the_folder(name, ask):
    ask("POST", "/weights/a", {"files": listing(), "keep": []})
    for path in (f"/weights/{name}", f"/weights/a/{name}", f"/weights/{name}/config.json"):
        status, said = ask("PUT" if path.count("/") == 3 else "POST", path, b"{}")
        assert status in (400, 404), said
    status, said = ask("POST", "/weights/b", {"files": {name: listing()["config.json"]}, "keep": []})
    assert (status, "is no name of a file" in said) == (400, True)


def test_a_path_of_several_folders_is_refused(ask):
    for path in ("/weights/../../etc/passwd", "/weights/a/b/c", "/etc/passwd", "/weights//x"):
        assert ask("PUT", path, b"{}")[0] in (400, 404)


def test_what_is_not_as_announced_is_refused(ask, tmp_path):
    assert ask("PUT", "/weights/a/config.json", b"{}") == (
        404,
        "a/config.json was not announced: POST /weights/a comes first",
    )
    ask("POST", "/weights/a", {"files": listing(), "keep": []})
    status, said = ask("PUT", "/weights/a/config.json", b"[]")
    assert (status, "was announced: it was changed on the way" in said) == (422, True)
    status, said = ask("PUT", "/weights/a/config.json", b"{} ")
    assert (status, said) == (413, "a/config.json was announced with 2 bytes, and 3 are sent")
    assert ask("PUT", "/weights/a/other", b"{}")[0] == 404
    (root,) = (tmp_path / "memory").iterdir()
    assert not [path for path in root.rglob("*") if path.is_file() and path.name != ".lock"]


def test_too_large_and_no_room(ask, receiver):
    files = {"model.safetensors": {"size": 10**7 + 1, "sha256": "0" * 64}}
    assert ask("POST", "/weights/a", {"files": files, "keep": []}) == (
        413,
        "a has 10000001 bytes, and at most 10000000 are taken (--largest-gb)",
    )
    receiver.store._largest = None
    files["model.safetensors"]["size"] = 10**18
    status, said = ask("POST", "/weights/a", {"files": files, "keep": []})
    assert (status, said[:34]) == (507, "a has 1000000000000000000 bytes, a")
    assert "--folder" in said


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'{"files": {}}', b'{"files": {"a": 3}, "keep": []}', b"[" * 10**5])
def test_an_announcement_that_is_none(body, ask):
    assert ask("POST", "/weights/a", body)[0] == 400


def test_a_disk_that_takes_no_more_leaves_nothing(ask, tmp_path):
    ask("POST", "/weights/a", {"files": listing(), "keep": []})
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2**20, before[1]))
    try:
        status, said = ask("PUT", "/weights/a/model.safetensors", CONTENT["model.safetensors"])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert status == 507
    assert said.startswith("a/model.safetensors, 1280000 bytes, cannot be written: [Errno 27]")
    (root,) = (tmp_path / "memory").iterdir()
    assert not [path for path in root.rglob("*") if path.is_file() and path.name != ".lock"]
    assert ask("PUT", "/weights/a/model.safetensors", CONTENT["model.safetensors"])[0] == 200


def test_one_that_breaks_off_is_asked_again(receiver, ask):
    ask("POST", "/weights/a", {"files": listing(), "keep": []})
    with socket.create_connection(("127.0.0.1", receiver.port)) as sender:
        head = f"PUT /weights/a/model.safetensors HTTP/1.1\r\nAuthorization: Bearer {TOKEN}\r\n"
        sender.sendall(f"{head}Content-Length: {len(CONTENT['model.safetensors'])}\r\n\r\nhalf".encode())
        sender.shutdown(socket.SHUT_WR)
        assert b"ended after 4 of 1280000 bytes" in sender.makefile("rb").read()
    assert ask("PUT", "/weights/a/model.safetensors", CONTENT["model.safetensors"])[0] == 200


def test_a_body_of_unknown_length_is_refused(receiver):
    with socket.create_connection(("127.0.0.1", receiver.port)) as sender:
        sender.sendall(b"PUT /weights/a/b HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n")
        assert b" 411 " in sender.recv(10**5)


def test_what_a_killed_receiver_left_goes_with_the_next(tmp_path):
    code = "import os, sys; from rlframework.serving.receiver import Store; Store(sys.argv[1:]); os._exit(9)"
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False, timeout=60)
    (left,) = tmp_path.iterdir()
    living = Store([tmp_path])
    assert left not in tmp_path.iterdir()
    other = Store([tmp_path])
    assert len(list(tmp_path.iterdir())) == 2
    living.close()
    other.close()


def test_it_shows_and_edits_the_list_of_servers(receiver, tmp_path):
    url = f"http://127.0.0.1:{receiver.port}/servers.txt"
    with pytest.raises(OSError, match="500"):
        read_servers(url)
    enter(url, "http://10.0.0.1:8000", TOKEN)
    enter(url, "http://10.0.0.2:8000", TOKEN)
    leave(url, "http://10.0.0.1:8000", TOKEN)
    assert read_servers(url) == ["http://10.0.0.2:8000"] == read_servers(str(tmp_path / "servers.txt"))
    with pytest.raises(OSError, match=r"status 400: .*expected the address of a server"):
        enter(url, "nonsense", TOKEN)
    with pytest.raises(OSError, match=r"status 401"):
        enter(url, "http://10.0.0.3:8000", "another token")
