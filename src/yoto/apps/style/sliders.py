"""What the sliders of a style model do, measured on photographs that it has not seen.

Every slider is moved over five values with the others in the middle, for every painting and photograph: its own loss
should fall. Beside it, what a user could do without the sliders: blend the full-strength picture with the photograph.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from yoto import bundle
from yoto.apps.style.data import middle
from yoto.apps.style.losses import total_variation
from yoto.apps.style.options import LAYERS, painting_file
from yoto.apps.style.painting.bank import Bank
from yoto.apps.style.painting.sheets import SLIDERS, positions, setting
from yoto.apps.style.task import Measure, StyleTask
from yoto.data.images import read_photograph
from yoto.data.pixels import planes
from yoto.errors import YotoError

VALUES = 5
MIDDLE = 0.5
"""Strength at which the other sliders are moved."""
STRENGTHS = (0.25, 0.5, 0.75)
"""Strengths at which the slider is compared with blending; they are among the five."""
SIDE = 384
ALPHAS = (0.0, 0.25, 0.5, 0.75, 1.0)
"""Shares of the full-strength picture from which the blend of equal content is looked for."""
REFINEMENTS = 5


@dataclass(frozen=True)
class Row:
    """One picture at one position of a slider.

    Attributes:
        style, slider, position, photograph: Which.
        losses: "content", "style" (mean of the groups, offsets left out), the style loss of each group, "smoothness",
            and with the strength also "judge_content" and "judge_style" by features that trained nothing.
        change: Mean absolute difference of a pixel from the photograph, in [0, 1].
        moved: From the picture at the slider's lowest position.
    """

    style: str
    slider: str
    position: float
    photograph: str
    losses: dict[str, float]
    change: float
    moved: float


@dataclass(frozen=True)
class Blend:
    """The slider against alpha-blending at one strength, of one painting and photograph.

    Attributes:
        smoothness: Its weight. At its lowest hardly anything but content and style counts, of which the comparison is.
        content: Content loss of the slider's picture; that of the blend is the same.
        slider, blended: Style losses of both.
    """

    style: str
    photograph: str
    strength: float
    smoothness: float
    content: float
    slider: float
    blended: float


@dataclass(frozen=True)
class Evaluation:
    """Rows of every slider, the comparison with blending, and facts about the run."""

    rows: tuple[Row, ...]
    blends: tuple[Blend, ...]
    info: dict[str, Any]


def own_loss(slider: str) -> str:
    """The loss that a slider is to lower."""
    return {"strength": "style", "smoothness": "smoothness"}.get(slider, f"style_{slider}")


class Meter:
    """Measures one model's pictures."""

    def __init__(self, bank: Bank) -> None:
        loaded = bundle.load(bank.header.path)
        assert isinstance(loaded.task, StyleTask)
        self.bank, self.model, self.task = bank, loaded.conditional, loaded.task
        options = self.task.options
        self.measure = self.task.measure(options.features)
        judge = options.judged_by
        self.judge = self.task.measure(judge) if judge is not None else None

    def known(self) -> list[str]:
        """The paintings whose pictures are here."""
        found = []
        for name in self.bank.names:
            try:
                painting_file(name, self.task.options.styles)
            except YotoError:
                continue
            found.append(name)
        return found

    def shares(self, style: str) -> Tensor:
        """One painting's place in the bank, [1, S]."""
        shares = torch.zeros(1, len(self.bank.names))
        shares[0, self.bank.names.index(style)] = 1.0
        return shares

    def losses(
        self, image: Tensor, photograph: Tensor, style: str, content: Mapping[str, Tensor], *, judged: bool
    ) -> dict[str, float]:
        """All losses of a picture [1, 3, H, W]."""
        shares = self.shares(style)
        found = self.measure(image, photograph, shares, content["own"])
        result = {f"style_{name}": float(found[name]) for name in LAYERS}
        result |= {"content": float(found["content"]), "style": sum(result.values()) / len(LAYERS)}
        result["smoothness"] = float(total_variation(image))
        if judged and self.judge is not None:
            other = self.judge(image, photograph, shares, content["judge"])
            result["judge_content"] = float(other["content"])
            result["judge_style"] = sum(float(other[name]) for name in LAYERS) / len(LAYERS)
        return result

    def content(self, photograph: Tensor) -> dict[str, Tensor]:
        """What content is compared with, computed once per photograph."""
        measures: dict[str, Measure | None] = {"own": self.measure, "judge": self.judge}
        return {name: measure.content(photograph) for name, measure in measures.items() if measure is not None}


