"""Between pixels and symbols, tile by tile.

Latents lie on one grid over the whole image, whatever the tiles: a tile is a part of the image that is computed at a
time, with as much of its surroundings as the networks look at. So there are no seams, and the symbols of a tile cost
nothing extra. Rows of tiles are worked off one after the other, in stages that are a row apart each: what a stage looks
at below a tile has then been there already. Memory is bounded by three rows of tiles.

Means and steps come from floats, so a latent beside a tile may be rounded the other way, about once in a million, when
it is computed with that tile and again with its own. The file holds the latter; the encoder's error is then a part of
a step at the latents beside it, and no decoder sees anything else than what is in the file.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from yoto.apps.codec.format.coder import Coder, decode_values, encode_values, least_bits
from yoto.apps.codec.format.container import BLOCK, STRIDE, Contents, Header, Payload, head
from yoto.apps.codec.format.errors import damaged
from yoto.apps.codec.format.integer import LARGEST_HYPER, UNIT
from yoto.apps.codec.grid import Box, Rows, followed, inner, rows_of_tiles, scaled, widened
from yoto.apps.codec.symbols import dequantised, quantised
from yoto.data.pixels import Pixels, to_bytes, to_unit
from yoto.errors import YotoError

if TYPE_CHECKING:
    from yoto.apps.codec.format.integer import Parameters
    from yoto.apps.codec.model import CodecModel
    from yoto.apps.codec.network import Codec

Ints = npt.NDArray[np.int64]
Analyse: TypeAlias = "Callable[[Codec, Pixels, Box, int, int], tuple[Tensor, Tensor]]"
"""What `analysed` is: another may refine latents before they are rounded."""
RATIO = STRIDE // BLOCK
"""Latents per hyper-latent, along each side."""
HALO = 2
"""Hyper-latents, or latents, that the synthesis networks look at beyond a tile: 1.75 of each."""
NEIGHBOURS = 4
"""Latents beyond a tile that its passes are given: the last of them looks at what the third decoded beside it, that at
the second, that at the first, which makes three. Even, so that a latent's pass is the same everywhere.
"""
CONTEXT = STRIDE
"""Pixels around a tile that the analysis is given. Latents need 26; hyper-latents, of which a decoder takes whatever
was coded, would need about 140 to be those of the whole image.
"""
SLACK = 32
"""Bits that a payload may be shorter than its information: the coder's state starts at 0, which says nothing."""
CHECKED_FIRST = 2**24
"""Pixels above which all symbols are checked before any pixel is made."""


def crc(symbols: Ints, start: int) -> int:
    """CRC-32 of symbols as little-endian 32-bit integers, going on from `start`."""
    return zlib.crc32(symbols.astype("<i4").tobytes(), start)


def parameters(model: CodecModel, level: int, hyper: Ints, box: Box) -> Parameters:
    """Means, log-scales and table numbers [M, h, w] of a tile, exactly.

    Args:
        hyper: Symbols of the hyper-latents [K, rows, columns], complete around the tile.
        box: The tile, in hyper-latents.
    """
    outer = widened(box, HALO, *hyper.shape[1:])
    around = torch.from_numpy(hyper[:, outer[0] : outer[1], outer[2] : outer[3]].copy())
    found = model.integers.parameters(model.integers.hyper_latents(around, level), level)
    rows, columns = inner(box, outer, RATIO)
    return found.part(rows, columns)


def described(model: CodecModel, level: int, hyper: Ints, band: list[Box], priors: Rows) -> list[Ints]:
    """The table numbers [M, h, w] of each tile of a row of tiles; means and log-scales go to `priors`."""
    found = [parameters(model, level, hyper, box) for box in band]
    priors.add([torch.cat([each.mean, each.log_scale]) for each in found])
    return [each.table.numpy() for each in found]


def image_part(pixels: Pixels, top: int, bottom: int, left: int, right: int) -> Tensor:
    """Float [1, 3, h, w] in [0, 1] of a box in pixels; beyond the right and lower edge the last ones are repeated."""
    height, width = pixels.shape[:2]
    part = pixels[top : min(bottom, height), left : min(right, width)]
    below, beside = bottom - top - part.shape[0], right - left - part.shape[1]
    if below or beside:
        part = np.pad(part, ((0, below), (0, beside), (0, 0)), mode="edge")
    return to_unit(torch.from_numpy(np.ascontiguousarray(part.transpose(2, 0, 1)))[None])


