"""`estimate_regret`: regret without references, from what polishing gains."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, final

from yoto.errors import YotoError
from yoto.support.tables import aligned

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from yoto.bundle import Bundle
    from yoto.objective import Objective
    from yoto.objective.terms import TermsLike
    from yoto.space import Value


@final
@dataclass(frozen=True, kw_only=True, repr=False)
class RegretEstimate:
    """What polishing gained at each of m points, on data that it did not see.

    Attributes:
        points: The free parameters at each point.
        before, after: Mean full loss of the conditional network and of the polished one.
        errors: Standard error of each gain, from the paired differences over the samples; None where terms came
            reduced over batches.
        steps: Optimiser steps of each polishing.
        seconds: Time of each.
        n: Samples that were measured.
        seed: Of the polishings and of the measurements.
    """

    points: tuple[dict[str, float], ...]
    before: tuple[float, ...]
    after: tuple[float, ...]
    errors: tuple[float | None, ...]
    steps: int
    seconds: tuple[float, ...]
    n: int
    seed: int

    @property
    def gain(self) -> tuple[float, ...]:
        """Loss before minus loss after: a lower estimate of the regret, but for its error."""
        return tuple(before - after for before, after in zip(self.before, self.after, strict=True))

    def to_dict(self) -> dict[str, Any]:
        """As JSON-able values, the gains among them."""
        return {**{name: jsonable(value) for name, value in asdict(self).items()}, "gain": list(self.gain)}

    def __repr__(self) -> str:
        rows = [
            (
                ", ".join(f"{name} = {value:.4g}" for name, value in point.items()),
                f"{before:.5g}",
                f"{after:.5g}",
                f"{gain:.3g}" if error is None else f"{gain:.3g} ± {error:.2g}",
            )
            for point, before, after, gain, error in zip(
                self.points, self.before, self.after, self.gain, self.errors, strict=True
            )
        ]
        table = aligned(("at", "loss", "polished", "gain"), rows, right=(False, True, True, True))
        spent = f"{len(rows)} × {self.steps} steps, {sum(self.seconds):.3g} s; {self.n} samples"
        return f"Regret is at least the gain:\n{table}\n{spent}"


def jsonable(value: Any) -> Any:
    """Tuples as lists."""
    return [dict(each) if isinstance(each, Mapping) else each for each in value] if isinstance(value, tuple) else value


def estimate_regret(
    model: nn.Module | Bundle,
    points: Sequence[Mapping[str, Value]] | Tensor,
    batches: Any,
    terms: TermsLike,
    *,
    validation: Any,
    steps: int = 800,
    optimiser: Callable[[nn.Module], torch.optim.Optimizer] | None = None,
    lr: float | None = None,
    objective: Objective | None = None,
    batch: int | None = None,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> RegretEstimate:
    """How far a conditional network is from one trained for each of a few λ alone, without training those.

    At each point the network is baked and polished (`yoto.polish`), and both are measured on `validation` with the same
    random numbers. What that gains is at most what a network trained for that λ would gain if polishing does not
    surpass it, so it is a lower estimate of regret: more steps come closer, and a gain of 0 after few steps says
    little. It costs `steps` optimiser steps a point.

    Args:
        model: A `Conditional`, or what `load` gave; it stays as it is.
        points: The points, by name or as λ [m, D].
        batches, terms, steps, optimiser, lr, objective, batch, seed: As of `polish`.
        validation: What to measure on, as the batches of `sweep`. Not the training data: what a network learns by
            heart there is no regret.
        progress: Called with the number of steps done and that of all points together.

    Raises:
        YotoError: If there is no point, or as of `polish` and `sweep`.

    >>> import torch
    >>> from yoto import LogUniform, LossSpace, condition
    >>> space = LossSpace(fit=1.0, size=LogUniform(0.25, 4.0))
    >>> model = condition(torch.nn.Linear(2, 3), space)
    >>> def terms(net, batch):
    ...     return {"fit": (net(batch) - 1).square().mean(1), "size": net(batch).square().mean(1)}
    >>> x = torch.rand(256, 2)
    >>> found = estimate_regret(model, [{"size": 4.0}], x, terms, validation=x, steps=200, lr=0.05)
    >>> found.gain[0] > 0, round(found.after[0], 1), found.n  # the best is 4 / (1 + 4)
    (True, 0.8, 256)
    """
    import torch

    from yoto.comparison.paired import paired
    from yoto.conditioning.wrappers import conditional
    from yoto.curves.sweep import opened, points_of
    from yoto.training.polishing import checked_objective, one_lam, polish

    network, objective, _ = opened(model, objective)
    network = conditional(network, "polish")
    objective = checked_objective(objective, network)
    given: Any = points
    if not isinstance(given, (Sequence, torch.Tensor)) or len(given) == 0:
        raise YotoError("`points` should hold at least one point, by name or as λ [m, D]. Found none.")
    rows = points_of(points, network.space)
    lams = [one_lam(network, row) for row in rows]
    pairs, seconds = [], []
    for number, lam in enumerate(lams):
        begin = time.monotonic()
        plain = polish(
            network,
            lam,
            batches,
            terms,
            steps=steps,
            optimiser=optimiser,
            lr=lr,
            objective=objective,
            batch=batch,
            seed=seed,
            progress=shifted(progress, number, len(lams)),
        )
        seconds.append(time.monotonic() - begin)
        pairs.append(paired(network, plain, lam, validation, terms, objective, seed=seed))
    return RegretEstimate(
        points=tuple(pair.before.point for pair in pairs),
        before=tuple(pair.before.loss for pair in pairs),
        after=tuple(pair.after.loss for pair in pairs),
        errors=tuple(pair.error for pair in pairs),
        steps=steps,
        seconds=tuple(seconds),
        n=pairs[0].after.n,
        seed=seed,
    )


def shifted(progress: Callable[[int, int], None] | None, number: int, points: int) -> Callable[[int, int], None] | None:
    """The progress of one polishing as a part of that of all."""
    if progress is None:
        return None
    call = progress
    return lambda done, steps: call(number * steps + done, points * steps)
