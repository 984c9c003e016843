"""Between pixels and symbols, tile by tile.

Latents lie on one grid over the whole image, whatever the tiles: a tile is a part of the image that is computed at a
time, with as much of its surroundings as the networks look at. So there are no seams, and the symbols of a tile cost
nothing extra. Rows of tiles are worked off one after the other; memory is bounded by two of them.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from yoto.apps.codec.format.coder import Coder, decode_values, encode_values, least_bits
from yoto.apps.codec.format.container import BLOCK, STRIDE, Contents, Header, Payload
from yoto.apps.codec.format.errors import damaged
from yoto.apps.codec.format.integer import ACTIVATION_BITS, LARGEST_HYPER
from yoto.data.pixels import Pixels, to_bytes, to_unit

if TYPE_CHECKING:
    from yoto.apps.codec.model import CodecModel
    from yoto.apps.codec.network import Codec

Ints = npt.NDArray[np.int64]
Analyse: TypeAlias = "Callable[[Codec, Pixels, Box, int, int], tuple[Tensor, Tensor]]"
"""What `analysed` is: another may refine latents before they are rounded."""
RATIO = STRIDE // BLOCK
"""Latents per hyper-latent, along each side."""
HALO = 2
"""Hyper-latents, or latents, that the synthesis networks look at beyond a tile: 1.75 of each."""
CONTEXT = STRIDE
"""Pixels around a tile that the analysis is given. Latents need 26; hyper-latents, of which a decoder takes whatever
was coded, would need about 140 to be those of the whole image.
"""
SLACK = 32
"""Bits that a payload may be shorter than its information: the coder's state starts at 0, which says nothing."""
CHECKED_FIRST = 2**24
"""Pixels above which all symbols are checked before any pixel is made."""
LARGEST_RESIDUAL = 2**24

Box = tuple[int, int, int, int]


def crc(symbols: Ints, start: int) -> int:
    """CRC-32 of symbols as little-endian 32-bit integers, going on from `start`."""
    return zlib.crc32(symbols.astype("<i4").tobytes(), start)


def rows_of_tiles(header: Header) -> list[list[Box]]:
    """Tiles (top, bottom, left, right in hyper-latents), row by row."""
    rows: list[list[Box]] = []
    for box in header.tiles():
        if not rows or rows[-1][0][0] != box[0]:
            rows.append([])
        rows[-1].append(box)
    return rows


def widened(box: Box, halo: int, rows: int, columns: int) -> Box:
    """A box with `halo` more on each side, inside a grid."""
    top, bottom, left, right = box
    return max(0, top - halo), min(rows, bottom + halo), max(0, left - halo), min(columns, right + halo)


def inner(box: Box, outer: Box, factor: int = 1) -> tuple[slice, slice]:
    """Where a box lies in a larger one, in units of 1/factor."""
    return (
        slice((box[0] - outer[0]) * factor, (box[1] - outer[0]) * factor),
        slice((box[2] - outer[2]) * factor, (box[3] - outer[2]) * factor),
    )


def parameters(model: CodecModel, level: int, hyper: Ints, box: Box) -> tuple[Tensor, Ints]:
    """Means [M, h, w] (integers in units of 2^-8, as float64) and table numbers [M, h, w] of a tile, exactly.

    Args:
        hyper: Symbols of the hyper-latents [K, rows, columns], complete around the tile.
        box: The tile.
    """
    outer = widened(box, HALO, *hyper.shape[1:])
    around = torch.from_numpy(hyper[:, outer[0] : outer[1], outer[2] : outer[3]].copy())
    mean, index = model.integers.parameters(model.integers.hyper_latents(around, level), level)
    rows, columns = inner(box, outer, RATIO)
    return mean[:, rows, columns].contiguous(), index[:, rows, columns].contiguous().numpy()


def image_part(pixels: Pixels, top: int, bottom: int, left: int, right: int) -> Tensor:
    """Float [1, 3, h, w] in [0, 1] of a box in pixels; beyond the right and lower edge the last ones are repeated."""
    height, width = pixels.shape[:2]
    part = pixels[top : min(bottom, height), left : min(right, width)]
    below, beside = bottom - top - part.shape[0], right - left - part.shape[1]
    if below or beside:
        part = np.pad(part, ((0, below), (0, beside), (0, 0)), mode="edge")
    return to_unit(torch.from_numpy(np.ascontiguousarray(part.transpose(2, 0, 1)))[None])


def quantised_hyper(model: CodecModel, level: int, z: Tensor) -> Ints:
    """Symbols of hyper-latents [K, h, w]."""
    mean = model.integers.prior_mean[level].view(-1, 1, 1) * 2.0**-ACTIVATION_BITS
    return (z.double() - mean).round().clamp(-LARGEST_HYPER, LARGEST_HYPER).long().numpy()


def quantised(y: Tensor, mean: Tensor) -> Ints:
    """Symbols of latents [M, h, w] around their means (in units of 2^-8)."""
    return (y.double() - mean * 2.0**-ACTIVATION_BITS).round().clamp(-LARGEST_RESIDUAL, LARGEST_RESIDUAL).long().numpy()


