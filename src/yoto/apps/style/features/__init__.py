"""Image features that content and style are measured by: networks trained on ImageNet, from packages or files.

Needed for training and evaluation only. Each is cut behind the last layer used, frozen, and gives named taps:
`groups` of them for style, from fine to coarser strokes, and one for content.
"""

from __future__ import annotations

from collections.abc import Callable

from yoto.apps.style.features.interface import Features
from yoto.apps.style.features.lite0 import Lite0
from yoto.apps.style.features.squeezenet import SqueezeNet
from yoto.apps.style.features.vgg import VGG

MAKERS: dict[str, Callable[[str | None], Features]] = {
    "lite0": Lite0.load,
    "squeezenet": lambda _: SqueezeNet.load(),
    "vgg16": lambda path: VGG.load("vgg16", path),
    "vgg19": lambda path: VGG.load("vgg19", path),
    "untrained": lambda _: SqueezeNet.untrained(),
}


def make_features(name: str, path: str | None = None) -> Features:
    """A feature network by name, frozen.

    Args:
        name: "lite0", "squeezenet", "vgg16", "vgg19" or "untrained".
        path: A file of weights: needed for the VGG networks, in place of the package for "lite0".
    """
    return MAKERS[name](path).eval().requires_grad_(False)
