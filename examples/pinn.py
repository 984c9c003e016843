"""Physics-informed networks: one network for every weight of boundary and initial conditions against the residual.

Burgers' equation u_t + u·u_x = ν·u_xx (ν = 0.05, u(0, x) = -sin πx, zero at x = ±1) and a Helmholtz problem Δu + u = q
on a square with u = 0 at its edge. The weights of such losses are tuned by training anew; here they are found after
training, by the error at 100 points at which the solution is known (validation). Compared with networks trained for
hand-picked weights, by loss and relative L2 error. For your own equation, write a class like `Helmholtz`.
"""

import math
from functools import partial

import common
import torch
from numpy.polynomial.hermite import hermgauss
from torch import Tensor, nn

import yoto

BATCH, STEPS, LR, Batch = 256, 1000, 0.02, tuple[Tensor, ...]


def slopes(u: Tensor, at: Tensor) -> Tensor:
    """Derivatives [B, 2] of u [B] by its coordinates."""
    return torch.autograd.grad(u.sum(), at, create_graph=True)[0]


class Burgers:
    """Coordinates are (t, x); `points` gives inner, edge and starting points, known points, and u at these."""

    space = yoto.LossSpace(residual=1.0, boundary=yoto.LogUniform(1.0, 100.0), initial=yoto.LogUniform(1.0, 100.0))
    hand = ({"boundary": 1, "initial": 1}, {"boundary": 10, "initial": 10}, {"boundary": 100, "initial": 100})
    low, high, viscosity = (0.0, -1.0), (1.0, 1.0), 0.05

    def exact(self, at: Tensor) -> Tensor:
        """The solution [B], by the Cole-Hopf transform and Gauss-Hermite quadrature."""
        nodes, weights = (torch.from_numpy(each) for each in hermgauss(64))
        t, x = at.double().split(1, dim=1)
        y = math.pi * (x - nodes * (4 * self.viscosity * t).sqrt())
        share = weights * (-(y.cos() + 1) / (2 * math.pi * self.viscosity)).exp()
        return (-(y.sin() * share).sum(1) / share.sum(1)).float()

    def points(self, n: int, known: Tensor) -> Batch:
        """Random points, n of each kind, and the known ones."""
        inner, x = torch.rand(n, 2) * torch.tensor([1.0, 2.0]) - torch.tensor([0.0, 1.0]), 2 * torch.rand(n, 1) - 1
        edge = torch.cat([torch.rand(n, 1), torch.randint(2, (n, 1)) * 2.0 - 1], dim=1)
        return inner, edge, torch.cat([torch.zeros(n, 1), x], dim=1), known, self.exact(known)

    def terms(self, net: nn.Module, batch: Batch) -> dict[str, Tensor]:
        """Squared residual, and squared errors at the edge and at the start, [B]."""
        with torch.enable_grad():
            at = batch[0].detach().requires_grad_(True)
            u = net(at)[:, 0]
            first = slopes(u, at)
            second = slopes(first[:, 1], at)[:, 1]
            residual = first[:, 0] + u * first[:, 1] - self.viscosity * second
        edge, start = net(batch[1])[:, 0], net(batch[2])[:, 0] + torch.sin(math.pi * batch[2][:, 1])
        return {"residual": residual.square(), "boundary": edge.square(), "initial": start.square()}


class Helmholtz:
    """Coordinates are (x, y) in [-1, 1]²; the solution is sin πx · sin 3πy; the residual is divided by 10π²."""

    space = yoto.LossSpace(residual=1.0, boundary=yoto.LogUniform(0.01, 1.0))
    hand = ({"boundary": 0.01}, {"boundary": 0.1}, {"boundary": 1})
    low, high, scale = (-1.0, -1.0), (1.0, 1.0), 10 * math.pi**2

    def exact(self, at: Tensor) -> Tensor:
        """The solution [B]."""
        return torch.sin(math.pi * at[:, 0]) * torch.sin(3 * math.pi * at[:, 1])

    def points(self, n: int, known: Tensor) -> Batch:
        """Random points inside and at the edge, n of each, and the known ones."""
        edge, side = 2 * torch.rand(n, 2) - 1, torch.randint(2, (n,))
        edge[torch.arange(n), side] = torch.randint(2, (n,)) * 2.0 - 1
        return 2 * torch.rand(n, 2) - 1, edge, edge, known, self.exact(known)

    def terms(self, net: nn.Module, batch: Batch) -> dict[str, Tensor]:
        """Squared residual inside and squared error at the edge, [B]."""
        with torch.enable_grad():
            at = batch[0].detach().requires_grad_(True)
            u = net(at)[:, 0]
            first = slopes(u, at)
            laplacian = slopes(first[:, 0], at)[:, 0] + slopes(first[:, 1], at)[:, 1]
            residual = (laplacian + u - (1 - self.scale) * self.exact(at.detach())) / self.scale
        return {"residual": residual.square(), "boundary": net(batch[1])[:, 0].square()}


