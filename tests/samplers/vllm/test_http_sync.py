"""Weights over HTTP: the server reads a folder that the trainer's machine need not have."""

from __future__ import annotations

import pickle
import socket
import threading
from contextlib import suppress
from pathlib import Path

import pytest

from rlframework.samplers import DiskSync, HTTPSync, LoRASync, ServerError
from rlframework.samplers.vllm import patience
from rlframework.serving.receiver import Receiver, Store
from rlframework.serving.token import VARIABLE
from tests.samplers.vllm.recording import PROMPTS
from tests.samplers.vllm.tiny_qwen import disturb

TOKEN = "0123456789abcdef"


@pytest.fixture
def received(replay, tmp_path, monkeypatch):
    """Return the folder of a receiver beside the server, and the syncs that send to it."""
    monkeypatch.setenv(VARIABLE, TOKEN)
    monkeypatch.setattr(patience, "_FIRST_DELAY", 0.01)
    (tmp_path / "there").mkdir()
    receiver = Receiver("127.0.0.1", 0, TOKEN, Store([tmp_path / "there"]))
    receiver.start()
    offset = receiver.port - int(replay.url.rpartition(":")[2])
    yield tmp_path / "there", lambda sync, **options: HTTPSync(sync, port_offset=offset, **options)
    receiver.stop()


def files(folder):
    return {path.name: path.read_bytes() for path in Path(folder).iterdir()}


def test_an_adapter_is_loaded_from_the_servers_own_folder(replay, received, sampler, adapted, tmp_path):
    there, sync = received
    rows = [row.ids for row in sampler().sample(adapted, PROMPTS)]
    made = sampler(sync=sync(LoRASync()), sync_folder=tmp_path / "here", tolerance=100.0)
    replay.log.clear()
    assert [row.ids for row in made.sample(adapted, PROMPTS)] == rows
    for _ in range(3):
        given = replay.adapters_given()[-1]["lora_path"]
        assert Path(given).is_relative_to(there)
        here = made._fleet._kept[made.version].folder
        assert files(given) == files(here)
        disturb(adapted, 0.1)
        made.sample(adapted, PROMPTS)
        # The one before stays until the next is announced: a request that was given up may still read it.
        assert Path(given).exists()
    left = [path for path in there.glob("*/*") if path.is_dir()]
    assert len(left) == 2


def test_whole_weights_are_read_once_and_removed(replay, received, sampler, whole):
    there, sync = received
    read = {}

    def before(path, body):
        if path == "/collective_rpc":
            read.update(files(body["kwargs"]["weights_path"]))

    replay.before = before
    made = sampler(sync=sync(DiskSync()))
    assert len(made.sample(whole, PROMPTS)) == 18
    assert read == files(made._fleet._kept[made.version].folder)
    assert not [path for path in there.glob("*/*") if path.is_dir()]


def test_a_server_that_was_started_anew_is_sent_them_again(replay, received, sampler, adapted):
    _, sync = received
    made = sampler(sync=sync(LoRASync()))
    rows = [row.ids for row in made.sample(adapted, PROMPTS)]
    replay.forget()
    assert [row.ids for row in made.sample(adapted, PROMPTS)] == rows
    _, again = replay.adapters_given()
    assert files(again["lora_path"]) == files(made._fleet._kept[made.version].folder)


def test_a_receiver_that_is_gone_is_waited_for_and_named(replay, sampler, adapted, monkeypatch):
    monkeypatch.setenv(VARIABLE, TOKEN)
    made = sampler(sync=HTTPSync(LoRASync(), port_offset=-int(replay.url.rpartition(":")[2]) + 1), patience=0.1)
    with pytest.raises(ServerError, match=r"the receiver of http.*:1 gave no answer to POST.*rlframework serve"):
        made.sample(adapted, PROMPTS)


