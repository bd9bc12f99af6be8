"""What is recorded of the real server, and the file that it is kept in: the replaying server answers from it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from rlframework.samplers.vllm import DiskSync, LoRASync, ServerError, UnavailableError, VLLMSampler, WeightSync
from rlframework.samplers.vllm.client import Server
from rlframework.testing import letter_prompts
from tests.samplers.vllm.echo import episodes
from tests.samplers.vllm.replay import FILE
from tests.samplers.vllm.tiny_qwen import checkpoint, policy

PROMPTS, SETTINGS = letter_prompts(6), {"group_size": 3, "max_tokens": 6, "temperature": 0.7}
# Of episodes: enough for three turns of most rows.
EPISODE_TOKENS = 40


class RecordingServer(Server):
    """Keeps every exchange, refusals too, without names of this machine or run."""

    def __init__(self, url: str) -> None:
        super().__init__(url, timeout=120)
        self.exchanges: list[dict[str, Any]] = []

    def ask(self, method: str, path: str, body: dict[str, Any] | None = None, **options: Any) -> Any:
        try:
            answer = super().ask(method, path, body, **options)
        except UnavailableError as error:
            if error.status is not None:
                raise
            # After an error of its own the server closes the connection, and the next request may still take it.
            return self.ask(method, path, body, **options)
        except ServerError as error:
            text = str(error).partition(f"status {error.status}: ")[2]
            self.keep(method, path, body, error.status, json.loads(text) if text.startswith("{") else text)
            raise
        self.keep(method, path, body, 200, answer)
        return answer

    def refused(self, path: str, body: dict[str, Any]) -> None:
        try:
            self.ask("POST", path, body)
        except ServerError:
            return
        raise AssertionError(f"{path} was not refused")

    def keep(self, method: str, path: str, body: dict[str, Any] | None, status: int | None, answer: Any) -> None:
        exchange = {"method": method, "path": path, "body": body, "status": status, "answer": answer}
        text = json.dumps(exchange)
        for name, value in {"MODEL_FOLDER": self.root(answer), **self.names(body)}.items():
            text = text.replace(json.dumps(value)[1:-1], name) if value else text
        self.exchanges.append(tidy(json.loads(text)))

    @staticmethod
    def root(answer: Any) -> str | None:
        return answer["data"][0]["root"] if isinstance(answer, dict) and "data" in answer else None

    @staticmethod
    def names(body: dict[str, Any] | None) -> dict[str, str | None]:
        asked = body or {}
        folder = asked.get("lora_path") or asked.get("kwargs", {}).get("weights_path")
        return {"FOLDER": folder, "ADAPTER": asked.get("lora_name"), "VERSION": asked.get("new_version")}


def tidy(exchange: dict[str, Any]) -> dict[str, Any]:
    """Leave out what nobody reads; it would make the file four times as long."""
    answer = exchange["answer"]
    if isinstance(answer, dict):
        for choice in answer.get("choices", []):
            for name in ("text_offset", "tokens", "top_logprobs"):
                choice["logprobs"].pop(name)
        if "data" in answer:
            answer["data"] = [{**card, "permission": []} for card in answer["data"][:1]]
    return exchange


def record(url: str, folder: Path) -> list[dict[str, Any]]:
    """Go through all that a run asks, and some that is refused."""
    recorder, start = RecordingServer(url), checkpoint(folder / "start")

    def sampler(sync: WeightSync) -> VLLMSampler:
        # Every sampler first asks what the server says that was just started.
        DiskSync().load(Server(url, timeout=60), start, "base")
        made = VLLMSampler(url, **SETTINGS, sync=sync, patience=5)
        made._fleet.servers = [recorder]
        recorder.loaded = {}
        return made

    whole, adapted = policy(), policy(lora=True)
    # A rank of its own asks with its own first prompt whether the weights arrived.
    for first in (PROMPTS[1:], PROMPTS):
        sampler(DiskSync()).sample(whole, first)
        by_adapter = sampler(LoRASync())
        by_adapter.sample(adapted, first)
    by_adapter.sample(adapted, PROMPTS, step=1)
    talking = episodes(by_adapter.replace(max_tokens=EPISODE_TOKENS))
    talking.sample(adapted, PROMPTS[:3])
    talking.for_evaluation().sample(adapted, PROMPTS[:3])
    # The logits of every other weights are smaller by half, and so are the temperatures.
    second = DiskSync()
    second._saved = 1
    sampler(second).sample(whole, PROMPTS)
    for sync, made in ((DiskSync(), whole), (LoRASync(), adapted)):
        sampler(sync).for_evaluation().sample(made, PROMPTS[:2])
    version = by_adapter.version
    path = str(by_adapter._fleet._folders[-1])
    recorder.refused("/v1/load_lora_adapter", {"lora_name": version, "lora_path": path})
    recorder.ask("POST", "/v1/unload_lora_adapter", {"lora_name": version})
    asked = next(one["body"] for one in recorder.exchanges if one["path"] == "/v1/completions")
    refused = [
        ("/v1/completions", {**asked, "model": "unknown"}),
        ("/v1/completions", {**asked, "model": "tiny", "max_tokens": 500}),
        ("/v1/load_lora_adapter", {"lora_name": "unknown", "lora_path": str(folder / "missing")}),
        ("/v1/unload_lora_adapter", {"lora_name": "unknown"}),
        ("/collective_rpc", {"method": "reload_weights", "kwargs": {"weights_path": str(folder / "missing")}}),
        ("/nowhere", {}),
    ]
    for path, body in refused:
        recorder.refused(path, body)
    # After a reading that failed the engine dies of the next request, unless it is given whole weights first.
    sampler(DiskSync()).sample(whole, PROMPTS[:1])
    return recorder.exchanges


def key(exchange: dict[str, Any]) -> str:
    return json.dumps([exchange[name] for name in ("method", "path", "body", "status")], sort_keys=True)


def write(exchanges: list[dict[str, Any]]) -> None:
    """One of each."""
    exchanges = list({key(exchange): exchange for exchange in exchanges}.values())
    FILE.write_text("[\n" + ",\n".join(json.dumps(exchange, sort_keys=True) for exchange in exchanges) + "\n]\n")
