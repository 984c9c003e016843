"""`import yoto.pillow` lets Pillow open and save `.yoto` files.

    >>> import yoto.pillow
    >>> from PIL import Image
    >>> image = Image.open("photo.yoto")            # doctest: +SKIP
    >>> image.save("small.yoto", quality=30)        # doctest: +SKIP

`save` takes the options of `yoto.codec.compress` (quality, bpp, psnr or size, effort, model, keep_exif) and Pillow's
icc_profile and exif, None for none. A picture is stored upright; with `exif` its pixels are stored as they lie, since
these data may say how they are turned. Opening checks the file and reads its header; torch is imported when the pixels
are asked for.
"""

from __future__ import annotations

from dataclasses import replace
from typing import IO, Any

from yoto.apps.codec.format import container
from yoto.errors import YotoError
from yoto.support.extras import needed

with needed("yoto.pillow", extra="codec"):
    from PIL import Image, ImageFile

FORMAT = "YOTO"
OPTIONS = ("quality", "bpp", "psnr", "size", "effort", "model")


def accept(prefix: bytes) -> bool:
    """Whether a file starts as a `.yoto` file does."""
    return prefix.startswith(container.MAGIC)


class YotoImageFile(ImageFile.ImageFile):
    """A `.yoto` file that Pillow has opened; decoded when its pixels are asked for."""

    format = FORMAT
    format_description = "yoto learned image codec"
    coded: bytes = b""  # of images that were decoded, or came out of a pickle

    def _open(self) -> None:
        assert self.fp is not None
        data = self.fp.read()
        try:
            header = container.inspect(data)
        except ValueError as error:
            raise OSError(str(error)) from None  # a SyntaxError would be told as "cannot identify image file"
        self.coded = data
        self._size = header.width, header.height
        self._mode = ("L" if header.grey else "RGB") + ("A" if header.alpha else "")
        for name, value in (("icc_profile", header.icc), ("exif", header.exif)):
            if value:
                self.info[name] = value
        self.info["quality"] = header.quality
        self.tile = []

    def load(self) -> Any:
        """Decode on first use."""
        if self.coded:
            from yoto import codec

            try:
                decoded = codec.decompress(self.coded)
            except ValueError as error:
                raise OSError(str(error)) from None
            self.im, self.coded = decoded.im, b""
            if self._exclusive_fp and self.fp is not None:
                self.fp.close()
            self.fp = None
        return super().load()


def save_file(image: Image.Image, file: IO[bytes], _name: str | bytes) -> None:
    """Pillow's entry point for saving."""
    from yoto import codec
    from yoto.data import exif as metadata
    from yoto.data.images import of_image

    given = getattr(image, "encoderinfo", {})
    exif = given.get("exif")
    picture = of_image(image, keep_exif="exif" not in given and bool(given.get("keep_exif")), turn=not exif)
    if "exif" in given:
        raw = exif.tobytes() if isinstance(exif, Image.Exif) else octets("exif", exif)
        picture = replace(picture, exif=metadata.prefixed(raw))
    if "icc_profile" in given:
        picture = replace(picture, icc=octets("icc_profile", given["icc_profile"]))
    file.write(codec.compress(picture, **{key: given[key] for key in OPTIONS if key in given}))


def octets(name: str, value: object) -> bytes:
    """What was given as metadata, as bytes; none for None."""
    if value is None:
        return b""
    if not isinstance(value, (bytes, bytearray, memoryview)):
        raise YotoError(f"`{name}` should be bytes, or None to leave it out. Found {value!r}.")
    return bytes(value)


Image.register_open(FORMAT, YotoImageFile, accept)
Image.register_save(FORMAT, save_file)
Image.register_extension(FORMAT, ".yoto")
Image.register_mime(FORMAT, "image/x-yoto")
