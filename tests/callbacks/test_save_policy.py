"""However a run ends, the folder holds a whole policy: the one that the run had, or the last good one."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from peft import LoraConfig

from rlframework import GRPO, CausalLMPolicy, SavePolicy
from rlframework.policies import Policy
from rlframework.rewards import RowReward
from rlframework.rewards.failure_limits import RewardLimits
from rlframework.testing import letter_tokenizer, tiny_policy
from rlframework.utilities.whole_folder import LISTING, check_replaceable, whole_folder
from tests.drawn import drawn

Make = Callable[..., GRPO]
Fit = Callable[..., pl.Trainer]


@pytest.fixture(autouse=True)
def interruptible() -> Iterator[None]:
    """Answer signals as Python does: a shell has its jobs in the background ignore Ctrl+C, and nohup a hang-up."""
    usual = {signal.SIGINT: signal.default_int_handler, signal.SIGHUP: signal.SIG_DFL}
    before = {number: signal.signal(number, handler) for number, handler in usual.items()}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


class Does(pl.Callback):
    """Does something when a training batch begins, after so many steps."""

    def __init__(self, deed: Callable[[pl.LightningModule], None], after: int = 2) -> None:
        self.deed, self.after = deed, after

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx) -> None:
        if trainer.global_step == self.after:
            self.deed(pl_module)


class Signals(RowReward):
    """Sends a signal to its own process in the third rollout of four prompts by four, and then would go on judging."""

    def __init__(self, number: signal.Signals) -> None:
        super().__init__()
        self.number, self.judged = number, 0

    def score_row(self, completion) -> float:
        self.judged += 1
        if self.judged == 33:
            os.kill(os.getpid(), self.number)
        return float(len(completion.ids))


class Breaks(RowReward):
    """Raises in the third rollout; with ``fails`` it fails its check, which is counted."""

    def __init__(self) -> None:
        super().__init__()
        self.judged = 0

    def score_row(self, completion) -> float:
        self.judged += 1
        if self.judged > 32:
            raise OSError("the verifier is gone")
        return float(len(completion.ids))


def adapted() -> CausalLMPolicy:
    return CausalLMPolicy(tiny_policy().model, letter_tokenizer(), lora=LoraConfig(r=2, target_modules=["q_proj"]))


def raising(error: BaseException) -> Callable[[Any], None]:
    def deed(module: Any) -> None:
        raise error

    return deed


def break_weights(module: Any) -> None:
    with torch.no_grad():
        next(weight for weight in module.policy.parameters() if weight.requires_grad)[0, 0] = float("nan")


def about(folder: Path) -> dict[str, Any]:
    return json.loads((folder / LISTING).read_text())


def same_weights(folder: Path, policy: Policy) -> bool:
    loaded = CausalLMPolicy(tiny_policy().model, folder, lora=folder).state_dict()
    return all(torch.equal(weight, loaded[name]) for name, weight in policy.state_dict().items())


def test_a_finished_run(grpo: Make, fit: Fit, tmp_path: Path) -> None:
    model = grpo(adapted())
    fit(model, callbacks=[SavePolicy(tmp_path / "saved")])
    assert same_weights(tmp_path / "saved", model.policy)
    assert (about(tmp_path / "saved")["step"], about(tmp_path / "saved")["ended"]) == (4, "finished")
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


ERRORS = [ValueError("a fault"), KeyboardInterrupt(), SystemExit(3), MemoryError()]


@pytest.mark.parametrize(
    "error", drawn({type(one).__name__: [one] for one in ERRORS}, {"ValueError", "KeyboardInterrupt"})
)
def test_an_exception_wherever_it_is_raised(error: BaseException, grpo: Make, fit: Fit, tmp_path: Path) -> None:
    model, untrained = grpo(adapted()), adapted()
    with pytest.raises((type(error), SystemExit)):  # Lightning makes SystemExit of Ctrl+C
        fit(model, callbacks=[Does(raising(error)), SavePolicy(tmp_path / "saved")])
    assert same_weights(tmp_path / "saved", model.policy)
    assert not same_weights(tmp_path / "saved", untrained)
    assert (about(tmp_path / "saved")["step"], about(tmp_path / "saved")["ended"]) == (2, type(error).__name__)


SIGNALS = [(signal.SIGTERM, 143), (signal.SIGHUP, 129), (signal.SIGINT, 1)]


@pytest.mark.parametrize(("number", "status"), SIGNALS)
def test_a_signal_in_the_midst_of_a_rollout(
    number: signal.Signals, status: int, grpo: Make, fit: Fit, tmp_path: Path
) -> None:
    before = [signal.getsignal(number) for number, _ in SIGNALS]
    reward = Signals(number)
    model = grpo(adapted(), reward=reward)
    with pytest.raises(SystemExit) as stopped:
        fit(model, callbacks=[SavePolicy(tmp_path / "saved")])
    assert stopped.value.code == status
    assert reward.judged == 33, "the rollout went on"
    assert about(tmp_path / "saved")["step"] == 2
    assert same_weights(tmp_path / "saved", model.policy)
    assert [signal.getsignal(number) for number, _ in SIGNALS] == before


def test_a_signal_in_the_midst_of_a_step_waits_for_its_end(grpo: Make, fit: Fit, tmp_path: Path) -> None:
    class Stepping(GRPO):
        def optimizer_step(self, *args: Any, **kwargs: Any) -> None:
            super().optimizer_step(*args, **kwargs)
            if self.trainer.global_step == 2:  # counted after this one
                os.kill(os.getpid(), signal.SIGTERM)

    model = grpo(adapted(), kind=Stepping)
    with pytest.raises(SystemExit) as stopped:
        fit(model, callbacks=[SavePolicy(tmp_path / "saved")])
    assert (stopped.value.code, about(tmp_path / "saved")["step"]) == (143, 3)
    assert same_weights(tmp_path / "saved", model.policy)


def test_a_signal_that_is_ignored_goes_on_being_ignored(grpo: Make, fit: Fit, tmp_path: Path) -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        fit(grpo(adapted(), reward=Signals(signal.SIGHUP)), callbacks=[SavePolicy(tmp_path / "saved")])
    finally:
        signal.signal(signal.SIGHUP, before)
    assert about(tmp_path / "saved")["ended"] == "finished"


def test_a_reward_limit(grpo: Make, fit: Fit, tmp_path: Path) -> None:
    model = grpo(adapted(), reward=Breaks(), reward_limits=RewardLimits(errors=0.01))
    with pytest.raises((RuntimeError, OSError)):
        fit(model, callbacks=[SavePolicy(tmp_path / "saved")])
    assert about(tmp_path / "saved")["step"] == 2
    assert same_weights(tmp_path / "saved", model.policy)


def test_before_the_first_step_there_is_nothing_to_save(grpo: Make, fit: Fit, tmp_path: Path) -> None:
    tiny_policy().save_pretrained(tmp_path / "saved")
    names = {path.name for path in (tmp_path / "saved").iterdir()}
    callbacks = [Does(raising(ValueError("a fault")), after=0), SavePolicy(tmp_path / "saved")]
    with (
        pytest.warns(UserWarning, match="ValueError before the first step: nothing was learned"),
        pytest.raises(ValueError, match="a fault"),
    ):
        fit(grpo(adapted()), callbacks=callbacks)
    assert {path.name for path in (tmp_path / "saved").iterdir()} == names


def test_an_exception_of_validation_alone_saves_nothing(grpo: Make, tmp_path: Path) -> None:
    trainer = pl.Trainer(callbacks=[SavePolicy(tmp_path / "saved")], logger=False, accelerator="cpu")
    with pytest.raises(Exception, match="datal"):
        trainer.validate(grpo(adapted()))
    assert not (tmp_path / "saved").exists()


@pytest.mark.parametrize("there", [True, False])
def test_weights_that_are_no_numbers_never_take_the_place_of_good_ones(
    there: bool, grpo: Make, fit: Fit, tmp_path: Path
) -> None:
    folder = tmp_path / "saved"
    if there:
        fit(grpo(adapted()), callbacks=[SavePolicy(folder)])
    good = (folder / "adapter_model.safetensors").read_bytes() if there else b""
    words = r"1 of 2 trained weights are NaN or infinite \(such as .*lora_A"
    kept = "holds what it held before" if there else "there is no"

    def broken(module: Any) -> None:
        break_weights(module)
        raise ValueError("diverged")

    said = pytest.warns(UserWarning, match=f"ValueError after step 2: {words}.*{kept}")
    with said, pytest.raises(ValueError, match="diverged"):
        fit(grpo(adapted()), callbacks=[Does(broken), SavePolicy(folder)])

    class Late(pl.Callback):
        def on_train_end(self, trainer, pl_module) -> None:
            break_weights(pl_module)

    with pytest.raises(RuntimeError, match=f"{words}.*{kept}"):
        fit(grpo(adapted()), callbacks=[Late(), SavePolicy(folder)])
    assert folder.exists() is there
    assert not there or (folder / "adapter_model.safetensors").read_bytes() == good


def test_in_between(grpo: Make, fit: Fit, tmp_path: Path) -> None:
    steps = []

    class Look(pl.Callback):
        def on_train_batch_start(self, trainer, pl_module, batch, batch_idx) -> None:
            steps.append(about(tmp_path / "saved")["step"] if (tmp_path / "saved").exists() else 0)

    fit(grpo(adapted()), callbacks=[Look(), SavePolicy(tmp_path / "saved", every_n_steps=2)])
    assert steps == [0, 0, 2, 2]
    assert about(tmp_path / "saved")["step"] == 4
    with pytest.raises(ValueError, match="every_n_steps=0"):
        SavePolicy(tmp_path, every_n_steps=0)


def test_a_signal_while_it_saves(grpo: Make, fit: Fit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model, save, calls = grpo(adapted()), CausalLMPolicy.save_pretrained, []

    def interrupted(policy: CausalLMPolicy, folder: Path) -> None:
        save(policy, folder)
        calls.append(folder)
        if len(calls) == 2:
            (folder / "adapter_model.safetensors").write_bytes(b"half")
            os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(CausalLMPolicy, "save_pretrained", interrupted)
    with pytest.raises(SystemExit):
        fit(model, callbacks=[SavePolicy(tmp_path / "saved", every_n_steps=1)])
    assert (about(tmp_path / "saved")["step"], len(calls)) == (2, 3)
    assert same_weights(tmp_path / "saved", model.policy)


KILLED = """
import os, signal, sys
from pathlib import Path
from rlframework.utilities.whole_folder import whole_folder

