"""Kinds that are about how a network is put together: graphs, closures, parametrisations, outputs and objects."""

from __future__ import annotations

import threading

import torch
from torch import nn
from torch.nn import functional

from networks.kinds import B, kind, noise


@kind("fx graph", noise(B, 8), sites=("0", "2"))
def graph():
    return torch.fx.symbolic_trace(nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 2)))


@kind("a closure over a layer", noise(B, 8), sites=("inner", "out"), share=1.0)
class Closure(nn.Module):
    """The lambda runs the original layer whatever a copy holds, unless it is led to the copy's."""

    def __init__(self):
        super().__init__()
        self.inner, self.out = nn.Linear(8, 8), nn.Linear(8, 2)
        self.function = lambda x, layer=self.inner: torch.relu(layer(x))

    def forward(self, x):
        return self.out(self.function(x))


@kind("a closure over the whole network", noise(B, 8), sites=("inner", "out"))
class ClosureSelf(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner, self.out = nn.Linear(8, 8), nn.Linear(8, 2)
        self.function = lambda x: self.out(torch.relu(self.inner(x)))

    def forward(self, x):
        return self.function(x)


@kind("a hook that stores features in the network", noise(B, 8), sites=("body.0", "body.2", "out"))
class Extractor(nn.Module):
    """The usual feature extractor: its hook's closure holds the network."""

    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(8, 8), nn.Tanh(), nn.Linear(8, 8))
        self.out, self.features = nn.Linear(8, 2), {}
        self.body[0].register_forward_hook(self.keeper("first"))

    def keeper(self, name):
        def keep(_, inputs, output):
            self.features[name] = output

        return keep

    def forward(self, x):
        return self.body(x)[:, :2] + self.out(self.features["first"].tanh())


@kind("an object that keeps a layer", noise(B, 8), left_out=("inner",), sites=("out",), share=0.5)
class Kept(nn.Module):
    """The object runs the layer of the plain network, not the bound one."""

    class Keeper:
        """Runs a layer."""

        def __init__(self, layer):
            self.layer = layer

        def __call__(self, x):
            return torch.relu(self.layer(x))

    def __init__(self):
        super().__init__()
        self.inner, self.out = nn.Linear(8, 8), nn.Linear(8, 2)
        self.function = self.Keeper(self.inner)

    def forward(self, x):
        return self.out(self.function(x))


@kind("forward chosen in the constructor", noise(B, 8), sites=("inner", "out"))
class Switch(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner, self.out = nn.Linear(8, 8), nn.Linear(8, 2)
        self.forward = self.fast

    def fast(self, x):
        return self.out(torch.relu(self.inner(x)))


@kind("weight normalisation by parametrisation", noise(B, 4, 8), sites=("0", "2", "4"), share=1.0)
def parametrised():
    normed = nn.utils.parametrizations.weight_norm
    convolutions = normed(nn.Conv1d(4, 8, 3)), nn.ELU(), normed(nn.Conv1d(8, 8, 3, bias=False)), nn.ELU()
    return nn.Sequential(*convolutions, nn.Conv1d(8, 2, 1))


@kind(
    "spectral normalisation and transposed weight normalisation",
    noise(B, 4, 8),
    sites=("4",),
    left_out=("0", "2"),
    share=0.3,
)
def other_parametrisations():
    parametrised = nn.utils.parametrizations
    first = parametrised.spectral_norm(nn.Conv1d(4, 8, 3)).eval()
    second = parametrised.weight_norm(nn.ConvTranspose1d(8, 8, 3))
    return nn.Sequential(first, nn.ELU(), second, nn.ELU(), nn.Conv1d(8, 2, 1))


@kind("linear layer of its own class", noise(B, 8), sites=("0", "2", "3"))
def own_linear():
    return nn.Sequential(Dense(8, 8), nn.ReLU(), Dense(8, 8), nn.Linear(8, 2))


class Dense(nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.randn(outputs, inputs)), nn.Parameter(torch.zeros(outputs))

    def forward(self, x):
        return nn.functional.linear(x, self.weight, self.bias)


@kind("graph convolutions", (noise(B, 5, 8), torch.tensor([[0, 1, 2, 3], [1, 2, 3, 4]])), shared=(1,))
class Graph(nn.Module):
    """Graphs in a batch with the same edges; layers as graph libraries have them, the bias added behind the sum."""

    def __init__(self):
        super().__init__()
        self.first, self.second, self.bias = Dense(8, 8), Dense(8, 4), nn.Parameter(torch.zeros(8))

    def forward(self, x, edges):
        source, target = edges
        x = torch.zeros_like(x).index_add(1, target, self.first(x)[:, source]) + self.bias
        return self.second(x.relu())


@kind("one layer called twice", noise(B, 8), sites=("shared", "out"))
class Twice(nn.Module):
    def __init__(self):
        super().__init__()
        self.shared, self.out = nn.Linear(8, 8), nn.Linear(8, 2)
        self.again = self.shared

    def forward(self, x):
        return self.out(self.again(torch.relu(self.shared(x))))


@kind("an attribute that cannot be copied", noise(B, 4), refused="lock")
class Lock(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner, self.lock = nn.Linear(4, 4), threading.Lock()

    def forward(self, x):
        return self.inner(x)


@kind("a state that holds more than tensors", noise(B, 4))
class State(nn.Module):
    """neuraloperator stores what it was made with beside its weights."""

    def __init__(self):
        super().__init__()
        self.inner, self.out = nn.Linear(4, 4), nn.Linear(4, 2)

    def state_dict(self, *args, **kwargs):
        state = super().state_dict(*args, **kwargs)
        state["_metadata_"] = {"version": 1}
        return state

    def load_state_dict(self, state_dict, *args, **kwargs):
        return super().load_state_dict({k: v for k, v in state_dict.items() if k != "_metadata_"}, *args, **kwargs)

    def forward(self, x):
        return self.out(self.inner(x).relu())


@kind("complex weights", noise(B, 2, 16))
class Fourier(nn.Module):
    """A spectral layer of a neural operator, beside a convolution."""

    def __init__(self):
        super().__init__()
        self.lift, self.skip, self.out = nn.Conv1d(2, 8, 1), nn.Conv1d(8, 8, 1), nn.Conv1d(8, 1, 1)
        self.spectral = nn.Parameter(0.2 * torch.randn(8, 8, 5, dtype=torch.cfloat))

    def forward(self, x):
        x = self.lift(x)
        modes = torch.einsum("bim,iom->bom", torch.fft.rfft(x)[..., :5], self.spectral)
        return self.out(torch.nn.functional.gelu(torch.fft.irfft(modes, n=x.shape[-1]) + self.skip(x)))


@kind("sines of large arguments", noise(B, 2))
class Sines(nn.Module):
    """SIREN: float32's rounding grows; a fold that is right in float64 is right."""

    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(2, 64), nn.Linear(64, 64), nn.Linear(64, 3)])

    def forward(self, x):
        for layer in self.layers[:-1]:
            x = torch.sin(30 * layer(x))
        return self.layers[-1](x)