@torch.inference_mode()
def evaluate(
    bank: Bank,
    files: Sequence[Path],
    *,
    side: int = SIDE,
    info: Mapping[str, Any] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Evaluation:
    """Measure every slider of a model on photographs.

    Args:
        bank: Of the model.
        files: Photographs that it was not trained on.
        side: Pixels along a side of the part in the middle of each that is painted.
        info: Further facts to keep.
        progress: Called with the number of photographs times paintings measured and their total.

    Raises:
        YotoError: If the feature networks or all paintings are missing.
    """
    meter = Meter(bank)
    styles = meter.known()
    if not styles:
        raise YotoError(
            "The pictures of the paintings should be here. Found none. Set YOTO_DATA to a folder with paintings/ in it."
        )
    rows: list[Row] = []
    blends: list[Blend] = []
    for number, file in enumerate(files):
        photograph = planes(middle(read_photograph(file), side))
        content = meter.content(photograph)
        for place, style in enumerate(styles):
            found: list[Row] = []
            smooth: list[Row] = []
            strongest = photograph
            for slider in SLIDERS:
                first: Tensor | None = None
                for position in positions(bank, slider, VALUES):
                    values = setting(bank, style, slider, position, strength=MIDDLE)
                    image = meter.model.at(values)(photograph)
                    first = image if first is None else first
                    losses = meter.losses(image, photograph, style, content, judged=slider == "strength")
                    change, moved = (float((image - other).abs().mean()) for other in (photograph, first))
                    found.append(Row(style, slider, position, file.stem, losses, change, moved))
                    strongest = image if slider == "strength" else strongest
            rows += found
            middle_weight = float(bank.parameters(style)["smoothness"])  # type: ignore[arg-type]
            blends += blended(meter, photograph, strongest, found, content, middle_weight)
            lowest = bank.extent("smoothness")[0]
            for position in (*STRENGTHS, 1.0):
                image = meter.model.at(bank.parameters(style, strength=position, smoothness=lowest))(photograph)
                losses = meter.losses(image, photograph, style, content, judged=False)
                smooth.append(Row(style, "strength", position, file.stem, losses, 0.0, 0.0))
            blends += blended(meter, photograph, image, smooth, content, lowest)
            if progress is not None:
                progress(number * len(styles) + place + 1, len(files) * len(styles))
    facts = {
        "side": side,
        "photographs": [file.stem for file in files],
        "styles": styles,
        "left_out": sorted({*bank.names} - {*styles}),
    }
    return Evaluation(tuple(rows), tuple(blends), {**facts, **(info or {})})


def blended(
    meter: Meter,
    photograph: Tensor,
    strongest: Tensor,
    rows: Sequence[Row],
    content: Mapping[str, Tensor],
    smoothness: float,
) -> list[Blend]:
    """The slider's pictures beside blends of its strongest with the photograph that have the same content loss."""
    style = rows[0].style

    def blend(alpha: float) -> tuple[float, float]:
        mixed = photograph + alpha * (strongest - photograph)
        losses = meter.losses(mixed, photograph, style, content, judged=False)
        return losses["content"], losses["style"]

    coarse = {alpha: blend(alpha) for alpha in ALPHAS}
    result = []
    for row in rows:
        if row.slider == "strength" and row.position in STRENGTHS:
            wanted = row.losses["content"]
            _, same = at_content(blend, coarse, wanted)
            strength, own = row.position, row.losses["style"]
            result.append(Blend(style, row.photograph, strength, smoothness, wanted, own, same))
    return result


def at_content(
    blend: Callable[[float], tuple[float, float]], coarse: Mapping[float, tuple[float, float]], wanted: float
) -> tuple[float, float]:
    """Content and style loss of the blend whose content loss is the wanted one, measured there, not interpolated.

    Style falls along a convex curve, so that a straight line between two blends would flatter the slider.

    Args:
        blend: Content and style loss at a share of the full-strength picture.
        coarse: The same at a few shares, 0 and 1 among them.
        wanted: A content loss; beyond that of the strongest picture, the strongest is taken.
    """
    known = dict(coarse)
    best = min(known, key=lambda alpha: abs(known[alpha][0] - wanted))
    for _ in range(REFINEMENTS):
        if abs(known[best][0] - wanted) <= 1e-3 * wanted:
            break
        below = max((alpha for alpha in known if known[alpha][0] <= wanted), default=0.0)
        above = min((alpha for alpha in known if alpha > below), default=1.0)
        if above <= below:
            break
        low, high = known[below][0], known[above][0]
        share = (wanted - low) / (high - low) if high > low else 0.5
        best = below + min(max(share, 0.05), 0.95) * (above - below)
        known[best] = blend(best)
    return known[best]


# ---- summaries


def spearman(evaluation: Evaluation, slider: str) -> float:
    """Rank correlation of a slider's position and its own loss, averaged over paintings and photographs.

    -1: the loss falls at every step.
    """
    from scipy.stats import spearmanr

    series = grouped(evaluation, slider)
    loss = own_loss(slider)
    return float(
        np.mean([spearmanr([r.position for r in rows], [r.losses[loss] for r in rows]).statistic for rows in series])
    )


def grouped(evaluation: Evaluation, slider: str) -> list[list[Row]]:
    """Rows of one slider, a list for each painting and photograph, by position."""
    groups: dict[tuple[str, str], list[Row]] = {}
    for row in evaluation.rows:
        if row.slider == slider:
            groups.setdefault((row.style, row.photograph), []).append(row)
    return [sorted(rows, key=lambda row: row.position) for rows in groups.values()]


def means(evaluation: Evaluation, slider: str, value: Callable[[Row], float]) -> list[float]:
    """A value at each position of a slider, averaged over paintings and photographs."""
    table = np.array([[value(row) for row in rows] for rows in grouped(evaluation, slider)])
    return [float(each) for each in table.mean(axis=0)]


def against_blending(evaluation: Evaluation) -> dict[tuple[float, float], tuple[float, float]]:
    """By smoothness and strength: mean style loss of the slider and of the blend with the same content loss."""
    result = {}
    for smoothness in sorted({b.smoothness for b in evaluation.blends}):
        for strength in STRENGTHS:
            chosen = [b for b in evaluation.blends if (b.smoothness, b.strength) == (smoothness, strength)]
            slider, blend = np.mean([(b.slider, b.blended) for b in chosen], axis=0)
            result[smoothness, strength] = (float(slider), float(blend))
    return result
