"""Servers of a list: they come and go between rollouts, and no rollout is lost."""

from __future__ import annotations

import copy
import pickle
import re
import threading

import pytest

from rlframework import VLLMSampler
from rlframework.samplers.vllm import ServerError, patience
from tests.samplers.vllm.recording import PROMPTS, SETTINGS
from tests.samplers.vllm.tiny_qwen import disturb


@pytest.fixture(autouse=True)
def soon(monkeypatch):
    monkeypatch.setattr(patience, "_FIRST_DELAY", 0.01)


@pytest.fixture
def listed(tmp_path):
    """Return the file, and a sampler of the servers in it."""
    file = tmp_path / "servers.txt"
    return file, lambda **options: VLLMSampler(file, **SETTINGS, **{"patience": 5.0, "tolerance": 100.0, **options})


def asked(server):
    return len([body for body in server.asked("/v1/completions") if body["n"] == 3])


def ids_of(completions):
    return [row.ids for row in completions]


def test_servers_come_and_go_between_rollouts(replay, second, listed, adapted):
    file, make = listed
    file.write_text(f"{replay.url}\n")
    made = make()
    rows = ids_of(made.sample(adapted, PROMPTS))
    assert (asked(replay), asked(second)) == (6, 0)
    file.write_text(f"{replay.url}\n{second.url}/v1\n")
    disturb(adapted, 0.1)
    assert ids_of(made.sample(adapted, PROMPTS)) == rows
    # The newcomer has shown with altered weights that it takes them, and has the new ones; each had half the prompts.
    assert [body["lora_name"].endswith("-altered") for body in second.asked("/v1/load_lora_adapter")] == [True, False]
    assert (asked(replay), asked(second)) == (9, 3)
    file.write_text(f"{second.url}\n")
    replay.stop()
    disturb(adapted, 0.1)
    assert ids_of(made.sample(adapted, PROMPTS)) == rows
    assert (asked(replay), asked(second)) == (9, 9)
    assert [server.url for server in pickle.loads(pickle.dumps(copy.deepcopy(made)))._fleet.servers] == [second.url]


def test_one_that_takes_the_place_of_the_last_is_found_in_mid_rollout(replay, second, listed, adapted):
    file, make = listed
    file.write_text(f"{replay.url}\n")
    made = make(concurrency=1)
    rows = ids_of(made.sample(adapted, PROMPTS))
    disturb(adapted, 0.1)
    seen = []

    def die(path, body):
        if path == "/v1/completions" and body["n"] == 3:
            seen.append(body)
            if len(seen) == 3:
                replay.stop()
                file.write_text(f"{second.url}\n")
                return 0, None
        return None

    replay.before = die
    assert ids_of(made.sample(adapted, PROMPTS)) == rows
    assert asked(second) == 4


def test_a_list_without_servers_is_waited_for(replay, listed, adapted, caplog):
    file, make = listed
    made = make()
    timers = [
        threading.Timer(0.2, file.write_text, ["# nobody yet\n"]),
        threading.Timer(0.4, file.write_text, [f"{replay.url}\n"]),
    ]
    for timer in timers:
        timer.start()
    with caplog.at_level("INFO"):
        assert len(made.sample(adapted, PROMPTS)) == 18
    told = [line for line in caplog.messages if "servers.txt" in line]
    assert re.search(r"cannot be read: .*No such file.*read again until it names servers; at most 5 s", told[0])
    assert re.search(r"names servers, after \d+ s", told[1])
    assert len(told) == 2


def test_and_patience_with_it_runs_out(listed, adapted):
    file, make = listed
    with pytest.raises(ServerError, match=r"servers.txt cannot be read.*No such file.*serve --register.*patience=0.2"):
        make(patience=0.2).sample(adapted, PROMPTS)
    file.write_text("\n")
    with pytest.raises(ServerError, match=r"servers.txt has 0 addresses.*serve --register"):
        make(patience=0.2).sample(adapted, PROMPTS)


def test_a_malformed_line_ends_the_run_at_once(replay, listed, adapted):
    file, make = listed
    file.write_text(f"{replay.url}\nlocalhost:8000\n")
    with pytest.raises(ServerError, match=r"line 2 of 2 .* 'localhost:8000'.*Correct it"):
        make(patience=100.0).sample(adapted, PROMPTS)


def test_room_is_looked_for_on_the_servers_of_the_list(replay, listed, adapted):
    file, make = listed
    file.write_text(f"{replay.url}\n")
    info = {"vllm_config": {"lora_config": {"max_loras": 2}}}
    replay.before = lambda path, body: (200, info) if path.startswith("/server_info") else None
    with pytest.raises(ValueError, match="answers from 2 adapters at once, and 3 are held"):
        make().check_versions(adapted, 3)