def analysed(net: Codec, pixels: Pixels, box: Box, rows: int, columns: int) -> tuple[Tensor, Tensor]:
    """Latents [M, h, w] and hyper-latents [K, h/4, w/4] of a tile, before rounding."""
    outer = widened(box, CONTEXT // STRIDE, rows, columns)
    y = net.analysis(image_part(pixels, *(side * STRIDE for side in outer)))
    z = net.hyper_analysis(y)
    latent_rows, latent_columns = inner(box, outer, RATIO)
    hyper_rows, hyper_columns = inner(box, outer)
    return y[0, :, latent_rows, latent_columns].clone(), z[0, :, hyper_rows, hyper_columns].clone()


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
    net, level, (rows, columns) = model.at(header.level), header.level, header.grid
    hyper = np.zeros((len(model.integers.prior_mean[level]), rows, columns), np.int64)
    payloads: list[Payload] = []
    check = 0
    bands = rows_of_tiles(header)

    def analysed_row(band: list[Box]) -> list[Tensor]:
        latents = []
        for box in band:
            y, z = (analyse or analysed)(net, pixels, box, rows, columns)
            hyper[:, box[0] : box[1], box[2] : box[3]] = quantised_hyper(model, level, z)
            latents.append(y)
        return latents

    following = analysed_row(bands[0])
    for number, band in enumerate(bands):
        # The next row's hyper-latents come first: this row's parameters depend on them.
        latents, following = following, analysed_row(bands[number + 1]) if number + 1 < len(bands) else []
        for box, y in zip(band, latents, strict=True):
            mean, index = parameters(model, level, hyper, box)
            symbols = quantised(y, mean)
            check = crc(symbols, check)
            payloads.append(encode_values(symbols.ravel(), index.ravel(), model.integers.tables, coder))
    hyper_payload = encode_values(hyper.ravel(), hyper_index(model, level, hyper), model.integers.tables, coder)
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
def decode_latents(model: CodecModel, contents: Contents, coder: Coder) -> Iterator[Tensor]:
    """Latents [M, h, w] of the image, row of tiles by row of tiles; the symbols' checksum is compared at the end.

    Raises:
        FileError: If the payloads do not fit the model's probabilities, or the symbols not their checksum.
    """
    header, tables = contents.header, model.integers.tables
    level, (rows, columns) = header.level, header.grid
    plausible(model, contents)
    hyper = np.zeros((len(model.integers.prior_mean[level]), rows, columns), np.int64)
    hyper[:] = decode_values(contents.hyper, hyper_index(model, level, hyper), tables, coder).reshape(hyper.shape)
    if int(np.abs(hyper).max()) > LARGEST_HYPER:
        raise damaged("a hyper-latent is out of range")
    check = 0
    payloads = iter(contents.tiles)
    for band in rows_of_tiles(header):
        parts = []
        for box in band:
            mean, index = parameters(model, level, hyper, box)
            symbols = decode_values(next(payloads), index.ravel(), tables, coder).reshape(index.shape)
            check = crc(symbols, check)
            parts.append((mean * 2.0**-ACTIVATION_BITS + torch.from_numpy(symbols)).float())
        yield torch.cat(parts, dim=2)
    if crc(hyper, check) != contents.symbols:
        raise damaged("its symbols do not match their checksum")


@torch.inference_mode()
def decode(model: CodecModel, contents: Contents, coder: Coder) -> Iterator[tuple[int, int, Pixels]]:
    """The image's parts, row of tiles by row of tiles: top, left in pixels and uint8 [h, w, 3].

    They are valid only if this ends without an error, which compares the symbols' checksum. Of a large picture all
    symbols are decoded once before, so that nothing is allocated for pixels that will not be shown.

    Raises:
        FileError: As of `decode_latents`.
    """
    header = contents.header
    net, (_, columns) = model.at(header.level), header.grid
    if header.width * header.height > CHECKED_FIRST:
        for _ in decode_latents(model, contents, coder):
            pass
    bands = decode_latents(model, contents, coder)
    above: Tensor | None = None
    present = next(bands)
    for band in rows_of_tiles(header):
        below = next(bands, None)
        edges = [None if above is None else above[:, -HALO:], present, None if below is None else below[:, :HALO]]
        rows_here = torch.cat([edge for edge in edges if edge is not None], dim=1)
        for top, _, left, right in band:
            first, last = max(0, left * RATIO - HALO), min(columns * RATIO, right * RATIO + HALO)
            image = net.synthesis(rows_here[None, :, :, first:last].contiguous())[0]
            skip_rows = 0 if above is None else HALO * BLOCK
            skip_columns = (left * RATIO - first) * BLOCK
            part = image[:, skip_rows : skip_rows + present.shape[1] * BLOCK, skip_columns:]
            part = part[:, : header.height - top * STRIDE, : min(right * STRIDE, header.width) - left * STRIDE]
            yield top * STRIDE, left * STRIDE, to_bytes(part[None])[0]
        above = present
        if below is not None:
            present = below
