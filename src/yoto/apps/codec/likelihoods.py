"""Probabilities of rounded values, and the bits they cost."""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from yoto.apps.codec.layers import lower_bound

SMALLEST_SCALE = 0.11
"""Smallest standard deviation of a coded value, in quantisation steps (Ballé et al. 2018)."""
LARGEST_SCALE = 256.0
SMALLEST_PROBABILITY = 1e-9


def gaussian_bits(residual: Tensor, log_scale: Tensor) -> Tensor:
    """Bits of values whose quantisation bin of width 1 is centred at `residual` under N(0, exp(log_scale)²).

    Args:
        residual, log_scale: Any shapes that broadcast; scales below 0.11 count as 0.11.
    """
    scale = lower_bound(log_scale, math.log(SMALLEST_SCALE)).exp()
    distance = residual.abs()
    root = scale * math.sqrt(2.0)
    probability = 0.5 * (torch.erfc((distance - 0.5) / root) - torch.erfc((distance + 0.5) / root))
    return -lower_bound(probability, SMALLEST_PROBABILITY).log2()


class FactorisedPrior(nn.Module):
    """A non-parametric density per channel, the same at every position.

    Ballé et al., "Variational Image Compression with a Scale Hyperprior", ICLR 2018, appendix 6.1: a cumulative
    distribution as a small monotone network per channel.

    Args:
        channels: C of the values [B, C, H, W].
        widths: Hidden widths of the network.
        spread: About the width of the initial density.
    """

    def __init__(self, channels: int, widths: tuple[int, ...] = (3, 3, 3), spread: float = 10.0) -> None:
        super().__init__()
        sizes = (1, *widths, 1)
        factor = spread ** (1 / (len(widths) + 1))
        self.matrices = nn.ParameterList()
        self.biases = nn.ParameterList()
        self.factors = nn.ParameterList()
        for inputs, outputs in pairwise(sizes):
            start = math.log(math.expm1(1 / factor / outputs))
            self.matrices.append(nn.Parameter(torch.full((channels, outputs, inputs), start)))
            self.biases.append(nn.Parameter(torch.rand(channels, outputs, 1) - 0.5))
            if outputs > 1:
                self.factors.append(nn.Parameter(torch.zeros(channels, outputs, 1)))

    def logits(self, values: Tensor) -> Tensor:
        """Logits of the cumulative distribution at `values` [C, 1, L]."""
        for i, (matrix, bias) in enumerate(zip(self.matrices, self.biases, strict=True)):
            values = softplus(matrix) @ values + bias
            if i < len(self.factors):
                values = values + self.factors[i].tanh() * values.tanh()
        return values

    def probability(self, values: Tensor) -> Tensor:
        """Probability of the bins of width 1 around `values` [C, 1, L]."""
        lower, upper = self.logits(values - 0.5), self.logits(values + 0.5)
        sign = -torch.sign(lower + upper).detach()  # the tail that float32 resolves
        return (torch.sigmoid(sign * upper) - torch.sigmoid(sign * lower)).abs()

    def bits(self, values: Tensor) -> Tensor:
        """Bits of values [B, C, H, W], of the same shape."""
        columns = values.movedim(1, 0).flatten(1)[:, None, :]
        bits = -lower_bound(self.probability(columns), SMALLEST_PROBABILITY).log2()
        batch, channels, height, width = values.shape
        return bits[:, 0].reshape(channels, batch, height, width).movedim(0, 1)