def test_another_token_is_refused_and_shown_nowhere(received, sampler, adapted, tmp_path):
    _, sync = received
    (tmp_path / "token").write_text("fedcba9876543210")
    with pytest.raises(ServerError, match=r"status 401.*both sides need the same one") as caught:
        sampler(sync=sync(LoRASync(), token_file=tmp_path / "token")).sample(adapted, PROMPTS)
    assert "fedcba9876543210" not in str(caught.value)


def test_no_token_at_all(received, sampler, adapted, monkeypatch):
    _, sync = received
    monkeypatch.delenv(VARIABLE)
    with pytest.raises(ValueError, match="holds a token of 0 characters"):
        sampler(sync=sync(LoRASync())).sample(adapted, PROMPTS)


def test_what_is_no_receiver_is_said(replay, sampler, adapted, monkeypatch):
    monkeypatch.setenv(VARIABLE, TOKEN)
    replay.before = lambda path, body: (200, {"hello": 1}) if path.startswith("/weights") else None
    with pytest.raises(ServerError, match=r"is it a receiver of rlframework serve"):
        sampler(sync=HTTPSync(LoRASync(), port_offset=0)).sample(adapted, PROMPTS)


class Wire:
    """Passes bytes on to a receiver, through a function; None from it cuts the connection."""

    def __init__(self, port, change):
        self.port, self.change, self.cut = port, change, 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.own_port = self._listener.getsockname()[1]
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self):
        with suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                far = socket.create_connection(("127.0.0.1", self.port))
                for ends in ((near, far, self.change), (far, near, lambda data: data)):
                    threading.Thread(target=self._pass, args=ends, daemon=True).start()

    def _pass(self, source, target, change):
        with suppress(OSError):
            while (data := source.recv(2**16)) and (data := change(data)):
                target.sendall(data)
            self.cut += data is None
        for end in (source, target):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def close(self):
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


class Times:
    """Does something to the first large pieces, as many as it is told."""

    def __init__(self, count, change):
        self.left, self.change = count, change

    def __call__(self, data):
        if len(data) <= 1000 or not self.left:
            return data
        self.left -= 1
        return self.change(data)


@pytest.fixture
def over_a_wire(replay, received, sampler):
    """Return a maker of samplers whose weights go over a wire, and the wire."""
    _, sync = received
    own_port, wires = int(replay.url.rpartition(":")[2]), []

    def make(change, patience):
        wires.append(Wire(own_port + sync(LoRASync()).port_offset, change))
        offset = wires[0].own_port - own_port
        return sampler(sync=HTTPSync(LoRASync(), port_offset=offset), patience=patience), wires[0]

    yield make
    for wire in wires:
        wire.close()


def test_a_file_that_breaks_off_is_sent_again(over_a_wire, replay, adapted):
    made, wire = over_a_wire(Times(2, lambda data: None), patience=20.0)
    assert len(made.sample(adapted, PROMPTS)) == 18
    assert wire.cut == 2
    assert files(replay.adapters_given()[-1]["lora_path"]) == files(made._fleet._kept[made.version].folder)


def test_a_file_that_changes_on_the_way_is_sent_again(over_a_wire, replay, adapted):
    once = Times(1, lambda data: data[:-1] + bytes([data[-1] ^ 1]))
    made, _ = over_a_wire(once, patience=20.0)
    assert len(made.sample(adapted, PROMPTS)) == 18
    assert once.left == 0
    assert files(replay.adapters_given()[-1]["lora_path"]) == files(made._fleet._kept[made.version].folder)


def test_and_one_that_always_does_ends_the_run_with_the_words_of_the_receiver(over_a_wire, replay, adapted):
    made, _ = over_a_wire(Times(10**6, lambda data: data[:-1] + bytes([data[-1] ^ 1])), patience=0.3)
    with pytest.raises(ServerError, match=r"status 422.*adapter_config.json arrived with the fingerprint.*Asked"):
        made.sample(adapted, PROMPTS)
    assert not replay.adapters_given()


def test_it_can_go_to_another_process():
    assert pickle.loads(pickle.dumps(HTTPSync(DiskSync()))).brings
