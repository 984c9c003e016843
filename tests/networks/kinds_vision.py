"""Kinds of networks for pictures: convolutions, norms and windows."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from networks.kinds import B, kind, noise


class NormAct(nn.BatchNorm2d):
    """A norm and its activation in one module, as timm has them."""

    def __init__(self, channels, act=None):
        super().__init__(channels)
        self.drop, self.act = nn.Identity(), act or nn.ReLU()

    def forward(self, x):
        return self.act(self.drop(super().forward(x)))


@kind("norm and activation in one module", noise(B, 3, 12, 12), sites=("1", "3", "4"), left_out=("0", "2"), share=1.0)
def norm_act():
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, bias=False), NormAct(8), nn.Conv2d(8, 8, 3, bias=False), NormAct(8), nn.Conv2d(8, 4, 1)
    )


class GroupNormAct(nn.GroupNorm):
    def forward(self, x):
        return functional.silu(super().forward(x))


@kind("group norm and activation in one module", noise(B, 3, 8, 8), share=1.0)
def group_norm_act():
    return nn.Sequential(nn.Conv2d(3, 8, 3), GroupNormAct(2, 8), nn.Conv2d(8, 4, 1))


class LayerNorm2d(nn.LayerNorm):
    """A LayerNorm over the channels of maps."""

    def forward(self, x):
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


@kind("layer norm over channels-first maps", noise(B, 3, 8, 8), sites=("0", "1", "3"))
def layer_norm_2d():
    return nn.Sequential(nn.Conv2d(3, 8, 3), LayerNorm2d(8), nn.GELU(), nn.Conv2d(8, 4, 1))


class EitherLayerNorm(nn.LayerNorm):
    """Channels-first for maps, channels-last for tokens (segmentation-models-pytorch)."""

    def forward(self, x):
        if x.ndim == 4:
            return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
        return super().forward(x)


@kind("layer norm over maps or tokens, by their dimensions", noise(B, 3, 6, 10))
class Either(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.norm, self.tokens = nn.Conv2d(3, 8, 3, padding=1), EitherLayerNorm(8), EitherLayerNorm(8)
        self.head = nn.Linear(8, 4)

    def forward(self, x):
        x = self.norm(self.conv(x)).relu()
        return self.head(self.tokens(x.flatten(2).transpose(1, 2)))


@kind("layer norm over maps, as wide as it has channels", noise(B, 3, 8, 8))
class EitherSquare(Either):
    pass


class OwnRms2d(nn.Module):
    """RMSNorm over the channels of maps, a class of its own."""

    def __init__(self, channels):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))

    def forward(self, x):
        return x * torch.rsqrt(x.square().mean(1, keepdim=True) + 1e-6) * self.weight[:, None, None]


@kind("RMSNorm of its own class over maps", noise(B, 3, 8, 8), sites=("0", "1", "3"))
def own_rms_2d():
    return nn.Sequential(nn.Conv2d(3, 8, 3), OwnRms2d(8), nn.ReLU(), nn.Conv2d(8, 4, 1))


@kind("lists of convolutions and of norms", noise(B, 8, 9, 9), left_out=("convs.0", "convs.1", "convs.2"), share=1.0)
class Lists(nn.Module):
    """Res2Net: registered list by list, used pair by pair."""

    def __init__(self):
        super().__init__()
        self.convs = nn.ModuleList(nn.Conv2d(8, 8, 3, padding=1, bias=False) for _ in range(3))
        self.norms = nn.ModuleList(nn.BatchNorm2d(8) for _ in range(3))

    def forward(self, x):
        for conv, norm in zip(self.convs, self.norms, strict=True):
            x = torch.relu(norm(conv(x)))
        return x


@kind("registered in another order than used", noise(B, 1, 9, 9), left_out=("conv1", "conv2"), share=1.0)
class Order(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(1, 8, 3, bias=False), nn.Conv2d(8, 8, 3, bias=False)
        self.norm1, self.norm2 = nn.InstanceNorm2d(8, affine=True), nn.InstanceNorm2d(8, affine=True)
        self.head = nn.Conv2d(8, 1, 1)

    def forward(self, x):
        return self.head(self.norm2(self.conv2(self.norm1(self.conv1(x)).relu())))


@kind("norms without affine parameters", noise(B, 1, 10, 10), share=0.2)
def affine_free():
    """MONAI's default: a convolution in front of such a norm is undone by it, the activation behind can carry λ."""
    return nn.Sequential(
        nn.Conv2d(1, 8, 3), nn.InstanceNorm2d(8), nn.PReLU(), nn.Conv2d(8, 8, 3), nn.PReLU(), nn.Conv2d(8, 1, 1)
    )


