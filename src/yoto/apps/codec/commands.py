"""`yoto compress`, `yoto decompress` and `yoto inspect`."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from yoto.cli import batch, checks, pictures
from yoto.cli.options import Force, Json, Model, Output
from yoto.cli.output import bar, note, print_json
from yoto.data.formats import OTHERS, SUFFIXES
from yoto.errors import YotoError
from yoto.support import cores

if TYPE_CHECKING:
    from yoto.apps.codec.format.container import Contents

SUFFIX = ".yoto"


def register(app: typer.Typer) -> None:
    """Add the commands of this group."""
    app.command("compress")(compress)
    app.command("decompress")(decompress)
    app.command("inspect")(inspect)


def compress(
    inputs: batch.FilesOrFolders,
    output: Output,
    quality: Annotated[float | None, typer.Option("--quality", metavar="Q", help="0 to 100 [default: 50].")] = None,
    bpp: Annotated[
        float | None, typer.Option("--bpp", metavar="R", help="Bits per pixel that each file comes near to.")
    ] = None,
    psnr: Annotated[float | None, typer.Option("--psnr", metavar="DB", help="PSNR to come near to.")] = None,
    size: Annotated[int | None, typer.Option("--size", metavar="BYTES", help="Bytes not to exceed.")] = None,
    total_size: Annotated[
        int | None,
        typer.Option("--total-size", metavar="BYTES", help="Bytes that all files together may not exceed."),
    ] = None,
    effort: Annotated[
        int, typer.Option("--effort", metavar="0..2", help="Smaller files for seconds to minutes each.")
    ] = 0,
    compare: Annotated[
        bool, typer.Option("--compare", help="Say what JPEG, WebP and AVIF make of as many bytes.")
    ] = False,
    keep_exif: Annotated[bool, typer.Option("--keep-exif", help="Keep EXIF data; left out by default.")] = False,
    model: Model = None,
    jobs: batch.Jobs = None,
    as_json: Json = False,
    force: Force = False,
) -> None:
    """Compress pictures to .yoto files.

    Any format that Pillow reads. OUT is a file for one input ("-" is standard output) and a folder for several or for
    folders, whose structure it keeps. A target takes at most 8 trial encodings (with --effort, twice as many and two
    more); what was reached is said. --total-size gives all pictures one quality.

    \b
    yoto compress photo.jpg -o photo.yoto --quality 60
    yoto compress photo.jpg -o photo.yoto --bpp 0.5 --compare
    yoto compress *.png -o small --size 50000 --jobs 4
    yoto compress album -o small --total-size 2000000
    """
    target = the_target({"quality": quality, "bpp": bpp, "psnr": psnr, "size": size, "total-size": total_size})
    if effort not in range(3):
        raise checks.UsageError(f"--effort should be 0, 1 or 2. Found {effort}")
    files, places, folder = pictures.inputs_of(inputs, output, SUFFIXES | OTHERS)
    if total_size is not None and checks.STANDARD in files:
        raise checks.UsageError("--total-size reads its inputs several times. Found -; give --size")
    targets = pictures.outputs(
        files, output, force=force, suffix=SUFFIX, allowed=(SUFFIX,), folder=folder, places=places
    )
    batch.refuse_mixing(targets, as_json)
    check_model(model)

    from yoto.apps import codec
    from yoto.apps.codec import beside, compressing

    warnings.filterwarnings("ignore", module="PIL")  # of odd metadata: what counts is whether the pixels can be read
    progress = bar() if len(files) == 1 and effort else None
    if compare and (lacking := beside.missing()):
        note(lacking)
    with threads(jobs, len(files)) as pool:
        work = compressing.Work(codec.load(model), target, effort, keep_exif, as_json, compare, progress)
        if total_size is None:
            rows, failed = batch.run(pool, files, targets, work)
        else:
            rows, failed = compressing.together(work, pool, dict(zip(files, targets, strict=True)), total_size)
    if compare and rows and not as_json:
        note("\n".join(line for row in rows for line in beside.lines(row)))
    if not as_json and (larger := compressing.grown(rows)):
        note(larger)
    batch.said(rows, failed, as_json, ("input", "quality", "bytes", "bpp") + (("psnr",) if psnr is not None else ()))


def decompress(
    inputs: batch.FilesOrFolders,
    output: Output,
    model: Model = None,
    jobs: batch.Jobs = None,
    as_json: Json = False,
    force: Force = False,
) -> None:
    """Write .yoto files as pictures.

    OUT is a file for one input (PNG, JPEG, WebP, TIFF or BMP by its suffix; "-" is standard output, as PNG) and a
    folder for several or for folders (PNG), whose structure it keeps.

    \b
    yoto decompress photo.yoto -o photo.png
    yoto decompress small -o album
    """
    files, places, folder = pictures.inputs_of(inputs, output, {SUFFIX}, f"{SUFFIX} files")
    targets = pictures.outputs(files, output, force=force, folder=folder, places=places)
    batch.refuse_mixing(targets, as_json)
    check_model(model)
    known = {files[0]: headed(files[0])} if len(files) == 1 and not folder else {}  # refused before torch is imported

    with threads(jobs, len(files)) as pool:
        rows, failed = batch.run(
            pool, files, targets, lambda file, to: decompressed(known.get(file) or headed(file), file, to, model)
        )
    batch.said(rows, failed, as_json, ("input", "output", "width", "height"))


def headed(file: Path) -> bytes:
    """A file's bytes, once its beginning is known to be that of a .yoto file; torch is not needed to refuse others."""
    from yoto.apps.codec.format import container

    data = batch.contents_of(file)
    with batch.named(file):
        container.parse(data)
    return data


