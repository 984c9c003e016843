"""The β-VAE as a task: its plain network, its two loss terms in nats, its data and its metrics."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from yoto.apps.vae import losses, metrics
from yoto.apps.vae.network import VAE, VAEOutput, architecture
from yoto.apps.vae.options import VAEOptions
from yoto.errors import YotoError
from yoto.support.precision import wide
from yoto.task import BaseTask

if TYPE_CHECKING:
    import numpy as np

    from yoto.data import Data
    from yoto.task import Split


class VAETask(BaseTask):
    """Terms "reconstruction" (negative log-likelihood) and "kl", in nats per image.

    One latent is drawn per image, from torch's global generator. Images are in [0, 1]; for the Gaussian
    likelihood they are mapped to [-1, 1] here, so that its nats are those of the paper. `options` may be a
    mapping of `VAEOptions`.
    """

    units: Mapping[str, str] = dict.fromkeys(("reconstruction", "kl", "loss"), "nats per image")
    symbols: Mapping[str, str] = {"kl": "β"}

    def __init__(self, options: VAEOptions | dict[str, Any] | None = None) -> None:
        given = options if options is not None else {}
        self.options = given if isinstance(given, VAEOptions) else VAEOptions(**given)

    def network(self) -> nn.Module:
        """A new plain `VAE`, initialised from torch's global generator."""
        return VAE(architecture(self.options))

    def terms(self, net: Any, batch: Tensor, at: Tensor | None = None) -> dict[str, Tensor]:
        """Both terms [B] for images [B, C, H, W] in [0, 1]; `at` plays no part, β only weighs the terms."""
        x = self.scaled(batch)
        out: VAEOutput = net(x)
        return {
            "reconstruction": self.nll(out.parameters, x),
            "kl": losses.kl_to_standard_normal(out.mean, out.sigma),
        }

    def metrics(self, net: Any, batch: Tensor, at: Tensor | None = None) -> dict[str, Tensor]:
        """Mean squared error and PSNR (dB) [B] of the reconstruction from the posterior mean."""
        images = self.reconstruct(net, batch)
        return {"mse": metrics.mean_squared_error(images, batch), "psnr": metrics.psnr(images, batch)}

    def scores(self, net: nn.Module, *, seed: int = 0) -> dict[str, float]:
        """Disentanglement of a network on the shapes world, whose factors are known; nothing for other data sets."""
        if self.options.dataset not in ("shapes", "shapes3d"):
            return {}
        from yoto.apps.vae.disentanglement import measure

        return measure(self, net, seed=seed)

    def data(self, split: Split) -> Data:
        """The images of "train", "validation" or "test" as float [B, C, H, W] in [0, 1] per batch."""
        from yoto.apps.vae.data import load

        return load(self.options, split)

    def examples(self, method: str) -> dict[str, Tensor]:
        """Example inputs of a method of the network, two images or latents.

        Raises:
            YotoError: If there is no such method.
        """
        side, channels = self.options.image
        x, z = torch.rand(2, channels, side, side), torch.randn(2, self.options.latents)
        known = {"forward": {"x": x, "noise": z}, "encode": {"x": x}, "decode": {"z": z}}
        if method not in known:
            raise YotoError(f"`method` should be one of {', '.join(known)}. Found {method!r}.")
        return known[method]

    def picture(self, net: Any, at: Tensor | None = None, *, seed: int) -> np.ndarray:
        """Test images above their reconstructions, above samples from the prior: uint8 [H, W, 3]."""
        from yoto.apps.vae import pictures

        return pictures.overview(self, net, seed=seed)

    def floor(self, split: Split, batch: int = 1000) -> dict[str, float] | None:
        """The least reconstruction term that any model reaches on a split, in nats: the pixels' entropy.

        None for the Gaussian likelihood, a density without such a bound.
        """
        if self.options.likelihood != "bernoulli":
            return None
        data, total = self.data(split), 0.0
        for rows in torch.split(torch.arange(len(data)), batch):
            total += float(losses.bernoulli_floor(data.batch(rows, None)).double().sum())
        return {"reconstruction": total / len(data), "kl": 0.0}

    @torch.no_grad()
    def reconstruct(self, net: Any, images: Tensor) -> Tensor:
        """Expected images [B, C, H, W] in [0, 1], decoded from the posterior means of `images` in [0, 1]."""
        mean, _ = net.encode(self.scaled(images))
        return self.expected(net.decode(mean))

    @torch.no_grad()
    def decode(self, net: Any, z: Tensor) -> Tensor:
        """The expected images [B, C, H, W] in [0, 1] of latents [B, Z]; standard normal ones give samples."""
        return self.expected(net.decode(z))

    def scaled(self, images: Tensor) -> Tensor:
        """Images in [0, 1] as the network and the likelihood take them."""
        return 2 * images - 1 if self.options.likelihood == "gaussian" else images

    def nll(self, parameters: Tensor, scaled: Tensor) -> Tensor:
        """Negative log-likelihood [B] in nats of `scaled` images under the network's output."""
        if self.options.likelihood == "gaussian":
            mean, raw = parameters.chunk(2, dim=1)
            return losses.gaussian_nll(mean, raw, scaled)
        return losses.bernoulli_nll(parameters, scaled)

    def expected(self, parameters: Tensor) -> Tensor:
        """The likelihood's mean as an image in [0, 1], float32."""
        parameters = wide(parameters)
        if self.options.likelihood == "gaussian":
            return ((parameters.chunk(2, dim=1)[0] + 1) / 2).clamp(0, 1)
        return parameters.sigmoid()
