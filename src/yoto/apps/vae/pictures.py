"""Pictures of what a VAE does at each β: reconstructions, samples, latent traversals, as uint8 [H, W, 3]."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from yoto.data import planes

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from yoto.apps.vae.task import VAETask
    from yoto.data.images import Pixels

#: Images smaller than this many pixels a side are enlarged by a whole factor.
TILE = 56
GAP = 4
TEXT = 15


def reconstructions(task: VAETask, nets: Mapping[str, Any], images: Tensor) -> np.ndarray:
    """The originals in the first row, then a row per net: its reconstructions from the posterior mean.

    `nets` maps a row's label, such as "β = 4", to a net bound or baked at that λ; `images` are [B, C, H, W]
    in [0, 1]. Returns the picture, uint8 [H, W, 3].
    """
    rows = {"original": images}
    rows.update({label: task.reconstruct(net, images.to(device_of(net))) for label, net in nets.items()})
    return grid(rows)


def square(pixels: Pixels, side: int, channels: int) -> Tensor:
    """The middle of a picture uint8 [H, W, 3] as the network takes it: [1, channels, side, side] in [0, 1].

    `channels`: 1 (grey) or 3.
    """
    from PIL import Image, ImageOps

    small = ImageOps.fit(Image.fromarray(pixels), (side, side), Image.Resampling.LANCZOS)
    return planes(np.atleast_3d(np.asarray(small.convert("L" if channels == 1 else "RGB"))))


def samples(task: VAETask, nets: Mapping[str, Any], count: int = 10, seed: int = 0) -> np.ndarray:
    """One row of `count` images decoded from the prior per net, with the same latents in every row."""
    z = latents(task, count, seed)
    return grid({label: task.decode(net, z.to(device_of(net))) for label, net in nets.items()})


def traversals(
    task: VAETask,
    net: Any,
    image: Tensor,
    *,
    dimensions: Sequence[int] | None = None,
    steps: int = 9,
    span: float = 2.5,
) -> np.ndarray:
    """One row per latent dimension, going from -span to span; the others stay at the posterior mean.

    `image` is [C, H, W] in [0, 1]. Default: all dimensions, those with the narrowest posterior (which tell
    most about this image) first, ten at most.
    """
    with torch.no_grad():
        mean, sigma = net.encode(task.scaled(image.unsqueeze(0).to(device_of(net))))
    chosen = sigma[0].argsort().tolist()[:10] if dimensions is None else list(dimensions)
    values = torch.linspace(-span, span, steps, device=mean.device, dtype=mean.dtype)
    rows = {}
    for dimension in chosen:
        z = mean.repeat(steps, 1)
        z[:, dimension] = values
        rows[f"z{dimension}"] = task.decode(net, z)
    return grid(rows)


def overview(task: VAETask, net: Any, *, seed: int = 0, count: int = 10) -> np.ndarray:
    """Test images, their reconstructions, and two rows of samples from the prior."""
    device = device_of(net)
    data = task.data("test")
    generator = torch.Generator().manual_seed(seed)
    chosen = torch.randperm(len(data), generator=generator)[:count]
    images = data.batch(chosen, None).to(device)
    z = latents(task, 2 * count, seed).to(device)
    return grid(
        {
            "original": images,
            "decoded": task.reconstruct(net, images),
            "samples": task.decode(net, z[:count]),
            "": task.decode(net, z[count:]),
        }
    )


def grid(rows: Mapping[str, Tensor]) -> np.ndarray:
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


def to_bytes(images: Tensor) -> np.ndarray:
    """Images [B, 1 or 3, H, W] in [0, 1], clamped and rounded to uint8 [B, H, W, 3]."""
    levels = (images.detach().float().cpu().clamp(0, 1) * 255).round().to(torch.uint8)
    return levels.expand(-1, 3, -1, -1).permute(0, 2, 3, 1).contiguous().numpy()


def latents(task: VAETask, count: int, seed: int) -> Tensor:
    """`count` draws from the prior, [count, Z], the same for the same seed."""
    return torch.randn(count, task.options.latents, generator=torch.Generator().manual_seed(seed))


def device_of(net: Any) -> torch.device:
    """Where the net's parameters are."""
    device: torch.device = next(net.parameters()).device
    return device