def decompressed(data: bytes, file: Path, to: Path, model: str | None) -> dict[str, Any]:
    """Decompress one file and say what came of it."""
    import time

    from yoto.apps import codec

    begin = time.perf_counter()
    with batch.named(file):
        image = codec.decompress(data, model=model)
    seconds = time.perf_counter() - begin
    batch.write_result(to, pictures.encoded(image, to))
    return {
        "input": str(file), "output": str(to), "width": image.width, "height": image.height, "mode": image.mode,
        "seconds": seconds,
    }  # fmt: skip


def inspect(inputs: batch.Inputs, as_json: Json = False) -> None:
    """Say what .yoto files hold, after checking that they are whole.

    \b
    yoto inspect photo.yoto
    """
    from yoto import bundle
    from yoto.apps.codec.format import container

    models = {header.info.get("fingerprint"): name for name, _, header in bundle.listing()}
    rows: list[dict[str, Any]] = []
    failed: list[YotoError] = []
    for file in checks.inputs(inputs):
        with batch.noted(failed), batch.named(file):
            data = batch.contents_of(file)
            rows.append(described(file, data, container.parse(data), models))
    tell(rows, as_json)
    batch.refuse(failed)


def described(file: Path, data: bytes, contents: Contents, models: Mapping[Any, str]) -> dict[str, Any]:
    """What a file holds."""
    header = contents.header
    return {
        "input": str(file), "width": header.width, "height": header.height,
        "colour": ("grey" if header.grey else "RGB") + (" + alpha" if header.alpha else ""),
        "bytes": len(data), "bpp": 8 * len(data) / (header.width * header.height),
        "quality": round(header.quality, 1), "level": header.level,
        "model": models.get(header.fingerprint.hex()), "fingerprint": header.fingerprint.hex(),
        "tiles": len(contents.tiles), "tile": header.tile, "hyper_bytes": len(contents.hyper),
        "latent_bytes": sum(map(len, contents.tiles)), "profile_bytes": len(header.icc),
        "alpha_bytes": len(header.alpha), "exif_bytes": len(header.exif),
    }  # fmt: skip


def tell(rows: Sequence[Mapping[str, Any]], as_json: bool) -> None:
    """Print what files hold."""
    if as_json:
        print_json(rows)
        return
    for row in rows:
        print(f"{row['input']}: {row['width']}x{row['height']} {row['colour']}, {row['bytes']:,} bytes, "
              f"{row['bpp']:.3f} bpp, quality {row['quality']:g} (level {row['level']})")  # fmt: skip
        known = row["model"] or "not here"
        print(f"  model {row['fingerprint']} ({known}); {row['tiles']} tile{'s' if row['tiles'] != 1 else ''} of "
              f"{row['tile']} pixels")  # fmt: skip
        parts = [(name, row[f"{name}_bytes"]) for name in ("latent", "hyper", "profile", "alpha", "exif")]
        print("  bytes: " + ", ".join(f"{name} {count:,}" for name, count in parts if count))


def the_target(options: dict[str, float | int | None]) -> dict[str, float]:
    """The one of quality and targets that was given, checked; quality 50 where none was.

    Raises:
        UsageError: If several were given, or a value is out of range.
    """
    given = {name: value for name, value in options.items() if value is not None}
    if len(given) > 1:
        raise checks.UsageError(
            f"one of --quality, --bpp, --psnr, --size and --total-size should be given. Found {len(given)}"
        )
    for name, value in given.items():
        if name == "quality" and not 0 <= value <= 100:
            raise checks.UsageError(f"--quality should lie in 0 to 100. Found {value:g}")
        if name != "quality" and not 0 < value < float("inf"):
            raise checks.UsageError(f"--{name} should be above 0. Found {value:g}")
    return given or {"quality": 50.0}


def check_model(model: str | None) -> None:
    """Refuse a model that is missing or no codec, before torch is imported."""
    from yoto import bundle

    if model is not None:
        header = bundle.read_header(model)
        if header.task != "compression" or header.conditioning is None:
            raise YotoError(
                f"--model should be a codec. Found {model!r}, a model of the task {header.task or '(none)'}."
            )


@contextmanager
def threads(jobs: int | None, count: int) -> Iterator[ThreadPoolExecutor]:
    """A pool for `count` files; torch's own threads share what is left of the cores."""
    there = cores.available()
    workers = max(1, min(jobs or there, count))
    import torch

    torch.set_num_threads(max(1, min(there, torch.get_num_threads()) // workers))
    pool = ThreadPoolExecutor(workers)
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)  # of an interrupted command: what has not begun
