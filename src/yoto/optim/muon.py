"""Muon: momentum whose step is orthogonalised."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.optim.optimizer import ParamsT

from yoto.errors import YotoError
from yoto.support.numbers import check_real, check_whole

QUINTIC = (3.4445, -4.7750, 2.0315)


def orthogonalise(matrices: Tensor, steps: int = 5) -> Tensor:
    """Bring all singular values of each matrix near 1 (between about 0.7 and 1.2).

    Newton-Schulz iteration with the quintic of Jordan et al. 2024 ("Muon"), in float32 on the CPU and bfloat16 on
    CUDA. On the CPU only the small Gram matrix X·Xᵀ is iterated: all factors are polynomials of it, so their
    product is applied to X once.

    Args:
        matrices: [..., rows, columns] with rows ≤ columns.
        steps: Iterations.

    Returns:
        [..., rows, columns] of the same dtype; zero matrices stay zero.
    """
    a, b, c = QUINTIC
    x: Tensor = matrices / matrices.norm(dim=(-2, -1), keepdim=True).clamp_min(1e-12)
    if x.is_cuda:
        x = x.bfloat16()
        for _ in range(steps):
            gram = x @ x.mT
            x = a * x + (b * gram + c * gram @ gram) @ x
        return x.to(matrices.dtype)
    shape, x = x.shape, x.flatten(0, -3) if x.ndim > 2 else x[None]
    gram, product = torch.bmm(x, x.mT), x
    for left in range(steps, 0, -1):
        factor = torch.baddbmm(gram, gram, gram, beta=b, alpha=c)
        factor.diagonal(dim1=-2, dim2=-1).add_(a)
        product = factor if left == steps else torch.bmm(factor, product)
        if left > 1:
            gram = torch.bmm(torch.bmm(factor, gram), factor)
    return torch.bmm(product, x).view(shape)


class Muon(torch.optim.Optimizer):
    """Momentum whose step is orthogonalised, for parameters that are matrices or kernels.

    Nesterov momentum; the step is scaled by 0.2·sqrt(max(rows, columns)), which gives it about the root mean
    square of an Adam step, so that learning rates are of the same order (Liu et al. 2025). A kernel [out, in, k, k]
    is the matrix [out, in·k·k]; in a parameter group with `transposed=True` a kernel [in, out, k, k] is. Weight
    decay is decoupled: w ← w·(1 - lr·weight_decay).
    """

    def __init__(
        self, params: ParamsT, lr: float = 0.02, *, momentum: float = 0.95, weight_decay: float = 0.0, steps: int = 5
    ) -> None:
        """
        Args:
            params: Parameters of at least two dimensions, or groups of them.
            lr: Learning rate, usually 0.005 to 0.04.
            momentum: In [0, 1).
            weight_decay: At least 0.
            steps: Newton-Schulz iterations.

        Raises:
            YotoError: If a parameter is a vector, a scalar or complex, or a setting is out of its range.
        """
        check_real("lr", lr, least=0)
        check_real("momentum", momentum, least=0, below=1)
        check_real("weight_decay", weight_decay, least=0)
        check_whole("steps", steps)
        defaults = {
            "lr": lr, "momentum": momentum, "weight_decay": weight_decay, "steps": steps, "transposed": False,
        }  # fmt: skip
        super().__init__(params, defaults)
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.ndim < 2:
                    raise YotoError(
                        "Muon's parameters should have at least 2 dimensions. "
                        f"Found shape {tuple(parameter.shape)}. Give biases and norms to Adam."
                    )
                if parameter.is_complex():
                    raise YotoError("Muon's parameters should be real. Found complex ones. Give them to Adam.")

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update all parameters that have a gradient; equal shapes share their matrix products.

        Returns what `closure` gave, if there is one; it is computed with gradients.
        """
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        buckets: dict[tuple[int, int, int], list[tuple[Tensor, Tensor, float, bool]]] = defaultdict(list)
        for group in self.param_groups:
            parameters = [parameter for parameter in group["params"] if parameter.grad is not None]
            if not parameters:
                continue
            gradients = [parameter.grad for parameter in parameters]
            momenta = []
            for parameter in parameters:
                state = self.state[parameter]
                if not state:
                    state["momentum"] = torch.zeros_like(parameter)
                momenta.append(state["momentum"])
            torch._foreach_lerp_(momenta, gradients, 1 - group["momentum"])
            updates = torch._foreach_lerp(gradients, momenta, group["momentum"])
            if group["weight_decay"]:
                torch._foreach_mul_(parameters, 1 - group["lr"] * group["weight_decay"])
            for parameter, update in zip(parameters, updates, strict=True):
                update = gathered(update)
                if group["transposed"]:
                    parameter, update = parameter.transpose(0, 1), update.transpose(0, 1)
                matrix = update.flatten(1)
                rows, columns = matrix.shape
                tall = rows > columns
                scale = -group["lr"] * 0.2 * math.sqrt(max(rows, columns))
                key = (min(rows, columns), max(rows, columns), group["steps"])
                buckets[key].append((parameter, matrix.mT if tall else matrix, scale, tall))
        for (_, _, steps), entries in buckets.items():
            for (parameter, _, scale, tall), update in zip(
                entries, orthogonalise(torch.stack([entry[1] for entry in entries]), steps), strict=True
            ):
                change = (update.mT if tall else update).reshape(parameter.shape)
                parameter.add_(shared_out(change, parameter), alpha=scale)
        return loss


def gathered(tensor: Tensor) -> Tensor:
    """A tensor that FSDP2 holds in shards as a whole, on every rank; any other as it is."""
    whole = getattr(tensor, "full_tensor", None)
    return tensor if whole is None else whole()


def shared_out(tensor: Tensor, like: Tensor) -> Tensor:
    """A tensor that every rank has whole, in the shards of another, or as it is where that is whole too."""
    if not hasattr(like, "full_tensor"):
        return tensor
    from torch.distributed.tensor import DTensor, distribute_tensor

    assert isinstance(like, DTensor)
    return distribute_tensor(tensor, like.device_mesh, like.placements, src_data_rank=None)