target = Path(sys.argv[1])
if sys.argv[2] == "swap":
    rename = Path.rename
    def killed(path, to):
        rename(path, to)
        os.kill(os.getpid(), signal.SIGKILL)
    Path.rename = killed
with whole_folder(target, {"step": 2}) as folder:
    (folder / "weights").write_text("new")
    if sys.argv[2] == "write":
        os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("moment", ["write", "swap"])
def test_a_process_that_is_killed_leaves_the_last_whole_save(tmp_path: Path, moment: str) -> None:
    target = tmp_path / "saved"
    with whole_folder(target, {"step": 1}) as folder:
        (folder / "weights").write_text("old")
    done = subprocess.run([sys.executable, "-c", KILLED, str(target), moment], check=False)
    assert done.returncode == -signal.SIGKILL
    check_replaceable(target)  # as the next run does first
    assert ((target / "weights").read_text(), about(target)["step"]) == ("old", 1)


def test_what_others_put_there_stays(tmp_path: Path, grpo: Make, fit: Fit) -> None:
    folder = tmp_path / "saved"
    fit(grpo(tiny_policy()), callbacks=[SavePolicy(folder)])
    (folder / "notes").mkdir()
    (folder / "notes" / "a.txt").write_text("mine")
    fit(grpo(adapted()), callbacks=[SavePolicy(folder)])
    names = {path.name for path in folder.iterdir()}
    assert (folder / "notes" / "a.txt").read_text() == "mine"
    assert "adapter_model.safetensors" in names
    assert "model.safetensors" not in names, "a model of the first run lies beside the adapter of the second"


