"""Full loss of style models at a few style weights, the other weights at their medians, on validation photographs.

    python benchmarks/style_losses.py MODEL… [--styles great-wave,…] [--at 0.3,1.5,7]

MODEL is a name, a file or a run, conditional or trained for one weight (then give that weight alone with --at).
`YOTO_DATA` has the photographs and the paintings. It is what `results/style/README.md` compares trials by: cheaper
than a sweep, and of other photographs than the test's.
"""

from __future__ import annotations

import argparse

import torch

from yoto import bundle
from yoto.evaluation import sweep
from yoto.evaluation.tables import markdown

PHOTOGRAPHS = 12


def main() -> None:
    """Print a row per model and painting."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+", metavar="MODEL")
    parser.add_argument("--styles", default="great-wave", help="paintings, by commas; those of the model's bank")
    parser.add_argument("--at", default="0.3,1.5,7", help="style weights, by commas")
    options = parser.parse_args()
    weights = [float(text) for text in options.at.split(",")]
    rows = []
    for name in options.models:
        loaded = bundle.load(name)
        assert loaded.task is not None
        assert loaded.recipe is not None
        space, data = loaded.recipe.loss_space(), loaded.task.data("validation")
        for painting in options.styles.split(","):
            chosen = {"painting": painting} if "painting" in space.parameters else {}
            points = torch.stack([space.median(style=weight, **chosen) for weight in weights])
            curve = sweep(
                loaded.model, loaded.task, data, points, space=space, batch=1, limit=PHOTOGRAPHS, metrics=False
            )
            rows.append([name, painting, *(f"{value:.3f}" for value in curve.loss)])
    print(markdown(["model", "painting", *(f"{weight:g}" for weight in weights)], rows))


if __name__ == "__main__":
    main()
