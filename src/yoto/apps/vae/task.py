"""The β-VAE as a task: its plain network, its two loss terms in nats, its data and its metrics."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from yoto.apps.vae import losses, metrics
from yoto.apps.vae.likelihood import LIKELIHOODS
from yoto.apps.vae.network import VAE, VAEOutput, architecture
from yoto.apps.vae.options import VAEOptions
from yoto.errors import YotoError
from yoto.task import BaseTask

if TYPE_CHECKING:
    import numpy as np

    from yoto.data import Data
    from yoto.task import Split

SHOWN = 10
"""Test images in a task's picture."""


class VAETask(BaseTask):
    """Terms "reconstruction" (negative log-likelihood) and "kl", in nats per image.

    One latent is drawn per image, from torch's global generator. Images are in [0, 1]; `likelihood` says how the
    network takes and gives them. `options` may be a mapping of `VAEOptions`.
    """

    units: Mapping[str, str] = dict.fromkeys(("reconstruction", "kl", "loss"), "nats per image")
    symbols: Mapping[str, str] = {"kl": "β"}
    better: Mapping[str, str] = {
        "mse": "lower",
        **dict.fromkeys(("psnr", "mutual_information_gap", "factorvae_score"), "higher"),
    }

    def __init__(self, options: VAEOptions | dict[str, Any] | None = None) -> None:
        given = options if options is not None else {}
        self.options = given if isinstance(given, VAEOptions) else VAEOptions(**given)
        self.likelihood = LIKELIHOODS[self.options.likelihood]

    def network(self) -> nn.Module:
        """A new plain `VAE`, initialised from torch's global generator."""
        return VAE(architecture(self.options))

    def terms(self, net: Any, batch: Tensor, at: Tensor | None = None) -> dict[str, Tensor]:
        """Both terms [B] for images [B, C, H, W] in [0, 1]; `at` plays no part, β only weighs the terms."""
        x = self.likelihood.scaled(batch)
        out: VAEOutput = net(x)
        return {
            "reconstruction": self.likelihood.nll(out.parameters, x),
            "kl": losses.kl_to_standard_normal(out.mean, out.sigma),
        }

    def metrics(self, net: Any, batch: Tensor, at: Tensor | None = None) -> dict[str, Tensor]:
        """Mean squared error and PSNR (dB) [B] of the reconstruction from the posterior mean."""
        images = self.likelihood.reconstruct(net, batch)
        return {"mse": metrics.mean_squared_error(images, batch), "psnr": metrics.psnr(images, batch)}

    def scores(self, net: nn.Module, *, seed: int = 0) -> dict[str, float]:
        """Disentanglement of a network on the shapes world, whose factors are known; nothing for other data sets."""
        if self.options.dataset not in ("shapes", "shapes3d"):
            return {}
        from yoto.apps.vae.disentanglement import measure

        return measure(self.likelihood, net, seed=seed)

    def data(self, split: Split) -> Data:
        """The images of "train", "validation" or "test" as float [B, C, H, W] in [0, 1] per batch."""
        from yoto.apps.vae.data import load_images

        return load_images(self.options, split)

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

        data = self.data("test")
        chosen = torch.randperm(len(data), generator=torch.Generator().manual_seed(seed))[:SHOWN]
        z = pictures.draw_latents(2 * SHOWN, self.options.latents, seed)
        return pictures.overview(self.likelihood, net, data.batch(chosen, None), z)

    def floor(self, split: Split, batch: int = 1000) -> dict[str, float] | None:
        """The least reconstruction term that any model reaches on a split, in nats: the pixels' entropy.

        None for the Gaussian likelihood, a density without such a bound.
        """
        if not self.likelihood.bounded:
            return None
        data, total = self.data(split), 0.0
        for rows in torch.split(torch.arange(len(data)), batch):
            total += float(self.likelihood.floor(data.batch(rows, None)).double().sum())
        return {"reconstruction": total / len(data), "kl": 0.0}
