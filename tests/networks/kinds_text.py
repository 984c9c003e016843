"""Kinds of networks for text, sequences and tables."""

from __future__ import annotations

import dataclasses

import torch
from torch import nn
from torch.nn import functional

from networks.kinds import B, kind, noise, tokens
from networks.kinds_vision import Attention


class Conv1D(nn.Module):
    """GPT-2's linear layer, its weight transposed."""

    def __init__(self, outputs, inputs):
        super().__init__()
        self.weight = nn.Parameter(0.3 * torch.randn(inputs, outputs))
        self.bias = nn.Parameter(torch.zeros(outputs))

    def forward(self, x):
        return torch.addmm(self.bias, x.view(-1, x.shape[-1]), self.weight).view(*x.shape[:-1], -1)


@kind("GPT-2's Conv1D behind embeddings", tokens(B, 6), sites=("up", "down", "norm"))
class Gpt2(nn.Module):
    def __init__(self):
        super().__init__()
        self.tokens, self.positions, self.norm = nn.Embedding(20, 8), nn.Embedding(6, 8), nn.LayerNorm(8)
        self.up, self.down = Conv1D(16, 8), Conv1D(8, 16)

    def forward(self, ids):
        x = self.tokens(ids) + self.positions(torch.arange(ids.shape[1]))
        return x + self.down(functional.gelu(self.up(self.norm(x))))


class RmsNorm(nn.Module):
    """Llama's and T5's."""

    def __init__(self, width):
        super().__init__()
        self.weight, self.variance_epsilon = nn.Parameter(torch.ones(width)), 1e-6

    def forward(self, x):
        y = x.to(torch.float32)
        y = y * torch.rsqrt(y.pow(2).mean(-1, keepdim=True) + self.variance_epsilon)
        return self.weight * y.to(x.dtype)


@kind("RMSNorm of its own class", tokens(B, 6), sites=("norm", "gate", "up", "down"))
class Llama(nn.Module):
    def __init__(self, norm=RmsNorm):
        super().__init__()
        self.tokens, self.norm = nn.Embedding(20, 8), norm(8)
        self.gate, self.up, self.down = (nn.Linear(i, o, bias=False) for i, o in ((8, 16), (8, 16), (16, 8)))

    def forward(self, ids):
        x = self.tokens(ids)
        y = self.norm(x)
        return x + self.down(functional.silu(self.gate(y)) * self.up(y))


class GemmaNorm(RmsNorm):
    """Gemma's, whose weight is the difference from 1."""

    def __init__(self, width):
        super().__init__(width)
        nn.init.zeros_(self.weight)

    def forward(self, x):
        y = x.float() * torch.rsqrt(x.float().pow(2).mean(-1, keepdim=True) + 1e-6)
        return (y * (1.0 + self.weight.float())).type_as(x)


@kind("norm with one plus its weight", tokens(B, 6), sites=("gate", "up", "down"))
def gemma():
    return Llama(GemmaNorm)


class SingleLayerNorm(nn.LayerNorm):
    """A LayerNorm that computes in float32 (diffusers)."""

    def forward(self, x):
        y = functional.layer_norm(x.float(), self.normalized_shape, self.weight.float(), self.bias.float(), self.eps)
        return y.to(x.dtype)


@kind("layer norm that computes in float32", noise(B, 8), sites=("0", "1", "3"))
def single():
    return nn.Sequential(nn.Linear(8, 8), SingleLayerNorm(8), nn.ReLU(), nn.Linear(8, 2))


@kind("tied head", tokens(B, 5), share=0.5)
class Tied(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding, self.mix, self.head = nn.Embedding(20, 16), nn.Linear(16, 16), nn.Linear(16, 20, bias=False)
        self.head.weight = self.embedding.weight

    def forward(self, ids):
        return self.head(torch.tanh(self.mix(self.embedding(ids))))


@kind("sequence first", noise(5, B, 8), batch_dim=1)
def sequence_first():
    return nn.Sequential(nn.Linear(8, 8), nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0), nn.Linear(8, 4))


