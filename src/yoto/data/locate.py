"""Where the files of a data set lie: a given folder, YOTO_DATA, the system, the cache, a download."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, field
from pathlib import Path

from yoto.errors import YotoError

TIMEOUT = 15
"""Seconds without an answer after which a download gives up."""


@dataclass(frozen=True)
class Source:
    """What is known of one data set's files.

    Args:
        files: File name → SHA-256 of that file.
        url: What comes before the file name.
        home: Where to fetch the files by hand.
        folders: Sub-folders of a folder of data sets in which other libraries keep the same files.
        system: Folders in which a distribution's package puts them.
        unpacked: File name → what people unpack it to.
    """

    files: dict[str, str]
    url: str
    home: str
    folders: tuple[str, ...] = ()
    system: tuple[str, ...] = ()
    unpacked: dict[str, str] = field(default_factory=dict)


IDX = {f"{part}-images-idx3-ubyte.gz": f"{part}-images-idx3-ubyte" for part in ("train", "t10k")}

SOURCES = {
    "mnist": Source(
        files={
            "train-images-idx3-ubyte.gz": "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
            "t10k-images-idx3-ubyte.gz": "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
        },
        url="https://storage.googleapis.com/cvdf-datasets/mnist/",
        folders=("MNIST/raw",),
        unpacked=IDX,
        home="http://yann.lecun.com/exdb/mnist/",
    ),
    "fashion-mnist": Source(
        files={
            "train-images-idx3-ubyte.gz": "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
            "t10k-images-idx3-ubyte.gz": "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
        },
        url="http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
        folders=("FashionMNIST/raw",),
        unpacked=IDX,
        system=("/usr/share/datasets/fashion-mnist",),
        home="https://github.com/zalandoresearch/fashion-mnist or the Debian package dataset-fashion-mnist",
    ),
    "cifar10": Source(
        files={
            "cifar-10-binary.tar.gz": "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
            "cifar-10-python.tar.gz": "6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce",
        },
        url="https://www.cs.toronto.edu/~kriz/",
        home="https://www.cs.toronto.edu/~kriz/cifar.html",
        folders=(".",),
        unpacked={
            "cifar-10-binary.tar.gz": "cifar-10-batches-bin",
            "cifar-10-python.tar.gz": "cifar-10-batches-py",
        },
    ),
    "shapes3d": Source(
        files={"3dshapes.h5": "0a0f6ed98baff276a50f3a081a7434d788da63cb135a98189b2a5b5769be1785"},
        url="https://storage.googleapis.com/3d-shapes/",
        folders=(".", "3d-shapes"),
        home="https://github.com/google-deepmind/3d-shapes",
    ),
}


def find(dataset: str, names: tuple[str, ...], folder: str | None = None, download: bool = True) -> Path:
    """The first of the files `names` of `dataset` that is there, or the first of them downloaded.

    Looks in `folder` alone if it is given; else under the folder that the environment variable YOTO_DATA names,
    where the system keeps the data set, and in the cache. Downloads go to the cache and are checked.

    Args:
        dataset: A name in `SOURCES`.
        names: File names that serve equally, the preferred one first. What a file unpacks to serves as well.
        folder: The data set's folder, a folder with one sub-folder per data set, or the file itself.
        download: Whether to download what is not there.

    Raises:
        YotoError: If none is there; it says which file to put where. If a download fails.
    """
    source = SOURCES[dataset]
    below = (dataset, *source.folders)
    if folder is not None:
        return given(Path(folder), names, source, below)
    environment, cache = os.environ.get("YOTO_DATA"), cache_folder()
    # Files of the MNIST family share their names: a folder of data sets needs a sub-folder for each.
    places = [Path(environment) / sub for sub in below] if environment else []
    places += [Path(place) for place in source.system]
    places += [cache / dataset] if cache is not None else []
    for place in places:
        if (found := look(place, names, source)) is not None:
            return found
    offline = missing(dataset, names, source, cache)
    if not download or cache is None:
        raise offline
    return fetch(source.url + names[0], source.files[names[0]], cache / dataset, offline)


def given(place: Path, names: tuple[str, ...], source: Source, below: tuple[str, ...]) -> Path:
    """One of `names` in the folder that was asked for, or the file itself."""
    if place.is_file() and place.suffix == Path(names[0]).suffix:
        return place
    if place.is_dir() and place.name in (source.unpacked.get(name) for name in names):
        return place
    for sub in (".", *below):
        if (found := look(place / sub, names, source)) is not None:
            return found
    raise YotoError(
        f"{str(place)!r} should contain {' or '.join(names)}. Found: "
        f"{'a folder without it' if place.is_dir() else 'no such folder'}. Usually: put the file there, from "
        f"{source.home}."
    )


def look(place: Path, names: tuple[str, ...], source: Source) -> Path | None:
    """The first of `names`, packed or unpacked, in the folder `place`."""
    for name in names:
        for form in (name, source.unpacked.get(name, name)):
            if (place / form).exists():
                return place / form
    return None


def cache_folder() -> Path | None:
    """The cache of downloads; None without pooch."""
    try:
        import pooch
    except ImportError:
        return None
    return Path(pooch.os_cache("yoto"))


def fetch(url: str, checksum: str, folder: Path, otherwise: YotoError) -> Path:
    """`url` downloaded into `folder` and checked; any failure becomes one line with `otherwise`'s advice."""
    import logging

    import pooch

    pooch.get_logger().setLevel(logging.INFO if sys.stderr.isatty() else logging.WARNING)
    name = url.rsplit("/", 1)[-1]
    loader = pooch.HTTPDownloader(timeout=TIMEOUT)
    try:
        path = pooch.retrieve(url, f"sha256:{checksum}", fname=name, path=folder, downloader=loader)
    except (OSError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise YotoError(f"{otherwise} The download failed: {reason[:120]}…") from None
    return Path(path)


def missing(dataset: str, names: tuple[str, ...], source: Source, cache: Path | None) -> YotoError:
    """The error that says which file to put where."""
    place = f", or put it in {str(cache / dataset)!r}" if cache is not None else ""
    return YotoError(
        f"The data set {dataset} should be on this machine. Found: no {' or '.join(names)}. Usually: fetch it from "
        f"{source.home} into a folder and give data=FOLDER{place}."
    )
