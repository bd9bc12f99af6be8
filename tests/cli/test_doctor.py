"""``rlframework doctor``: each check fails where it should, and says the way out."""

from __future__ import annotations

import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from rlframework.cli import doctor
from rlframework.serving.receiver import PORT_OFFSET


@pytest.fixture
def old_server():
    """A server that is healthy, and whose clock is an hour late."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        def date_time_string(self, timestamp=None):
            return super().date_time_string(time.time() - 3600)

        def log_message(self, *_):
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


def test_a_machine_that_is_fit(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    assert doctor.main(["--output", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert "one step of GRPO on a tiny model" in said
    assert "can be written" in said
    assert "FAILS" not in said


def test_what_fails_makes_the_exit_status_and_says_the_way_out(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "300")
    monkeypatch.setattr(doctor, "step", lambda: [])
    (tmp_path / "file").write_text("")
    output = ["--output", str(tmp_path / "file" / "below")]
    assert doctor.main([*output, "--servers", "http://127.0.0.1:1"]) == 1
    said = capsys.readouterr().out
    assert said.count("FAILS") == 2
    assert "Name another (--output)" in said
    assert "Connection refused" in said
    assert "Start it (rlframework serve)" in said


def test_servers_are_reached_and_their_clocks_compared(old_server, tmp_path):
    listed = tmp_path / "servers.txt"
    listed.write_text(f"{old_server}\nhttp://127.0.0.1:1\n")
    server, receiver, gone = doctor.servers(str(listed), PORT_OFFSET)
    assert server.verdict == "lacks"
    assert "from ours: set both by NTP" in server.text
    assert "-3600 s" in server.text or "-3601 s" in server.text
    assert (receiver.verdict, gone.verdict) == ("lacks", "fails")
    listed.write_text("")
    (empty,) = doctor.servers(str(listed), PORT_OFFSET)
    assert empty.text.startswith("0 addresses; `rlframework serve --register")


@pytest.mark.parametrize(
    ("environment", "verdicts"),
    [
        ({}, []),
        ({"SLURM_NTASKS": "8"}, ["fails"]),
        ({"SLURM_NTASKS_PER_NODE": "8", "SLURM_GPUS_ON_NODE": "8"}, ["well"]),
        ({"SLURM_NTASKS_PER_NODE": "1", "SLURM_GPUS_ON_NODE": "8"}, ["fails"]),
    ],
)
def test_slurm(environment, verdicts):
    assert [line.verdict for line in doctor.slurm(environment)] == verdicts


def test_a_check_that_hangs_or_raises_is_a_line():
    (line,) = doctor.within("x", lambda: time.sleep(60), seconds=0.1)
    assert (line.verdict, line.text[:19]) == ("fails", "no end within 0.1 s")
    (line,) = doctor.within("x", lambda: [][0])
    assert line == ("x", "fails", "IndexError: list index out of range")


def test_versions_outside_of_the_ranges():
    lines = list(doctor.versions(["numpy<1", "no-such-package>=1", 'torch<1; extra == "vllm"', 'x; extra == "cli"']))
    assert {line.name: line.verdict for line in lines if line.verdict != "well"} == {
        "numpy": "fails",
        "versions": "fails",
        "torch": "lacks",
        "extra cli": "lacks",
    }
    assert next(line.text for line in lines if line.name == "extra cli") == "x: pip install 'rlframework[cli]'"
