"""`yoto stylize` and `yoto styles`."""

from __future__ import annotations

import warnings
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from yoto.apps.style import arguments
from yoto.apps.style.work import Settings, Work, film
from yoto.cli import batch, checks, pictures
from yoto.cli.options import Force, Json, Model, Output
from yoto.cli.output import print_json, table

MOVING = (".webp", ".gif", ".png")
ENGINES = ("onnxruntime", "torch")


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
            "--over",
            metavar="SLIDER",
            help=f"For --grid and --animate: {', '.join(arguments.SLIDERS)} [default: strength].",
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

    slider = arguments.the_mode(grid, animate, frames, {"--over": over, "--steps": steps, "--cell": cell})
    layers = arguments.offsets(layer or [])
    arguments.refuse_doubled(slider, strength, layers, smoothness)
    if engine is not None:
        checks.choice(engine, ENGINES, "--engine")
    files = arguments.expanded(inputs, frames=frames)
    bank = open_bank(model)
    blends = {name: arguments.blend(name) for name in arguments.the_styles(style or [], bank.names, grid)}
    settings = Settings(strength=0.7 if strength is None else strength, layers=layers, smoothness=smoothness)
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
            rows, failed = batch.run(
                pool, files, targets, lambda file, to: work.sheet(file, to, blends, slider, steps or 5, cell or 320)
            )
        else:
            (weights,) = blends.values()
            one = partial(work.animation, over=slider, steps=steps or 13, cell=cell or 320) if animate else work.picture
            rows, failed = batch.run(pool, files, targets, lambda file, to: one(file, to, weights))
    batch.said(rows, failed, as_json, ("input", "output", "width", "height", "seconds"))


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
        output = pictures.picture_file(output, force=force)
        batch.refuse_mixing([output], as_json)

        from yoto.apps.style.thumbnails import overview

        pictures.write_picture(output, overview(bank))
    if as_json:
        print_json([asdict(style) for style in bank.styles])
    elif output is None:
        rows = [(style.name, style.title, style.artist, style.date, style.source) for style in bank.styles]
        print(table(("name", "title", "artist", "date", "source"), rows))
