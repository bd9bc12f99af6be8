"""Weight averaging: Lightning's averaging callbacks (EMA, SWA) with a frozen base under an adapter, and with shards."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import StochasticWeightAveraging
from torch import Tensor, nn

from rlframework.utilities.distributed import may_call_unequally_often

# Lightning has it since 2.6.
_WeightAveraging: Any = getattr(pl.callbacks, "WeightAveraging", ())


def averagers(trainer: pl.Trainer) -> list[Any]:
    """Return the Trainer's `WeightAveraging` callbacks, `EMAWeightAveraging` among them."""
    return [callback for callback in trainer.callbacks if isinstance(callback, _WeightAveraging)]  # type: ignore[attr-defined]


def _swa(trainer: pl.Trainer) -> list[Any]:
    return [callback for callback in trainer.callbacks if isinstance(callback, StochasticWeightAveraging)]  # type: ignore[attr-defined]


def resume_swa(trainer: pl.Trainer, module: pl.LightningModule) -> None:
    """Give a resumed `StochasticWeightAveraging` its schedule back, with the learning rates that the run had.

    Lightning makes another schedule when the next epoch begins: one step of it is lost, and making it sets rates.
    """
    for callback in _swa(trainer):
        if callback._scheduler_state is not None and not callback._initialized:
            groups = trainer.optimizers[0].param_groups
            rates = [group["lr"] for group in groups]
            callback.on_train_epoch_start(trainer, module)
            for group, rate in zip(groups, rates, strict=True):
                group["lr"] = rate


def refuse_sharded_averaging(trainer: pl.Trainer) -> None:
    """Refuse a callback that averages weights where ranks hold parts of them.

    Raises:
        ValueError: There is one: it would copy the model whole before it is sharded, and average what is not trained.
    """
    for callback in (*averagers(trainer), *_swa(trainer)):
        if not may_call_unequally_often(trainer):
            raise ValueError(
                f"{type(callback).__name__} averages whole weights, and {type(trainer.strategy).__name__} gives each "
                "rank a part of them; take strategy='ddp', or leave the callback out"
            )


def spare_frozen(average: Any, module: nn.Module, among: str) -> None:
    """Have an averaged model share frozen weights with the module, rather than keep, and average, a copy of them.

    The average of equal values is not equal to them: rounding would change the frozen base a little at every step.
    Buffers that are no part of the state (rotary frequencies) are shared, too.

    Args:
        average: The ``torch.optim.swa_utils.AveragedModel`` of the module.
        module: The module that is trained.
        among: How the names of frozen weights begin that are never trained later.
    """
    copies = dict(average.module.named_modules())
    for path, part in module.named_modules():
        for name, weight in part._parameters.items():
            if weight is not None and not weight.requires_grad and f"{path}.{name}".startswith(among):
                copies[path]._parameters[name] = weight
        for name in part._non_persistent_buffers_set:
            copies[path]._buffers[name] = part._buffers[name]
    if average.avg_fn is not None:
        average.avg_fn = _but_shared(average.avg_fn)
    if average.multi_avg_fn is not None:
        average.multi_avg_fn = _but_all_shared(average.multi_avg_fn)


def _but_shared(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    def averaged(old: Tensor, new: Tensor, number: Any) -> Tensor:
        return old if old.data_ptr() == new.data_ptr() else function(old, new, number)

    return averaged


def _but_all_shared(function: Callable[..., None]) -> Callable[..., None]:
    def averaged(old: list[Tensor], new: list[Tensor], number: Any) -> None:
        apart = [pair for pair in zip(old, new, strict=True) if pair[0].data_ptr() != pair[1].data_ptr()]
        if apart:
            function([pair[0] for pair in apart], [pair[1] for pair in apart], number)

    return averaged
