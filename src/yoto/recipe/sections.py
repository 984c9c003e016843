"""The sections of a recipe: every key, what it means, its type and its default."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from yoto.errors import YotoError
from yoto.space import Sampling
from yoto.support.extras import needed

with needed("A recipe"):
    from pydantic import BaseModel, ConfigDict, Field, model_validator

Positive = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(ge=1)]
Natural = Annotated[int, Field(ge=0)]
Lists = dict[str, list[float | str | dict[str, float]]]
"""Values by parameter; a `Simplex` by its terms or by mappings, a `Choice` by names or blends."""


class Section(BaseModel):
    """Base of the sections: unknown keys and values of another type are errors."""

    model_config = ConfigDict(
        strict=True, extra="forbid", frozen=True, allow_inf_nan=False, use_attribute_docstrings=True
    )


class Conditioning(Section):
    """Arguments of `yoto.condition`."""

    sites: str | list[str] | None = None
    """Which layers: a regular expression over their names, or names; null: all that fold."""
    exclude: str | None = None
    """Layers that are left out, as a regular expression."""
    hidden: list[Count] = [64]
    """Widths of the conditioning network; with `layout: piecewise` the number of knots."""
    layout: Literal["shared", "separate", "piecewise"] = "shared"
    """One conditioning network for all layers, or one for each, or values at knots along the ranges for all."""
    multiplier: Positive = 0.1
    """ε in scale 1 + ε·s and shift ε·t."""
    gain: Literal["linear", "exponential"] = "linear"
    """The scale is 1 + ε·s, or exp(ε·s)."""
    skip: bool = False
    """Whether the heads read the conditioning vector beside the trunk's features."""
    fourier: Natural = 3
    """Fourier features of each parameter's position in its range."""
    raw: bool = False
    """Logs of the weights unscaled, as the paper's code feeds them."""
    batch_dim: Natural = 0
    """The axis of the samples in the layers' outputs."""
    channel_axis: dict[str, int] = {}
    """The axis of the channels, by layer, where it is not that of its class."""


class Training(Section):
    """The loop: budget, optimiser, schedules, and how λ is drawn.

    The values of `tilt` and of `spread` lie evenly over the run, with straight lines between.
    """

    steps: Count
    """Optimiser steps."""
    batch: Count
    """Examples per step, over all processes."""
    optimiser: Literal["muon", "adam", "adamw"] = "muon"
    """Muon is for weight matrices and kernels; Adam has the rest."""
    lr: Positive = 0.01
    """Learning rate of weight matrices and kernels."""
    adam_lr: Positive | None = None
    """Learning rate of everything else under Muon; null: `lr`."""
    conditioning_lr: Positive | None = None
    """Learning rate of the conditioning network; null: `adam_lr`, else `lr`."""
    lr_factors: dict[str, Positive] = {}
    """Factors of learning rates by a regular expression of whole parameter names; the first that matches."""
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.95
    """Muon's."""
    betas: Annotated[list[float], Field(min_length=2, max_length=2)] = [0.9, 0.999]
    """Adam's."""
    eps: Positive = 1e-8
    """Adam's."""
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    """Decoupled, of all parameters but the conditioning network's."""
    schedule: Literal["cosine", "steps", "constant"] = "cosine"
    """Of the learning rates."""
    final: Annotated[float, Field(ge=0, le=1)] = 0.01
    """Where the cosine ends, as a factor."""
    warmup: Natural = 100
    """Steps over which learning rates rise from 0."""
    milestones: list[Natural] = []
    """Steps at which `schedule: steps` multiplies by `decay`."""
    decay: Annotated[float, Field(gt=0, le=1)] = 0.5
    """The factor at each milestone."""
    clip: Literal["relative"] | Positive | None = "relative"
    """Gradients are clipped to a multiple of their running norm, or to a number."""
    clip_factor: Annotated[float, Field(gt=1)] = 1.5
    """That multiple."""
    ema: Annotated[float, Field(gt=0, lt=1)] | None = None
    """Decay of the moving average of the parameters; null: none."""
    balance: float | Literal["geometric"] | None = 0.25
    """What a loss is divided by in training: Π (wⱼ / medianⱼ)^balance over the free weights; null: nothing."""
    sampling: Sampling = "stratified"
    """How a batch's λ are drawn."""
    per_batch: bool = False
    """One λ for a whole batch, in place of one for every example."""
    tilt: Annotated[list[float], Field(min_length=2)] | None = None
    """Moves P_λ: density ∝ exp(−tilt·u), u the position in the range; over the run, straight lines between values."""
    spread: Annotated[list[Annotated[float, Field(ge=0, le=1)]], Field(min_length=2)] | None = None
    """Narrows P_λ to that share of its probability about the median; likewise over the run."""
    precision: Literal["32-true", "bf16-mixed"] = "32-true"
    """bfloat16 where autocast allows it."""
    channels_last: bool = False
    """Memory layout of pictures; faster convolutions on many machines."""
    accumulate: Count = 1
    """Parts in which a batch is computed."""
    cuda_graph: bool = False
    """On one GPU: replay forward and backward pass as one CUDA graph; for small networks and batches of one shape."""
    checkpoint_every: Count = 1000
    """Steps between checkpoints."""
    validate_every: Natural = 0
    """Steps between measurements on the validation split; the best is kept. 0: none."""
    log_every: Count = 50
    """Steps between rows of log.csv."""

    @model_validator(mode="after")
    def fits(self) -> Training:
        if self.batch % self.accumulate:
            raise YotoError(
                f"`training.batch` should be a multiple of `accumulate`. Found {self.batch} and {self.accumulate}."
            )
        if self.cuda_graph and self.accumulate > 1:
            raise YotoError(
                "`training.cuda_graph` writes gradients anew in each part: it needs `accumulate: 1`. "
                f"Found {self.accumulate}."
            )
        return self


class Evaluation(Section):
    """Where and how trade-off curves are measured.

    At `points` by name (lists are zipped, single values repeated), or on a `grid` of so many points along each free
    parameter; over the first `limit` examples of the split.
    """

    points: Lists | None = None
    """Settings of λ by name; lists are zipped, single values repeated. null: the grid, or those of the evaluation."""
    grid: Count = 13
    """So many points along each free parameter."""
    batch: Count = 500
    """Examples per batch."""
    limit: Count | None = None
    """The first so many examples of the split; null: all."""
    seed: int = 0
    """Of the random numbers."""


class Comparison(Section):
    """Separately trained references.

    At which `points`, with which changes to the recipe (`fixed`, dotted keys), and how many seeds.
    """

    points: Lists | None = None
    """Settings of λ by name; lists are zipped, single values repeated. null: the grid, or those of the evaluation."""
    fixed: dict[str, Any] = {}
    """Changes to the recipe for networks that are trained for one λ: dotted keys."""
    seeds: Count = 1
    """Networks of each kind, with seeds from the recipe's on."""
