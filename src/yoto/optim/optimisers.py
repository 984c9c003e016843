"""Muon for weight matrices and kernels, Adam for everything else, as one optimiser."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase
from torch.nn.modules.conv import _ConvTransposeNd

from yoto.conditioning import Conditional
from yoto.errors import YotoError
from yoto.optim.muon import Muon
from yoto.support.numbers import is_number

NOT_MATRICES = (nn.Embedding, nn.EmbeddingBag, _NormBase, nn.LayerNorm, nn.GroupNorm, nn.RMSNorm)

FASTER = 2.5
"""Learning rate of the conditioning network over that of what else Adam steps beside Muon."""


class Optimiser(torch.optim.Optimizer):
    """An ordinary optimiser of torch that steps each parameter group by its `algorithm`, "muon" or "adam".

    Schedulers, `GradScaler`, `state_dict` and pickles treat it as they treat any other. A group that is added later is
    stepped by Adam unless it says otherwise. `optimiser` makes one for a model.
    """

    def __init__(self, groups: list[dict[str, Any]], names: Mapping[nn.Parameter, str], **defaults: Any) -> None:
        """
        Args:
            groups: Parameter groups as of torch, each with its `algorithm`.
            names: Names of the parameters, for `tensors`.
            defaults: `lr`, `momentum`, `betas`, `eps` and `weight_decay` of groups that have none.
        """
        self.names = dict(names)
        self.parts: list[torch.optim.Optimizer] = []
        super().__init__(groups, {**defaults, "algorithm": "adam"})
        for group in self.param_groups:
            group["initial_lr"] = group["lr"]
        self.link()

    def link(self) -> None:
        """Hand groups and state to one optimiser per algorithm, which share them with this one."""
        muon = [group for group in self.param_groups if group["algorithm"] == "muon"]
        adam = [group for group in self.param_groups if group["algorithm"] == "adam"]
        self.parts = []
        if muon:
            self.parts.append(Muon(muon))
        if adam:
            members = [parameter for group in adam for parameter in group["params"]]
            fused = all(p.is_floating_point() and p.device.type in ("cpu", "cuda") for p in members)
            self.parts.append(torch.optim.AdamW(adam, fused=fused))
        for part in self.parts:
            part.state = self.state

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add parameters, stepped by Adam unless the group has `algorithm="muon"`."""
        super().add_param_group(param_group)
        if param_group["algorithm"] not in ("muon", "adam"):
            raise YotoError(f"`algorithm` should be 'muon' or 'adam'. Found {param_group['algorithm']!r}.")
        if self.parts:
            self.link()

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), "names": self.names}

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self.link()

    @property
    def parameters(self) -> list[nn.Parameter]:
        """All parameters, Muon's first."""
        return [parameter for part in self.parts for group in part.param_groups for parameter in group["params"]]

    def groups(self) -> Iterator[dict[str, Any]]:
        """All parameter groups, Muon's first."""
        for part in self.parts:
            yield from part.param_groups

    def scale(self, factor: float) -> None:
        """Set every learning rate to `factor` times its initial value."""
        for group in self.param_groups:
            group["lr"] = group["initial_lr"] * factor

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update all parameters that have a gradient; returns what `closure` gave, computed with gradients."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for part in self.parts:
            part.step()
        return loss

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take up the state that `state_dict()` gave.

        Raises:
            YotoError: If it is of parameters of other shapes, where torch's fused Adam would write beyond their ends.
        """
        saved = (index for group in state_dict["param_groups"] for index in group["params"])
        own = (parameter for group in self.param_groups for parameter in group["params"])
        for index, parameter in zip(saved, own, strict=False):  # torch refuses other numbers of them
            for value in state_dict["state"].get(index, {}).values():
                if isinstance(value, Tensor) and value.ndim and value.shape != parameter.shape:
                    raise YotoError(
                        "An optimiser's state should be of the network that it steps. Found a state of shape "
                        f"{tuple(value.shape)} for {self.names.get(parameter, 'a parameter')!r}, whose shape is "
                        f"{tuple(parameter.shape)}. Usually: the network is another one than when it was saved."
                    )
        super().load_state_dict(state_dict)

    def tensors(self) -> dict[str, Tensor]:
        """The state by parameter name and quantity, "encoder.weight#exp_avg" for example."""
        return {
            f"{self.names[parameter]}#{key}": value
            for parameter in self.parameters
            for key, value in self.state.get(parameter, {}).items()
        }

    def load_tensors(self, tensors: Mapping[str, Tensor]) -> None:
        """Take up the state that `tensors()` gave, on the parameters' devices and in their memory layout."""
        parameters = {name: parameter for parameter, name in self.names.items()}
        for key, value in tensors.items():
            name, quantity = key.rsplit("#", 1)
            parameter = parameters[name]
            layout = parameter if value.shape == parameter.shape else value
            place = torch.empty_like(layout, dtype=value.dtype, device=parameter.device, requires_grad=False)
            self.state[parameter][quantity] = place.copy_(value)


