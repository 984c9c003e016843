"""Frequency tables from the symbols that a trained codec makes of photographs.

Training takes noise for rounding and the normal distribution for what latents have. What is then coded is rounded, by a
rule that prefers zeros, and has other tails: tables that count it take 1 to 5 % fewer bits, and a decoder, which
reads tables anyhow, takes no longer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from yoto.apps.codec.format import tables
from yoto.apps.codec.format.integer import LEVELS, level_weights, table_numbers
from yoto.apps.codec.rounding import Rounding, bits_of, encoding_price
from yoto.apps.codec.symbols import quantised

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from torch import Tensor

    from yoto.apps.codec.format.tables import Table
    from yoto.apps.codec.network import MeanScaleHyperprior
    from yoto.conditioning import Conditional
    from yoto.data import Data

COUNTED = 24
"""Levels whose symbols are counted, evenly spread."""
CROPS = 8
"""Crops for each of them."""
ROUNDS = 2
"""How often symbols are counted: the rule by which they are rounded looks at the tables."""


@torch.no_grad()
def counted(model: Conditional[MeanScaleHyperprior], data: Data, price: float | None) -> list[Table]:
    """The tables of all scales.

    Args:
        model: A conditional codec; it stays as it is.
        price: That of its training.
        data: Training crops [B, 3, H, W] in [0, 1].
    """
    found = tables.normal_tables()
    for _ in range(ROUNDS):
        counts = np.zeros((tables.COUNT, 2 * tables.WIDEST + 1), np.int64)
        for symbols, numbers in coded(model, data, price, found):
            values = symbols.clamp(-tables.WIDEST, tables.WIDEST).long() + tables.WIDEST
            places = (numbers * counts.shape[1] + values).flatten()
            counts += torch.bincount(places, minlength=counts.size).view(counts.shape).numpy()
        found = tables.counted_tables(counts)
    return found


def coded(
    model: Conditional[MeanScaleHyperprior],
    data: Data,
    price: float | None,
    known: Sequence[Table],
) -> Iterator[tuple[Tensor, Tensor]]:
    """Symbols and the numbers of their tables, of latents and hyper-latents, as a file would hold them.

    Args:
        model, data, price: As of `counted`.
        known: Tables that rounding looks at.
    """
    weights, bits, generator = level_weights(model.space), bits_of(known), torch.Generator().manual_seed(0)
    for level in np.linspace(0, LEVELS - 1, COUNTED).round().astype(int).tolist():
        net: MeanScaleHyperprior = model.bake(distortion=weights[level]).cpu().eval()
        rounding = Rounding(bits, encoding_price(level / (LEVELS - 1), price))
        y = net.analysis(data.batch(torch.arange(CROPS), generator).cpu())
        z = net.hyper_analysis(y)
        mean, log_scale = net.prior(z)
        hyper = (z - mean).round()
        yield hyper, table_numbers(log_scale).expand_as(hyper)
        means, log_scales = net.latent_prior(net.hyper_synthesis(mean + hyper))
        for one in zip(y, means, log_scales, strict=True):
            yield quantised(net, *one, rounding), table_numbers(one[2])
