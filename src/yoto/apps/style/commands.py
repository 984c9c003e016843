"""`yoto stylize` and `yoto styles`."""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from yoto.cli import batch, checks, pictures
from yoto.cli.options import Force, Json, Model, Output
from yoto.cli.output import bar, note, print_json, table
from yoto.data.formats import OTHERS, SUFFIXES
from yoto.errors import YotoError

if TYPE_CHECKING:
    from yoto.apps.style import Painter
    from yoto.apps.style.painting.frames import Consistency
    from yoto.data.images import Picture
    from yoto.data.pixels import Pixels

MOVING = (".webp", ".gif", ".png")
OPAQUE = (".jpg", ".jpeg", ".bmp")
ENGINES = ("onnxruntime", "torch")
SLIDERS = ("strength", "fine", "mid", "coarse", "coarser", "smoothness")


@dataclass(frozen=True)
class Settings:
    """The sliders, as `Bank.parameters` takes them."""

    strength: float
    layers: dict[str, float]
    smoothness: float | None


def register(app: typer.Typer) -> None:
    """Add the commands of this group."""
    app.command("stylize")(stylize)
    app.command("styles")(styles)


def stylize(
    inputs: Annotated[
        list[Path], typer.Argument(metavar="IN", help="Pictures, or folders of them; - is standard input.")
    ],
    output: Output,
    style: Annotated[
        list[str] | None,
        typer.Option(
            "--style",
            metavar="NAME",
            help="A style (yoto styles lists them), or a blend such as great-wave:2,pink-cloud:1.",
        ),
    ] = None,
    strength: Annotated[
        float | None, typer.Option("--strength", metavar="S", help="0 (nearly the photograph) to 1 [default: 0.7].")
    ] = None,
    layer: Annotated[
        list[str] | None,
        typer.Option(
            "--layer", metavar="NAME=W", help="Weight of fine, mid, coarse or coarser, 0.18 to 5.6; 1 is even."
        ),
    ] = None,
    smoothness: Annotated[
        float | None, typer.Option("--smoothness", metavar="W", help="Weight of the total variation, 0.01 to 0.5.")
    ] = None,
    keep_colours: Annotated[
        bool, typer.Option("--keep-colours", "--keep-colors", help="Paint the brightness only.")
    ] = False,
    grid: Annotated[bool, typer.Option("--grid", help="A contact sheet: styles down, a slider across.")] = False,
    animate: Annotated[bool, typer.Option("--animate", help="An animation over a slider (WebP, GIF or PNG).")] = False,
    frames: Annotated[
        bool, typer.Option("--frames", help="Inputs are frames of one film: painted alike; steadiness is reported.")
    ] = False,
    over: Annotated[
        str | None,
        typer.Option(
            "--over", metavar="SLIDER", help=f"For --grid and --animate: {', '.join(SLIDERS)} [default: strength]."
        ),
    ] = None,
    steps: Annotated[
        int | None, typer.Option("--steps", metavar="N", min=2, max=100, help="Positions of it [default: 5, or 13].")
    ] = None,
    cell: Annotated[
        int | None,
        typer.Option("--cell", metavar="PX", min=32, max=2048, help="Longest side of its pictures [default: 320]."),
    ] = None,
    engine: Annotated[
        str | None, typer.Option("--engine", metavar="|".join(ENGINES), help="What computes [default: the fastest].")
    ] = None,
    threads: Annotated[int | None, typer.Option("--threads", metavar="N", min=1, help="Threads per picture.")] = None,
    model: Model = None,
    jobs: Annotated[
        int, typer.Option("--jobs", metavar="N", min=1, help="Pictures at a time; each takes all cores and its memory.")
    ] = 1,
    as_json: Json = False,
    force: Force = False,
) -> None:
    """Paint pictures in the manner of a painting.

    Any format and any size. OUT is a file for one input ("-" is standard output, as PNG) and a folder for several.
    A folder as input stands for the pictures in it.

    \b
    yoto stylize photo.jpg -o out.png --style great-wave --strength 0.7 --layer coarse=2
    yoto stylize photo.jpg -o sheet.png --grid
    yoto stylize photo.jpg -o strip.webp --style pink-cloud --animate
    yoto stylize frames -o painted --style wheat-field --frames
    """
    from yoto.apps.style import open_bank

    slider = the_mode(grid, animate, frames, {"--over": over, "--steps": steps, "--cell": cell})
    if slider == "strength" and strength is not None:
        raise checks.UsageError("--strength is what the pictures differ in. Leave it out, or give another --over")
    if engine is not None:
        checks.choice(engine, ENGINES, "--engine")
    files = expanded(inputs, frames=frames)
    bank = open_bank(model)
    blends = {name: blend(name) for name in the_styles(style or [], bank.names, grid)}
    settings = Settings(
        strength=0.7 if strength is None else strength, layers=offsets(layer or []), smoothness=smoothness
    )
    for weights in blends.values():
        bank.parameters(weights, **asdict(settings))
    folder = frames or (len(inputs) == 1 and inputs[0].is_dir())
    targets = pictures.outputs(
        files,
        output,
        force=force,
        folder=folder,
        suffix=".webp" if animate else ".png",
        allowed=MOVING if animate else pictures.SUFFIXES,
    )
    batch.refuse_mixing(targets, as_json)
    if frames and checks.STANDARD in (*files, *targets):
        raise checks.UsageError("--frames takes files and a folder. Found -")

    warnings.filterwarnings("ignore", module="PIL")  # of odd metadata: what counts is whether the pixels can be read
    from yoto.apps.style import load

    painter = load(model, engine=engine, threads=threads)  # type: ignore[arg-type]
    work = Work(painter, keep_colours, settings, alone=len(files) == 1)
    if frames:
        (weights,) = blends.values()
        film(work, files, targets, weights, as_json)
        return
    with ThreadPoolExecutor(min(jobs, len(files))) as pool:
        if grid:
            rows = batch.run(
                pool, files, targets, lambda file, to: work.sheet(file, to, blends, slider, steps or 5, cell or 320)
            )
        else:
            (weights,) = blends.values()
            one = partial(work.animation, over=slider, steps=steps or 13, cell=cell or 320) if animate else work.picture
            rows = batch.run(pool, files, targets, lambda file, to: one(file, to, weights))
    batch.said(rows, as_json, ("input", "output", "width", "height", "seconds"))