def optimiser(
    model: nn.Module,
    lr: float = 0.02,
    *,
    algorithm: Literal["muon", "adam"] = "muon",
    adam_lr: float | None = None,
    conditioning_lr: float | None = None,
    lr_factors: Mapping[str, float] | None = None,
    momentum: float = 0.95,
    betas: Sequence[float] = (0.9, 0.999),
    eps: float = 1e-8,
    weight_decay: float = 0.0,
) -> Optimiser:
    """The optimiser that yoto's recipes use, for a conditional or a plain model: Muon (Jordan et al. 2024, scaled as by
    Liu et al. 2025) on weight matrices and kernels, Adam on norms, biases, embeddings and the conditioning network.

    Args:
        model: The model, wrapped or not. Parameters without `requires_grad` are left out.
        lr: Learning rate, usually 0.005 to 0.02 under Muon, and a tenth of that for networks trained by Adam alone.
        algorithm: "muon" as above, or "adam" for Adam on everything.
        adam_lr: Of all that Muon does not step; by default `lr`.
        conditioning_lr: Of the conditioning network; by default `adam_lr`, under Muon 2.5 times that (measured in
            results/own_loop_knobs.md). In recipes it is once that.
        lr_factors: Factors of the learning rates by regular expression on whole parameter names of the plain network;
            the first match counts.
        momentum: Muon's, in [0, 1).
        betas, eps: Adam's.
        weight_decay: Decoupled (w ← w·(1 - lr·weight_decay)), of all parameters but the conditioning network's.

    Raises:
        YotoError: If the model has nothing to train, or a setting is out of its range.

    >>> from yoto import LogUniform, LossSpace, condition
    >>> net = nn.Sequential(nn.Linear(3, 8), nn.ReLU(), nn.Linear(8, 2))
    >>> model = condition(net, LossSpace(fit=1.0, penalty=LogUniform(0.01, 10)))
    >>> [(group["algorithm"], len(group["params"])) for group in optimiser(model, lr=0.01).param_groups]
    [('muon', 2), ('adam', 2), ('adam', 4)]
    """
    check(model, algorithm, lr, adam_lr, conditioning_lr, momentum, betas, eps, weight_decay)
    factors = checked_factors(lr_factors)
    names, members = sorted_parameters(model, factors, matrices=algorithm == "muon")
    if not names:
        raise YotoError("The network should have parameters to train. Found none with requires_grad.")
    for pattern in idle_factors(model, factors):
        raise YotoError(
            "`lr_factors` should match whole names of parameters, such as "
            f"{plain_name(next(iter(names.values())), around(model))!r}. Found {pattern!r}, which matches none."
        )
    rest = adam_lr if algorithm == "muon" and adam_lr is not None else lr
    film = rest * (FASTER if algorithm == "muon" else 1.0) if conditioning_lr is None else conditioning_lr
    rates = {"muon": lr, "transposed": lr, "adam": rest, "film": film}
    groups = [
        {
            "params": parameters,
            "algorithm": "muon" if kind in ("muon", "transposed") else "adam",
            "lr": rates[kind] * factor,
            "weight_decay": 0.0 if kind == "film" else weight_decay,
            "transposed": kind == "transposed",
        }
        for (kind, factor), parameters in members.items()
        if parameters
    ]
    groups.sort(key=lambda group: group["algorithm"] == "adam")
    return Optimiser(
        groups, names, lr=lr, momentum=momentum, betas=(betas[0], betas[1]), eps=eps, weight_decay=weight_decay
    )


def checked_factors(factors: Any) -> Mapping[str, float]:
    """Factors by regular expression, none where nothing is given; refuses anything else."""
    if not isinstance(factors, Mapping | None):
        raise YotoError(f"`lr_factors` should map regular expressions to factors. Found {factors!r}.")
    for pattern, factor in (factors or {}).items():
        if not (is_number(factor) and factor >= 0):
            raise YotoError(f"`lr_factors` should hold numbers, at least 0. Found {factor!r} for {pattern!r}.")
        try:
            re.compile(pattern)
        except (re.error, TypeError) as error:
            raise YotoError(f"`lr_factors` should map regular expressions. Found {pattern!r}: {error}.") from None
    return factors or {}


