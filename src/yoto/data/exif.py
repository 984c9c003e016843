"""EXIF data: how a picture is turned, and what of them stays with one that is stored upright.

Importing this module does not import Pillow.
"""

from __future__ import annotations

import re
import struct
from typing import TYPE_CHECKING, Any

from yoto.errors import YotoError

if TYPE_CHECKING:
    from PIL.Image import Exif, Image

PREFIX = b"Exif\0\0"
ORIENTATION = 0x0112
TURNS = {2: 0, 3: 3, 4: 1, 5: 5, 6: 4, 7: 6, 8: 2}
"""Pillow's `Transpose` by which a picture of an orientation becomes upright."""
DETAILS, PLACE, INTEROPERABILITY = 0x8769, 0x8825, 0xA005
"""Tags that lead to further directories: of the photograph, of the place (GPS), and one inside the first."""
OWN = frozenset({
    269, 270, 271, 272, ORIENTATION, 282, 283, 285, 296, 305, 306, 315, 316, 18246, 18249, 33432,
    *range(40091, 40096), DETAILS, PLACE,
})  # fmt: skip
"""Tags of a TIFF file that are EXIF data; the others say how its pixels are stored, or hold a profile and the like."""
DIRECTORIES = 4
"""Directories that EXIF data have at most, beside that of the thumbnail."""
SHORT, LONG = 3, 4
SIZES = {1: 1, 2: 1, SHORT: 2, LONG: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4}
"""Bytes of a value of each type."""


def upright(image: Image) -> Image:
    """A Pillow image turned by its orientation; itself where that is 1, missing or damaged."""
    from PIL.Image import Transpose

    way = TURNS.get(orientation(image))
    return image if way is None else image.transpose(Transpose(way))


def orientation(image: Image) -> int:
    """The orientation of a Pillow image, 1 to 8; 1 where its EXIF data have none, or are damaged."""
    try:
        found = image.getexif().get(ORIENTATION, 1)
        return int(found) if found in TURNS else 1
    except Exception:  # noqa: BLE001 - of damaged data Pillow raises whatever its parsers run into
        return 1


def kept(image: Image, name: str = "The image") -> bytes:
    """EXIF data of a Pillow image for when it is upright, with their prefix; b"" where it has none.

    They stay as they are to the byte, but for orientation 1 and the thumbnail, which is left out. Of a TIFF file, and
    of data that were changed in Python, the tags are written anew.

    Raises:
        YotoError: If they are damaged.
    """
    try:
        own, raw = image.getexif(), image.info.get("exif")
        if raw and not changed(own, raw) and (found := straightened(raw)) is not None:
            return found
        return written(own, whole=image.format != "TIFF")
    except Exception as error:  # noqa: BLE001 - of damaged data Pillow raises whatever its parsers run into
        reason = " ".join(str(error).split()) or type(error).__name__
        raise YotoError(
            f"{name} should have EXIF data that can be read, to keep them. Found damaged data ({reason}); leave "
            "keep_exif (--keep-exif) away."
        ) from None


def changed(own: Exif, raw: bytes) -> bool:
    """Whether EXIF data differ from those of a file, but for the orientation."""
    stored = loaded(raw)
    if ORIENTATION in own:
        stored[ORIENTATION] = own[ORIENTATION]
    try:
        return stored.tobytes() != own.tobytes()
    except Exception:  # noqa: BLE001 - what Pillow reads but cannot write
        return False


def loaded(raw: bytes) -> Exif:
    """EXIF data of bytes."""
    from PIL.Image import Exif

    exif = Exif()
    exif.load(raw)
    return exif


def prefixed(raw: bytes) -> bytes:
    """EXIF data with the prefix that they have in a file; b"" stays so."""
    body = bare(raw)
    return PREFIX + body if body else b""


def bare(raw: bytes) -> bytes:
    """EXIF data without their prefix, which some files have twice."""
    return re.sub(b"^(Exif\0\0){1,2}", b"", raw)


def written(exif: Exif, *, whole: bool) -> bytes:
    """EXIF data as bytes with orientation 1, of all tags or of those alone that a TIFF file may have."""
    from PIL.Image import Exif as New

    found = tags(exif, whole=whole)
    if not found.keys() - {ORIENTATION}:
        return b""
    copy = New()
    for tag, value in (found | {ORIENTATION: 1}).items():
        copy[tag] = value
    return bytes(copy.tobytes())


def tags(exif: Exif, *, whole: bool = False) -> dict[int, Any]:
    """Values by tag for Pillow to write, directories as mappings.

    Args:
        exif: What Pillow has read.
        whole: All of them, not only those that say nothing of how pixels are stored.
    """
    found = {tag: restored(value) for tag, value in exif.items() if whole or tag in OWN}
    for tag in (DETAILS, PLACE):
        directory = restored(exif.get_ifd(tag))
        if INTEROPERABILITY in directory:
            directory[INTEROPERABILITY] = restored(exif.get_ifd(INTEROPERABILITY))
        found.pop(tag, None)
        if directory:
            found[tag] = directory
    return found


def restored(value: Any) -> Any:
    """A value with text beyond ASCII as the bytes that it was read from, which Pillow would write as "?"."""
    if isinstance(value, dict):
        return {tag: restored(each) for tag, each in value.items()}
    if not isinstance(value, str) or value.isascii():
        return value
    try:
        return value.encode("latin-1")
    except UnicodeEncodeError:
        return value.encode()


def straightened(raw: bytes) -> bytes | None:
    """EXIF bytes with orientation 1 and without a thumbnail; None where their structure is not the usual one."""
    body = bytearray(bare(raw))
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(bytes(body[:4]))
    if order is None:
        return None
    try:
        (first,) = struct.unpack_from(order + "L", body, 4)
        entries, end = directory(body, order, first)
        for at, tag, kind, count in entries:
            if tag == ORIENTATION:
                if kind not in (SHORT, LONG) or count != 1:
                    return None
                struct.pack_into(order + ("H" if kind == SHORT else "L"), body, at + 8, 1)
        if struct.unpack_from(order + "L", body, end) != (0,):
            struct.pack_into(order + "L", body, end, 0)
            del body[reach(body, order, first, set()) :]
    except struct.error:
        return None
    return PREFIX + bytes(body)


def directory(body: bytearray, order: str, place: int) -> tuple[list[tuple[int, int, int, int]], int]:
    """The entries of a directory (place, tag, type, count), and where they end."""
    (count,) = struct.unpack_from(order + "H", body, place)
    places = range(place + 2, place + 2 + 12 * count, 12)
    return [(at, *struct.unpack_from(order + "HHL", body, at)) for at in places], place + 2 + 12 * count


def reach(body: bytearray, order: str, place: int, seen: set[int]) -> int:
    """Where the data of a directory and of those below it, which join those `seen`, end."""
    seen.add(place)
    if len(seen) > DIRECTORIES:
        raise struct.error("more directories than EXIF data have")
    entries, end = directory(body, order, place)
    furthest = end + 4
    for at, tag, kind, count in entries:
        size = SIZES.get(kind, 8) * count
        (value,) = struct.unpack_from(order + "L", body, at + 8)
        if size > 4:
            furthest = max(furthest, value + size)
        if tag in (DETAILS, PLACE, INTEROPERABILITY) and value not in seen:
            furthest = max(furthest, reach(body, order, value, seen))
    return furthest
