"""One short road with a real pretrained model: load, train, save, load again; and what sharing the prompts saves."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from rlframework.tasks.smollm2 import create_smollm2
from tests.unsloth.test_behaviour import with_unsloth

pytestmark = pytest.mark.unsloth


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_a_real_model_is_trained_saved_and_loaded_again(dtype: str, tmp_path: Path) -> None:
    try:
        model = create_smollm2()
    except RuntimeError as error:
        pytest.skip(str(error))
    done = with_unsloth(tmp_path, "-m", "tests.unsloth.real_run", model, tmp_path, dtype)
    assert done.returncode == 0, done.stderr[-4000:]
    assert "reads each prompt once for every answer" in done.stderr
    found = torch.load(tmp_path / "found.pt")
    print(dtype, {way: f"{seconds:.2f} CPU s" for way, seconds in found["seconds"].items()})
    assert found["steps"] == 2
    before, after = found["logprobs"]
    torch.testing.assert_close(after, before, atol=1e-5 if dtype == "float32" else 0.1, rtol=0)
    adapter = load_file(tmp_path / "adapter" / "adapter_model.safetensors")
    assert len(adapter) == 2 * 7 * 30
    assert all(bool(weight.any()) for weight in adapter.values()), "nothing was learned"
    assert found["seconds"]["shared"] < found["seconds"]["right-padded"] / 1.5
