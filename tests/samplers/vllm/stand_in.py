"""A stand-in for vLLM that computes: its answers are those of the weights that it was given, wherever it runs.

In this process it is a context; ``python`` of `rlframework serve --python FILE` is the program that `as_python` writes.
"""

from __future__ import annotations

import argparse
import shlex
import sys
import threading
import time
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM
from transformers.utils import logging

from tests.samplers.vllm.replay import Answer, Replay

ROOT = Path(__file__).parents[3]
BASE = "tiny"
# Of a completion, where it is a process of its own.
SECONDS = 0.3
# One server after another: while transformers loads a model, it has replaced methods of the whole process.
LOADING = threading.Lock()


class StandIn(Replay):
    """Samples in float32, each request by itself: a row is a function of weights, prompt and seed, to the last bit.

    Args:
        model: Folder with the weights that it is started with.
        port: Where it listens; 0 takes a free one.
        host: Address that it listens at.
    """

    def __init__(self, model: Path, port: int = 0, host: str = "127.0.0.1") -> None:
        super().__init__()
        self.model = model
        self._host, self._port = host, port
        self._models: dict[str, Any] = {}
        # One after another: what the model computes is to depend on nothing else.
        self._turn = threading.RLock()

    def forget(self) -> None:
        with self._turn:
            super().forget()
            self._models.clear()

    def _own_answer(self, method: str, path: str, body: dict[str, Any]) -> Answer:
        with self._turn:
            if path == "/health":
                return 200, {}
            if path == "/v1/load_lora_adapter" and not Path(body["lora_path"], "adapter_config.json").exists():
                return self._recorded(method, path, status=404)
            status, answer = super()._own_answer(method, path, body)
            if path == "/v1/load_lora_adapter" and status == 200:
                self._models[body["lora_name"]] = load(self.model, body["lora_path"])
            if path == "/v1/unload_lora_adapter" and status == 200:
                del self._models[body["lora_name"]]
            if path == "/collective_rpc":
                self._models[BASE] = load(Path(body["kwargs"]["weights_path"]))
            return status, answer

    def _complete(self, body: dict[str, Any]) -> Answer:
        if body["model"] != BASE and body["model"] not in self._models:
            return super()._complete(body)
        if BASE not in self._models:
            self._models[BASE] = load(self.model)
        choices = [
            {
                "index": row,
                "prompt_token_ids": body["prompt"],
                "token_ids": ids,
                "finish_reason": "stop" if ids[-1] in body["stop_token_ids"] else "length",
                "logprobs": {"token_logprobs": scores},
            }
            for row, (ids, scores) in enumerate(sampled(self._models[body["model"]], body))
        ]
        return 200, self.change(body, {"model": body["model"], "choices": choices})


def load(folder: Path, adapter: str | None = None) -> Any:
    logging.disable_progress_bar()
    with LOADING:
        model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
        return (model if adapter is None else PeftModel.from_pretrained(model, adapter)).eval()


@torch.no_grad()
def sampled(model: Any, body: dict[str, Any]) -> list[tuple[list[int], list[float]]]:
    """The ids of each row of a request, and their log-probabilities at its temperature."""
    assert (body["top_k"], body["top_p"], body["min_p"]) == (0, 1.0, 0.0), "nothing is truncated here"
    luck = [torch.Generator().manual_seed(body["seed"] + row) for row in range(body["n"])]
    rows: list[tuple[list[int], list[float]]] = [([], []) for _ in luck]
    ids = torch.tensor([body["prompt"]] * body["n"])  # (n, P), then longer
    for _ in range(body["max_tokens"]):
        scores = (model(ids).logits[:, -1].float() / (body["temperature"] or 1.0)).log_softmax(-1)  # (n, V)
        if body["temperature"] > 0:
            drawn = [torch.multinomial(row.exp(), 1, generator=own) for row, own in zip(scores, luck, strict=True)]
            chosen = torch.cat(drawn)
        else:
            chosen = scores.argmax(-1)
        for row, (token, score) in enumerate(
            zip(chosen.tolist(), scores[range(len(rows)), chosen].tolist(), strict=True)
        ):
            if not rows[row][0] or rows[row][0][-1] not in body["stop_token_ids"]:
                rows[row][0].append(token)
                rows[row][1].append(score)
        ids = torch.cat([ids, chosen.unsqueeze(1)], dim=1)
    return rows


def as_python(path: Path) -> Path:
    """Write a program that takes the place of the Python with vLLM."""
    words = [sys.executable, "-m", "tests.samplers.vllm.stand_in"]
    path.write_text(f'#!/bin/sh\nPYTHONPATH={shlex.quote(str(ROOT))} exec {shlex.join(words)} "$@"\n')
    path.chmod(0o755)
    return path


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", type=Path)
    parser.add_argument("--port", type=int)
    parser.add_argument("--host")
    given, _ = parser.parse_known_args()
    server = StandIn(given.model, given.port, given.host)

    def told(path: str, body: dict[str, Any]) -> None:
        """Say what comes in, and answer no faster than a device would."""
        print(f"asked {path} n={body.get('n')}", flush=True)
        time.sleep(SECONDS if path == "/v1/completions" else 0.0)

    server.before = told
    server.start()
    threading.Event().wait()