def analysed(net: Codec, pixels: Pixels, box: Box, rows: int, columns: int) -> tuple[Tensor, Tensor]:
    """Latents [M, h, w] and hyper-latents [K, h/4, w/4] of a tile, before rounding.

    Args:
        net: The plain network of the level.
        pixels: The image, uint8 [H, W, 3].
        box: The tile, in hyper-latents.
        rows, columns: Of the grid of hyper-latents.
    """
    outer = widened(box, CONTEXT // STRIDE, rows, columns)
    y = net.analysis(image_part(pixels, *scaled(outer, STRIDE)))
    z = net.hyper_analysis(y)
    latent_rows, latent_columns = inner(box, outer, RATIO)
    hyper_rows, hyper_columns = inner(box, outer)
    return y[0, :, latent_rows, latent_columns].clone(), z[0, :, hyper_rows, hyper_columns].clone()


def quantised_hyper(model: CodecModel, level: int, z: Tensor) -> Ints:
    """Symbols of hyper-latents [K, h, w]."""
    mean = model.integers.prior_mean[level].view(-1, 1, 1) * UNIT
    return whole((z.double() - mean).round().clamp(-LARGEST_HYPER, LARGEST_HYPER))


def whole(symbols: Tensor) -> Ints:
    """Symbols as integers.

    Raises:
        YotoError: If some are NaN, of which no file could be made.
    """
    if bool(symbols.isnan().any()):
        raise YotoError(
            "The codec should bring the picture to latents that are numbers. Found NaN. Usually its training went "
            "wrong, or it has seen nothing like this picture: then a lower quality may do."
        )
    return symbols.long().numpy()


def reach(net: Codec) -> int:
    """Latents beyond a tile that its passes are given."""
    return NEIGHBOURS if net.looks_around else 0


def through_passes(
    passes: Callable[[Codec, Tensor, Tensor, Tensor], Tensor], net: Codec, values: Rows, priors: Rows, box: Box,
    grid: tuple[int, int],
) -> Tensor:  # fmt: skip
    """`quantised` or `dequantised` of a tile, which is given its surroundings.

    Args:
        passes: Which of them.
        values: Latents or symbols, complete around the tile.
        priors: Means and log-scales, likewise.
        box: The tile, in hyper-latents.
        grid: Rows and columns of hyper-latents.
    """
    rows, columns = grid
    own = scaled(box, RATIO)
    outer = widened(own, reach(net), rows * RATIO, columns * RATIO)
    mean, log_scale = priors.at(outer).chunk(2)
    part = inner(own, outer)
    return passes(net, values.at(outer), mean, log_scale)[:, part[0], part[1]].contiguous()


@torch.inference_mode()
def encode(model: CodecModel, header: Header, pixels: Pixels, coder: Coder, analyse: Analyse | None = None) -> Contents:
    """The contents of a file.

    Args:
        model: The codec.
        header: Size, level, tile; its chunks are taken over.
        pixels: uint8 [H, W, 3].
        coder: Which entropy coder.
        analyse: From pixels to latents and hyper-latents, before rounding; `analysed` by default. Called once for
            every tile, in inference mode.
    """
    net, level, grid = model.at(header.level), header.level, header.grid
    tables = model.integers.tables
    to_symbols = partial(quantised, rounding=model.rounding(level))
    hyper = np.zeros((len(model.integers.prior_mean[level]), *grid), np.int64)
    latents, priors = Rows(), Rows()

    def analysed_rows() -> Iterator[list[Box]]:
        for band in rows_of_tiles(header):
            found = [(analyse or analysed)(net, pixels, box, *grid) for box in band]
            for box, (_, z) in zip(band, found, strict=True):
                hyper[:, box[0] : box[1], box[2] : box[3]] = quantised_hyper(model, level, z)
            latents.add([y for y, _ in found])
            yield band

    def described_rows() -> Iterator[tuple[list[Box], list[Ints]]]:
        for band in followed(analysed_rows()):
            yield band, described(model, level, hyper, band, priors)

    payloads: list[Payload] = []
    check = zlib.crc32(head(header))
    bands = described_rows()
    for band, indexes in followed(bands) if reach(net) else bands:
        for box, index in zip(band, indexes, strict=True):
            symbols = whole(through_passes(to_symbols, net, latents, priors, box, grid))
            check = crc(symbols, check)
            payloads.append(encode_values(symbols.ravel(), index.ravel(), tables, coder))
        for kept in (latents, priors):
            kept.forget(band[0][1] * RATIO - reach(net))
    hyper_payload = encode_values(hyper.ravel(), hyper_index(model, level, hyper), tables, coder)
    return Contents(header, hyper_payload, tuple(payloads), crc(hyper, check))


def hyper_index(model: CodecModel, level: int, hyper: Ints) -> Ints:
    """Table number of every hyper-latent, flattened."""
    index = model.integers.prior_index[level].numpy()
    return np.repeat(index, hyper.shape[1] * hyper.shape[2])


def plausible(model: CodecModel, contents: Contents) -> None:
    """Refuse payloads that are too short for the picture that the header claims, before anything is allocated for it.

    Raises:
        FileError: If they are.
    """
    integers, header = model.integers, contents.header
    rows, columns = header.grid
    per_block = len(integers.prior_mean[0]) + RATIO**2 * integers.latents
    least = least_bits(integers.tables, rows * columns * per_block)
    payloads = (contents.hyper, *contents.tiles)
    if 8 * sum(map(len, payloads)) + SLACK * len(payloads) < least:
        raise damaged("it is too short for a picture of its size")


@torch.inference_mode()
def decode_symbols(
    model: CodecModel, contents: Contents, coder: Coder, symbols: Rows, priors: Rows
) -> Iterator[list[Box]]:
    """Entropy decoding, row of tiles by row of tiles; the symbols' checksum is compared at the end.

    Args:
        symbols: Gets the symbols [M, h, w] of each row.
        priors: Gets their means and log-scales [2 M, h, w].

    Raises:
        FileError: If the payloads do not fit the model's probabilities, or the symbols not their checksum.
    """
    header, tables = contents.header, model.integers.tables
    level = header.level
    plausible(model, contents)
    hyper = np.zeros((len(model.integers.prior_mean[level]), *header.grid), np.int64)
    hyper[:] = decode_values(contents.hyper, hyper_index(model, level, hyper), tables, coder).reshape(hyper.shape)
    if int(np.abs(hyper).max()) > LARGEST_HYPER:
        raise damaged("a hyper-latent is out of range")
    check = zlib.crc32(head(header))
    payloads = iter(contents.tiles)
    for band in rows_of_tiles(header):
        found = []
        for index in described(model, level, hyper, band, priors):
            values = decode_values(next(payloads), index.ravel(), tables, coder).reshape(index.shape)
            check = crc(values, check)
            found.append(torch.from_numpy(values).float())
        symbols.add(found)
        yield band
    if crc(hyper, check) != contents.symbols:
        raise damaged("its header or its symbols do not match their checksum")


@torch.inference_mode()
def decode_latents(model: CodecModel, contents: Contents, coder: Coder, latents: Rows) -> Iterator[list[Box]]:
    """Latents [M, h, w], which go to `latents` row of tiles by row of tiles.

    Raises:
        FileError: As of `decode_symbols`.
    """
    net, grid = model.at(contents.header.level), contents.header.grid
    symbols, priors = Rows(), Rows()
    bands = decode_symbols(model, contents, coder, symbols, priors)
    for band in followed(bands) if reach(net) else bands:
        latents.add([through_passes(dequantised, net, symbols, priors, box, grid) for box in band])
        for kept in (symbols, priors):
            kept.forget(band[0][1] * RATIO - reach(net))
        yield band


def check_symbols(model: CodecModel, contents: Contents, coder: Coder) -> None:
    """Decode all symbols and keep none.

    Raises:
        FileError: As of `decode_symbols`.
    """
    symbols, priors = Rows(), Rows()
    for band in decode_symbols(model, contents, coder, symbols, priors):
        for kept in (symbols, priors):
            kept.forget(band[0][1] * RATIO)


@torch.inference_mode()
def decode(model: CodecModel, contents: Contents, coder: Coder) -> Iterator[tuple[int, int, Pixels]]:
    """The image's parts, row of tiles by row of tiles: top, left in pixels and uint8 [h, w, 3].

    They are valid only if this ends without an error, which compares the symbols' checksum. Of a large picture all
    symbols are decoded once before, so that nothing is allocated for pixels that will not be shown.

    Raises:
        FileError: As of `decode_symbols`.
    """
    header = contents.header
    net, (rows, columns) = model.at(header.level), header.grid
    if header.width * header.height > CHECKED_FIRST:
        check_symbols(model, contents, coder)
    latents = Rows()
    for band in followed(decode_latents(model, contents, coder, latents)):
        for box in band:
            own = scaled(box, RATIO)
            outer = widened(own, HALO, rows * RATIO, columns * RATIO)
            image = net.synthesis(latents.at(outer)[None].contiguous(memory_format=torch.channels_last))
            part = image[(..., *inner(own, outer, BLOCK))]
            top, left = box[0] * STRIDE, box[2] * STRIDE
            yield top, left, to_bytes(part[..., : header.height - top, : header.width - left])[0]
        latents.forget(band[0][1] * RATIO - HALO)
