"""Learned image compression as a task: a plain codec network, distortion and rate, photographs and metrics."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from yoto.apps.codec import losses, metrics
from yoto.apps.codec.network import STRIDE, Coded, MeanScaleHyperprior, make_network
from yoto.apps.codec.options import CompressionOptions
from yoto.errors import YotoError
from yoto.task import BaseTask

if TYPE_CHECKING:
    import numpy as np

    from yoto.conditioning import Conditional
    from yoto.data import Data
    from yoto.task import Split

MS_SSIM_UNIT = 1 / 1300
"""A weight on 1 - MS-SSIM as one on the squared error of about the same rate (CompressAI's tables of both)."""
START_CROPS = 200
"""Crops from which the block transform starts; of 128x128 pixels they hold 12,800 blocks."""


class CompressionTask(BaseTask):
    """Terms "distortion" (mean squared error of 8-bit levels, or 1 - MS-SSIM) and "rate" (bits per pixel).

    `options` may be a mapping of `CompressionOptions`.
    """

    symbols: Mapping[str, str] = {"distortion": "λ"}
    better: Mapping[str, str] = {"psnr": "higher", "ms_ssim": "higher"}

    def __init__(self, options: CompressionOptions | dict[str, Any] | None = None) -> None:
        given = options if options is not None else {}
        self.options = given if isinstance(given, CompressionOptions) else CompressionOptions(**given)
        distortion = "squared levels" if self.options.distortion == "mse" else "1 - MS-SSIM"
        self.units = {"distortion": distortion, "rate": "bits per pixel", "loss": "bits per pixel", "psnr": "dB"}

    def network(self) -> nn.Module:
        """A new plain network, initialised from torch's global generator."""
        return make_network(self.options)

    def start(self, model: nn.Module, data: Data, at: Tensor | None) -> None:
        """Set a new mean-scale network to a transform codec of the training crops; see `start.py`.

        Args:
            model: Conditional, or plain for one λ.
            data: The training crops.
            at: λ [D] of a plain network, columns distortion and rate.
        """
        from yoto.apps.codec.start import start_codec, start_conditional
        from yoto.conditioning import Conditional

        plain = model.plain if isinstance(model, Conditional) else model
        if not isinstance(plain, MeanScaleHyperprior):
            return
        unit = 1.0 if self.options.distortion == "mse" else MS_SSIM_UNIT
        crops = data.batch(torch.arange(START_CROPS) % len(data), torch.Generator().manual_seed(0)).cpu()
        if isinstance(model, Conditional):
            start_conditional(model, crops, unit)
        else:
            assert at is not None
            start_codec(plain, crops, unit * float(at[0] / at[1]))

    def extras(self, model: Conditional[Any]) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Integer tables that a codec needs beside the network, and the fingerprint that files name it by.

        Where there are photographs for training, the tables come from what the model makes of them.
        """
        from yoto.apps.codec.counting import counted
        from yoto.apps.codec.format.integer import build, fingerprint

        if model.space.free != ("distortion",):
            return {}, {}
        data = self.crops() if isinstance(model.plain, MeanScaleHyperprior) else None
        known = None if data is None else counted(model, data, self.options.rounding)
        tensors = build(model, known)
        return tensors, {"fingerprint": fingerprint(model, tensors).hex()}

    def crops(self) -> Data | None:
        """The training crops, or None where nothing says where photographs are."""
        try:
            return self.data("train")
        except YotoError:
            if self.options.data is not None:
                raise
            return None

    def terms(self, net: Any, batch: Tensor, at: Tensor | None = None) -> dict[str, Tensor]:
        """Both terms [B] of images [B, 3, H, W] in [0, 1]; `at` plays no part, λ only weighs the terms."""
        coded: Coded = net(self.checked(batch))
        distortion = losses.DISTORTIONS[self.options.distortion](coded.image, batch)
        return {"distortion": distortion, "rate": losses.bits_per_pixel(coded)}

    def metrics(self, net: Any, batch: Tensor, at: Tensor | None = None) -> dict[str, Tensor]:
        """PSNR in dB and MS-SSIM [B] of the image as it would be written, in whole levels."""
        coded: Coded = net(self.checked(batch))
        image = (coded.image.clamp(0, 1) * 255).round() / 255
        return {"psnr": metrics.psnr(image, batch), "ms_ssim": metrics.ms_ssim(image, batch)}

    def data(self, split: Split) -> Data:
        """Random crops for training, whole photographs for validation and testing."""
        from yoto.apps.codec.data import load_photographs

        return load_photographs(self.options, split)

    def picture(self, net: Any, at: Tensor | None = None, *, seed: int) -> np.ndarray:
        """A part of the first test photograph, decoded: uint8 [H, W, 3]."""
        from yoto.apps.codec import pictures

        return pictures.decoded(net, self.data("test").batch(torch.tensor([0])))

    @staticmethod
    def checked(batch: Tensor) -> Tensor:
        """Images whose sides are multiples of 64.

        Raises:
            YotoError: For others.
        """
        if batch.ndim != 4 or batch.shape[1] != 3 or batch.shape[2] % STRIDE or batch.shape[3] % STRIDE:
            raise YotoError(
                f"Images should be [B, 3, H, W] with sides that are multiples of {STRIDE}. Found {tuple(batch.shape)}."
            )
        return batch
