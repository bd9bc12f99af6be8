"""Central differences of a loss that holds some of its inputs constant."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode


class FrozenConstants(TorchFunctionMode):
    """Records all that leaves the graph in a first evaluation, and returns the same in all later ones.

    A gradient treats as constant what `Tensor.detach` returns, what is computed under ``torch.no_grad`` and what became
    a Python number or a NumPy array. Differences of the loss agree with the gradient only if these stay as they were.
    An evaluation must take the same way through the code each time.
    """

    def __init__(self) -> None:
        super().__init__()
        self._tape: list[Any] = []
        self._position: int | None = None

    def rewind(self) -> None:
        """Go back to the start, from now on to replay."""
        self._position = 0

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        if not _leaves_the_graph(func, result, args):
            return result
        if self._position is None:
            self._tape.append(_copy(result))
            return result
        kept = self._tape[self._position]
        self._position += 1
        return _copy(kept)


_EXITS = frozenset(
    {Tensor.detach, Tensor.item, Tensor.tolist, Tensor.numpy, Tensor.__float__} | {Tensor.data.__get__}  # type: ignore[attr-defined]
)


def _leaves_the_graph(func: Any, result: Any, args: Any) -> bool:
    if func in _EXITS:
        return True
    # An in-place operation on what is frozen already has to hand on the very tensor.
    is_new = isinstance(result, Tensor) and not any(result is argument for argument in args)
    return is_new and result.is_floating_point() and not torch.is_grad_enabled()


def _copy(value: Any) -> Any:
    with torch._C.DisableTorchFunction():
        return value.detach().clone() if isinstance(value, Tensor) else value


def central_differences(loss: Callable[[], Tensor], parameter: Tensor, step: float) -> Tensor:
    """Return the derivative of a loss by every entry of a parameter, what leaves the graph held constant.

    Args:
        loss: Evaluates it at the parameter's present value.
        parameter: Changed in place, and restored.
        step: To either side.

    Returns:
        Of the parameter's shape.

    Example:
        ``x * sg(x)`` has the derivative ``sg(x)``, not ``2 x``:

        >>> x = torch.tensor([3.0], dtype=torch.float64, requires_grad=True)
        >>> round(central_differences(lambda: (x * x.detach()).sum(), x, 1e-4).item(), 6)
        3.0
    """
    frozen = FrozenConstants()
    entries = parameter.detach().view(-1)
    slopes = torch.zeros_like(entries)

    def evaluate() -> float:
        with frozen:
            value = loss()
        return float(value.detach())

    evaluate()
    for i in range(len(entries)):
        middle, sides = entries[i].item(), []
        for shift in (step, -step):
            entries[i] = middle + shift
            frozen.rewind()
            sides.append(evaluate())
        entries[i] = middle
        slopes[i] = (sides[0] - sides[1]) / (2 * step)
    return slopes.view_as(parameter)