class ScaledStdConv(nn.Conv2d):
    """A convolution with standardised weights and a gain of its own (NFNet)."""

    def __init__(self, inputs, outputs, size):
        super().__init__(inputs, outputs, size)
        self.gain = nn.Parameter(torch.ones(outputs, 1, 1, 1))

    def forward(self, x):
        weight = self.weight
        std, mean = torch.std_mean(weight, (1, 2, 3), keepdim=True)
        return functional.conv2d(x, self.gain * (weight - mean) / (std + 1e-5), self.bias)


@kind("convolutions with standardised weights and a gain", noise(B, 3, 9, 9), sites=("0", "2", "4"), share=1.0)
def scaled_std():
    return nn.Sequential(ScaledStdConv(3, 8, 3), nn.SiLU(), ScaledStdConv(8, 8, 3), nn.SiLU(), nn.Conv2d(8, 4, 1))


class StdConv(nn.Conv2d):
    """A convolution with standardised weights and no gain (BiT): only its bias could follow λ."""

    def forward(self, x):
        std, mean = torch.std_mean(self.weight, (1, 2, 3), keepdim=True)
        return functional.conv2d(x, (self.weight - mean) / (std + 1e-5), self.bias)


@kind("convolutions with standardised weights and no gain", noise(B, 3, 9, 9), sites=("1", "4"), share=0.6)
def standardised():
    """Left out in favour of the norms."""
    return nn.Sequential(StdConv(3, 8, 3), nn.GroupNorm(2, 8), nn.ReLU(), StdConv(8, 8, 3), nn.Conv2d(8, 4, 1))


@kind("GRN and layer scale", noise(B, 3, 8, 8), sites=("stem", "norm", "up", "down"))
class ConvNextBlock(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem, self.depthwise = nn.Conv2d(3, 8, 2, 2), nn.Conv2d(8, 8, 3, padding=1, groups=8)
        self.norm, self.up, self.down = nn.LayerNorm(8), nn.Linear(8, 16), nn.Linear(16, 8)
        self.grn, self.scale = Grn(16), LayerScale(8)

    def forward(self, x):
        x = self.stem(x)
        y = self.norm(self.depthwise(x).permute(0, 2, 3, 1))
        y = self.scale(self.down(self.grn(functional.gelu(self.up(y)))))
        return x + y.permute(0, 3, 1, 2)


class Grn(nn.Module):
    """Global response normalisation of ConvNeXt V2."""

    def __init__(self, channels):
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.zeros(channels)), nn.Parameter(torch.zeros(channels))

    def forward(self, x):
        norm = x.norm(dim=(1, 2), keepdim=True)
        return x + self.bias + self.weight * (x * norm / (norm.mean(-1, keepdim=True) + 1e-6))


