"""A stopped run of the real model is exported, and gives the same answers wherever it is read."""

from __future__ import annotations

import os
import shutil
import signal
from pathlib import Path

import pytest
import pytorch_lightning as pl
import torch
from peft import LoraConfig, PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer

from rlframework import SFT, CausalLMPolicy, DemonstrationDataModule, SavePolicy
from rlframework.export.write import CONVERTER, export

pytestmark = pytest.mark.real
PROMPT = "17 + 25 ="
ROWS = [{"prompt": f"{a} + {b} =", "completion": f" {a + b}, as everybody knows."} for a in range(4) for b in range(4)]


class Terminated(pl.Callback):
    """What a cluster does to a job whose time is over."""

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx) -> None:
        if trainer.global_step == 3:
            os.kill(os.getpid(), signal.SIGTERM)


@pytest.fixture(scope="module", params=[pytest.param("float32", marks=pytest.mark.slow), "bfloat16"])
def stopped(request, smollm2: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, CausalLMPolicy]:
    """Return the folder that was saved when the run was terminated, and the policy."""
    folder = tmp_path_factory.mktemp("run") / "saved"
    pl.seed_everything(0)
    lora = LoraConfig(r=8, lora_alpha=16, target_modules="all-linear")
    policy = CausalLMPolicy(smollm2, lora=lora, dtype=request.param)
    quiet = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False}
    trainer = pl.Trainer(max_steps=5, accelerator="cpu", callbacks=[Terminated(), SavePolicy(folder)], **quiet)
    with pytest.raises(SystemExit):
        trainer.fit(
            SFT(policy, learning_rate=1e-3, demonstrations_per_step=4, schedule="constant"),
            DemonstrationDataModule(ROWS),
        )
    return folder, policy.eval()


def logprobs(model: torch.nn.Module, ids: torch.Tensor) -> torch.Tensor:
    with torch.no_grad():
        return model(ids).logits.float().log_softmax(-1)[0, -1]


def test_what_was_exported_is_read_by_transformers_and_peft(
    stopped: tuple[Path, CausalLMPolicy], smollm2: Path, tmp_path: Path
) -> None:
    folder, policy = stopped
    adapter, merged = export(folder, tmp_path, forms=["adapter", "merged"])
    assert adapter.agreement.mean < 1e-4 < 0.05 < adapter.agreement.learned
    assert merged.agreement.mean < (1e-4 if merged.dtype == "float32" else 0.2 * merged.agreement.learned)
    ids = AutoTokenizer.from_pretrained(merged.path)(PROMPT, return_tensors="pt")["input_ids"]
    expected = logprobs(policy.model.float(), ids)
    dtype = {"dtype": torch.float32}
    base = AutoModelForCausalLM.from_pretrained(smollm2, dtype=merged.dtype).float()
    models = [AutoModelForCausalLM.from_pretrained(merged.path, **dtype), PeftModel.from_pretrained(base, adapter.path)]
    answer = expected.argmax()
    for model in models:
        assert logprobs(model, ids).argmax() == answer
        assert abs(logprobs(model, ids)[answer] - expected[answer]) < (1e-3 if merged.dtype == "float32" else 0.05)


@pytest.mark.skipif(shutil.which(CONVERTER) is None, reason="llama.cpp's converter is not where commands are")
@pytest.mark.parametrize("kind", ["f16", "q8_0"])
def test_llama_cpp_s_file_gives_the_same_answers(
    stopped: tuple[Path, CausalLMPolicy], tmp_path: Path, kind: str
) -> None:
    [written] = export(stopped[0], tmp_path, forms=["gguf"], gguf_type=kind)
    assert written.agreement.mean < 0.1 * written.agreement.learned
    assert [path.name for path in tmp_path.iterdir()] == [f"model-{kind}.gguf"]
