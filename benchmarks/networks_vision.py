"""Random networks of timm and segmentation-models-pytorch, by the names of networks.csv."""

from __future__ import annotations

from torch import nn

DEPTH = {
    "beitv2_base_patch16_224": {"depth": 2, "embed_dim": 96, "num_heads": 3},
    "deepseek_vit_412m": {"depth": 1},
    "gemma4_vit_167m": {"depth": 2},
    "naflexvit_base_patch16_gap": {"depth": 2, "embed_dim": 96, "num_heads": 3},
    "qwen3_vit_88m": {"depth": 2},
    "vit_relpos_small_patch16_224": {"depth": 2},
}
"""Settings of the rows that would be large; the others are as timm makes them."""


def make(name: str) -> nn.Module:
    """The network of a row of segmentation-models-pytorch ("Unet tu-resnet18")."""
    import segmentation_models_pytorch as smp

    kind, *encoder = name.split()
    return getattr(smp, kind)(encoder_name=encoder[0] if encoder else "tu-resnet18", encoder_weights=None, classes=3)


def make_timm(name: str, size: int) -> nn.Module:
    """A network of timm for square pictures of `size` pixels, with ten classes."""
    import timm

    settings = {"pretrained": False, "num_classes": 10, **DEPTH.get(name, {})}
    try:
        return timm.create_model(name, img_size=size, **settings)
    except TypeError:
        return timm.create_model(name, **settings)
