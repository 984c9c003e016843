"""The bytes of a `.yoto` file, version 2: what stands where. `docs/format.md` describes every field.

Importing this module imports neither torch nor Pillow.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from yoto.apps.codec.format.errors import FileError, damaged

MAGIC = b"\x93YTO"
VERSION = 2
LARGEST = 16384
"""Pixels along a side."""
STRIDE, BLOCK = 64, 16
TILES = range(7, 12)
"""Base-2 logarithms of the side of a tile that are allowed: two hyper-latents at least, the reach of a neighbour."""
LARGEST_CHUNK = 2**24
GREY, ALPHA, ICC, EXIF = 1, 2, 4, 8
CHUNKS = ((ICC, "icc"), (ALPHA, "alpha"), (EXIF, "exif"))
CHECK = struct.Struct("<I")
FIXED = struct.Struct("<4sBB8sBB")
"""Magic, version, flags, model fingerprint, level, log2 of the tile's side."""


@dataclass(frozen=True)
class Payload:
    """Entropy-coded symbols: whole 32-bit words, and the values that were escaped, as varints."""

    words: bytes
    escapes: bytes

    def __len__(self) -> int:
        return len(self.words) + len(self.escapes)


@dataclass(frozen=True, kw_only=True)
class Header:
    """What a file says of itself before its payloads.

    Attributes:
        width, height: Pixels.
        level: Quality level, 0 to 255.
        fingerprint: Eight bytes that name the model.
        tile: Side of a tile in pixels.
        grey: Whether the image is greyscale.
        icc, alpha, exif: Bytes of those chunks, or b"": a colour profile, the alpha channel as PNG, EXIF data.

    >>> header = Header(width=768, height=512, level=153, fingerprint=bytes(8), tile=1024)
    >>> round(header.quality), header.grid
    (60, (8, 12))
    """

    width: int
    height: int
    level: int
    fingerprint: bytes
    tile: int
    grey: bool = False
    icc: bytes = b""
    alpha: bytes = b""
    exif: bytes = b""

    @property
    def quality(self) -> float:
        """Quality on the scale of 0 to 100."""
        return self.level / 2.55

    @property
    def grid(self) -> tuple[int, int]:
        """Rows and columns of hyper-latents, one per 64 pixels."""
        return -(-self.height // STRIDE), -(-self.width // STRIDE)

    def tiles(self) -> Iterator[tuple[int, int, int, int]]:
        """Tiles row by row, as top, bottom, left, right in hyper-latents."""
        rows, columns = self.grid
        step = self.tile // STRIDE
        for top in range(0, rows, step):
            for left in range(0, columns, step):
                yield top, min(top + step, rows), left, min(left + step, columns)


@dataclass(frozen=True)
class Contents:
    """A parsed file: header, payload of the hyper-latents, payloads of the tiles, CRC-32 of `head` and all symbols."""

    header: Header
    hyper: Payload
    tiles: tuple[Payload, ...]
    symbols: int


def varint(value: int) -> bytes:
    """A number ≥ 0 in base 128, least significant digits first, the high bit set on all but the last byte (LEB128)."""
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


def zigzag(value: int) -> int:
    """Integers as numbers ≥ 0: 0, -1, 1, -2 and so on to 0, 1, 2, 3 and so on."""
    return 2 * value if value >= 0 else -2 * value - 1


class Reader:
    """Takes fields from the front of a file and refuses to run past its end."""

    def __init__(self, data: bytes | memoryview) -> None:
        self.data = memoryview(data)
        self.place = 0

    def take(self, count: int, what: str) -> bytes:
        """The next `count` bytes."""
        if count > len(self.data) - self.place:
            raise damaged(f"it ends within its {what}")
        self.place += count
        return bytes(self.data[self.place - count : self.place])

    def number(self, what: str) -> int:
        """The next varint, of at most five bytes and in its shortest form."""
        value = 0
        for place in range(5):
            (byte,) = self.take(1, what)
            value |= (byte & 127) << 7 * place
            if byte < 128:
                if byte == 0 and place:
                    break
                return value
        raise damaged(f"its {what} is no number")

    @property
    def left(self) -> int:
        """Bytes that were not taken yet."""
        return len(self.data) - self.place


def head(header: Header) -> bytes:
    """The bytes of a header up to the image's height: what the checksum of the symbols starts with."""
    flags = (GREY if header.grey else 0) | sum(flag for flag, name in CHUNKS if getattr(header, name))
    log = header.tile.bit_length() - 1
    fixed = FIXED.pack(MAGIC, VERSION, flags, header.fingerprint, header.level, log)
    return fixed + varint(header.width) + varint(header.height)


def pack(contents: Contents) -> bytes:
    """The bytes of a file."""
    header = contents.header
    parts = [head(header)]
    chunks = [getattr(header, name) for _, name in CHUNKS if getattr(header, name)]
    parts += [varint(len(chunk)) for chunk in chunks]
    payloads = (contents.hyper, *contents.tiles)
    parts += [varint(len(p.words) // 4) + varint(len(p.escapes)) for p in payloads]
    parts += chunks
    parts += [part for p in payloads for part in (p.words, p.escapes)]
    parts.append(CHECK.pack(contents.symbols))
    body = b"".join(parts)
    return body + CHECK.pack(zlib.crc32(body))


def foreign() -> FileError:
    """The error for another kind of file."""
    return FileError("The file should be a .yoto image. Found other contents. Usually: another format by that name.")


def start(reader: Reader) -> tuple[int, dict[str, Any]]:
    """Flags and fixed fields of the header, checked."""
    magic, version, flags, fingerprint, level, log = FIXED.unpack(reader.take(FIXED.size, "header"))
    if magic != MAGIC:
        raise foreign()
    if version != VERSION:
        remedy = "Upgrade yoto" if version > VERSION else "Compress the original again"
        raise FileError(f"The .yoto file has version {version}; this yoto reads version {VERSION}. {remedy}.")
    if flags >= 16 or log not in TILES:
        raise damaged("its header holds values that version 2 does not have")
    width, height = reader.number("width"), reader.number("height")
    if not (1 <= width <= LARGEST and 1 <= height <= LARGEST):
        raise FileError(f"The .yoto file should be 1 to {LARGEST} pixels wide and high. Found {width}x{height}.")
    fields = {"width": width, "height": height, "level": level, "fingerprint": fingerprint, "tile": 2**log}
    return flags, {**fields, "grey": bool(flags & GREY)}


def parse(data: bytes | memoryview) -> Contents:
    """A file's contents, after checking that they are whole.

    Raises:
        FileError: If it is no `.yoto` file, truncated or damaged; nothing large is allocated before that is known.
    """
    try:
        view = memoryview(data)
    except TypeError:
        raise FileError(f"The .yoto file should be given as bytes. Found {type(data).__name__}.") from None
    if bytes(view[: len(MAGIC)]) != MAGIC:
        raise foreign()
    if len(view) < FIXED.size + 2 + 2 * CHECK.size:
        raise damaged("it is too short")
    if zlib.crc32(view[:-4]) != CHECK.unpack(view[-4:])[0]:
        raise damaged("its checksum does not match its contents: it was cut short, or changed")
    reader = Reader(view[:-4])
    flags, fields = start(reader)
    present = [name for flag, name in CHUNKS if flags & flag]
    sizes = [reader.number("chunk length") for _ in present]
    if max(sizes, default=0) > LARGEST_CHUNK:
        raise damaged("one of its chunks is larger than 16 MiB")
    bare = Header(**fields)
    rows, columns = bare.grid
    step = bare.tile // STRIDE
    count = 1 + -(-rows // step) * -(-columns // step)
    if 2 * count + sum(sizes) > reader.left:
        raise damaged("it is shorter than its header says")
    lengths = [(reader.number("payload length"), reader.number("payload length")) for _ in range(count)]
    if sum(sizes) + sum(4 * w + e for w, e in lengths) + CHECK.size != reader.left:
        raise damaged("its parts do not add up to its length")
    chunks: dict[str, Any] = {name: reader.take(size, name) for name, size in zip(present, sizes, strict=True)}
    payloads = [Payload(reader.take(4 * w, "payload"), reader.take(e, "payload")) for w, e in lengths]
    (symbols,) = CHECK.unpack(reader.take(CHECK.size, "checksum"))
    return Contents(replace(bare, **chunks), payloads[0], tuple(payloads[1:]), symbols)


def inspect(data: bytes | memoryview) -> Header:
    """What a file says of itself, after checking that it is whole; needs no model.

    Raises:
        FileError: As of `parse`.

    >>> import numpy as np
    >>> from yoto import codec
    >>> header = inspect(codec.compress(np.zeros((48, 64, 3), np.uint8), quality=60))
    >>> header.width, header.height, header.level
    (64, 48, 153)
    """
    return parse(data).header


def peek(data: bytes) -> Header:
    """The header's fixed fields from the first bytes of a file (at least 24), unchecked: size, level, model, mode.

    The chunks are empty, but for `alpha`, which is b"?" where there is one.

    Raises:
        FileError: If these bytes are no beginning of a `.yoto` file.
    """
    flags, fields = start(Reader(data))
    return Header(**fields, alpha=b"?" if flags & ALPHA else b"")
