"""A trained codec, ready to code: plain networks for each quality level, the integer decoder, the tables."""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from yoto import bundle
from yoto.apps.codec.format.errors import FileError
from yoto.apps.codec.format.integer import LEVELS, IntegerDecoder, fingerprint, level_weights
from yoto.apps.codec.format.tables import COUNT
from yoto.apps.codec.network import Codec
from yoto.apps.codec.rounding import Rounding, bits_of, encoding_price
from yoto.apps.codec.task import CompressionTask
from yoto.conditioning import Conditional
from yoto.errors import YotoError

if TYPE_CHECKING:
    from yoto.bundle import Bundle, Header

DEFAULT = "compression/photo"
LOADING = threading.Lock()
KEPT = 3
"""Plain networks that are kept, of the levels asked for last."""


class CodecModel:
    """A codec with all that files need. Safe to use from several threads.

    Args:
        loaded: A bundle of the compression task.

    Raises:
        YotoError: If it is no codec, lacks its integer tables, or is damaged.

    >>> len(load().fingerprint)  # the bytes by which a file names its model
    8
    """

    def __init__(self, loaded: Bundle) -> None:
        path = str(loaded.header.path)
        model = loaded.model
        if not isinstance(model, Conditional) or not isinstance(model.plain, Codec):
            raise YotoError(f"{path!r} should be a conditional codec. Found another kind of model.")
        if model.space.free != ("distortion",) or not loaded.extras:
            raise YotoError(
                f"{path!r} should carry the integer tables that files need. Found none. Usually: written by another "
                "version; pack it anew with yoto train --resume."
            )
        self.name = path
        self.model: Conditional[Any] = model
        self.integers = IntegerDecoder(model.plain, loaded.extras)
        self.bits = bits_of(self.integers.tables[:COUNT])
        self.fingerprint = fingerprint(model, loaded.extras)
        stated = loaded.header.info.get("fingerprint")
        if stated != self.fingerprint.hex():
            raise YotoError(f"{path!r} is damaged: its weights do not have the fingerprint {stated}. Get it anew.")
        self.weights = level_weights(model.space)
        assert isinstance(loaded.task, CompressionTask)  # no other has such networks
        self.distortion, self.price = loaded.task.options.distortion, loaded.task.options.rounding
        self.plain: OrderedDict[int, Codec] = OrderedDict()
        self.lock = threading.Lock()

    def at(self, level: int) -> Codec:
        """The plain network of a quality level (0 to 255); shared, not to be changed."""
        with self.lock:
            if level in self.plain:
                self.plain.move_to_end(level)
                return self.plain[level]
        # Outside whatever the caller is in: autocast would round its weights, and refining latents takes gradients.
        with torch.inference_mode(False), torch.no_grad(), torch.autocast("cpu", enabled=False):
            net: Codec = self.model.bake(distortion=self.weights[level]).eval()
        with self.lock:
            self.plain[level] = net
            while len(self.plain) > KEPT:
                self.plain.popitem(last=False)
        return net

    def rounding(self, level: int) -> Rounding:
        """How an encoder chooses symbols at a quality level."""
        price = encoding_price(level / (LEVELS - 1), self.price)
        return Rounding(self.bits, price)


@lru_cache(maxsize=4)
def opened(path: Path, _stamp: tuple[float, int]) -> CodecModel:
    """The codec in a file, kept as long as the file's time and size do not change."""
    with torch.no_grad():
        loaded = bundle.load(path)
        loaded.model.float()  # whatever torch's default is
        return CodecModel(loaded)


def load(name_or_path: str | os.PathLike[str] | CodecModel | None = None) -> CodecModel:
    """A codec by the name of a bundled model, a file or a run folder; the bundled one by default.

    Raises:
        YotoError: If it is missing, damaged or no codec.

    >>> len(load("compression/photo").weights)  # one λ for each quality level
    256
    """
    if isinstance(name_or_path, CodecModel):
        return name_or_path
    path = bundle.locate(DEFAULT if name_or_path is None else name_or_path)
    status = path.stat()
    with LOADING:
        return opened(path, (status.st_mtime, status.st_size))


def named(wanted: bytes) -> Header:
    """The bundle whose fingerprint a file asks for: a bundled model, one in YOTO_MODELS, or a finished run in ./runs.

    Raises:
        FileError: If there is none.
    """
    for _, _, header in bundle.listing():
        if header.info.get("fingerprint") == wanted.hex():
            return header
    raise FileError(
        f"The .yoto file was made with the model {wanted.hex()}, which is not here. Put its bundle into a folder and "
        "set YOTO_MODELS to it, or give the model (--model)."
    )


def model_for(wanted: bytes, given: str | os.PathLike[str] | CodecModel | None = None) -> CodecModel:
    """The codec that a file needs: the one given, or the one that its fingerprint names.

    Raises:
        FileError: If it is not here, or the given one is another.
    """
    if given is None:
        return load(named(wanted).path)
    model = load(given)
    if model.fingerprint != wanted:
        raise FileError(
            f"The .yoto file was made with the model {wanted.hex()}. Found {model.fingerprint.hex()} given. Leave the "
            "model away to have it looked up."
        )
    return model
