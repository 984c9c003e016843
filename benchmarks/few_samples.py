"""What a bound on the mean of a few photographs is worth: how often its confidence limit lies below the true mean.

    python benchmarks/few_samples.py --photos FOLDER -o results/selection/few-samples

PSNR of every training photograph of FOLDER under the bundled codec at one λ makes a population whose mean is known.
From it sets of a few photographs are drawn, each with a lower and an upper limit for the mean at 95 % confidence, in
three ways: normal, Student's t (what `select(confidence=…)` uses) and the percentile bootstrap over photographs. Each
limit should be right in 95 % of the sets. Then: how far the photographs for validation and for testing lie from that
population, and from each other. FOLDER has train/, validation/ and test/.
"""

from __future__ import annotations

import argparse
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.stats import norm, t, ttest_ind

from yoto import load
from yoto.data.photographs import files_of, read_whole
from yoto.data.pixels import psnr
from yoto.support.files import write_atomic
from yoto.training.machine import processor

MODEL = "compression/photo"
CONFIDENCE = 0.95
SETS = 20_000
RESAMPLES = 1000


def measured(photos: Path, split: str, at: float, count: int | None) -> list[float]:
    """PSNR in dB of each photograph, rounded to whole levels as a file has it; cut to the size that all have."""
    data = read_whole(files_of(photos, split)[:count])
    net = load(MODEL).conditional.at({"distortion": at})
    found = []
    with torch.inference_mode():
        for index in range(len(data)):
            image = data.batch(torch.tensor([index]), None)
            coded = (net(image).image.clamp(0, 1) * 255).round() / 255
            found.append(float(psnr((coded - image).square().mean())))
    return found


def coverage(population: np.ndarray, size: int, draw: np.random.Generator) -> dict[str, list[float]]:
    """Share of sets whose lower limit lies below the population's mean, and whose upper one above it, by method."""
    true, sets = population.mean(), draw.choice(population, (SETS, size))
    mean, error = sets.mean(1), sets.std(1, ddof=1) / math.sqrt(size)
    some = sets[: SETS // 10]
    resampled = np.array([each[draw.integers(size, size=(RESAMPLES, size))].mean(1) for each in some])
    limits = {
        "normal": [mean + sign * norm.ppf(CONFIDENCE) * error for sign in (-1, 1)],
        "Student's t": [mean + sign * t.ppf(CONFIDENCE, size - 1) * error for sign in (-1, 1)],
        "percentile bootstrap": [np.quantile(resampled, level, axis=1) for level in (1 - CONFIDENCE, CONFIDENCE)],
    }
    return {name: [float((low <= true).mean()), float((high >= true).mean())] for name, (low, high) in limits.items()}


def at_least(size: int) -> float:
    """The share of photographs that exceed the least of `size` of them, with the confidence: a tolerance limit."""
    return float((1 - CONFIDENCE) ** (1 / size))


def described(values: list[float]) -> dict[str, Any]:
    """Mean, spread, standard error and range."""
    array = np.array(values)
    deviation = float(array.std(ddof=1))
    return {
        "photographs": len(values),
        "mean": float(array.mean()),
        "deviation": deviation,
        "error": deviation / math.sqrt(len(values)),
        "least": float(array.min()),
        "largest": float(array.max()),
    }


def page(found: dict[str, Any]) -> str:
    """The report, as Markdown."""
    lines = [
        "# What a bound on a few photographs is worth",
        "",
        "`python benchmarks/few_samples.py --photos FOLDER -o results/selection/few-samples`; seed 0. PSNR in dB under",
        f"`{MODEL}` at λ = {found['at']:g}. Processor: {found['machine']}, one thread.",
        "",
        "| photographs | number | mean | standard deviation | standard error | least | largest |",
        f"|{' --- |' * 7}",
    ]
    lines += [
        f"| {name} | {row['photographs']} | {row['mean']:.2f} | {row['deviation']:.2f} | {row['error']:.2f} | "
        f"{row['least']:.2f} | {row['largest']:.2f} |"
        for name, row in found["splits"].items()
    ]
    lines += ["", "Welch's t of the difference of their means:", ""]
    lines += [f"- {pair}: {row['t']:+.2f}, p = {row['p']:.2g}" for pair, row in found["differences"].items()]
    lines += [
        "",
        f"How often a lower limit at {100 * CONFIDENCE:.0f} % lies below the mean of the training photographs, and an",
        f"upper one above it, of {SETS:,} sets drawn from them (bootstrap: {SETS // 10:,}, {RESAMPLES:,} resamples).",
        "They are skewed, with more of them far above the mean than far below:",
        "",
        "| photographs in a set | " + " | ".join(found["coverage"]["8"]) + " |",
        "| --- | --- | --- | --- |",
    ]
    lines += [
        f"| {size} | " + " | ".join(f"{100 * low:.1f} %, {100 * high:.1f} %" for low, high in row.values()) + " |"
        for size, row in found["coverage"].items()
    ]
    lines += [
        "",
        f"Whatever the distribution: with {100 * CONFIDENCE:.0f} % confidence {100 * at_least(8):.0f} % of all",
        f"photographs exceed the worst of 8, and {100 * at_least(59):.0f} % the worst of 59 (0.05^(1/n)).",
        "",
    ]
    return "\n".join(lines)


def main() -> None:
    """Measure, simulate, and write JSON and Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=Path, required=True)
    parser.add_argument("--at", type=float, default=0.001181)
    parser.add_argument("--count", type=int, help="training photographs, the first so many")
    parser.add_argument("-o", "--out", type=Path, required=True)
    options = parser.parse_args()
    torch.set_num_threads(1)
    counts = {"train": options.count, "validation": None, "test": None}
    values = {split: measured(options.photos, split, options.at, count) for split, count in counts.items()}
    draw, population = np.random.default_rng(0), np.array(values["train"])
    pairs = (("test", "validation"), ("test", "train"), ("validation", "train"))
    differences = {pair: ttest_ind(values[pair[0]], values[pair[1]], equal_var=False) for pair in pairs}
    found = {
        "at": options.at,
        "machine": processor(),
        "splits": {split: described(each) for split, each in values.items()},
        "differences": {
            f"{one} minus {other}": {"t": float(each.statistic), "p": float(each.pvalue)}
            for (one, other), each in differences.items()
        },
        "coverage": {str(size): coverage(population, size, draw) for size in (4, 8, 12, 30)},
        "psnr": values,
    }
    write_atomic(options.out.with_suffix(".json"), json.dumps(found, indent=1) + "\n")
    write_atomic(options.out.with_suffix(".md"), page(found))
    print(page(found))


if __name__ == "__main__":
    main()
