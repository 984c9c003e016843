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
from yoto.cli.output import print_json
from yoto.errors import YotoError
from yoto.support import cores

if TYPE_CHECKING:
    from yoto.apps.codec import CodecModel
    from yoto.apps.codec.format.container import Contents

SUFFIX = ".yoto"


def register(app: typer.Typer) -> None:
    """Add the commands of this group."""
    app.command("compress")(compress)
    app.command("decompress")(decompress)
    app.command("inspect")(inspect)


def compress(
    inputs: batch.Inputs,
    output: Output,
    quality: Annotated[float | None, typer.Option("--quality", metavar="Q", help="0 to 100 [default: 50].")] = None,
    bpp: Annotated[float | None, typer.Option("--bpp", metavar="R", help="Bits per pixel to come near to.")] = None,
    psnr: Annotated[float | None, typer.Option("--psnr", metavar="DB", help="PSNR to come near to.")] = None,
    size: Annotated[int | None, typer.Option("--size", metavar="BYTES", help="Bytes not to exceed.")] = None,
    keep_exif: Annotated[bool, typer.Option("--keep-exif", help="Keep EXIF data; left out by default.")] = False,
    model: Model = None,
    jobs: batch.Jobs = None,
    as_json: Json = False,
    force: Force = False,
) -> None:
    """Compress pictures to .yoto files.

    Any format that Pillow reads. OUT is a file for one input ("-" is standard output) and a folder for several. A
    target takes at most 8 trial encodings; what was reached is said.

    \b
    yoto compress photo.jpg -o photo.yoto --quality 60
    yoto compress photo.jpg -o photo.yoto --bpp 0.5
    yoto compress *.png -o small --size 50000 --jobs 4
    """
    target = the_target({"quality": quality, "bpp": bpp, "psnr": psnr, "size": size})
    files = checks.inputs(inputs)
    targets = pictures.outputs(files, output, force=force, suffix=SUFFIX, allowed=(SUFFIX,))
    batch.refuse_mixing(targets, as_json)
    check_model(model)

    from yoto.apps import codec

    warnings.filterwarnings("ignore", module="PIL")  # of odd metadata: what counts is whether the pixels can be read
    with threads(jobs, len(files)) as pool:
        loaded = codec.load(model)
        rows, failed = batch.run(
            pool, files, targets, lambda file, to: compressed(file, to, loaded, target, keep_exif, as_json)
        )
    batch.said(rows, failed, as_json, ("input", "quality", "bytes", "bpp") + (("psnr",) if psnr is not None else ()))


def compressed(
    file: Path, to: Path, model: CodecModel, target: dict[str, float], keep_exif: bool, measured: bool
) -> dict[str, Any]:
    """Compress one file and say what came of it."""
    import time

    from yoto.apps import codec

    picture = pictures.read(file, keep_exif=keep_exif)
    begin = time.perf_counter()
    with batch.named(file):
        coded = codec.encode(picture, model=model, **target)  # type: ignore[arg-type]
    seconds = time.perf_counter() - begin
    batch.write_result(to, coded.data)
    height, width = picture.pixels.shape[:2]
    row = {
        "input": str(file), "output": str(to), "width": width, "height": height, "bytes": len(coded.data),
        "bpp": coded.bpp, "quality": coded.quality, "trials": coded.trials, "seconds": seconds,
    }  # fmt: skip
    if coded.psnr is not None:
        row["psnr"] = coded.psnr
    if measured:
        from yoto.apps.codec.rate_distortion import measures

        row |= measures(coded.data, picture, model)
    return row


def decompress(
    inputs: batch.Inputs,
    output: Output,
    model: Model = None,
    jobs: batch.Jobs = None,
    as_json: Json = False,
    force: Force = False,
) -> None:
    """Write .yoto files as pictures.

    OUT is a file for one input (PNG, JPEG, WebP, TIFF or BMP by its suffix; "-" is standard output, as PNG) and a
    folder for several (PNG).

    \b
    yoto decompress photo.yoto -o photo.png
    """
    files = checks.inputs(inputs)
    targets = pictures.outputs(files, output, force=force)
    batch.refuse_mixing(targets, as_json)
    check_model(model)
    known = {files[0]: headed(files[0])} if len(files) == 1 else {}  # refused before torch is imported

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
        raise checks.UsageError(f"one of --quality, --bpp, --psnr and --size should be given. Found {len(given)}")
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
