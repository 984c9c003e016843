"""Colour profiles: which stay with a picture, and pictures brought to sRGB by theirs.

Importing this module does not import Pillow.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from yoto.errors import YotoError

if TYPE_CHECKING:
    from PIL.Image import Image

PROFILED = ("RGB", "RGBA", "L", "LA", "P", "1", "PA", "La", "RGBa", "RGBX", "I")
"""Modes whose colour profile also holds for what they become, 16-bit greys ("I;16" and so on) among them."""
COORDINATES = ("YCbCr", "HSV")
"""Modes that are other coordinates of the RGB which their profile describes."""


def kept(image: Image) -> bytes:
    """The colour profile that also holds for what a Pillow image becomes, or b""."""
    icc = image.info.get("icc_profile") or b""
    space = icc[16:20] if icc[36:40] == b"acsp" else b""
    if space in (b"CMYK", b"Lab "):  # of what it was converted from, or is
        return b""
    modes = (*PROFILED, *COORDINATES) if space == b"RGB " else PROFILED
    return icc if image.mode.partition(";")[0] in modes else b""


def applied(image: Image, name: str) -> Image:
    """A CMYK image as sRGB, through its colour profile.

    One of other colours, as Pillow leaves it on what it converted to CMYK, says nothing of these: then as Pillow does.

    Raises:
        YotoError: If the profile is damaged, or Pillow was built without colour management.
    """
    from PIL import ImageCms

    try:
        profile = ImageCms.ImageCmsProfile(io.BytesIO(image.info["icc_profile"]))
        if profile.profile.xcolor_space.strip() != "CMYK":
            return image
        srgb = ImageCms.createProfile("sRGB")
        plain = ImageCms.profileToProfile(image, profile, srgb, outputMode="RGB")
    except (ImageCms.PyCMSError, OSError, ImportError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise YotoError(
            f"{name} should have a colour profile by which its CMYK can be shown. Found one that cannot be applied "
            f"({reason}); convert it to RGB first."
        ) from None
    assert plain is not None
    return plain


def in_srgb(image: Image) -> Image:
    """An RGB or grey image for a format without profiles: as sRGB through its own, whose name stays behind.

    Where that cannot be applied, or is sRGB already, the pixels stay as they are.
    """
    from PIL import ImageCms

    icc = image.info.get("icc_profile")
    if not icc or image.mode not in ("RGB", "L"):
        return image
    try:
        profile = ImageCms.ImageCmsProfile(io.BytesIO(icc))
        if "srgb" in ImageCms.getProfileDescription(profile).lower():
            return image
        found = ImageCms.profileToProfile(image, profile, ImageCms.createProfile("sRGB"), outputMode="RGB")
    except (ImageCms.PyCMSError, OSError, ImportError, ValueError):
        return image
    assert found is not None
    found.info.pop("icc_profile", None)
    return found if image.mode == "RGB" else found.convert("L")