def grid_of(problem: Burgers | Helmholtz, n: int) -> Tensor:
    """n·n points over the domain."""
    return torch.cartesian_prod(*(torch.linspace(*ends, n) for ends in zip(problem.low, problem.high, strict=True)))


def network() -> nn.Module:
    """A plain network from coordinates to u."""
    hidden = [nn.Linear(2, 64), nn.Tanh(), nn.Linear(64, 64), nn.Tanh(), nn.Linear(64, 64), nn.Tanh()]
    return nn.Sequential(*hidden, nn.Linear(64, 1))


def experiment(seed: int, smoke: bool, validation: bool = False) -> common.Result:
    """All networks of one seed, measured on fresh points and a grid, or compared on fresh points to choose settings."""
    found: dict[str, common.Result] = {}
    for problem in (Burgers(), Helmholtz()):
        torch.manual_seed(seed)
        space, terms, grid = problem.space, problem.terms, grid_of(problem, 64)
        relative = lambda u, exact: float((u[:, 0] - exact).norm() / exact.norm())  # noqa: E731 - L2 error
        guess = {"outputs": lambda net, batch: (net(batch[3]), batch[4]), "whole": True}
        known = {"metrics": {"error": yoto.Metric(relative, better="lower", **guess)}}
        test, held = ([problem.points(1000, each)] for each in (grid, grid[torch.randperm(len(grid))[:100]]))
        points = {", ".join(f"{k} {v:g}" for k, v in point.items()): space.point(point) for point in problem.hand}
        how = (terms, yoto.Objective(space), partial(problem.points, BATCH, grid[:1]), 5 if smoke else STEPS)
        model, alone = common.train_all(network, points, *how, lr=LR)
        if validation:
            found[type(problem).__name__] = common.compared(model, alone, points, held, terms)
            continue
        # The question: which weights have the least error? By points at which the solution is known.
        evaluations = 4 if smoke else 40
        best = yoto.select(model, held, terms, minimise="error", evaluations=evaluations, seed=seed, **known)
        weights = torch.logspace(*(math.log10(each["boundary"]) for each in problem.hand[::2]), 9).tolist()
        along = yoto.sweep(model, test, terms, [dict.fromkeys(space.free, weight) for weight in weights], **known)
        found[type(problem).__name__] = {
            **common.compared(model, alone, points, test, terms, **known),
            "selected": common.at_point(model, test, terms, best.point, **known),
            "curve": {"boundary": weights, "error": along.metrics["error"]},
        }
    return common.joined(found)


def report(results: list[common.Result]) -> tuple[list[str], common.Figure]:
    """The tables, what was chosen, and the errors of the first seed over equal weights of the conditions."""
    paragraphs: list[str] = []
    figure, axes = common.axes_of(["Burgers: error over its weights", "Helmholtz: error over its weights"])
    for pair, problem in zip(axes, (Burgers, Helmholtz), strict=True):
        own = [result["sets"][problem.__name__] for result in results]
        columns, curve, chosen = own[0]["columns"], own[0]["curve"], own[0]["selected"]
        error = common.over_seeds(own, "selected", "error", digits=4)
        named = ", ".join(f"{name} {value:.3g}" for name, value in chosen["point"].items())
        paragraphs += [
            problem.__name__,
            common.side_by_side(own, {"loss": "loss", "error": "relative L2 error"}, 6),
            f"With the weights of least error at 100 known points (seed 0: {named}) the error is {error}.",
        ]
        pair.loglog(curve["boundary"], curve["error"], "-", label="one network")
        pair.loglog([each["boundary"] for each in problem.hand], columns["error"][1], "x", label="separate networks")
        pair.axhline(chosen["error"], color="0.5", linestyle=":", label="one network, weights selected")
        pair.set(xlabel=f"weight ({' = '.join(chosen['point'])})", ylabel="relative L2 error", ymargin=0.6)
    return paragraphs, figure


if __name__ == "__main__":
    common.launch("pinn", "Physics-informed networks", experiment, report)
