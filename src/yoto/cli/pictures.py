"""Reading and writing of picture files for the commands that work on pictures."""

from __future__ import annotations

import io
import os
import struct
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from yoto.cli import batch, checks
from yoto.support.files import is_device

if TYPE_CHECKING:
    import numpy as np
    from PIL.Image import Image

    from yoto.data.images import Picture

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp")


class Inputs(NamedTuple):
    """The files behind some inputs.

    `places` are where their results belong below a folder, without a suffix; `folder` is whether a folder was given.
    """

    files: list[Path]
    places: list[Path]
    folder: bool


def inputs_of(given: Sequence[Path], output: Path, suffixes: Collection[str], what: str = "pictures") -> Inputs:
    """Files as they are, folders as the files below them, by name; each keeps its place below its folder.

    Args:
        given: Files, folders, "-".
        output: Where results go; it is left out where it lies inside a folder that is given.
        suffixes: Of the files that are taken from folders; hidden ones are left out.
        what: What these are called.

    Raises:
        UsageError: If one does not exist, or a folder has no such file.
    """
    files, places, folder = [], [], False
    for path in given:
        if not path.is_dir():
            files.append(path)
            places.append(Path(path.stem))
            continue
        folder = True
        found = list(below(path, output, suffixes))
        if not found:
            raise checks.UsageError(f"the folder {str(path)!r} should have {what} in it. Found none")
        files += found
        places += [file.relative_to(path).with_suffix("") for file in found]
    checks.inputs([path for path in given if not path.is_dir()])  # those of folders are refused each for itself
    return Inputs(files, places, folder)


def below(folder: Path, leave_out: Path, suffixes: Collection[str]) -> Iterator[Path]:
    """The files with one of the suffixes (in lower case) below a folder, no devices or pipes.

    Links to folders are not followed.
    """
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(
            name for name in folders if not name.startswith(".") and not same(Path(place, name), leave_out)
        )
        for name in sorted(names):
            file = Path(place, name)
            if not name.startswith(".") and file.suffix.lower() in suffixes and not is_device(file):
                yield file


def same(one: Path, other: Path) -> bool:
    """Whether two paths lead to one file or folder."""
    return checks.there(other) and one.samefile(other)


def outputs(
    inputs: Sequence[Path],
    output: Path,
    *,
    force: bool,
    suffix: str = ".png",
    allowed: Sequence[str] = SUFFIXES,
    folder: bool = False,
    places: Sequence[Path] | None = None,
) -> list[Path]:
    """Where each input's result goes: the file `output` for one input, one per stem in that folder for several.

    Args:
        suffix: Of the files in a folder.
        allowed: Suffixes that a single file may have.
        folder: Whether the result goes into a folder even for one input.
        places: Of the results in the folder, without suffix; by default the inputs' stems.

    Raises:
        UsageError: If an output exists without `force`, cannot be written, or two inputs share a stem.
    """
    checks.nameable(output)
    if len(inputs) == 1 and not folder and not output.is_dir():
        return [picture_file(output, force=force, allowed=allowed)]
    if checks.STANDARD in (output, *inputs):
        if len(inputs) == 1 and output != checks.STANDARD and not folder:
            raise checks.UsageError(f"standard input has no name for a file in {str(output)!r}. Give -o a file")
        raise checks.UsageError("- is for one picture. Give a folder with several inputs")
    names = [str(place) for place in (places or [Path(path.stem) for path in inputs])]
    twice = next((name for name, count in Counter(names).items() if count > 1), None)
    if twice is not None:
        raise checks.UsageError(f"inputs should have different names before the suffix. Found {twice!r} twice")
    checks.output_folder(output, force=True)
    return [checks.output_file(output / f"{name}{suffix}", force=force) for name in names]


def picture_file(path: Path, *, force: bool, allowed: Sequence[str] = SUFFIXES) -> Path:
    """The path itself, once a file can be written there; to standard output ("-") and devices pictures go as PNG."""
    if not nameless(path) and path.suffix.lower() not in allowed:
        raise checks.UsageError(f"-o should end in {' or '.join(allowed)}. Found {str(path)!r}")
    return checks.output_file(path, force=force)


def nameless(path: Path) -> bool:
    """Whether a path says nothing of a format: standard output, a device, a pipe."""
    return path in (checks.STANDARD, checks.OUTPUT_DEVICE) or is_device(path)


def read(path: Path, *, keep_exif: bool = False) -> Picture:
    """A picture from a file or, for "-", standard input; errors as of `yoto.data.images.read_picture`."""
    from yoto.data import images

    return images.read_picture(batch.contents_of(path) if path == checks.STANDARD else path, keep_exif=keep_exif)


def write_picture(path: Path, picture: np.ndarray) -> None:
    """Write uint8 [H, W, 3] in the format of the suffix, whole or not at all."""
    from PIL import Image

    batch.write_result(path, encoded(Image.fromarray(picture), path, quality=85))


def encoded(image: Image, to: Path, *, quality: int = 95) -> bytes:
    """A picture in the format of a file's suffix, with its profile and EXIF data."""
    from PIL import Image as Images

    from yoto.data import exif, profiles
    from yoto.errors import YotoError

    Images.init()
    kind = "PNG" if nameless(to) else Images.EXTENSION[to.suffix.lower()]
    if kind in ("JPEG", "BMP") and image.mode in ("RGBA", "LA"):
        raise YotoError(f"{kind} has no alpha channel, which this picture has. Give -o a .png or .webp file.")
    if kind == "BMP":  # which has neither EXIF data to say how it is turned nor profiles to say what colours it has
        image = profiles.in_srgb(exif.upright(image))
    options: dict[str, Any] = {name: image.info[name] for name in ("icc_profile", "exif") if name in image.info}
    if kind == "JPEG":
        options["quality"] = quality
    elif kind == "WEBP":
        options["lossless"] = True
    buffer = io.BytesIO()
    try:
        if kind == "TIFF" and "exif" in options:
            options["tiffinfo"] = exif.tags(exif.loaded(options.pop("exif")))
        image.save(buffer, kind, **options)
    except (OSError, ValueError, SyntaxError, TypeError, KeyError, struct.error) as error:
        reason = " ".join(str(error).split())
        raise YotoError(
            f"{kind} cannot hold this picture of {image.width}x{image.height} pixels with its profile and EXIF data: "
            f"{reason}. Give -o a .png."
        ) from None
    return buffer.getvalue()
