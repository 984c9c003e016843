"""Small random networks of further libraries, by the names of networks.csv."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

VIT = {"image_size": 32, "patch_size": 8, "num_classes": 10, "dim": 32, "heads": 4, "mlp_dim": 48}


class OverNodes(nn.Module):
    """A layer of torch_geometric over nodes as samples, without edges between them."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: Tensor) -> Tensor:
        """The layer's output for nodes [B, C]."""
        return self.layer(x, torch.zeros(2, 0, dtype=torch.long))


def mlp(*sizes: int) -> nn.Sequential:
    """Linear layers with ReLUs between."""
    layers: list[nn.Module] = []
    for inputs_, outputs in pairwise(sizes):
        layers += [nn.Linear(inputs_, outputs), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


MAKE: dict[str, tuple[str, Callable[[Any], nn.Module]]] = {
    "compressai JointAutoregressive (masked conv)": (
        "compressai.models",
        lambda m: m.JointAutoregressiveHierarchicalPriors(8, 12),
    ),
    "compressai Elic2022Chandelier": ("compressai.models", lambda m: m.Elic2022Chandelier(N=24, M=40, groups=[8, 32])),
    "compressai ScaleSpaceFlow (list of frames)": ("compressai.models.video.google", lambda m: m.ScaleSpaceFlow()),
    "torch_geometric GCNConv": ("torch_geometric.nn", lambda m: OverNodes(m.GCNConv(8, 6))),
    "torch_geometric GATConv": ("torch_geometric.nn", lambda m: OverNodes(m.GATConv(8, 6, heads=2))),
    "torch_geometric GINConv": ("torch_geometric.nn", lambda m: OverNodes(m.GINConv(mlp(8, 16, 16, 16, 6)))),
    "torch_geometric BasicGNN GCN": ("torch_geometric.nn", lambda m: m.GCN(8, 16, 2, 4)),
    "rtdl ResNet": (
        "rtdl_revisiting_models",
        lambda m: m.ResNet(
            d_in=8, d_out=2, n_blocks=2, d_block=16, d_hidden=24, d_hidden_multiplier=None, dropout1=0.0, dropout2=0.0
        ),
    ),
    "rtdl FTTransformer": (
        "rtdl_revisiting_models",
        lambda m: m.FTTransformer(
            n_cont_features=6,
            cat_cardinalities=[3, 4],
            d_out=2,
            n_blocks=2,
            d_block=16,
            attention_n_heads=2,
            attention_dropout=0.0,
            ffn_d_hidden=24,
            ffn_d_hidden_multiplier=None,
            ffn_dropout=0.0,
            residual_dropout=0.0,
        ),
    ),
    "rtdl num embeddings + MLP": (
        "rtdl_num_embeddings",
        lambda m: nn.Sequential(
            m.PeriodicEmbeddings(6, 8, n_frequencies=4, lite=False),
            nn.Flatten(),
            nn.Linear(48, 16),
            nn.ReLU(),
            nn.Linear(16, 2),
        ),
    ),
    "neuralop FNO 2d": (
        "neuralop.models",
        lambda m: m.FNO(n_modes=(4, 4), hidden_channels=8, in_channels=1, out_channels=1, n_layers=2),
    ),
    "neuralop FNO 2d instance norm": (
        "neuralop.models",
        lambda m: m.FNO(
            n_modes=(4, 4), hidden_channels=8, in_channels=1, out_channels=1, n_layers=2, norm="instance_norm"
        ),
    ),
    "neuralop UNO": (
        "neuralop.models",
        lambda m: m.UNO(
            in_channels=1,
            out_channels=1,
            hidden_channels=8,
            n_layers=3,
            channel_mlp_skip="linear",
            uno_out_channels=[8, 8, 8],
            uno_n_modes=[[4, 4]] * 3,
            uno_scalings=[[1.0, 1.0], [0.5, 0.5], [2.0, 2.0]],
        ),
    ),
    "vit_pytorch ViT": ("vit_pytorch", lambda m: m.ViT(**VIT, depth=2)),
    "vit_pytorch SimpleViT": ("vit_pytorch", lambda m: m.SimpleViT(**VIT, depth=2)),
    "vit_pytorch CaiT": ("vit_pytorch.cait", lambda m: m.CaiT(**VIT, depth=2, cls_depth=1)),
    "vit_pytorch CCT": (
        "vit_pytorch.cct",
        lambda m: m.CCT(
            img_size=32,
            embedding_dim=32,
            n_conv_layers=1,
            kernel_size=7,
            num_layers=2,
            num_heads=4,
            mlp_ratio=2,
            num_classes=10,
            positional_embedding="learnable",
        ),
    ),
    "vit_pytorch MaxViT (windows)": (
        "vit_pytorch.max_vit",
        lambda m: m.MaxViT(num_classes=10, dim=16, depth=(1, 1), dim_head=8, dim_conv_stem=8, window_size=2),
    ),
    "x_transformers Decoder rmsnorm rotary glu": (
        "x_transformers",
        lambda m: m.TransformerWrapper(
            num_tokens=100,
            max_seq_len=16,
            attn_layers=m.Decoder(dim=32, depth=2, heads=4, use_rmsnorm=True, rotary_pos_emb=True, ff_glu=True),
        ),
    ),
}
SHARED = {"torch_geometric BasicGNN GCN": (1,)}
"""Numbers of inputs that hold no samples: edges."""


def make(name: str) -> nn.Module:
    """The network of a row."""
    module, function = MAKE[name]
    return function(import_module(module))


def inputs(name: str, shapes: list[tuple[int, ...]]) -> tuple[Any, ...]:
    """The arguments of a row, for the shapes of its column."""
    generator = torch.Generator().manual_seed(0)

    def noise(shape: tuple[int, ...]) -> Tensor:
        return torch.randn(shape, generator=generator)

    if name.startswith("x_transformers"):
        return (torch.randint(5, 90, shapes[0], generator=generator),)
    if "ScaleSpaceFlow" in name:
        return ([noise((3, 3, 128, 128)) for _ in range(2)],)
    if "FTTransformer" in name:
        return noise(shapes[0]), torch.randint(0, 3, shapes[1], generator=generator)
    if "BasicGNN" in name:
        return noise(shapes[0]), torch.zeros(shapes[1], dtype=torch.long)
    return (noise(shapes[0]),)
