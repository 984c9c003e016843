"""Images in HDF5 files, unpacked once so that any image can be read without the rest."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import numpy.typing as npt

from yoto.data.untrusted import check_bytes
from yoto.errors import YotoError
from yoto.support.extras import needed
from yoto.support.files import atomic

SHAPES3D = (480_000, 64, 64, 3)
"""Shape of the images of 3D Shapes."""


def read_images(
    path: str | os.PathLike[str], shape: tuple[int, int, int, int], key: str = "images"
) -> npt.NDArray[np.uint8]:
    """The images of an HDF5 file, mapped into memory.

    The compressed file cannot be read at random in a bearable time. So the first call writes its images, as they
    are, to a .npy file beside it (5.9 GB for 3D Shapes), and every call maps that file.

    Args:
        path: The HDF5 file.
        shape: The shape [N, H, W, C] that the images should have.
        key: The data set inside the file.

    Returns:
        uint8 [N, H, W, C], read from the disk where it is used; writing to it does not change the file.

    Raises:
        YotoError: If the file is missing, damaged or of another shape, or the disk is full.
    """
    path = Path(path)
    unpacked = path.with_name(f"{path.stem}-{key}.npy")
    if not unpacked.exists() or (path.exists() and unpacked.stat().st_mtime < path.stat().st_mtime):
        unpack(path, unpacked, shape, key)
    try:
        images = np.load(unpacked, mmap_mode="c", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise YotoError(
            f"{str(unpacked)!r} should be a whole .npy file. Found: {' '.join(str(error).split())}. Usually: "
            "delete it, it is written again."
        ) from None
    check_bytes(images, shape, repr(str(unpacked)), " Usually: delete it, it is written again.")
    return images  # type: ignore[no-any-return]


def unpack(path: Path, target: Path, shape: tuple[int, int, int, int], key: str) -> None:
    """Write data set `key` of the HDF5 file `path` to `target`, a slab at a time."""
    with needed("An HDF5 file"):
        import h5py
    try:
        with h5py.File(path, "r") as file:
            if not isinstance(file.get(key), h5py.Dataset) or file[key].shape is None:
                raise YotoError(f"{str(path)!r} should have a data set {key!r}. Found: {', '.join(file) or 'none'}.")
            images = file[key]
            check_bytes(images, shape, f"{key!r} in {str(path)!r}")
            # Whole chunks, or each of them would be unpacked many times.
            rows = max(images.chunks[0] if images.chunks else 1, 4096)
            with atomic(target) as temporary:
                output = np.lib.format.open_memmap(temporary, mode="w+", dtype=np.uint8, shape=shape)
                for start in range(0, shape[0], rows):
                    output[start : start + rows] = images[start : start + rows]
                output.flush()
    except OSError as error:
        reason = " ".join(str(error).split())
        raise YotoError(
            f"{str(path)!r} should be a whole HDF5 file, with room for {target.name} beside it. Found: {reason}. "
            "Usually: a download that was cut off."
        ) from None
