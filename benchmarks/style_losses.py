"""Full loss of style models at a few style weights, the other weights at their medians, on validation photographs.

    python benchmarks/style_losses.py MODEL… [--styles great-wave,…] [--at 0.3,1.5,7] [--drawn 32]

MODEL is a name, a file or a run, conditional or trained for one weight (then give that weight alone with --at).
`YOTO_DATA` has the photographs and the paintings. It is what `results/style/README.md` compares trials by: cheaper
than a sweep, and of other photographs than the test's. With --drawn there is one column more: the geometric mean over
so many λ drawn from the model's distribution (the same ones for models of the same space), a photograph each in turn.
"""

from __future__ import annotations

import argparse
import math

import torch

from yoto import bundle
from yoto.curves import sweep
from yoto.data import Data
from yoto.drawing.tables import markdown


def drawn(loaded: bundle.Bundle, data: Data, count: int) -> float:
    """Geometric mean of the full loss over `count` λ of the model's space, each on one photograph."""
    assert loaded.task is not None
    space = loaded.space
    logs = 0.0
    with torch.no_grad():
        for number, lam in enumerate(space.sample(count, torch.Generator().manual_seed(1), "sobol")):
            photograph = data.batch(torch.tensor([number % len(data)]), None)
            terms = loaded.task.terms(loaded.conditional.at(lam), photograph, lam)
            logs += float(space.combine(terms, lam).log())
    return math.exp(logs / count)


def main() -> None:
    """Print a row per model and painting."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+", metavar="MODEL")
    parser.add_argument("--styles", default="great-wave", help="paintings, by commas; those of the model's bank")
    parser.add_argument("--at", default="0.3,1.5,7", help="style weights, by commas")
    parser.add_argument("--drawn", type=int, default=0, metavar="N", help="λ drawn at random besides")
    options = parser.parse_args()
    weights = [float(text) for text in options.at.split(",")]
    rows = []
    for name in options.models:
        loaded = bundle.load(name)
        assert loaded.task is not None
        space, data = loaded.space, loaded.task.data("validation")
        last = [f"{drawn(loaded, data, options.drawn):.3f}"] if options.drawn else []
        for painting in options.styles.split(","):
            chosen = {"painting": painting} if "painting" in space.parameters else {}
            points = torch.stack([space.median(style=weight, **chosen) for weight in weights])
            curve = sweep(loaded.model, data, loaded.task, points, space=space, batch=1, metrics={})
            rows.append([name, painting, *(f"{value:.3f}" for value in curve.loss), *last])
    titles = ["model", "painting", *(f"{weight:g}" for weight in weights)]
    print(markdown([*titles, f"{options.drawn} drawn"] if options.drawn else titles, rows))


if __name__ == "__main__":
    main()