def plain_name(name: str, prefixes: Sequence[str]) -> str:
    """A parameter's name in the plain network, without those of what lies around it."""
    for before in prefixes:
        name = name.removeprefix(before)
    return name


def around(model: nn.Module) -> list[str]:
    """What stands before the names of a plain network's parameters in those of `model`."""
    found = [prefix for prefix, module in model.named_modules() if isinstance(module, Conditional)]
    return [f"{prefix}.plain." if prefix else "plain." for prefix in found]


def idle_factors(model: nn.Module, factors: Mapping[str, float]) -> list[str]:
    """The regular expressions, as of `checked_factors`, that match no parameter's name in the plain network."""
    prefixes = around(model)
    names = [plain_name(name, prefixes) for name, _ in model.named_parameters(remove_duplicate=False)]
    return [pattern for pattern in factors if not any(re.fullmatch(pattern, name) for name in names)]


def sorted_parameters(
    model: nn.Module, factors: Mapping[str, float], *, matrices: bool
) -> tuple[dict[nn.Parameter, str], dict[tuple[str, float], list[nn.Parameter]]]:
    """The parameters to train with their names, and lists of them by kind and factor of the learning rate.

    Kinds are "muon", "transposed" (Muon's kernels whose outputs are dimension 1), "adam" and "film".
    """
    film = {p for module in model.modules() if isinstance(module, Conditional) for p in module.film.parameters()}
    prefixes = around(model)
    others = {p for m in model.modules() if isinstance(m, NOT_MATRICES) for p in m.parameters(recurse=False)}
    names: dict[nn.Parameter, str] = {}
    members: dict[tuple[str, float], list[nn.Parameter]] = {
        (kind, 1.0): [] for kind in ("muon", "transposed", "adam", "film")
    }
    for prefix, module in model.named_modules():
        for name, parameter in module.named_parameters(recurse=False):
            if not parameter.requires_grad or parameter in names:
                continue
            names[parameter] = own = f"{prefix}.{name}" if prefix else name
            if parameter in film:
                kind = "film"
            elif matrices and parameter not in others and is_matrix(module, name, parameter):
                kind = "transposed" if isinstance(module, _ConvTransposeNd) else "muon"
            else:
                kind = "adam"
            own = plain_name(own, prefixes)
            factor = next((float(factor) for pattern, factor in factors.items() if re.fullmatch(pattern, own)), 1.0)
            members.setdefault((kind, factor), []).append(parameter)
    return names, members


def is_matrix(module: nn.Module, name: str, parameter: nn.Parameter) -> bool:
    """Whether Muon suits the parameter `name` of `module`: a real matrix or kernel, and neither embedding nor norm."""
    real = parameter.is_floating_point()
    return real and parameter.ndim >= 2 and name.endswith("weight") and not isinstance(module, NOT_MATRICES)


def check(
    model: nn.Module,
    algorithm: str,
    lr: float,
    adam_lr: float | None,
    conditioning_lr: float | None,
    momentum: float,
    betas: Any,
    eps: float,
    weight_decay: float,
) -> None:
    """Refuse what `optimiser` cannot take."""
    if not isinstance(model, nn.Module):
        raise YotoError(
            f"`model` should be a torch.nn.Module. Found {type(model).__name__}. Usually: the model itself, not "
            "model.parameters(): which parameters are matrices is told by their layers."
        )
    if algorithm not in ("muon", "adam"):
        raise YotoError(f"`algorithm` should be 'muon' or 'adam'. Found {algorithm!r}.")
    rates: dict[str, Any] = {"lr": lr, "eps": eps, "adam_lr": adam_lr, "conditioning_lr": conditioning_lr}
    for name, value in rates.items():
        left_out = value is None and name in ("adam_lr", "conditioning_lr")
        if not left_out and not (is_number(value) and value > 0):
            raise YotoError(f"`{name}` should be a number above 0. Found {value!r}.")
    two = isinstance(betas, Sequence) and len(betas) == 2
    if not two or not all(is_number(beta) and 0 <= beta < 1 for beta in (momentum, *betas)):
        raise YotoError(f"`momentum` and the two `betas` should lie in [0, 1). Found {momentum!r} and {betas!r}.")
    if not (is_number(weight_decay) and weight_decay >= 0):
        raise YotoError(f"`weight_decay` should be at least 0. Found {weight_decay!r}.")
