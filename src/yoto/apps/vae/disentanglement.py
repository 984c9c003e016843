"""How well single latent dimensions match single factors of variation, in a world of known factors.

Two measures: the mutual information gap (Chen et al. 2018) and the FactorVAE score (Kim & Mnih 2018). Both
take `encode`, from images [B, C, H, W] to posterior means [B, Z], and a `World` that renders images from
factors.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor

from yoto.apps.vae.metrics import active_units

if TYPE_CHECKING:
    from yoto.apps.vae.likelihood import Likelihood

Encode = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class World:
    """Renders images [B, C, H, W] from factors, int64 [B, K]; factor k takes 0 .. factor_sizes[k] - 1."""

    factor_sizes: Sequence[int]
    render: Callable[[Tensor], Tensor]

    @classmethod
    def shapes(cls) -> World:
        """The built-in world of six factors."""
        from yoto.apps.vae.world.shapes import SIZES, ShapesWorld

        return cls(SIZES, ShapesWorld.traced().render)


class InformationGap(NamedTuple):
    """The mean gap `score` in [0, 1], the gap `per_factor` [K], and the `information` [Z, K] in nats."""

    score: float
    per_factor: Tensor
    information: Tensor


class FactorVAEScore(NamedTuple):
    """The share `score` in [0, 1] of right votes, table of `votes` [Z, K], `active` dimensions [Z]."""

    score: float
    votes: Tensor
    active: Tensor


def draw_factors(world: World, count: int, generator: torch.Generator) -> Tensor:
    """Independent, uniform factors [count, K]."""
    columns = [torch.randint(size, (count,), generator=generator) for size in world.factor_sizes]
    return torch.stack(columns, dim=1)


@torch.no_grad()
def codes_of(encode: Encode, world: World, factors: Tensor, batch: int = 256) -> Tensor:
    """The codes [N, Z] of the images of `factors` [N, K], in float64 on the CPU."""
    return torch.cat([encode(world.render(part)).double().cpu() for part in torch.split(factors, batch)])


def mutual_information_gap(
    encode: Encode, world: World, *, samples: int = 10_000, bins: int = 20, seed: int = 0
) -> InformationGap:
    """The mutual information gap of the codes of `samples` random images; see `information_gap`."""
    factors = draw_factors(world, samples, torch.Generator().manual_seed(seed))
    return information_gap(codes_of(encode, world, factors), factors, bins)


def information_gap(codes: Tensor, factors: Tensor, bins: int = 20) -> InformationGap:
    """The gap between the two dimensions that tell most about a factor, over its entropy; mean over factors.

    `codes` [N, Z] are cut into `bins` bins of equal width over their range; `factors` [N, K] are non-negative
    integers. A code of one dimension has a second dimension that tells nothing. A factor with one value is
    left out.
    """
    labels = discretise(codes, bins)
    information = torch.stack(
        [torch.stack([mutual_information(z, v) for v in factors.unbind(1)]) for z in labels.unbind(1)]
    )
    entropies = torch.stack([mutual_information(v, v) for v in factors.unbind(1)])
    padded = torch.cat([information, torch.zeros_like(information[:1])])
    best = padded.topk(2, dim=0).values
    varies = entropies > 1e-12
    per_factor = torch.where(varies, (best[0] - best[1]) / entropies.clamp_min(1e-12), torch.nan)
    return InformationGap(float(per_factor[varies].mean()), per_factor, information)


def discretise(codes: Tensor, bins: int) -> Tensor:
    """The bin, 0 .. bins - 1, of every code [N, Z]; bins are of equal width between a column's extremes."""
    low, high = codes.amin(0), codes.amax(0)
    width = torch.where(high > low, high - low, torch.ones_like(low))
    return ((codes - low) / width * bins).long().clamp(0, bins - 1)


def mutual_information(a: Tensor, b: Tensor) -> Tensor:
    """Mutual information in nats of two columns [N] of non-negative integers, from their joint histogram."""
    rows, columns = int(a.max()) + 1, int(b.max()) + 1
    joint = torch.bincount(a * columns + b, minlength=rows * columns).view(rows, columns).double() / len(a)
    independent = joint.sum(1, keepdim=True) * joint.sum(0, keepdim=True)
    some = joint > 0
    return (joint[some] * (joint[some] / independent[some]).log()).sum()


def factorvae_score(
    encode: Encode,
    world: World,
    *,
    votes: int = 800,
    group: int = 64,
    samples: int = 10_000,
    threshold: float = 0.05,
    seed: int = 0,
) -> FactorVAEScore:
    """The accuracy of guessing which factor was held fixed from the dimension that then varies least.

    For each of `votes` votes, `group` images share the value of one random factor; the active dimension with
    the lowest variance, relative to its variance over `samples` random images, votes for that factor. A table
    of votes says which factor each dimension stands for; the score is its accuracy on as many new votes.
    Dimensions whose mean varies by less than `threshold` (a variance; the prior's is 1) have collapsed and do
    not vote. With none left the score is 0.
    """
    generator = torch.Generator().manual_seed(seed)
    spread = codes_of(encode, world, draw_factors(world, samples, generator)).var(0)
    active = spread >= threshold
    sizes = world.factor_sizes
    table = torch.zeros(2, len(spread), len(sizes), dtype=torch.int64)
    if not bool(active.any()):
        return FactorVAEScore(0.0, table[0], active)
    for half in range(2):
        for _ in range(votes):
            factor = int(torch.randint(len(sizes), (), generator=generator))
            factors = draw_factors(world, group, generator)
            factors[:, factor] = factors[0, factor]
            variance = codes_of(encode, world, factors, batch=group).var(0) / spread.clamp_min(1e-12)
            dimension = int(variance.masked_fill(~active, torch.inf).argmin())
            table[half, dimension, factor] += 1
    guesses = table[0].argmax(dim=1)
    right = table[1].gather(1, guesses.unsqueeze(1)).sum()
    return FactorVAEScore(float(right) / votes, table[0], active)


def measure(
    likelihood: Likelihood,
    net: Any,
    world: World | None = None,
    *,
    samples: int = 10_000,
    votes: int = 800,
    seed: int = 0,
) -> dict[str, float]:
    """Both scores and the number of active units of a net bound or baked at one λ.

    `world` is the built-in one by default. Returns "mutual_information_gap", "factorvae_score" and
    "active_units" (see `metrics.active_units`).
    """
    chosen = World.shapes() if world is None else world
    device = next(net.parameters()).device

    def encode(images: Tensor) -> Tensor:
        mean: Tensor = net.encode(likelihood.scaled(images.to(device)))[0]
        return mean

    factors = draw_factors(chosen, samples, torch.Generator().manual_seed(seed))
    codes = codes_of(encode, chosen, factors)
    return {
        "mutual_information_gap": information_gap(codes, factors).score,
        "factorvae_score": factorvae_score(encode, chosen, votes=votes, samples=samples, seed=seed).score,
        "active_units": float(active_units(codes).sum()),
    }
