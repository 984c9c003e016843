"""Fast style transfer as a task: a plain image-transform network, content, style and smoothness, photographs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from yoto.apps.style import data, losses
from yoto.apps.style.features import make_features
from yoto.apps.style.measure import Measure
from yoto.apps.style.network import TransformNetwork
from yoto.apps.style.options import LAYERS, PAINTING, PARAMETERS, StyleOptions, painting_file
from yoto.errors import YotoError
from yoto.task import BaseTask

if TYPE_CHECKING:
    import numpy as np

    from yoto.conditioning import Conditional
    from yoto.data import Data
    from yoto.task import Split

OFFSETS = slice(PARAMETERS.index(LAYERS[0]), PARAMETERS.index(LAYERS[0]) + len(LAYERS))
FIRST_PAINTING = len(PARAMETERS)


class StyleTask(BaseTask):
    """Terms "content", "style" (over groups of layers, by the offsets in λ) and "smoothness" (total variation).

    λ has the columns of `PARAMETERS` and, where the bank has several paintings, a share for each. The style loss of
    a group is that of unstyled photographs where it is 1; "style" is their mean, each times its offset.

    `options` may be a mapping of `StyleOptions`.
    """

    symbols: Mapping[str, str] = {"style": "style weight"}
    units: Mapping[str, str] = {
        "content": "relative",
        "style": "of a photograph's",
        "smoothness": "of a photograph's",
    }
    better: Mapping[str, str] = dict.fromkeys(
        (*(f"style_{group}" for group in LAYERS), "judge_content", "judge_style"), "lower"
    )

    def __init__(self, options: StyleOptions | dict[str, Any] | None = None) -> None:
        given = options if options is not None else {}
        self.options = given if isinstance(given, StyleOptions) else StyleOptions(**given)
        self._measures: dict[str, Measure] = {}

    def measure(self, name: str) -> Measure:
        """The measure by a feature network's name, made once."""
        if name not in self._measures:
            file = self.options.weights if name == self.options.features else None
            self._measures[name] = Measure(make_features(name, file), self.options)
        return self._measures[name]

    def network(self) -> nn.Module:
        """A new plain network, initialised from torch's global generator."""
        return TransformNetwork(self.options.channels, self.options.blocks, self.options.last)

    def shares(self, at: Tensor, size: int) -> Tensor:
        """Shares of the paintings [B, S] in λ [B, D] or [D].

        Raises:
            YotoError: If λ has other columns.
        """
        count = len(self.options.paintings)
        columns = FIRST_PAINTING + (count if count > 1 else 0)
        if at.shape[-1] != columns:
            raise YotoError(
                f"λ should have {columns} columns: {', '.join(PARAMETERS)}, {PAINTING}. Found {at.shape[-1]}."
            )
        shares = at[..., FIRST_PAINTING:] if count > 1 else at.new_ones(*at.shape[:-1], 1)
        return shares.expand(size, count)

    def terms(self, net: Any, batch: Tensor, at: Tensor) -> dict[str, Tensor]:
        """The three terms [B] of photographs [B, 3, H, W] in [0, 1] at λ [B, D] or [D]."""
        image = net(batch)
        smoothness = losses.total_variation(image)
        if net.training and self.options.jitter:
            top, left = torch.randint(self.options.jitter, (2,)).tolist()
            side = [length - self.options.jitter for length in batch.shape[-2:]]
            image, batch = (x[:, :, top : top + side[0], left : left + side[1]] for x in (image, batch))
        found = self.measure(self.options.features)(image, batch, self.shares(at, len(batch)))
        offsets = at[..., OFFSETS].expand(len(batch), len(LAYERS))
        style = torch.stack([found[group] for group in LAYERS], dim=1)
        return {"content": found["content"], "style": (offsets * style).mean(dim=1), "smoothness": smoothness}

    def metrics(self, net: Any, batch: Tensor, at: Tensor) -> dict[str, Tensor]:
        """[B] each: style loss per group, mean change of a pixel, and what the judge measures ("judge_…")."""
        image = net(batch)
        shares = self.shares(at, len(batch))
        found = self.measure(self.options.features)(image, batch, shares)
        result = {f"style_{group}": found[group] for group in LAYERS}
        result["change"] = (image - batch).abs().mean(dim=(1, 2, 3))
        judge = self.options.judged_by
        if judge is not None:
            judged = self.measure(judge)(image, batch, shares)
            result["judge_content"] = judged["content"]
            result["judge_style"] = torch.stack([judged[group] for group in LAYERS]).mean(dim=0)
        return result

    def extras(self, model: Conditional[Any]) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Thumbnails of the paintings, and what is known of them."""
        from yoto.apps.style import thumbnails

        return thumbnails.thumbnails(self.options), {"styles": thumbnails.facts(self.options)}

    def examples(self, method: str) -> dict[str, Tensor]:
        """Example inputs of the network's methods."""
        return {"image" if method == "forward" else "images": torch.rand(2, 3, 96, 136)}

    def dynamic(self, method: str) -> dict[str, dict[int, str]]:
        """Their axes of any size."""
        return {name: {2: "height", 3: "width"} for name in self.examples(method)}

    def data(self, split: Split) -> Data:
        """Random crops for training, whole photographs for validation and testing."""
        if split == "train":  # a picture that is missing is better said now than at the step that draws it
            for name in self.options.paintings:
                painting_file(name, self.options.styles)
        return data.load_photographs(self.options, split)

    def picture(self, net: Any, at: Tensor, *, seed: int) -> np.ndarray:
        """The first test photograph, stylised: uint8 [H, W, 3]."""
        from yoto.apps.style import pictures

        return pictures.stylised(net, self.data("test").batch(torch.tensor([0])))
