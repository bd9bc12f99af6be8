"""Weights over HTTP: the server reads a folder that the trainer's machine need not have."""

from __future__ import annotations

import pickle
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


def test_it_can_go_to_another_process():
    assert pickle.loads(pickle.dumps(HTTPSync(DiskSync()))).brings
