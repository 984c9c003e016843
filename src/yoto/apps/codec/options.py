"""What can be chosen about the compression task. Importing this module does not import torch."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Count = Annotated[int, Field(ge=1)]


class CompressionOptions(BaseModel):
    """Network, distortion and photographs of a learned codec.

    `network` is "mean-scale" (mean and scale hyperprior with a linear block transform beside the convolutions),
    "spatial" (the same from Haar coefficients, with means that are refined from decoded neighbours) or "scale" (the
    scale hyperprior with a factorised prior as published). `channels` is N, the channels of the inner layers,
    `latents` M, those of what is coded, `hyper` those of the hyper-latent (default: N). `distortion` is
    the mean squared error of 8-bit levels, or 1 - MS-SSIM. `data` is a folder of photographs: with sub-folders `train`,
    `validation` and `test`, or one that is split by file name. `crop` is the side of the training crops in pixels.
    `rounding` is what a squared quantisation step of error is worth in bits when latents are rounded in training: with
    it they are rounded as an encoder does it, towards zero where that saves more (an error costs about 8), without it
    to the nearest integer.
    """

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    network: Literal["mean-scale", "spatial", "scale"] = "mean-scale"
    channels: Annotated[int, Field(ge=2)] = 64
    latents: Annotated[int, Field(ge=2, le=768)] = 256
    hyper: Count | None = None
    distortion: Literal["mse", "ms-ssim"] = "mse"
    data: str | None = None
    crop: Annotated[int, Field(ge=64, multiple_of=64)] = 128
    limit: Count | None = None
    rounding: Annotated[float, Field(gt=0)] | None = None

    @property
    def hyper_channels(self) -> int:
        """Channels of the hyper-latent, the default filled in."""
        return self.hyper or self.channels
