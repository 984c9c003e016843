"""What can be chosen about the β-VAE task. Importing this module does not import torch."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from yoto.errors import YotoError

DatasetName = Literal["digits", "fashion-mnist", "mnist", "cifar10", "shapes", "shapes3d", "folder"]
NetworkName = Literal["conv", "paper-cifar10", "paper-shapes3d"]

#: Image side in pixels and number of colour channels of every data set with a set size.
IMAGES: dict[str, tuple[int, int]] = {
    "digits": (8, 1),
    "mnist": (28, 1),
    "fashion-mnist": (28, 1),
    "cifar10": (32, 3),
    "shapes": (64, 3),
    "shapes3d": (64, 3),
}

#: Image side for which the paper's networks are made.
PAPER_SIZES: dict[str, int] = {"paper-cifar10": 32, "paper-shapes3d": 64}


class VAEOptions(BaseModel):
    """Data set, network and likelihood of a β-VAE.

    `network` is "conv" (a small network for any image size) or one of the paper's two networks, which want
    colour images of 32 and 64 pixels. `width` multiplies the channels of all convolutions and the units of
    the hidden fully connected layers; the latent keeps its size. `channels` are those of the first block of
    "conv" at width 1 (default: 8 for grey, 16 for colour images), doubled from block to block. `latent` is
    the number of latent dimensions (default: 256 and 10 for the paper's networks; 8 for digits, 10 for the
    shapes, 16 for other grey images and 64 for other colour images). `data` is a folder or file with the data
    set, `size` the side of the crops taken from a "folder" of photographs, `limit` keeps the first images of
    the training split only.
    """

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    dataset: DatasetName = "fashion-mnist"
    network: NetworkName = "conv"
    width: Literal[1, 2, 4] = 1
    latent: Annotated[int, Field(ge=1)] | None = None
    likelihood: Literal["bernoulli", "gaussian"] = "bernoulli"
    data: str | None = None
    download: bool = True
    limit: Annotated[int, Field(ge=1)] | None = None
    size: Annotated[int, Field(ge=8, le=256, multiple_of=2)] = 32
    channels: Annotated[int, Field(ge=1)] | None = None

    @model_validator(mode="after")
    def network_fits_images(self) -> VAEOptions:
        """Refuse one of the paper's networks for images of another size."""
        side, channels = self.image
        wanted = PAPER_SIZES.get(self.network, side)
        if (side, channels) != (wanted, 3) and self.network in PAPER_SIZES:
            raise YotoError(
                f"`network` should fit the images of `dataset`. Found {self.network!r}, which is made for "
                f"{wanted}x{wanted} colour images, with {self.dataset!r}: {side}x{side}, {channels} "
                "channel(s). Give network=conv."
            )
        return self

    @property
    def image(self) -> tuple[int, int]:
        """Side of the images in pixels and number of colour channels."""
        return IMAGES.get(self.dataset, (self.size, 3))

    @property
    def latents(self) -> int:
        """Number of latent dimensions, the default filled in."""
        if self.latent is not None:
            return self.latent
        named = {"paper-cifar10": 256, "paper-shapes3d": 10}
        if self.network in named:
            return named[self.network]
        by_dataset = {"digits": 8, "shapes": 10, "shapes3d": 10}
        return by_dataset.get(self.dataset, 16 if self.image[1] == 1 else 64)