@kind("a layer that never runs", noise(B, 4))
class Unused(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner, self.out, self.pooler = nn.Linear(4, 4), nn.Linear(4, 2), nn.Linear(4, 4)

    def forward(self, x):
        return self.out(self.inner(x).relu())


@kind("alike samples that are mixed", noise(B, 3, 8, 8), left_out=("norm", "qkv"), sites=("stem", "head"), share=0.5)
class AlikeMixed(nn.Module):
    """CSATv2: a norm of one channel makes all samples alike, and a product [B, N]·[N, B] mixes them unseen."""

    def __init__(self):
        super().__init__()
        self.stem, self.norm, self.qkv = nn.Conv2d(3, 1, 3), nn.LayerNorm(1), nn.Linear(1, 3)
        self.head = nn.Linear(36, 4)

    def forward(self, x):
        x = self.stem(x).flatten(2).transpose(1, 2)
        q, k, v = self.qkv(self.norm(x)).unbind(-1)
        return self.head(x.flatten(1) + (q @ k.transpose(-1, -2)).softmax(-1) @ v)


class EitherFormat(nn.LayerNorm):
    """Channels first or last by an attribute (ConvNeXt)."""

    def __init__(self, channels, first):
        super().__init__(channels)
        self.first = first

    def forward(self, x):
        if self.first:
            return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
        return super().forward(x)


@kind("norms that differ in an attribute alone", noise(B, 3, 16, 16), sites=("stem", "first", "second", "up", "down"))
class Formats(nn.Module):
    """As many channels as rows and columns: no shape shows which axis holds the channels."""

    def __init__(self):
        super().__init__()
        self.stem, self.first, self.second = nn.Conv2d(3, 8, 2, 2), EitherFormat(8, True), EitherFormat(8, False)
        self.up, self.down = nn.Linear(8, 16), nn.Linear(16, 8)

    def forward(self, x):
        x = self.first(self.stem(x))
        return x.permute(0, 2, 3, 1) + self.down(functional.gelu(self.up(self.second(x.permute(0, 2, 3, 1)))))


class Sparse(nn.Module):
    """Attention that keeps a mask beside its layer."""

    def __init__(self):
        super().__init__()
        self.query, self.mask = nn.Linear(4, 4), nn.Identity()

    def forward(self, x):
        return self.mask(self.query(x)).tanh()


class Full(nn.Module):
    """What takes its place, with the same layer, under the same name or another."""

    def __init__(self, sparse, name):
        super().__init__()
        self.name = name
        setattr(self, name, sparse.query)

    def forward(self, x):
        return getattr(self, self.name)(x).tanh()


class Replaced(nn.Module):
    """BigBird: inputs shorter than a block make it put full attention in the place of sparse, with fewer modules."""

    def __init__(self, name):
        super().__init__()
        self.inner, self.out, self.name = Sparse(), nn.Linear(4, 2), name

    def forward(self, x):
        if isinstance(self.inner, Sparse):
            self.inner = Full(self.inner, self.name)
        return self.out(self.inner(x))


@kind("a module that forward replaces", noise(B, 4), sites=("inner.query", "out"))
def replaced():
    return Replaced("query")


@kind("a layer that forward moves", noise(B, 4), refused="'inner.query' is gone after a call: run the network once")
def moved():
    return Replaced("layer")