def the_mode(grid: bool, animate: bool, frames: bool, further: Mapping[str, Any]) -> str:
    """The slider over which pictures are shown, or "" where each input gives one picture.

    Args:
        further: Options that are for --grid and --animate.

    Raises:
        UsageError: If two modes are given, or an option that is not for the given one.
    """
    modes = [name for name, on in (("--grid", grid), ("--animate", animate), ("--frames", frames)) if on]
    if len(modes) > 1:
        raise checks.UsageError(f"one of --grid, --animate and --frames should be given. Found {' and '.join(modes)}")
    if grid or animate:
        return checks.choice(further["--over"] or "strength", SLIDERS, "--over")
    for option, value in further.items():
        if value is not None:
            raise checks.UsageError(f"{option} is for --grid and --animate. Found neither")
    return ""


def the_styles(given: Sequence[str], known: Sequence[str], grid: bool) -> Sequence[str]:
    """The styles that are asked for; with --grid several, or by default the whole bank.

    Raises:
        UsageError: If there is none, or several without --grid.
    """
    if grid:
        return given or known
    if not given:
        raise checks.UsageError(f"--style should be one of {', '.join(known)}. Found none")
    if len(given) > 1:
        raise checks.UsageError(f"several --style are for --grid; a blend is --style A:1,B:1. Found {len(given)}")
    return given


def expanded(inputs: Sequence[Path], *, frames: bool) -> list[Path]:
    """The files, with folders as the pictures in them, by name.

    Raises:
        UsageError: If one does not exist or a folder has no picture.
    """
    result: list[Path] = []
    for path in inputs:
        if path.is_dir():
            found = [file for file in path.iterdir() if file.is_file() and file.suffix.lower() in SUFFIXES | OTHERS]
            if not found:
                raise checks.UsageError(f"the folder {str(path)!r} should have pictures in it. Found none")
            result += sorted(found, key=counted)
        else:
            result.append(path)
    checks.inputs(result)
    if frames and len(result) < 2:
        raise checks.UsageError(f"--frames needs at least two pictures. Found {len(result)}")
    return result


def counted(path: Path) -> list[tuple[int, str]]:
    """A key that sorts names by the numbers in them: frame2 before frame10."""
    parts = re.split(r"(\d+)", path.name)
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in parts]


def blend(text: str) -> dict[str, float]:
    """Weights by name of "great-wave" or "great-wave:2,pink-cloud:1".

    Raises:
        UsageError: If it is not of that form.
    """
    result: dict[str, float] = {}
    for part in text.split(","):
        name, colon, weight = part.partition(":")
        try:
            value = float(weight) if colon else 1.0
        except ValueError:
            value = float("nan")
        if not name.strip() or not 0 <= value < float("inf"):
            raise checks.UsageError(f"--style should be NAME or NAME:WEIGHT,NAME:WEIGHT. Found {text!r}")
        result[name.strip()] = result.get(name.strip(), 0.0) + value
    return result


