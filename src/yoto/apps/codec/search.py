"""Encodings of one picture at several levels, and the level that reaches a target."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from yoto.apps.codec import latents
from yoto.apps.codec.assembly import pixels_of
from yoto.apps.codec.format import chunks, container
from yoto.data.pixels import LEVELS, planes, psnr_of
from yoto.errors import YotoError

if TYPE_CHECKING:
    from yoto.apps.codec.format.coder import Coder
    from yoto.apps.codec.model import CodecModel
    from yoto.apps.codec.refinement import Plan, Progress
    from yoto.data.images import Picture

TOP = 255
TRIALS = 8
"""Encodings at most: the levels are 2^8."""


@dataclass(frozen=True)
class Encoded:
    """A coded picture.

    Attributes:
        data: The file.
        level: Quality level, 0 to 255.
        pixels: Number of pixels.
        trials: Encodings that were made to reach a target.
        psnr: PSNR in dB against the picture as coded, where it was measured; colours under alpha 0 are left out.

    >>> coded = Encoded(bytes(1000), level=128, pixels=16000)
    >>> coded.bpp, round(coded.quality, 1)
    (0.5, 50.2)
    """

    data: bytes
    level: int
    pixels: int
    trials: int = 1
    psnr: float | None = None

    @property
    def quality(self) -> float:
        """Quality on the scale of 0 to 100."""
        return self.level / 2.55

    @property
    def bpp(self) -> float:
        """Bits of the file per pixel."""
        return 8 * len(self.data) / self.pixels


class OutOfReachError(YotoError):
    """A target that no quality level reaches."""


def bracket(value: Callable[[int], float], target: float) -> dict[int, float]:
    """Values of the levels that were tried to find where they pass a target.

    Values rise with the level, nearly in a straight line: after one trial in the middle and one at an end each
    is placed by interpolation, and by halving where two in a row did not halve what is left.

    Args:
        value: Of a level, 0 to 255; called for at most 8.
        target: The highest value wanted.
    """
    values: dict[int, float] = {}
    low, high = -1, TOP + 1
    lengths = [high - low]
    while high - low > 1 and len(values) < TRIALS:
        if not values:
            level = TOP // 2
        elif low < 0 or high > TOP:
            level = 0 if low < 0 else TOP
        elif len(lengths) > 4 and 2 * lengths[-1] > lengths[-3]:
            level = (low + high) // 2
        else:
            share = (target - values[low]) / max(values[high] - values[low], 1e-9)
            level = min(max(low + round(share * (high - low)), low + 1), high - 1)
        values[level] = value(level)
        low, high = (level, high) if values[level] <= target else (low, level)
        lengths.append(high - low)
    return values


def highest_within(values: dict[int, float], most: float) -> int | None:
    """The highest of the levels whose value is at most `most`, or None."""
    return max((level for level, value in values.items() if value <= most), default=None)


def nearest_of(values: dict[int, float], target: float, *, enough: bool) -> int:
    """The level whose value is nearest to a target; the one with most where the target is too far off to tell.

    Args:
        values: Of the levels that were tried.
        target: The value wanted.
        enough: Whether the lowest level will do where all values are above the target.
    """
    if enough and min(values.values()) > target:
        return min(values)
    least = min(abs(value - target) for value in values.values())
    tied = [level for level, value in values.items() if abs(value - target) == least]
    short = all(values[level] < target for level in tied)
    return max(tied, key=values.__getitem__) if short else tied[0]


def level_within(plain: Callable[[int], int], refined: Callable[[int], int] | None, most: float) -> tuple[int, bool]:
    """The highest level found at which files take at most `most` bytes, and whether the refined ones are meant.

    Args:
        plain: Bytes at a level without refinement.
        refined: Bytes with it, or None where there is none.
        most: If not even level 0 takes so few, that is the answer.
    """
    values = bracket(plain, most)
    level = highest_within(values, most)
    if refined is None or level is None:
        return level or 0, refined is not None
    sizes = {level: refined(level)}
    room = most * values[level] / sizes[level]  # refinement moves all levels about alike
    further = highest_within(bracket(plain, room), room)
    if further is not None and further != level:
        sizes[further] = refined(further)
    fitting = [each for each, size in sizes.items() if size <= most]
    best = max(fitting, default=-1)
    return (best, True) if best >= level else (level, False)


class Trial:
    """Encodings of one picture at several levels, each made once.

    Args:
        picture: As it is coded, with no hidden colours of its own.
        model: The codec.
        tile: Side in pixels of the parts that are computed at a time.
        coder: Entropy coder.
        effort: 0 to 2.
        progress: Called with steps done and steps in all while latents are refined.
    """

    def __init__(
        self, picture: Picture, model: CodecModel, tile: int, coder: Coder, effort: int = 0,
        progress: Progress | None = None,
    ) -> None:  # fmt: skip
        self.picture, self.model, self.coder = picture, model, coder
        self.effort, self.progress = effort, progress
        self.header = chunks.header_of(picture, 0, model.fingerprint, tile)
        self.made: dict[int, Encoded] = {}
        self.refined: dict[int, Encoded] = {}

    def __call__(self, level: int) -> Encoded:
        """The picture at a level, without refinement."""
        if level not in self.made:
            header = replace(self.header, level=level)
            contents = latents.encode(self.model, header, self.picture.pixels, self.coder)
            self.made[level] = Encoded(container.pack(contents), level, header.width * header.height)
        return self.made[level]

    def best(self, level: int) -> Encoded:
        """The picture at a level with the effort that was asked for."""
        if not self.effort:
            return self(level)
        if level not in self.refined:
            from yoto.apps.codec.refinement import PLANS

            plans, found = PLANS[self.effort], [self(level)]
            total = sum(plan.steps for plan in plans)
            for number, plan in enumerate(plans):
                before = sum(each.steps for each in plans[:number])
                found.append(self.by_plan(level, plan, before, total))
            self.refined[level] = min(found, key=self.loss)
        return self.refined[level]

    def by_plan(self, level: int, plan: Plan, before: int, total: int) -> Encoded:
        """The picture at a level, its latents refined.

        Args:
            before, total: Steps for every tile of the plans before this one and of all.
        """
        from yoto.apps.codec.refinement import Refinement

        def progress(done: int, own: int) -> None:
            if self.progress is not None:
                tiles = own // plan.steps
                self.progress(done + before * tiles, total * tiles)

        header = replace(self.header, level=level)
        analyse = Refinement(self.model, header, plan, progress)
        contents = latents.encode(self.model, header, self.picture.pixels, self.coder, analyse)
        return Encoded(container.pack(contents), level, header.width * header.height)

    def loss(self, coded: Encoded) -> float:
        """λ·distortion + bits per pixel of an encoding, by its file."""
        decoded = pixels_of(container.parse(coded.data), self.model, self.coder)
        if self.model.distortion == "mse":
            error = 10 ** (-psnr_of(decoded, self.picture.pixels, self.picture.alpha) / 10) * LEVELS**2
        else:
            from yoto.apps.codec.losses import dissimilarity

            error = float(dissimilarity(planes(decoded), planes(self.picture.pixels)))
        return self.model.weights[coded.level] * error + coded.bpp

    def measure(self, coded: Encoded) -> float:
        """PSNR in dB of an encoding."""
        if coded.psnr is None:
            decoded = pixels_of(container.parse(coded.data), self.model, self.coder)
            coded = replace(coded, psnr=psnr_of(decoded, self.picture.pixels, self.picture.alpha))
            for known in (self.made, self.refined):
                if coded.level in known and known[coded.level].data == coded.data:
                    known[coded.level] = coded
        assert coded.psnr is not None
        return coded.psnr

    @property
    def trials(self) -> int:
        """Encodings that were made."""
        return len(self.made) + len(self.refined)

    def nearest(self, name: str, target: float, value: Callable[[Encoded], float], tolerance: float) -> Encoded:
        """The level whose value is nearest to a target.

        Raises:
            OutOfReachError: If the target lies beyond all levels by more than the tolerance; a PSNR below all of them
                is met by the lowest.
        """
        plain = bracket(lambda level: value(self(level)), target)
        enough, moved = name == "psnr", 0.0  # no less than was asked for is no failure
        level = nearest_of(plain, target, enough=enough)
        found = {level: value(self.best(level))}
        if self.effort:
            moved = found[level] - plain[level]  # refinement moves all levels about alike
            plain = bracket(lambda each: value(self(each)), target - moved)
            again = nearest_of(plain, target - moved, enough=enough)
            found[again] = value(self.best(again))
        level = nearest_of(found, target, enough=enough)
        best = self.best(level)
        seen = [*found.values(), *(each + moved for each in plain.values())]
        beyond = level in (0, TOP) or not min(seen) <= target <= max(seen)
        wanting = found[level] < target or not enough
        if wanting and beyond and abs(found[level] - target) > tolerance:
            raise OutOfReachError(
                f"`{name}` of {target:g} is out of this codec's reach for this picture. The nearest is "
                f"{found[level]:.4g}, at quality {best.quality:.0f}."
            )
        return replace(best, trials=self.trials)

    def within(self, size: int) -> Encoded:
        """The best level whose file has at most `size` bytes.

        Raises:
            OutOfReachError: If there is none.
        """
        level, refined = level_within(
            lambda each: len(self(each).data), (lambda each: len(self.best(each).data)) if self.effort else None, size
        )
        found = self.best(level) if refined else self(level)
        if len(found.data) > size:
            raise OutOfReachError(
                f"`size` of {size} bytes is out of this codec's reach for this picture. The nearest is "
                f"{len(found.data)} bytes, at quality {found.quality:.0f}."
            )
        return replace(found, trials=self.trials)
