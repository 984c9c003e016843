"""The bundled codec on the photographs that come with the package."""

import numpy as np
import pytest

from yoto import codec
from yoto.apps.codec import api, assembly
from yoto.apps.codec.format import container
from yoto.apps.codec.format.coder import default
from yoto.data.images import read_picture
from yoto.data.photographs import BUNDLED
from yoto.data.pixels import psnr_of

PHOTOGRAPHS = sorted(BUNDLED.glob("*.webp"))
LARGEST_FALL = 0.02
"""dB by which PSNR may fall from one quality to the next."""


@pytest.fixture(scope="module")
def bundled():
    return codec.load()


def test_it_writes_and_reads_files_of_this_version(bundled, photo):
    data = codec.compress(photo, quality=70, model=bundled)
    assert data[4] == container.VERSION == 2
    assert psnr_of(np.asarray(codec.decompress(data)), photo) > 32  # found by its fingerprint


@pytest.mark.parametrize("quality", [0, 50, 100])
@pytest.mark.parametrize("kind", ["dots", "noise", "stripes"])
def test_pictures_unlike_any_photograph_come_back_better_than_one_grey(bundled, kind, quality):
    """The passes once added up what the hyper-decoder made of them, to 10^30 and beyond what a file holds."""
    places = np.indices((192, 256))
    slope = np.linspace(0, 1, 256)[None] > (places[0] % 4 * 4 + places[1] % 4 * 7 % 16 + 0.5) / 20
    noise = np.random.default_rng(0).random((192, 256)) > 0.5
    drawn = {"dots": slope, "noise": noise, "stripes": places[1] % 2 == 0}[kind]
    picture = np.repeat((drawn * 255).astype(np.uint8)[..., None], 3, 2)
    data = codec.compress(picture, quality=quality, model=bundled)
    found = psnr_of(np.asarray(codec.decompress(data, model=bundled).convert("RGB")), picture)
    assert found > psnr_of(np.full_like(picture, round(picture.mean())), picture) - 0.5


@pytest.mark.slow
@pytest.mark.parametrize("file", PHOTOGRAPHS, ids=lambda file: file.stem)
def test_size_and_psnr_rise_with_quality(bundled, file):
    picture = read_picture(file)
    coded = [api.encode(picture, quality=5 * i, model=bundled) for i in range(21)]
    sizes = [len(each.data) for each in coded]
    assert sizes == sorted(set(sizes))
    psnr = [psnr_of(assembly.pixels_of(container.parse(c.data), bundled, default()), picture.pixels) for c in coded]
    assert np.diff(psnr).min() >= -LARGEST_FALL
    assert psnr[-1] > psnr[0] + 5
