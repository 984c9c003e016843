"""Muon for weight matrices and kernels, Adam for everything else."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase
from torch.nn.modules.conv import _ConvTransposeNd

from yoto.errors import YotoError
from yoto.recipe import Training
from yoto.training.muon import Muon

NOT_MATRICES = (nn.Embedding, nn.EmbeddingBag, _NormBase, nn.LayerNorm, nn.GroupNorm, nn.RMSNorm)


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

    def load_tensors(self, tensors: Mapping[str, Tensor]) -> None:
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


def make_optimiser(model: nn.Module, settings: Training, *, conditioning: nn.Module | None = None) -> Optimiser:
    """The optimiser of a plain or conditional model.

    Args:
        model: The model; parameters without `requires_grad` are left out.
        settings: `optimiser` is "muon" for Muon on matrices and kernels with Adam on the rest, or "adam" or "adamw"
            (the same: weight decay is always decoupled) for Adam on all parameters. `lr_factors` are found by regular
            expression on whole parameter names of the plain network; the first match counts. Weight decay is for all
            parameters but the conditioning network's.
        conditioning: The part of `model` that is the conditioning network, always trained by Adam.
    """
    names: dict[nn.Parameter, str] = {}
    kinds = ("muon", "transposed", "adam", "film")
    groups: dict[tuple[str, float], list[nn.Parameter]] = {(kind, 1.0): [] for kind in kinds}
    matrices = settings.optimiser == "muon"
    film = set() if conditioning is None else set(conditioning.parameters())
    for prefix, module in model.named_modules():
        for name, parameter in module.named_parameters(recurse=False):
            if not parameter.requires_grad or parameter in names:
                continue
            names[parameter] = f"{prefix}.{name}" if prefix else name
            if parameter in film:
                kind = "film"
            elif matrices and is_matrix(module, name, parameter):
                kind = "transposed" if isinstance(module, _ConvTransposeNd) else "muon"
            else:
                kind = "adam"
            groups.setdefault((kind, factor_of(names[parameter], settings.lr_factors)), []).append(parameter)
    if not names:
        raise YotoError("The network should have parameters to train. Found none with requires_grad.")
    lr, decay = settings.lr, settings.weight_decay
    rest = settings.adam_lr if matrices and settings.adam_lr is not None else lr
    film_lr = rest if settings.conditioning_lr is None else settings.conditioning_lr
    adam: list[dict[str, Any]] = []
    muon: list[dict[str, Any]] = []
    for (kind, factor), members in groups.items():
        if kind in ("muon", "transposed"):
            muon.append({"params": members, "lr": lr * factor, "transposed": kind == "transposed"})
        else:
            own, own_decay = (film_lr, 0.0) if kind == "film" else (rest, decay)
            adam.append({"params": members, "lr": own * factor, "weight_decay": own_decay})
    parts: list[torch.optim.Optimizer] = []
    if filled := [group for group in muon if group["params"]]:
        parts.append(Muon(filled, lr, momentum=settings.momentum, weight_decay=decay))
    if filled := [group for group in adam if group["params"]]:
        fused = all(p.is_floating_point() and p.device.type in ("cpu", "cuda") for p in names)
        parts.append(torch.optim.AdamW(filled, rest, (settings.betas[0], settings.betas[1]), settings.eps, fused=fused))
    return Optimiser(names, parts)
