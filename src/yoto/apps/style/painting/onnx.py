"""A style model's network as an ONNX file with the loss parameters as an input."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from yoto import bundle
from yoto.apps.style.network import Norm
from yoto.apps.style.painting.bank import open_bank
from yoto.conditioning import Conditional
from yoto.conditioning.binding import FILM, FiLMSite
from yoto.errors import YotoError
from yoto.export.onnx import halve, quiet_exporter, strip
from yoto.support.extras import require
from yoto.support.files import write_atomic
from yoto.support.onnx import onnxruntime

TOLERANCE = 2e-3
"""Largest deviation of a pixel, in [0, 1], from the network in torch: half a level of 255."""


class Network(nn.Module):
    """Images, λ, statistics and whether to use them, to stylised images and the statistics used."""

    def __init__(self, model: Conditional[Any]) -> None:
        super().__init__()
        self.model = model

    def forward(self, image: Tensor, lam: Tensor, statistics: Tensor, given: Tensor) -> tuple[Tensor, Tensor]:
        """As `TransformNetwork.shared` of the model bound at λ [D]."""
        bound = self.model.at(lam)
        for module in bound.modules():
            if isinstance(module, Norm) and isinstance(module, FiLMSite):
                fold(module)
        result: tuple[Tensor, Tensor] = bound.shared(image, statistics, given)
        return result


def fold(norm: nn.Module) -> None:
    """Put a bound norm's modulation into its parameters, so that it costs nothing at every pixel.

    The norm belongs to a bound clone, which shares its parameters with the plain network: they get a place of its own.
    """
    film = norm.__dict__.pop(FILM)
    shift = film.shift if film.shift is not None else 0.0
    folded = {"weight": film.scale * norm.weight, "bias": film.scale * norm.bias + shift}
    norm.__class__ = Norm
    norm.__dict__["_parameters"] = folded


def write_network(model: str | os.PathLike[str], path: str | os.PathLike[str] | None = None) -> Path:
    """Write the network of a style model, by default beside the model, where `yoto stylize` finds it.

    Args:
        model: Name, file or run folder.
        path: The file.

    Raises:
        YotoError: If it is no style model, onnx is not installed, or the file would deviate from torch.
    """
    require("Writing ONNX", "onnx", "onnxscript")
    import onnx

    bank = open_bank(model)
    target = Path(path) if path is not None else bank.header.path.with_suffix(".onnx")
    loaded = bundle.load(bank.header.path).conditional
    channels = sum(m.num_features for m in loaded.plain.modules() if isinstance(m, Norm))
    examples = (
        torch.rand(2, 3, 96, 136),
        loaded.space.sample(1, torch.Generator().manual_seed(0))[0],
        torch.ones(2, channels),
        torch.zeros(()),
    )
    dims = {0: torch.export.Dim("batch"), 2: torch.export.Dim("height", min=16), 3: torch.export.Dim("width", min=16)}
    with quiet_exporter(), torch.no_grad():
        program = torch.onnx.export(
            Network(loaded).eval(),
            examples,
            input_names=["image", "lambda", "statistics", "given"],
            output_names=["painted", "used"],
            dynamic_shapes=(dims, None, None, None),
            dynamo=True,
            verbose=False,
        )
    assert program is not None
    graph = program.model_proto
    strip(graph)
    halve(graph)
    entry = graph.metadata_props.add()
    entry.key, entry.value = "bundle", bundle.sha256(bank.header.path)
    onnx.checker.check_model(graph)
    data = graph.SerializeToString()
    check_network(loaded, examples, data)
    write_atomic(target, data)
    return target


def check_network(model: Conditional[Any], examples: tuple[Tensor, ...], data: bytes) -> None:
    """Refuse a network that deviates from torch, with its own and with given statistics, where onnxruntime is here."""
    try:
        module = onnxruntime()
    except ImportError:
        return
    session = module.InferenceSession(data, providers=["CPUExecutionProvider"])
    image, lam, _, _ = examples
    with torch.no_grad():
        bound = model.at(lam)
        alone = bound.shared(image)
        other = bound.shared(image.flip(0, 3) ** 2)[1]
        given = bound.shared(image, other)
    for statistics, wanted, use in ((torch.ones_like(other), alone, 0.0), (other, given, 1.0)):
        feeds = {"image": image, "lambda": lam, "statistics": statistics, "given": torch.tensor(use)}
        found = session.run(None, {name: tensor.numpy() for name, tensor in feeds.items()})[0]
        apart = float(np.abs(found - wanted[0].numpy()).max())
        if not apart <= TOLERANCE:
            raise YotoError(f"The ONNX network should agree with torch. Found pixels {apart:.1e} apart.")
