"""A signal to one rank of two: both save at the next step, requeue once and end; what is saved goes on bit by bit."""

from __future__ import annotations

from pathlib import Path

import pytest
import pytorch_lightning as pl
import torch
from pytorch_lightning.plugins.environments import SLURMEnvironment

from rlframework.algorithms import GRPO
from rlframework.callbacks.requeue_on_signal import EXIT_STATUS, RequeueOnSignal
from tests import forked
from tests.distributed import two_ranks
from tests.distributed.distributed_runs import algorithm, fit, make_trainer

SCRIPT = Path(__file__).parents[1] / "distributed" / "requeue_runs.py"


def statuses(folder: Path, *words: str) -> list[int]:
    done = forked.run_together((SCRIPT, folder, *words), two_ranks.environments(), seconds=60, end_others=False)
    return [one.returncode for one in done]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, torch.Tensor]:
    folder = tmp_path_factory.mktemp("undisturbed")
    return two_ranks.launch(folder, SCRIPT, folder, "nowhere")[0]


@pytest.mark.distributed
@pytest.mark.parametrize("where", ["rollout", pytest.param("step", marks=pytest.mark.slow)])
def test_a_signal_to_one_rank_saves_on_both_and_resumes_bit_by_bit(
    tmp_path: Path, undisturbed: dict[str, torch.Tensor], where: str
) -> None:
    assert statuses(tmp_path, where) == [EXIT_STATUS, EXIT_STATUS]
    assert (tmp_path / "requeued0").read_text() == "2\n"
    assert not (tmp_path / "requeued1").exists()
    saved = torch.load(tmp_path / "hpc_ckpt_1.ckpt", weights_only=False)["global_step"]
    assert 0 < saved < undisturbed["steps"]
    for rank in two_ranks.launch(tmp_path, SCRIPT, tmp_path, "resume"):
        assert rank["steps"] == undisturbed["steps"]
        assert torch.equal(rank["weights"], undisturbed["weights"])


@pytest.mark.slow
@pytest.mark.distributed
def test_saving_in_the_handler_is_found(tmp_path: Path) -> None:
    ended = statuses(tmp_path, "rollout", "planted")
    # It was begun, and what the test above asks for has not come of it.
    assert (tmp_path / "begun").exists()
    assert EXIT_STATUS not in ended
    assert not (tmp_path / "requeued0").exists()


def test_lightnings_own_handler_is_refused(tmp_path: Path) -> None:
    trainer = make_trainer(tmp_path, "auto", 1, callbacks=[RequeueOnSignal(command=None)], max_steps=1)
    trainer._accelerator_connector.cluster_environment = SLURMEnvironment(auto_requeue=True)
    with pytest.raises(ValueError, match=r"SLURMEnvironment\(auto_requeue=False\)"):
        fit(algorithm(GRPO), trainer)


def test_a_command_of_another_scheduler_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    trainer = make_trainer(tmp_path, "auto", 1, callbacks=[RequeueOnSignal()], max_steps=1)
    with pytest.raises(ValueError, match=r"\$SLURM_JOB_ID .* command=None saves and stops"):
        fit(algorithm(GRPO), trainer)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"requeue_signal": "USR1"}, "SIGUSR1 is one"),
        ({"requeue_signal": "SIGTERM"}, "take SIGUSR1"),
    ],
)
def test_arguments_are_checked(options: dict[str, str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        RequeueOnSignal(**options)  # type: ignore[arg-type]


def test_a_command_that_fails_is_said_and_the_run_is_saved(tmp_path: Path) -> None:
    callback = RequeueOnSignal(command=["sh", "-c", "echo no such job >&2; exit 3"])

    class Send(pl.Callback):
        def on_train_batch_start(self, *_: object) -> None:
            callback._came = True

    trainer = make_trainer(tmp_path, "auto", 1, callbacks=[Send(), callback], max_steps=3, limit_val_batches=0)
    with pytest.warns(UserWarning, match="status 3: no such job"), pytest.raises(SystemExit) as ended:
        fit(algorithm(GRPO), trainer)
    assert ended.value.code == EXIT_STATUS
    assert (tmp_path / "hpc_ckpt_1.ckpt").exists()
    assert "hpc_ckpt_1.ckpt" in str(ended.value)