def offsets(texts: Sequence[str]) -> dict[str, float]:
    """Offsets of the layers of ["coarse=2", …].

    Raises:
        UsageError: If one is not of that form.
    """
    result = {}
    for name, value in checks.point(texts, "--layer").items():
        if not isinstance(value, float):
            raise checks.UsageError(f"--layer should be NAME=W, such as coarse=2. Found {name}={value}")
        result[name] = value
    return result


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

        read = pictures.read(file)
        if read.alpha is not None and to.suffix.lower() in OPAQUE:
            raise YotoError(
                f"{file}: {to.suffix} has no alpha channel, which this picture has. Give -o a .png or .webp."
            )
        begin = time.perf_counter()
        with batch.named(file):
            values = self.painter.bank.parameters(weights, **asdict(self.settings))
            pixels = self.painter.paint(
                read.pixels, values, keep_colours=self.keep_colours, progress=bar() if self.alone else None
            )
            seconds = time.perf_counter() - begin
            save(to, pixels, read)
        return self.row(file, to, pixels, seconds, style=self.painter.bank.blend(weights), **asdict(self.settings))

    def sheet(
        self, file: Path, to: Path, blends: dict[str, dict[str, float]], over: str, steps: int, cell: int
    ) -> dict[str, Any]:
        """A contact sheet of one picture."""
        import time

        from yoto.apps.style.painting import sheets

        pixels, bank = pictures.read(file).pixels, self.painter.bank
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
                sheets.row(self.painter, pixels, values, cell=cell, keep_colours=self.keep_colours, progress=step)
            )
        made = sheets.sheet(rows, list(blends), [f"{over} {place:.3g}" for place in places])
        seconds = time.perf_counter() - begin
        pictures.write(to, made)
        return self.row(file, to, made, seconds, styles=list(blends), over=over, positions=places)

    def animation(
        self, file: Path, to: Path, weights: dict[str, float], over: str, steps: int, cell: int
    ) -> dict[str, Any]:
        """An animation of one picture over a slider."""
        import time

        from yoto.apps.style.painting import sheets

        pixels, bank = pictures.read(file).pixels, self.painter.bank
        begin = time.perf_counter()
        places = sheets.positions(bank, over, steps)
        values = [sheets.setting(bank, weights, over, place, **asdict(self.settings)) for place in places]
        made = sheets.row(self.painter, pixels, values, cell=cell, keep_colours=self.keep_colours)
        kind = {".gif": "GIF", ".webp": "WEBP"}.get(to.suffix.lower(), "PNG")
        batch.write(to, sheets.animation(made, kind))
        seconds = time.perf_counter() - begin
        return self.row(file, to, made[0], seconds, style=bank.blend(weights), over=over, positions=places)


def save(to: Path, pixels: Pixels, read: Picture) -> None:
    """Write a painted picture with the alpha channel and the profile of the one it came from."""
    from PIL import Image

    image = Image.fromarray(pixels)
    if read.alpha is not None:
        image.putalpha(Image.fromarray(read.alpha))
    if read.icc and not read.grey:
        image.info["icc_profile"] = read.icc
    batch.write(to, pictures.encoded(image, to))


def film(work: Work, files: Sequence[Path], targets: Sequence[Path], weights: dict[str, float], as_json: bool) -> None:
    """Paint frames of one film with shared statistics and say how steady they are."""
    import time
    from collections.abc import Iterator

    from yoto.apps.style.painting import frames
    from yoto.data import images

    painter, settings = work.painter, work.settings
    values = painter.bank.parameters(weights, **asdict(settings))
    sizes = {file: images.size_of(file) for file in files}
    size = sizes[files[0]]
    for file, other in sizes.items():
        if other != size:
            raise YotoError(
                f"{file}: frames should all have one size, {size[1]}x{size[0]}. Found {other[1]}x{other[0]}."
            )
    begin = time.perf_counter()
    shared = painter.statistics([pictures.read(files[i]).pixels for i in frames.chosen(len(files))], values)
    move = bar()

    def painted() -> Iterator[tuple[Pixels, Pixels]]:
        for number, (file, to) in enumerate(zip(files, targets, strict=True), start=1):
            read = pictures.read(file)
            made = painter.paint(read.pixels, values, keep_colours=work.keep_colours, statistics=shared)
            save(to, made, read)
            move(number, len(files))
            yield read.pixels, made

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


def styles(
    model: Model = None,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="OUT", help="A picture with the thumbnails of the bank.")
    ] = None,
    as_json: Json = False,
    force: Force = False,
) -> None:
    """List the styles of a model.

    \b
    yoto styles
    yoto styles -o styles.png
    """
    from yoto.apps.style import open_bank

    bank = open_bank(model)
    if output is not None:
        pictures.picture_file(output, force=force)
        batch.refuse_mixing([output], as_json)

        from yoto.apps.style.thumbnails import overview

        pictures.write(output, overview(bank))
    if as_json:
        print_json([asdict(style) for style in bank.styles])
    elif output is None:
        rows = [(style.name, style.title, style.artist, style.date, style.source) for style in bank.styles]
        print(table(("name", "title", "artist", "date", "source"), rows))
