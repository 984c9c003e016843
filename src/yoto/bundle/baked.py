"""The weights of a bundle's network at one λ, from the file alone, whatever the network's class."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

from yoto.bundle.header import read_header
from yoto.bundle.store import read_state
from yoto.errors import YotoError
from yoto.space import Value

if TYPE_CHECKING:
    from torch import Tensor, nn

    from yoto.conditioning.folding import Layer


def baked_state(name_or_path: str | os.PathLike[str], at: Mapping[str, Value]) -> dict[str, Tensor]:
    """What `load(…).conditional.bake(at).state_dict()` holds, without the network.

    Args:
        name_or_path: A conditional bundle.
        at: The free parameters by name.

    Raises:
        YotoError: If the bundle does not say how its layers fold (version 1), or is for fixed weights.

    >>> import tempfile
    >>> from torch import nn
    >>> from yoto import LogUniform, LossSpace, condition, save
    >>> file = f"{tempfile.mkdtemp()}/model.safetensors"
    >>> model = condition(nn.Linear(3, 2), LossSpace(fit=1.0, penalty=LogUniform(0.1, 10.0)))
    >>> save(model, file)
    >>> bool((baked_state(file, {"penalty": 1.0})["weight"] == model.bake(penalty=1.0).weight).all())
    True
    """
    import torch

    from yoto.conditioning.conditional import conditioner_of
    from yoto.conditioning.folding import Layer, Site, folded

    header = read_header(name_or_path)
    config = header.conditioning
    if config is None or not header.layers:
        raise YotoError(f"{str(header.path)!r} does not say how its layers fold. Load it with its network.")
    state = read_state(header.path)[0]
    film, plain = (
        {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}
        for prefix in ("film.", "plain.")
    )
    facts = {name: dict(each) for name, each in header.layers.items()}
    kinds = {name: (each.pop("type"), each.pop("transposed")) for name, each in facts.items()}
    sites = [Site(name, kinds[name][0], Layer.from_dict(each)) for name, each in facts.items()]
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        conditioner = conditioner_of(config).from_config(header.space, sites, config)
        conditioner.to(next(iter(film.values())).dtype).load_state_dict(film)
        encoding = header.space.encode(header.space.point(at), config["fourier"], config["raw"])
        values = conditioner(encoding.to(next(conditioner.parameters()).dtype))
        for site, (scale, shift) in zip(sites, values, strict=True):
            prefix = f"{site.name}." if site.name else ""
            layer = stand_in(site.layer, kinds[site.name][1], plain, prefix)
            plain |= {prefix + key: value for key, value in folded(layer, site.layer, scale, shift).items()}
    return plain


def stand_in(layer: Layer, transposed: bool, state: Mapping[str, Tensor], prefix: str) -> nn.Module:
    """A module with a layer's parameters, as much of it as folding needs."""
    from torch import nn

    weight = state[prefix + layer.weight]
    module = nn.Module()
    if transposed:
        groups = layer.channels // weight.shape[1]
        module = nn.ConvTranspose1d(weight.shape[0], layer.channels, 1, groups=groups, device="meta")
    for key in (layer.weight, layer.bias) if layer.shift else (layer.weight,):
        setattr(module, key, nn.Parameter(state[prefix + key]))
    return module
