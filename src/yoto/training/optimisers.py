"""Muon for weight matrices and kernels, Adam for everything else."""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Literal, cast

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase
from torch.nn.modules.conv import _ConvTransposeNd
from torch.optim.optimizer import ParamsT

from yoto.errors import YotoError

QUINTIC = (3.4445, -4.7750, 2.0315)
NOT_MATRICES = (nn.Embedding, nn.EmbeddingBag, _NormBase, nn.LayerNorm, nn.GroupNorm, nn.RMSNorm)


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
            YotoError: If a parameter is a vector or a scalar.
        """
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

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        """Update all parameters that have a gradient; equal shapes share their matrix products."""
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
                parameter.add_((update.mT if tall else update).reshape(parameter.shape), alpha=scale)


def is_matrix(module: nn.Module, name: str, parameter: nn.Parameter) -> bool:
    """Whether Muon suits the parameter `name` of `module`: a matrix or kernel, and neither embedding nor norm."""
    return parameter.ndim >= 2 and name.endswith("weight") and not isinstance(module, NOT_MATRICES)


class Optimiser:
    """The optimisers of one model, stepped together, with a joint state of tensors by parameter name."""

    def __init__(self, names: Mapping[nn.Parameter, str], parts: Iterable[torch.optim.Optimizer]) -> None:
        self.names = dict(names)
        self.parts = list(parts)
        self.parameters = [parameter for part in self.parts for g in part.param_groups for parameter in g["params"]]
        for group in self.groups():
            group["initial_lr"] = group["lr"]

    def groups(self) -> Iterator[dict[str, Any]]:
        """All parameter groups."""
        for part in self.parts:
            yield from part.param_groups

    def scale(self, factor: float) -> None:
        """Set every learning rate to `factor` times its initial value."""
        for group in self.groups():
            group["lr"] = group["initial_lr"] * factor

    def gradients(self) -> list[Tensor]:
        """The gradients that are present."""
        return [parameter.grad for parameter in self.parameters if parameter.grad is not None]

    def step(self) -> None:
        """Update all parameters."""
        for part in self.parts:
            part.step()

    def zero_grad(self) -> None:
        """Drop all gradients."""
        for parameter in self.parameters:
            parameter.grad = None

    def tensors(self) -> dict[str, Tensor]:
        """The state by parameter name and quantity, "encoder.weight#exp_avg" for example."""
        return {
            f"{self.names[cast(nn.Parameter, parameter)]}#{key}": value
            for part in self.parts
            for parameter, state in part.state.items()
            for key, value in state.items()
        }

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Take up the state that `tensors()` gave, on the parameters' devices and in their memory layout."""
        parameters = {name: parameter for parameter, name in self.names.items()}
        owners = {p: part for part in self.parts for group in part.param_groups for p in group["params"]}
        for key, value in tensors.items():
            name, quantity = key.rsplit("#", 1)
            parameter = parameters[name]
            layout = parameter if value.shape == parameter.shape else value
            place = torch.empty_like(layout, dtype=value.dtype, device=parameter.device, requires_grad=False)
            owners[parameter].state[parameter][quantity] = place.copy_(value)


def factor_of(name: str, factors: Mapping[str, float]) -> float:
    """The learning-rate factor of a parameter; names in the plain network's own words, without "plain."."""
    own = name.removeprefix("plain.")
    return next((factor for pattern, factor in factors.items() if re.fullmatch(pattern, own)), 1.0)


def make_optimiser(
    model: nn.Module,
    *,
    method: Literal["muon", "adam", "adamw"] = "muon",
    lr: float,
    lr_factors: Mapping[str, float] | None = None,
    adam_lr: float | None = None,
    conditioning_lr: float | None = None,
    momentum: float = 0.95,
    betas: tuple[float, float] = (0.9, 0.999),
    eps: float = 1e-8,
    weight_decay: float = 0.0,
    conditioning: nn.Module | None = None,
) -> Optimiser:
    """The optimiser of a plain or conditional model.

    Args:
        model: The model; parameters without `requires_grad` are left out.
        method: "muon" for Muon on matrices and kernels with Adam on the rest; "adam" or "adamw" (the same: weight
            decay is always decoupled) for Adam on all parameters.
        lr: Learning rate of the matrices under Muon, of all parameters under Adam.
        lr_factors: Factors by regular expression on whole parameter names of the plain network; the first match counts.
        adam_lr: Under Muon that of the others; by default `lr`.
        conditioning_lr: That of the conditioning network; by default as the other Adam parameters.
        momentum: Muon's.
        betas, eps: Adam's.
        weight_decay: For all parameters but the conditioning network's, which has none.
        conditioning: The part of `model` that is the conditioning network, always trained by Adam.
    """
    names: dict[nn.Parameter, str] = {}
    kinds = ("muon", "transposed", "adam", "film")
    groups: dict[tuple[str, float], list[nn.Parameter]] = {(kind, 1.0): [] for kind in kinds}
    film = set() if conditioning is None else set(conditioning.parameters())
    for prefix, module in model.named_modules():
        for name, parameter in module.named_parameters(recurse=False):
            if not parameter.requires_grad or parameter in names:
                continue
            names[parameter] = f"{prefix}.{name}" if prefix else name
            if parameter in film:
                kind = "film"
            elif method == "muon" and is_matrix(module, name, parameter):
                kind = "transposed" if isinstance(module, _ConvTransposeNd) else "muon"
            else:
                kind = "adam"
            groups.setdefault((kind, factor_of(names[parameter], lr_factors or {})), []).append(parameter)
    if not names:
        raise YotoError("The network should have parameters to train. Found none with requires_grad.")
    rest = lr if method != "muon" or adam_lr is None else adam_lr
    film_lr = rest if conditioning_lr is None else conditioning_lr
    adam: list[dict[str, Any]] = []
    muon: list[dict[str, Any]] = []
    for (kind, factor), members in groups.items():
        if kind in ("muon", "transposed"):
            muon.append({"params": members, "lr": lr * factor, "transposed": kind == "transposed"})
        else:
            own, decay = (film_lr, 0.0) if kind == "film" else (rest, weight_decay)
            adam.append({"params": members, "lr": own * factor, "weight_decay": decay})
    parts: list[torch.optim.Optimizer] = []
    if filled := [group for group in muon if group["params"]]:
        parts.append(Muon(filled, lr, momentum=momentum, weight_decay=weight_decay))
    if filled := [group for group in adam if group["params"]]:
        fused = all(p.is_floating_point() and p.device.type in ("cpu", "cuda") for p in names)
        parts.append(torch.optim.AdamW(filled, rest, betas, eps, fused=fused))
    return Optimiser(names, parts)
