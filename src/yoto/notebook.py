"""Sliders for the loss parameters of one's own model, in a notebook."""

from __future__ import annotations

import html
import math
from collections.abc import Callable, Mapping, Sequence
from io import BytesIO
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from yoto.conditioning import Conditional
from yoto.conditioning.modes import evaluating
from yoto.conditioning.wrappers import conditional
from yoto.curves.sweep import opened
from yoto.errors import YotoError
from yoto.space import Choice, Distribution, Interval, LogUniform, LossSpace, Simplex, Value
from yoto.support.extras import needed
from yoto.support.graphs import without_graph

if TYPE_CHECKING:
    import ipywidgets
    from torch import nn

    from yoto.bundle import Bundle

POSITIONS = 100
"""Steps of a slider from end to end."""


def widget(
    model: nn.Module | Bundle, draw: Callable[[Any], object], *, point: Mapping[str, Value] | None = None
) -> ipywidgets.VBox:
    """Sliders of the free loss parameters over what `draw` shows of the network at that λ.

    A `Choice` gets a menu, a `Simplex` a slider for each weight, whose ratios count.

    Args:
        model: A `Conditional`, wrapped or not, or what `load` gave.
        draw: Called without gradients with the network bound at λ, in evaluation mode. It returns a picture (uint8
            [H, W], [H, W, 3] or [H, W, 4], an array or a tensor), a Pillow image, a Matplotlib figure, or anything
            else, which is shown as text.
        point: Where the sliders begin, by name; the middle of each distribution otherwise.

    Raises:
        YotoError: If the model is not conditional, a name or value is unknown, or ipywidgets is missing (extra
            `notebook`).

    >>> from torch import nn, ones
    >>> from yoto import LogUniform, LossSpace, condition
    >>> model = condition(nn.Linear(3, 1), LossSpace(fit=1.0, size=LogUniform(0.1, 10.0)))
    >>> box = widget(model, lambda net: net(ones(1, 3)).shape)
    >>> box.children[0].value, box.children[-1].value
    (1.0, '<pre>torch.Size([1, 1])</pre>')
    """
    network = conditional(opened(model, None)[0])
    if not callable(draw):
        raise YotoError(f"`draw` should be a function of the bound network. Found {type(draw).__name__}.")
    with needed("A widget"):
        import ipywidgets

    space = network.space
    begin = space.median().tolist() if point is None else list(space.check(point))
    controls = {name: controls_of(space, name, begin[space.slices[name]]) for name in space.free}
    everything = [control for each in controls.values() for control in each]
    picture, text = ipywidgets.Image(format="png"), ipywidgets.HTML()

    def show(_: object = None) -> None:
        lam = torch.tensor(begin)
        for name, each in controls.items():
            lam[space.slices[name]] = torch.tensor(columns_of(space.parameters[name], each))
        found = shown(network, draw, lam)
        picture.value, text.value = (found, "") if isinstance(found, bytes) else (b"", found)
        picture.layout.display = "" if picture.value else "none"

    for control in everything:
        control.observe(show, "value")
    show()
    return ipywidgets.VBox([*everything, picture, text])


def controls_of(space: LossSpace, name: str, values: Sequence[float]) -> list[Any]:
    """The controls of one parameter, set to its columns of λ."""
    import ipywidgets

    distribution, look = space.parameters[name], {"continuous_update": True, "readout_format": ".3g"}
    if isinstance(distribution, LogUniform):
        ends = {"min": math.log10(distribution.low), "max": math.log10(distribution.high)}
        step = (ends["max"] - ends["min"]) / POSITIONS
        return [ipywidgets.FloatLogSlider(value=values[0], base=10, step=step, description=name, **ends, **look)]
    if isinstance(distribution, Interval):
        ends = {"min": distribution.low, "max": distribution.high}
        step = (ends["max"] - ends["min"]) / POSITIONS
        return [ipywidgets.FloatSlider(value=values[0], step=step, description=name, **ends, **look)]
    if isinstance(distribution, Simplex):
        step = 1 / POSITIONS
        return [
            ipywidgets.FloatSlider(value=value, min=0.0, max=1.0, step=step, description=term, **look)
            for term, value in zip(distribution.terms, values, strict=True)
        ]
    if isinstance(distribution, Choice):
        chosen = distribution.options[max(range(len(values)), key=values.__getitem__)]
        return [ipywidgets.Dropdown(options=list(distribution.options), value=chosen, description=name)]
    raise YotoError(f"There is no control for the kind of parameter that {name!r} is.")


def columns_of(distribution: Distribution, controls: Sequence[Any]) -> tuple[float, ...]:
    """A parameter's columns of λ as its controls stand; a slider's end is that of the range, whatever floats do."""
    values = [control.value for control in controls]
    if isinstance(distribution, Choice):
        return distribution.one_hot(values[0])
    if isinstance(distribution, Simplex):
        floor = distribution.minimum
        share = 1 - floor * len(values)
        total = sum(values)
        return tuple(floor + share * (value / total if total else 1 / len(values)) for value in values)
    assert isinstance(distribution, Interval)
    return (min(max(values[0], distribution.low), distribution.high),)


def shown(model: Conditional[Any], draw: Callable[[Any], object], lam: Tensor) -> bytes | str:
    """What `draw` gives at λ [D]: a PNG file, or text as HTML."""
    with evaluating(model):
        found = without_graph(lambda: draw(model.at(lam.to(next(model.parameters()).device))))
    return png(found) or f"<pre>{html.escape(str(found))}</pre>"


def png(found: object) -> bytes | None:
    """A picture or a figure as a PNG file; None for anything else.

    Raises:
        YotoError: If an array's type or shape is that of no picture.
    """
    file = BytesIO()
    if callable(getattr(found, "savefig", None)):
        found.savefig(file, format="png", bbox_inches="tight")  # type: ignore[attr-defined]
        return file.getvalue()
    if isinstance(found, Tensor):
        found = found.detach().cpu().numpy()
    if isinstance(found, np.ndarray):
        if found.dtype != np.uint8 or found.ndim not in (2, 3) or found.shape[2:] not in ((), (3,), (4,)):
            raise YotoError(
                "`draw` should return a picture as uint8 [H, W], [H, W, 3] or [H, W, 4]. "
                f"Found {found.dtype} {list(found.shape)}."
            )
        with needed("A picture"):
            from PIL import Image

        found = Image.fromarray(found)
    if callable(getattr(found, "save", None)):
        found.save(file, format="PNG")  # type: ignore[attr-defined]
        return file.getvalue()
    return None
