"""Pictures of what a VAE does at each β: reconstructions, samples, latent traversals, as uint8 [H, W, 3]."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from yoto.data.pixels import planes, to_bytes

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from yoto.apps.vae.likelihood import Likelihood
    from yoto.data.pixels import Pixels

#: Images smaller than this many pixels a side are enlarged by a whole factor.
TILE = 56
GAP = 4
TEXT = 15


def reconstructions(likelihood: Likelihood, nets: Mapping[str, Any], images: Tensor) -> Pixels:
    """The originals in the first row, then a row per net: its reconstructions from the posterior mean.

    `nets` maps a row's label, such as "β = 4", to a net bound or baked at that λ; `images` are [B, C, H, W]
    in [0, 1]. Returns the picture, uint8 [H, W, 3].
    """
    rows = {"original": images}
    rows.update({label: likelihood.reconstruct(net, images.to(device_of(net))) for label, net in nets.items()})
    return grid(rows)


def square(pixels: Pixels, side: int, channels: int) -> Tensor:
    """The middle of a picture uint8 [H, W, 3] as the network takes it: [1, channels, side, side] in [0, 1].

    `channels`: 1 (grey) or 3.
    """
    from PIL import Image, ImageOps

    small = ImageOps.fit(Image.fromarray(pixels), (side, side), Image.Resampling.LANCZOS)
    return planes(np.atleast_3d(np.asarray(small.convert("L" if channels == 1 else "RGB"))))


def samples(likelihood: Likelihood, nets: Mapping[str, Any], z: Tensor) -> Pixels:
    """One row of images per net, decoded from the same latents `z` [B, Z]."""
    return grid({label: likelihood.decode(net, z.to(device_of(net))) for label, net in nets.items()})


def traversals(
    likelihood: Likelihood,
    net: Any,
    image: Tensor,
    *,
    dimensions: Sequence[int] | None = None,
    steps: int = 9,
    span: float = 2.5,
) -> Pixels:
    """One row per latent dimension, going from -span to span; the others stay at the posterior mean.

    `image` is [C, H, W] in [0, 1]. Default: all dimensions, those that tell most about this image first, ten at most.
    """
    with torch.no_grad():
        mean, sigma = net.encode(likelihood.scaled(image.unsqueeze(0).to(device_of(net))))
    chosen = telling(sigma[0], 10) if dimensions is None else dimensions
    paths = traversed(mean[0], chosen, steps, span)
    return grid({f"z{number}": likelihood.decode(net, z) for number, z in zip(chosen, paths, strict=True)})


def telling(sigma: Tensor, most: int) -> list[int]:
    """The latent dimensions that tell most about an image, of posterior deviation `sigma` [Z]: the narrowest first."""
    return sigma.argsort()[:most].tolist()


def traversed(mean: Tensor, dimensions: Sequence[int], steps: int, span: float) -> Tensor:
    """Latents [D, steps, Z]: `mean` [Z] with one of `dimensions` after the other going from -span to span."""
    z = mean.repeat(len(dimensions), steps, 1)
    for row, dimension in enumerate(dimensions):
        z[row, :, dimension] = torch.linspace(-span, span, steps, device=mean.device, dtype=mean.dtype)
    return z


def overview(likelihood: Likelihood, net: Any, images: Tensor, z: Tensor) -> Pixels:
    """Images [B, C, H, W] in [0, 1], their reconstructions, and latents `z` [N, Z] decoded in two rows."""
    images = images.to(device_of(net))
    first, second = z.to(device_of(net)).chunk(2)
    return grid(
        {
            "original": images,
            "decoded": likelihood.reconstruct(net, images),
            "samples": likelihood.decode(net, first),
            "": likelihood.decode(net, second),
        }
    )


def grid(rows: Mapping[str, Tensor]) -> Pixels:
    """Rows of images [B, 1 or 3, H, W] in [0, 1] on white, each with its label on the left."""
    from PIL import Image, ImageDraw, ImageFont

    side = max(images.shape[-1] for images in rows.values())
    factor = max(1, math.ceil(TILE / side))
    tile, count = side * factor, max(len(images) for images in rows.values())
    font = ImageFont.load_default(TEXT)
    texts = [label.replace("β", "beta") for label in rows]
    margin = max(math.ceil(font.getlength(text)) for text in texts)
    margin += 2 * GAP if margin else 0
    size = (margin + GAP + count * (tile + GAP), GAP + len(rows) * (tile + GAP))
    canvas = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(canvas)
    for i, (text, images) in enumerate(zip(texts, rows.values(), strict=True)):
        top = GAP + i * (tile + GAP)
        draw.text((GAP, top + tile // 2), text, fill="black", font=font, anchor="lm")
        for j, pixels in enumerate(to_bytes(images)):
            picture = Image.fromarray(pixels).resize((tile, tile), Image.Resampling.NEAREST)
            canvas.paste(picture, (margin + GAP + j * (tile + GAP), top))
    return np.asarray(canvas).copy()


def draw_latents(count: int, dimensions: int, seed: int) -> Tensor:
    """Draws from the prior, [count, dimensions], the same for the same seed."""
    return torch.randn(count, dimensions, generator=torch.Generator().manual_seed(seed))


def device_of(net: Any) -> torch.device:
    """Where the net's parameters are."""
    device: torch.device = next(net.parameters()).device
    return device