class LayerScale(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.gamma = nn.Parameter(1e-5 * torch.ones(channels))

    def forward(self, x):
        return x * self.gamma


@kind("re-parameterisable branches", noise(B, 3, 9, 9), share=1.0)
class MobileOne(nn.Module):
    """Branches in lists, each a convolution and a norm, one a norm alone; their sum goes through the activation."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, padding=1)
        self.branches = nn.ModuleList(
            nn.Sequential(nn.Conv2d(8, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8)) for _ in range(3)
        )
        self.identity, self.reparam_conv = nn.BatchNorm2d(8), None
        self.se = nn.Identity()

    def forward(self, x):
        x = self.stem(x)
        if self.reparam_conv is not None:
            return self.reparam_conv(x)
        return torch.relu(self.se(self.identity(x) + sum(branch(x) for branch in self.branches)))


class Attention(nn.Module):
    def __init__(self, width=8, heads=2):
        super().__init__()
        self.heads, self.qkv, self.out = heads, nn.Linear(width, 3 * width), nn.Linear(width, width)

    def forward(self, x, bias=None):
        B, N, C = x.shape
        q, k, v = self.qkv(x).view(B, N, 3, self.heads, C // self.heads).permute(2, 0, 3, 1, 4)
        y = functional.scaled_dot_product_attention(q, k, v, attn_mask=bias)
        return self.out(y.transpose(1, 2).reshape(B, N, C))


def windows(x, size):
    """Maps [B, H, W, C] to windows [B·n, size², C], those of a picture in a row."""
    B, H, W, C = x.shape
    x = x.view(B, H // size, size, W // size, size, C).transpose(2, 3)
    return x.reshape(-1, size * size, C)


def joined(x, size, height, width):
    x = x.view(-1, height // size, width // size, size, size, x.shape[-1]).transpose(2, 3)
    return x.reshape(-1, height, width, x.shape[-1])


@kind(
    "shifted windows with a table of relative positions",
    noise(B, 3, 16, 16),
    left_out=("position.0", "position.2"),
    share=0.7,
)
class Swin(nn.Module):
    """Swin V2: windows as samples, and a network that makes the biases from a table without samples."""

    def __init__(self):
        super().__init__()
        self.patch, self.norm1, self.norm2 = nn.Conv2d(3, 8, 2, 2), nn.LayerNorm(8), nn.LayerNorm(8)
        self.first, self.second = Attention(), Attention()
        self.position = nn.Sequential(nn.Linear(2, 16), nn.ReLU(), nn.Linear(16, 2, bias=False))
        grid = torch.stack(torch.meshgrid(*[torch.arange(4.0)] * 2, indexing="ij"), -1).view(-1, 2)
        self.register_buffer("table", grid[:, None] - grid[None])

    def forward(self, x):
        x = self.patch(x).permute(0, 2, 3, 1)
        bias = self.position(self.table).permute(2, 0, 1)
        H, W = x.shape[1:3]
        x = x + joined(self.first(windows(self.norm1(x), 4), bias), 4, H, W)
        shifted = torch.roll(self.norm2(x), (-2, -2), (1, 2))
        return x + torch.roll(joined(self.second(windows(shifted, 4), bias), 4, H, W), (2, 2), (1, 2))


@kind("a grid of windows that are tiled", noise(B, 3, 8, 8))
class Tiled(nn.Module):
    """Windows first, samples inside: the batch tiled k times (rearrange of '(b x y)' as '(x y b)')."""

    def __init__(self):
        super().__init__()
        self.patch, self.mix, self.head = nn.Conv2d(3, 8, 1), nn.Linear(8, 8), nn.Linear(8, 4)

    def forward(self, x):
        x = self.patch(x).permute(0, 2, 3, 1)
        B, H, W, C = x.shape
        x = x.view(B, H // 4, 4, W // 4, 4, C).permute(1, 3, 0, 2, 4, 5).reshape(-1, 16, C)
        x = self.mix(x).relu()
        x = x.view(H // 4, W // 4, B, 4, 4, C).permute(2, 0, 3, 1, 4, 5).reshape(B, H, W, C)
        return self.head(x)


@kind("levels in a row of samples", noise(B, 3, 14, 14))
class LevitNorm(nn.Module):
    """LeViT: a batch norm over tokens flattened with the samples."""

    def __init__(self):
        super().__init__()
        self.patch, self.linear, self.norm = nn.Conv2d(3, 8, 2, 2), nn.Linear(8, 8, bias=False), nn.BatchNorm1d(8)
        self.head = nn.Linear(8, 4)

    def forward(self, x):
        x = self.linear(self.patch(x).flatten(2).transpose(1, 2))
        return self.head(self.norm(x.flatten(0, 1)).reshape_as(x).relu().mean(1))


@kind("learned queries as many as samples", noise(B, 7, 16), left_out=("query",), share=0.6)
class Queries(nn.Module):
    def __init__(self, count=B):
        super().__init__()
        self.q = nn.Parameter(torch.randn(count, 16))
        self.query, self.key, self.head = nn.Linear(16, 16), nn.Linear(16, 16), nn.Linear(16, 4)

    def forward(self, x):
        return self.head(torch.softmax(self.query(self.q) @ self.key(x).transpose(1, 2), -1) @ x)


@kind("a layer with two layouts", noise(B, 2, 3, 8, 8), sites=("trunk.0", "trunk.2"))
class Siamese(nn.Module):
    """A trunk that runs over both pictures at once [2·B, …] and then over their difference [B, …]."""

    def __init__(self):
        super().__init__()
        self.trunk = nn.Sequential(nn.Conv2d(3, 3, 3, padding=1), nn.ReLU(), nn.Conv2d(3, 3, 1))
        self.head = nn.Linear(3, 2)

    def forward(self, x):
        a, b = self.trunk(torch.cat([x[:, 0], x[:, 1]])).chunk(2)
        return self.head(self.trunk(a - b).mean((2, 3)))


@kind("frames folded into the batch and back", noise(B, 4, 5, 6, 6))
class Frames(nn.Module):
    """UNet3D: spatial layers over [B·T, C, H, W], temporal ones over [B·H·W, T, C]."""

    def __init__(self):
        super().__init__()
        self.spatial, self.norm = nn.Conv2d(4, 8, 3, padding=1), nn.GroupNorm(2, 8)
        self.temporal, self.out = Attention(), nn.Conv2d(8, 4, 1)

    def forward(self, x):
        B, C, T, H, W = x.shape
        x = functional.silu(self.norm(self.spatial(x.transpose(1, 2).reshape(B * T, C, H, W))))
        y = x.view(B, T, -1, H, W).permute(0, 3, 4, 1, 2).reshape(B * H * W, T, -1)
        y = self.temporal(y).view(B, H, W, T, -1).permute(0, 3, 4, 1, 2).reshape(B * T, -1, H, W)
        return self.out(x + y).view(B, T, C, H, W).transpose(1, 2)


@kind("a norm over channels and places", noise(B, 3, 16, 16), sites=("norm", "out"))
class NormOverAll(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.norm, self.out = nn.Conv2d(3, 8, 3, padding=1), nn.LayerNorm([8, 16, 16]), nn.Conv2d(8, 2, 1)

    def forward(self, x):
        return self.out(self.norm(self.conv(x)).relu())
