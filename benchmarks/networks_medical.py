"""Small random networks of monai, by the names of networks.csv."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

KIND = {"spatial_dims": 2, "in_channels": 1}
BLOCKS = {"spatial_dims": 2, "in_shape": (1, 32, 32), "channels": (4, 8), "strides": (2, 2)}
MAKE: dict[str, Callable[[Any], nn.Module]] = {
    "BasicUNet": lambda m: m.BasicUNet(**KIND, out_channels=2, features=(8, 8, 16, 16, 32, 8)),
    "AttentionUnet": lambda m: m.AttentionUnet(**KIND, out_channels=2, channels=(4, 8, 16), strides=(2, 2)),
    "DynUNet": lambda m: m.DynUNet(
        **KIND,
        out_channels=2,
        kernel_size=[3, 3, 3, 3],
        strides=[1, 2, 2, 2],
        upsample_kernel_size=[2, 2, 2],
        filters=[4, 8, 8, 16],
        norm_name=("INSTANCE", {"affine": True}),
    ),
    "SegResNet": lambda m: m.SegResNet(**KIND, out_channels=2, blocks_down=(1, 1), blocks_up=(1,)),
    "SwinUNETR 2D": lambda m: m.SwinUNETR(**KIND, out_channels=2, feature_size=12, depths=(2, 2, 2, 2)),
    "SwinUNETR 3D": lambda m: m.SwinUNETR(
        spatial_dims=3, in_channels=1, out_channels=2, feature_size=12, depths=(1, 1, 1, 1)
    ),
    "UNETR": lambda m: m.UNETR(
        **KIND, out_channels=2, img_size=32, feature_size=8, hidden_size=48, mlp_dim=64, num_heads=4, norm_name="batch"
    ),
    "VNet": lambda m: m.VNet(spatial_dims=3, in_channels=1, out_channels=2),
    "AutoEncoder": lambda m: m.AutoEncoder(**KIND, out_channels=1, channels=(4, 8), strides=(2, 2)),
    "VarAutoEncoder": lambda m: m.VarAutoEncoder(**BLOCKS, out_channels=1, latent_size=4),
    "DenseNet121": lambda m: m.DenseNet121(**KIND, out_channels=3),
    "EfficientNetBN b0": lambda m: m.EfficientNetBN("efficientnet-b0", **KIND, num_classes=3, pretrained=False),
    "ResNet10 3D": lambda m: m.resnet10(spatial_dims=3, n_input_channels=1, num_classes=3),
    "ViT": lambda m: m.ViT(
        in_channels=1,
        img_size=(32, 32),
        patch_size=(8, 8),
        hidden_size=48,
        mlp_dim=64,
        num_layers=2,
        num_heads=4,
        spatial_dims=2,
        classification=True,
        num_classes=3,
    ),
    "AutoencoderKL": lambda m: m.AutoencoderKL(
        **KIND,
        out_channels=1,
        num_res_blocks=(1, 1, 1),
        channels=(8, 8, 16),
        attention_levels=(False, False, True),
        latent_channels=3,
        norm_num_groups=4,
    ),
    "MedNeXt": lambda m: m.MedNeXt(
        **KIND,
        out_channels=2,
        init_filters=8,
        blocks_down=(1, 1, 1),
        blocks_up=(1, 1, 1),
        blocks_bottleneck=1,
        encoder_expansion_ratio=(2, 2, 2),
        decoder_expansion_ratio=(2, 2, 2),
    ),
    "SENet154-like SEResNet50": lambda m: m.SEResNet50(**KIND, num_classes=3),
    "Regressor (in_shape)": lambda m: m.Regressor(
        in_shape=(1, 32, 32), out_shape=(2,), channels=(4, 8), strides=(2, 2)
    ),
}


def make(name: str) -> nn.Module:
    """The network of a row."""
    from monai.networks import nets

    net = MAKE[name](nets)
    return calibrated(net) if name.startswith("EfficientNet") else net


@torch.no_grad()
def calibrated(net: nn.Module) -> nn.Module:
    """A network with the statistics of random pictures in its batch norms: else its signal dies out."""
    norms = [module for module in net.train().modules() if isinstance(module, nn.BatchNorm2d)]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.momentum = 1.0
    net(torch.randn(8, 1, 32, 32))
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
    return net
