"""Data sets of the VAE by name: every image a float tensor [C, H, W] with values in [0, 1]."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from yoto.data import ArrayData, Data, SubsetData
from yoto.data.pixels import to_unit
from yoto.errors import YotoError
from yoto.support.extras import needed
from yoto.task import SPLITS

if TYPE_CHECKING:
    from yoto.apps.vae.options import VAEOptions

HELD_OUT = 5_000
"""Validation images: the last ones of the training file (MNIST, Fashion-MNIST, CIFAR-10)."""


def load_images(options: VAEOptions, split: str) -> Data:
    """The images of `options.dataset`.

    The validation images are held out of the data set's training part; the test images are its own test part
    where it has one. `options.limit` keeps the first images of the training split only.

    Raises:
        YotoError: If the files are missing or damaged, or the split does not exist.
    """
    if split not in SPLITS:
        raise YotoError(f"`split` should be one of {', '.join(SPLITS)}. Found: {split!r}.")
    limit = options.limit if split == "train" else None
    match options.dataset:
        case "digits":
            return ArrayData(digits(split)[:limit], to_unit)
        case "mnist" | "fashion-mnist":
            return ArrayData(mnist(options, split)[:limit], to_unit)
        case "cifar10":
            return cifar10(options, split, limit)
        case "shapes":
            from yoto.apps.vae.world.shapes import ShapesData

            return ShapesData.split(split, limit)
        case "shapes3d":
            return shapes3d(options, split, limit)
        case "folder":
            return photographs(options, split, limit)


def digits(split: str) -> Tensor:
    """Handwritten digits of scikit-learn, uint8 [N, 1, 8, 8]: 1,297 / 200 / 300 of a fixed permutation.

    Their grey levels 0..16 are spread over 0..255, exact up to rounding to a level.
    """
    with needed("The data set digits"):
        from sklearn.datasets import load_digits
    grey = torch.from_numpy(load_digits().images).to(torch.float32)
    images = (grey * (255 / 16)).round().to(torch.uint8).unsqueeze(1)
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(0))
    return images[{"train": order[:1297], "validation": order[1297:1497], "test": order[1497:]}[split]]


def mnist(options: VAEOptions, split: str) -> Tensor:
    """MNIST or Fashion-MNIST, uint8 [N, 1, 28, 28]: 55,000 / 5,000 / 10,000."""
    from yoto.data.idx import read_idx
    from yoto.data.locate import find
    from yoto.data.untrusted import shape_text

    name = "t10k-images-idx3-ubyte.gz" if split == "test" else "train-images-idx3-ubyte.gz"
    path = find(options.dataset, (name,), options.data, options.download)
    array = read_idx(path)
    expected = (10_000 if split == "test" else 60_000, 28, 28)
    if array.shape != expected or array.dtype.name != "uint8":
        raise YotoError(
            f"{str(path)!r} should hold {expected[0]} images of 28x28 bytes. Found: {array.dtype.name} of "
            f"shape {shape_text(array.shape)}."
        )
    return part(torch.from_numpy(array).unsqueeze(1), split)


def cifar10(options: VAEOptions, split: str, limit: int | None) -> Data:
    """CIFAR-10, 3x32x32: 45,000 / 5,000 / 10,000, the training images augmented as in the paper."""
    from yoto.data.augment import ResizeCropFlip
    from yoto.data.cifar import read_cifar10
    from yoto.data.locate import find

    names = ("cifar-10-binary.tar.gz", "cifar-10-python.tar.gz")
    path = find("cifar10", names, options.data, options.download)
    images, _ = read_cifar10(path, "test" if split == "test" else "train")
    augment = ResizeCropFlip(40) if split == "train" else None
    return ArrayData(part(torch.from_numpy(images), split)[:limit], to_unit, augment)


def shapes3d(options: VAEOptions, split: str, limit: int | None) -> Data:
    """3D Shapes, 3x64x64: 380,000 / 4,000 / 96,000 of a fixed permutation, read from the disk as they are asked for."""
    from yoto.apps.vae.world.shapes import members
    from yoto.data.hdf5 import SHAPES3D, read_images
    from yoto.data.locate import find

    path = find("shapes3d", ("3dshapes.h5",), options.data, options.download)
    images = torch.from_numpy(read_images(path, SHAPES3D))
    return SubsetData(ArrayData(images, channels_first), members(split)[:limit])


def photographs(options: VAEOptions, split: str, limit: int | None) -> Data:
    """Crops of the photographs in the folder `options.data`, each photograph in one split only."""
    from yoto.data.augment import Flip
    from yoto.data.folder import read_crops

    if options.data is None:
        raise YotoError("`data` should be a folder of photographs when dataset=folder. Found: none.")
    crops = read_crops(options.data, split, options.size, limit)
    return ArrayData(torch.from_numpy(crops), to_unit, Flip() if split == "train" else None)


def part(images: Tensor, split: str) -> Tensor:
    """The training, the validation or, as they are, the test images."""
    return {"train": images[:-HELD_OUT], "validation": images[-HELD_OUT:], "test": images}[split]


def channels_first(images: Tensor) -> Tensor:
    """uint8 [B, H, W, C] as float [B, C, H, W] in [0, 1]."""
    return to_unit(images.movedim(-1, 1).contiguous())
