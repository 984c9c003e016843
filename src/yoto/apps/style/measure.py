"""Content and style of images, against the paintings of a bank."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from yoto.apps.style import data, losses
from yoto.apps.style.features.interface import Features
from yoto.apps.style.options import StyleOptions


@dataclass(frozen=True)
class Target:
    """What a painting asks for. `statistics` by tap are those of the painting, `baseline` by tap is the mean relative
    distance of unstyled photographs from them.
    """

    statistics: dict[str, Tensor]
    baseline: dict[str, float]


class Measure:
    """Content and style of images by one feature network, against a bank of paintings.

    Args:
        features: The feature network.
        options: Which statistics, and the paintings.
    """

    def __init__(self, features: Features, options: StyleOptions) -> None:
        self.features, self.options = features, options
        self.statistics = losses.gram if options.statistics == "gram" else losses.moments
        self.targets: dict[str, Target] = {}
        self.unstyled: dict[str, Tensor] | None = None
        self.ordinary = 0.0

    def to(self, device: torch.device) -> None:
        """Move everything to where the images are."""
        if next(self.features.parameters(), torch.empty(0)).device != device:
            self.features.to(device)
            self.targets, self.unstyled = {}, None

    @torch.no_grad()
    def target(self, name: str, device: torch.device) -> Target:
        """The target of a painting, computed once, in float32."""
        if name not in self.targets:
            with torch.autocast(device.type, enabled=False):
                if self.unstyled is None:
                    found = self.features(data.references().to(device))
                    self.unstyled = {tap: self.statistics(found[tap]) for tap in self.features.taps}
                    self.ordinary = float(losses.spread(found[self.features.content]).mean())
                image = data.painting(self.options, name).to(device)
                statistics = {
                    tap: self.statistics(x) for tap, x in self.features(image).items() if tap in self.unstyled
                }
            baseline = {
                tap: float(losses.relative_distance(self.unstyled[tap], statistics[tap]).mean()) for tap in statistics
            }
            self.targets[name] = Target(statistics, baseline)
        return self.targets[name]

    @torch.no_grad()
    def content(self, photograph: Tensor) -> Tensor:
        """The activations of photographs [B, 3, H, W] that content is compared with."""
        self.to(photograph.device)
        found: dict[str, Tensor] = self.features(photograph)
        return found[self.features.content]

    def __call__(
        self, image: Tensor, photograph: Tensor, shares: Tensor, content: Tensor | None = None
    ) -> dict[str, Tensor]:
        """The style loss of each group, about 1 for unstyled photographs, and "content", [B] each.

        Args:
            image, photograph: [B, 3, H, W] in [0, 1].
            shares: Of each painting of the bank, [B, S]; the target's statistics are mixed by them.
            content: Of the photographs, where it is already known.
        """
        self.to(image.device)
        before = self.content(photograph) if content is None else content
        found = self.features(image)
        names = [self.options.paintings[i] for i in shares.any(dim=0).nonzero().flatten().tolist()]
        used = shares[:, shares.any(dim=0)].float()
        targets = [self.target(name, image.device) for name in names]
        with torch.autocast(image.device.type, enabled=False):
            result = {"content": losses.content_loss(found[self.features.content], before, self.ordinary)}
            for group, taps in self.features.groups.items():
                parts = []
                for tap in taps:
                    bank = torch.stack([t.statistics[tap][0] for t in targets])
                    wanted = torch.einsum("bs,s...->b...", used, bank)
                    baseline = used @ torch.tensor(
                        [t.baseline[tap] for t in targets], dtype=used.dtype, device=used.device
                    )
                    parts.append(losses.relative_distance(self.statistics(found[tap]), wanted) / baseline)
                result[group] = torch.stack(parts).mean(dim=0)
        return result
