"""What a decoder's output means: a distribution of the pixels, its loss and its expected image."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import Any, ClassVar, final

import torch
from torch import Tensor

from yoto.apps.vae.losses import bernoulli_floor, bernoulli_nll, gaussian_nll
from yoto.support.precision import wide


class Likelihood(ABC):
    """A distribution of images given a decoder's output.

    `outputs`: its parameters per pixel and colour. `bounded`: whether its loss has a lower bound.
    """

    outputs: ClassVar[int]
    bounded: ClassVar[bool]

    @abstractmethod
    def scaled(self, images: Tensor) -> Tensor:
        """Images in [0, 1] as the network and the likelihood take them."""

    @abstractmethod
    def nll(self, parameters: Tensor, scaled: Tensor) -> Tensor:
        """Negative log-likelihood [B] in nats of `scaled` images under the network's output."""

    @abstractmethod
    def expected(self, parameters: Tensor) -> Tensor:
        """The distribution's mean as an image in [0, 1], float32."""

    @abstractmethod
    def floor(self, images: Tensor) -> Tensor:
        """The smallest `nll` [B] that any output reaches for images in [0, 1]; -∞ where there is no bound."""

    @final
    @torch.no_grad()
    def reconstruct(self, net: Any, images: Tensor) -> Tensor:
        """Expected images [B, C, H, W] in [0, 1], decoded from the posterior means of `images` in [0, 1]."""
        mean, _ = net.encode(self.scaled(images))
        return self.expected(net.decode(mean))

    @final
    @torch.no_grad()
    def decode(self, net: Any, z: Tensor) -> Tensor:
        """The expected images [B, C, H, W] in [0, 1] of latents [B, Z]; standard normal ones give samples."""
        return self.expected(net.decode(z))


@final
class Bernoulli(Likelihood):
    """Every colour of a pixel is on with a probability whose logit the decoder gives; grey values are allowed."""

    outputs = 1
    bounded = True

    def scaled(self, images: Tensor) -> Tensor:
        return images

    def nll(self, parameters: Tensor, scaled: Tensor) -> Tensor:
        return bernoulli_nll(parameters, scaled)

    def expected(self, parameters: Tensor) -> Tensor:
        return wide(parameters).sigmoid()

    def floor(self, images: Tensor) -> Tensor:
        return bernoulli_floor(images)


@final
class Gaussian(Likelihood):
    """Independent normals of images in [-1, 1], so that the nats are those of the paper: means, then raw deviations.

    A density: its loss has no bound.
    """

    outputs = 2
    bounded = False

    def scaled(self, images: Tensor) -> Tensor:
        return 2 * images - 1

    def nll(self, parameters: Tensor, scaled: Tensor) -> Tensor:
        mean, raw = parameters.chunk(2, dim=1)
        return gaussian_nll(mean, raw, scaled)

    def expected(self, parameters: Tensor) -> Tensor:
        return ((wide(parameters).chunk(2, dim=1)[0] + 1) / 2).clamp(0, 1)

    def floor(self, images: Tensor) -> Tensor:
        return images.new_full((len(images),), -math.inf)


LIKELIHOODS: dict[str, Likelihood] = {"bernoulli": Bernoulli(), "gaussian": Gaussian()}
"""By the name that options have."""
