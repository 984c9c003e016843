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
