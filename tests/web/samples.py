"""Pictures and files as people, and others, upload them."""

import base64
import io
import struct
import zlib

import numpy as np
from PIL import Image

from apps.style.toy import photograph

SIGNATURE = b"\x89PNG\r\n\x1a\n"
EPS = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 40 40\n%%EndComments\nshowpage\n%%EOF\n"
SVG = b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><rect width="9" height="9"/></svg>'


def coded(image, kind, **options):
    """An image as a file of a format."""
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def inline_bytes(address):
    """The file in a `data:` address."""
    return base64.b64decode(address.partition(";base64,")[2])


def inline(address):
    """The pixels [H, W, 3] of a picture in a `data:` address."""
    with Image.open(io.BytesIO(inline_bytes(address))) as image:
        return np.asarray(image.convert("RGB"))


def picture(height=48, width=64, seed=0):
    """A small photograph."""
    return Image.fromarray(photograph(height, width, seed))


def png(height=48, width=64, seed=0):
    """A small photograph as PNG."""
    return coded(picture(height, width, seed), "PNG")


def chunk(name, content):
    """A chunk of a PNG file."""
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def bomb(width=4, height=4, *chunks):
    """A PNG file of few bytes that says it is so large, with chunks before its pixels."""
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    rows = zlib.compress(bytes(min(height, 64) * (1 + 3 * min(width, 64))))
    return SIGNATURE + chunk(b"IHDR", head) + b"".join(chunks) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def zeros(megabytes):
    """Many bytes, packed."""
    packer = zlib.compressobj(9)
    return b"".join(packer.compress(bytes(2**20)) for _ in range(megabytes)) + packer.flush()


def text_bomb(megabytes=200):
    """A PNG file with a text that unpacks to many bytes."""
    return bomb(4, 4, chunk(b"zTXt", b"Comment\0\0" + zeros(megabytes)))


def profile_bomb(megabytes=200):
    """A PNG file with a colour profile that unpacks to many bytes."""
    return bomb(4, 4, chunk(b"iCCP", b"profile\0\0" + zeros(megabytes)))


def many_texts(count=100):
    """A PNG file with many texts, each of which is just small enough."""
    text = chunk(b"zTXt", b"Comment\0\0" + zlib.compress(bytes(2**20 - 16), 9))
    return bomb(4, 4, *[text] * count)