@kind("sequence first, as long as there are samples", noise(B, B, 8), batch_dim=1)
class SequenceFirst(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner, self.out = Attention(), nn.Linear(8, 4)

    def forward(self, x):
        return self.out(self.inner(x.transpose(0, 1)).transpose(0, 1))


@kind("encoder and decoder of torch", {"src": noise(B, 5, 8), "tgt": noise(B, 4, 8)})
def transformer():
    return nn.Transformer(8, 2, 1, 1, 16, dropout=0.0, batch_first=True)


@kind("attention on raw weights", noise(B, 5, 8), left_out=("q", "k", "v"), sites=("norm", "head"))
class Functional(nn.Module):
    """WavLM, BEiT: weights handed to a functional, the layers never called."""

    def __init__(self):
        super().__init__()
        self.norm, self.head = nn.LayerNorm(8), nn.Linear(8, 4)
        self.q, self.k, self.v = nn.Linear(8, 8), nn.Linear(8, 8), nn.Linear(8, 8)

    def forward(self, x):
        x = self.norm(x)
        weight = torch.cat([self.q.weight, self.k.weight, self.v.weight])
        bias = torch.cat([self.q.bias, torch.zeros_like(self.k.bias), self.v.bias])
        q, k, v = functional.linear(x, weight, bias).chunk(3, -1)
        return self.head(functional.scaled_dot_product_attention(q, k, v))


@kind("recurrent layers", noise(B, 6, 4), sites=("inner", "out"), share=0.5)
class Recurrent(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner, self.lstm, self.gru = nn.Linear(4, 8), nn.LSTM(8, 8, batch_first=True), nn.GRU(8, 8)
        self.out = nn.Linear(8, 2)

    def forward(self, x):
        y, _ = self.lstm(self.inner(x))
        y, _ = self.gru(y.transpose(0, 1))
        return self.out(y[-1])


@kind("nothing but a recurrent layer", noise(B, 6, 4), refused="LSTM")
class Lstm(nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm = nn.LSTM(4, 8, batch_first=True)

    def forward(self, x):
        return self.lstm(x)[0]


STATES: list[torch.Tensor] = []


@kind("hooks registered in forward", tokens(B, 5), extra={"output_hidden_states": True})
class Collecting(nn.Module):
    """transformers: hidden states are collected by hooks that the first call puts in place."""

    def __init__(self):
        super().__init__()
        self.tokens, self.head = nn.Embedding(20, 8), nn.Linear(8, 3)
        self.blocks = nn.ModuleList(nn.Sequential(nn.LayerNorm(8), nn.Linear(8, 8)) for _ in range(2))
        self.ready = False

    def forward(self, ids, output_hidden_states=False):
        if not self.ready:
            for block in self.blocks:
                block.register_forward_hook(lambda module, inputs, output: STATES.append(output))
            self.ready = True
        STATES.clear()
        x = self.tokens(ids)
        for block in self.blocks:
            x = x + block(x)
        return {"logits": self.head(x), "hidden": tuple(STATES) if output_hidden_states else None}


@dataclasses.dataclass
class Output:
    """An output that is no pytree."""

    logits: torch.Tensor
    count: int = 0


@kind("dataclass as output", noise(B, 8))
class Dataclass(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner, self.out = nn.Linear(8, 8), nn.Linear(8, 4)

    def forward(self, x):
        return Output(self.out(self.inner(x).relu()), len(x))


@kind("a buffer in place of samples", {"x": noise(B, 6, 8)}, left_out=("position",), share=0.7)
class Relative(nn.Module):
    """Positions go through a layer of their own (DeBERTa), as [1, 2·L, C]."""

    def __init__(self):
        super().__init__()
        self.table = nn.Parameter(torch.randn(12, 8))
        self.query, self.key, self.position = nn.Linear(8, 8), nn.Linear(8, 8), nn.Linear(8, 8)
        self.out = nn.Linear(8, 4)

    def forward(self, x):
        distance = torch.arange(6)[:, None] - torch.arange(6)[None] + 6
        table = self.position(self.table[None])[0]
        scores = torch.einsum("bic,ijc->bij", self.query(x), table[distance])
        weights = torch.softmax(scores + self.query(x) @ self.key(x).transpose(1, 2), -1)
        return self.out(weights @ x)