def test_what_cannot_be_saved_is_found_before_the_training(
    grpo: Make, fit: Fit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(PermissionError, match="cannot write to the folder"):
        fit(grpo(), callbacks=[SavePolicy(tmp_path / "file" / "saved")])
    with pytest.raises(PermissionError, match="is a mount point"):
        fit(grpo(), callbacks=[SavePolicy("/")])
    monkeypatch.chdir(tmp_path)
    with pytest.raises(PermissionError, match="is where this process runs"):
        fit(grpo(), callbacks=[SavePolicy(".")])
    monkeypatch.delattr(CausalLMPolicy, "save_pretrained")
    with pytest.raises(TypeError, match="has no such method"):
        fit(grpo(), callbacks=[SavePolicy(tmp_path / "saved")])


@pytest.mark.parametrize(("number", "status"), SIGNALS[:2])
def test_a_signal_while_the_last_save_is_written_waits_for_its_end(
    number: signal.Signals, status: int, grpo: Make, fit: Fit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, save, before = grpo(adapted()), CausalLMPolicy.save_pretrained, signal.getsignal(number)

    def signalled(policy: CausalLMPolicy, folder: Path) -> None:
        os.kill(os.getpid(), number)
        save(policy, folder)

    monkeypatch.setattr(CausalLMPolicy, "save_pretrained", signalled)
    with pytest.raises(SystemExit) as stopped:
        fit(model, callbacks=[SavePolicy(tmp_path / "saved")])
    assert stopped.value.code == status
    assert (about(tmp_path / "saved")["step"], about(tmp_path / "saved")["ended"]) == (4, "finished")
    assert same_weights(tmp_path / "saved", model.policy)
    assert signal.getsignal(number) == before
