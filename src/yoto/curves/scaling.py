"""Terms of different units: how large they are, so that weights can be chosen for them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from yoto.errors import YotoError
from yoto.objective.terms import TermsLike, terms_function
from yoto.support.numbers import is_number

if TYPE_CHECKING:
    from torch import Tensor, nn


def term_scales(
    net: nn.Module, batches: Any, terms: TermsLike, *, limit: int | None = None, seed: int = 0
) -> dict[str, float]:
    """Mean absolute value of each loss term of a network: its scale.

    Terms of different units (nats, bits per pixel, squared levels) differ by orders of magnitude, and so do the weights
    at which they balance. Measure a plain network that was trained a little at any weights: random parameters say
    little. Then either draw weights about the inverse scales, say `LogUniform(0.03 * c, 30 * c)` with
    c = scales["fit"] / scales["kl"] for a weight of kl beside fit = 1, or divide the terms (`scaled`), which a
    `Simplex` and the scalarisations other than the weighted sum need.

    Args:
        net: A plain network.
        batches: As of `sweep`.
        terms: As of `sweep`, but of no λ: functions of (net, batch).
        limit, seed: As of `sweep`.

    Raises:
        YotoError: If the batches or terms are no such things, or a term is 0 throughout.

    >>> import torch
    >>> def terms(net, batch):
    ...     return {"near": net(batch).square().mean(1), "far": 1000 * net(batch).abs().mean(1)}
    >>> term_scales(torch.nn.Identity(), [torch.full((8, 2), 0.5)], terms)
    {'near': 0.25, 'far': 500.0}
    """
    import torch

    from yoto.conditioning.modes import evaluating
    from yoto.curves.batches import Batches, copied
    from yoto.curves.sums import Sums
    from yoto.support.graphs import without_graph
    from yoto.support.seeds import streams_kept

    function = terms_function(terms)
    parameter = next(net.parameters(), None)
    device = torch.device("cpu") if parameter is None else parameter.device
    sums = Sums({})
    with evaluating(net), streams_kept(device):
        for each in Batches(batches, batch=None, limit=limit, device=device).passes(seed):
            terms_of = partial(function, net, copied(each.examples), torch.empty(0))
            found = {name: term.abs() for name, term in without_graph(terms_of).items()}
            sums.add({"term": found}, next((len(term) for term in found.values() if term.ndim), each.size or 1))
    scales = {name: value for (_, name), value in sums.means().items()}
    for name, value in scales.items():
        if not value > 0:
            raise YotoError(f"Loss term {name!r} should be other than 0 somewhere to have a scale. Found 0 throughout.")
    return scales


def scaled(terms: TermsLike, scales: Mapping[str, float]) -> Callable[[Any, Any, Tensor], dict[str, Tensor]]:
    """The same terms, each divided by its scale, so that all are about 1 and weights compare.

    Args:
        terms: As of `LossStep` and `sweep`, either of which takes the result.
        scales: As `term_scales` gives; terms that it does not name stay as they are.

    Raises:
        YotoError: If a scale is not above 0.

    >>> import torch
    >>> terms = scaled(lambda net, batch: {"far": 1000 * net(batch).abs().mean(1)}, {"far": 500.0})
    >>> terms(torch.nn.Identity(), torch.full((2, 2), 0.5), None)["far"].tolist()
    [1.0, 1.0]
    """
    if not isinstance(scales, Mapping):
        raise YotoError(f"`scales` should map names of terms to numbers, as term_scales gives. Found {scales!r}.")
    for name, value in scales.items():
        if not (is_number(value) and value > 0):
            raise YotoError(f"The scale of {name!r} should be above 0. Found {value!r}.")
    return partial(divided, terms_function(terms), dict(scales))


def divided(function: Any, scales: Mapping[str, float], net: Any, batch: Any, at: Tensor) -> dict[str, Tensor]:
    """Terms over their scales."""
    return {name: term / scales.get(name, 1.0) for name, term in function(net, batch, at).items()}
