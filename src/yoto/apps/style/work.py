"""What `yoto stylize` does with a file: paint it, lay out a sheet, animate it, or take it for a frame of a film."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from yoto.cli import batch, pictures
from yoto.cli.output import bar, note, print_json
from yoto.errors import YotoError

if TYPE_CHECKING:
    from yoto.apps.style import Painter
    from yoto.apps.style.painting.frames import Consistency
    from yoto.data.images import Picture
    from yoto.data.pixels import Pixels

OPAQUE = (".jpg", ".jpeg", ".bmp")


@dataclass(frozen=True)
class Settings:
    """The sliders, as `Bank.parameters` takes them."""

    strength: float
    layers: dict[str, float]
    smoothness: float | None


class Work:
    """What is done with one file.

    Args:
        painter: Ready to paint.
        keep_colours: Whether colours stay.
        settings: The sliders.
        alone: Whether there is one file only, whose progress is shown.
    """

    def __init__(self, painter: Painter, keep_colours: bool, settings: Settings, *, alone: bool) -> None:
        self.painter, self.keep_colours, self.settings, self.alone = painter, keep_colours, settings, alone

    def row(self, file: Path, to: Path, pixels: Pixels, seconds: float, **facts: Any) -> dict[str, Any]:
        """What is said of a file."""
        height, width = pixels.shape[:2]
        return {
            "input": str(file), "output": str(to), "width": width, "height": height, "seconds": seconds,
            "engine": self.painter.engine.name, **facts,
        }  # fmt: skip

    def picture(self, file: Path, to: Path, weights: dict[str, float]) -> dict[str, Any]:
        """Paint one picture."""
        import time

        from yoto.data.images import visible

        read = pictures.read(file)
        if read.alpha is not None and to.suffix.lower() in OPAQUE:
            raise YotoError(
                f"{file}: {to.suffix} has no alpha channel, which this picture has. Give -o a .png or .webp."
            )
        begin = time.perf_counter()
        with batch.named(file):
            values = self.painter.bank.parameters(weights, **asdict(self.settings))
            pixels = self.painter.paint(
                visible(read), values, keep_colours=self.keep_colours, progress=bar() if self.alone else None
            )
            seconds = time.perf_counter() - begin
            save_painted(to, pixels, read)
        return self.row(file, to, pixels, seconds, style=self.painter.bank.blend(weights), **asdict(self.settings))

    def sheet(
        self, file: Path, to: Path, blends: dict[str, dict[str, float]], over: str, steps: int, cell: int
    ) -> dict[str, Any]:
        """A contact sheet of one picture."""
        import time

        from yoto.apps.style.painting import sheets

        read, bank = pictures.read(file), self.painter.bank
        begin = time.perf_counter()
        places = sheets.positions(bank, over, steps)
        move, total, done = bar() if self.alone else None, len(blends) * steps, 0

        def step() -> None:
            nonlocal done
            done += 1
            if move is not None:
                move(done, total)

        rows = []
        for weights in blends.values():
            values = [sheets.setting(bank, weights, over, place, **asdict(self.settings)) for place in places]
            rows.append(
                sheets.row(self.painter, read, values, cell=cell, keep_colours=self.keep_colours, progress=step)
            )
        made = sheets.sheet(rows, list(blends), [f"{over} {place:.3g}" for place in places])
        seconds = time.perf_counter() - begin
        with batch.named(file):
            save_painted(to, made, replace(read, alpha=None), quality=85)
        return self.row(file, to, made, seconds, styles=list(blends), over=over, positions=places)

    def animation(
        self, file: Path, to: Path, weights: dict[str, float], over: str, steps: int, cell: int
    ) -> dict[str, Any]:
        """An animation of one picture over a slider."""
        import time

        from yoto.apps.style.painting import sheets

        read, bank = pictures.read(file), self.painter.bank
        begin = time.perf_counter()
        places = sheets.positions(bank, over, steps)
        values = [sheets.setting(bank, weights, over, place, **asdict(self.settings)) for place in places]
        made = sheets.row(self.painter, read, values, cell=cell, keep_colours=self.keep_colours)
        kind = {".gif": "GIF", ".webp": "WEBP"}.get(to.suffix.lower(), "PNG")
        batch.write_result(to, sheets.animation(made, kind, icc=profile(read)))
        seconds = time.perf_counter() - begin
        return self.row(file, to, made[0], seconds, style=bank.blend(weights), over=over, positions=places)


def profile(read: Picture) -> bytes:
    """The profile that a painted picture has: that of a grey one does not fit it."""
    return b"" if read.grey else read.icc


def save_painted(to: Path, pixels: Pixels, read: Picture, *, quality: int = 95) -> None:
    """Write a painted picture with the alpha channel and the profile of the one it came from."""
    from PIL import Image

    image = Image.fromarray(pixels)
    if read.alpha is not None:
        image.putalpha(Image.fromarray(read.alpha))
    if profile(read):
        image.info["icc_profile"] = profile(read)
    batch.write_result(to, pictures.encoded(image, to, quality=quality))


def film(work: Work, files: Sequence[Path], targets: Sequence[Path], weights: dict[str, float], as_json: bool) -> None:
    """Paint frames of one film with shared statistics and say how steady they are."""
    import time
    from collections.abc import Iterator

    from yoto.apps.style.painting import frames
    from yoto.data import images
    from yoto.data.images import visible

    painter, settings = work.painter, work.settings
    values = painter.bank.parameters(weights, **asdict(settings))
    sizes: dict[Path, tuple[int, int]] = {}
    failed: list[YotoError] = []
    for file in files:
        with batch.noted(failed):
            sizes[file] = images.size_of(file)
    batch.refuse(failed)
    size = sizes[files[0]]
    for file, other in sizes.items():
        if other != size:
            raise YotoError(
                f"{file}: frames should all have one size, {size[1]}x{size[0]}. Found {other[1]}x{other[0]}."
            )
    begin = time.perf_counter()
    shared = painter.statistics([visible(pictures.read(files[i])) for i in frames.chosen(len(files))], values)
    move = bar()

    def painted() -> Iterator[tuple[Pixels, Pixels]]:
        for number, (file, to) in enumerate(zip(files, targets, strict=True), start=1):
            read = pictures.read(file)
            seen = visible(read)
            made = painter.paint(seen, values, keep_colours=work.keep_colours, statistics=shared)
            save_painted(to, made, read)
            move(number, len(files))
            yield seen, made

    steady = frames.consistency(painted())
    assert steady is not None
    seconds = time.perf_counter() - begin
    if as_json:
        print_json({"output": str(targets[0].parent), "seconds": seconds, "engine": painter.engine.name,
                    "style": painter.bank.blend(weights), **asdict(settings), **steady.to_dict()})  # fmt: skip
        return
    note(f"{targets[0].parent}: {steady.frames} frames in {seconds:.1f} s")
    print(steadiness(steady))


def steadiness(steady: Consistency) -> str:
    """A film's consistency in words."""
    text = (
        f"mean change from frame to frame: {steady.input_change:.2f} levels of 255 before, "
        f"{steady.output_change:.2f} after"
    )
    if steady.flicker is not None:
        text += f"; where the input stands still ({steady.still:.0%} of the pixels): {steady.flicker:.2f}"
    return text
