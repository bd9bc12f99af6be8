"""New weights: seen, brought over, proven, and let go of."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from rlframework.samplers import DiskSync, LoRASync
from rlframework.samplers.vllm import DisagreementError, ServerError
from rlframework.samplers.vllm.client import Server
from rlframework.samplers.vllm.disguise import disguised
from rlframework.samplers.vllm.errors import StaleWeightsError
from rlframework.testing import TablePolicy
from tests.drawn import drawn
from tests.samplers.vllm.recording import PROMPTS
from tests.samplers.vllm.tiny_qwen import disturb


def test_weights_are_brought_over_once(replay, sampler, adapted):
    made = sampler()
    for step in range(2):
        made.sample(adapted, PROMPTS, step=step)
    assert len(replay.adapters_given()) == 1


def test_an_adapter_is_loaded_under_its_version_and_the_one_before_let_go(replay, sampler, adapted, tmp_path):
    made = sampler(tolerance=100.0, sync_folder=tmp_path)
    made.sample(adapted, PROMPTS)
    first = made.version
    disturb(adapted, 0.1)
    made.sample(adapted, PROMPTS)
    assert made.version != first
    assert replay.adapters == {made.version}
    unloaded = [body["lora_name"] for body in replay.asked("/v1/unload_lora_adapter")]
    assert unloaded == [f"{first}-altered", first]
    assert {body["model"] for body in replay.asked("/v1/completions")[-len(PROMPTS) :]} == {made.version}
    # One folder back is kept, for requests that were given up; not two.
    altered, *loads = replay.asked("/v1/load_lora_adapter")
    assert {str(folder) for folder in tmp_path.iterdir()} == {body["lora_path"] for body in (altered, *loads)}
    disturb(adapted, 0.1)
    made.sample(adapted, PROMPTS)
    # And the altered one, for a server that is started anew.
    loads = replay.adapters_given()
    assert {str(folder) for folder in tmp_path.iterdir()} == {body["lora_path"] for body in (altered, *loads[-2:])}
    assert all("load_inplace" not in body for body in loads)
    del made
    assert not list(tmp_path.iterdir())


def test_whole_weights_leave_one_folder(replay, sampler, whole, tmp_path):
    made = sampler(tolerance=100.0, sync_folder=tmp_path)
    for _ in range(3):
        made.sample(whole, PROMPTS)
        disturb(whole, 0.1)
    assert len(list(tmp_path.iterdir())) == 1
    assert len(replay.asked("/collective_rpc")) == 3


def test_an_adapter_that_is_there_by_the_same_name_is_replaced(replay, sampler, adapted):
    for _ in range(2):
        made = sampler()
        made.sample(adapted, PROMPTS)
    assert replay.adapters == {made.version}
    assert [path for path, body in replay.log if body.get("lora_name") == made.version] == [
        "/v1/load_lora_adapter",
        "/v1/load_lora_adapter",
        "/v1/unload_lora_adapter",
        "/v1/load_lora_adapter",
    ]


def test_the_saved_adapter_is_the_policys(replay, sampler, adapted, tmp_path):
    disturb(adapted, 0.1)
    made = sampler(tolerance=100.0, sync_folder=tmp_path)
    made.sample(adapted, PROMPTS)
    (given,) = replay.adapters_given()
    folder = Path(given["lora_path"])
    saved = load_file(folder / "adapter_model.safetensors")
    own = {name: part for name, part in adapted.model.named_parameters() if part.requires_grad}
    assert len(saved) == len(own) == 28
    for name, part in own.items():
        assert torch.equal(saved[name.replace(".default", "")], part)
    assert json.loads((folder / "adapter_config.json").read_text())["r"] == 8


def test_whole_weights_are_read_while_the_server_waits(replay, sampler, whole, tmp_path):
    made = sampler(sync_folder=tmp_path)
    made.sample(whole, PROMPTS)
    (folder,) = tmp_path.iterdir()
    paths = [path for path, _ in replay.log]
    start = paths.index("/pause?mode=wait")
    assert paths[start : start + 6] == [
        "/pause?mode=wait",
        "/update_weight_version",
        "/collective_rpc",
        "/reset_prefix_cache",
        "/update_weight_version",
        "/resume",
    ]
    marks = [body["new_version"] for body in replay.asked("/update_weight_version")]
    assert marks[0].startswith("loading-")
    assert marks[1] == replay.version
    assert replay.asked("/collective_rpc")[0]["kwargs"] == {"weights_path": str(folder)}
    saved = load_file(folder / "model.safetensors")
    other = disguised(whole.model.state_dict(), whole.model.config, 0, 0.5)
    assert all(torch.equal(saved[name], part) for name, part in other.items())


def test_a_failed_reading_resumes_the_server_and_leaves_no_version_on_it(replay, sampler, whole):
    replay.before = lambda path, body: (500, {"error": "disk"}) if path == "/collective_rpc" else None
    made = sampler()
    with pytest.raises(ServerError, match="disk"):
        made.sample(whole, PROMPTS)
    assert replay.log[-1][0] == "/resume"
    assert replay.version.startswith("loading-")
    assert made.version is None


@pytest.fixture
def late(replay):
    """Return a function that has the server see a folder only when it is asked for it often enough."""

    def refusal(path):
        # As the real server refuses, of whose words an adapter's do not name the folder.
        known = [one for one in replay.exchanges if one["path"] == path and one["status"] in (404, 500)]
        assert "No adapter found for <path>" in str(known) or "Repo id must be" in str(known)
        return known[0]["status"], known[0]["answer"]

    def set_up(times):
        asked = []

        def before(path, body):
            if path not in ("/v1/load_lora_adapter", "/collective_rpc"):
                return None
            # Each folder is late, that of altered weights as well.
            asked.append(body.get("lora_path") or body["kwargs"]["weights_path"])
            return refusal(path) if asked.count(asked[-1]) <= times else None

        replay.before = before
        return asked

    return set_up


@pytest.mark.parametrize("kind", drawn(["adapted", "whole"], ["whole"]))
def test_weights_whose_folder_is_seen_late_are_asked_for_again(kind, replay, late, sampler, request, caplog):
    policy = request.getfixturevalue(kind)
    expected = sampler().sample(policy, PROMPTS)
    replay.forget()
    replay.log.clear()
    asked = late(times=3)
    with caplog.at_level("INFO"):
        found = sampler().sample(policy, PROMPTS)
    assert [row.ids for row in found] == [row.ids for row in expected]
    assert {asked.count(folder) for folder in asked} == {4}
    assert f"{replay.url} does not see {asked[-1]} yet, as over a network file system" in caplog.text
    assert "for up to 5 s" in caplog.text
    assert "asked 4 times" in caplog.text
    assert len(replay.asked("/pause?mode=wait")) == len(replay.asked("/resume")) == (4 if kind == "whole" else 0)


@pytest.mark.parametrize("kind", drawn(["adapted", "whole"], ["adapted"]))
def test_those_that_are_never_seen_end_with_the_numbers(kind, late, sampler, request):
    asked, made = late(times=1000), sampler(patience=0.5)
    with pytest.raises(ServerError, match=r"asked \d times in \d s and has not seen this folder.*HTTPSync needs no"):
        made.sample(request.getfixturevalue(kind), PROMPTS)
    assert 2 <= len(asked) <= 5
    assert made.version is None


@pytest.mark.parametrize("kind", ["adapted", "whole"])
def test_a_refusal_of_another_kind_is_not_asked_again(kind, replay, sampler, request):
    paths = ("/v1/load_lora_adapter", "/collective_rpc")
    replay.before = lambda path, body: (400, {"error": "LoRA rank 64 is too large"}) if path in paths else None
    with pytest.raises(ServerError, match="rank 64 is too large"):
        sampler().sample(request.getfixturevalue(kind), PROMPTS)
    assert sum(len(replay.asked(path)) for path in paths) == 1


@pytest.mark.parametrize("kind", ["adapted", "whole"])
def test_weights_that_did_not_arrive_are_caught(kind, replay, sampler, request):
    """The server says that it has them and answers as before, as a tied output layer on a CPU does."""
    policy, made = request.getfixturevalue(kind), sampler()
    made.sample(policy, PROMPTS)
    disturb(policy, 0.02)
    with pytest.raises(DisagreementError, match=r"off by .* nats per token.*did not arrive.*processed_logprobs"):
        made.sample(policy, PROMPTS)
    # And again: a refused loading is no loading.
    with pytest.raises(DisagreementError):
        made.sample(policy, PROMPTS)
    if kind == "adapted":
        # What was refused is let go of as well, once something is not.
        versions = {body["lora_name"] for body in replay.adapters_given()}
        made._fleet.tolerance = 100.0
        disturb(policy, 0.02)
        made.sample(policy, PROMPTS)
        assert replay.adapters == {made.version}
        assert len(versions) == 2


def test_the_canary_asks_every_server(replay, second, sampler, adapted):
    def off(body, answer):
        answer["choices"][0]["logprobs"]["token_logprobs"][0] -= 1.0
        return answer

    second.change = off
    with pytest.raises(DisagreementError, match=second.url):
        sampler(replay.url, second.url).sample(adapted, PROMPTS)


def test_a_temporary_folder_goes_with_the_sampler(replay, sampler, adapted):
    made = sampler()
    made.sample(adapted, PROMPTS)
    folder = Path(replay.adapters_given()[0]["lora_path"])
    assert folder.is_dir()
    del made
    assert not folder.parent.exists()


def test_a_folder_that_cannot_be_written_to_is_named(replay, sampler, adapted, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(PermissionError, match="cannot write to the folder"):
        sampler(sync_folder=tmp_path / "file").sample(adapted, PROMPTS)


def test_each_kind_of_policy_has_its_own_way(sampler, adapted, whole):
    with pytest.raises(TypeError, match=r"LoRASync brings adapters over.*use DiskSync"):
        sampler(sync=LoRASync()).sample(whole, PROMPTS)
    with pytest.raises(TypeError, match="for an adapter use LoRASync"):
        sampler(sync=DiskSync()).sample(adapted, PROMPTS)
    with pytest.raises(TypeError, match=r"whole transformers models.*TablePolicy"):
        sampler().sample(TablePolicy(), PROMPTS)


def test_sampling_leaves_the_policy_as_it_was(replay, sampler, adapted):
    adapted.train()
    before = {name: part.clone() for name, part in adapted.state_dict().items()}
    sampler().sample(adapted, PROMPTS)
    assert adapted.training
    assert all(torch.equal(part, before[name]) for name, part in adapted.state_dict().items())


def test_the_names_of_the_last_version_still_work() -> None:
    with pytest.warns(DeprecationWarning, match=r"Old\.vouch is called verify now.*version 0\.2") as said:

        class Old(LoRASync):
            keeps = 3

            def vouch(self, server: Server, version: str) -> None:
                raise StaleWeightsError(version)

    assert {warning.filename for warning in said} == {__file__}
    assert Old().kept_folders == 3
    with pytest.raises(StaleWeightsError, match="policy-0"):
        Old().verify(Server("http://127.0.0.1:8000", timeout=5), "policy-0")


def test_an_old_name_calls_what_is_above_it_by_the_new_one(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr(Server, "ask", lambda self, method, path: {"weight_version": asked.append(path) or "policy-0"})
    with pytest.warns(DeprecationWarning, match=r"Below\.vouch"):

        class Below(DiskSync):
            def vouch(self, server: Server, version: str) -> None:
                super().vouch(server, version)
                asked.append("below")

    Below().verify(Server("http://127.0.0.1:8000", timeout=5), "policy-0")
    assert asked == ["/weight_info", "below"]
