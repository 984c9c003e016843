"""BD-rate against closed forms, and the report of a codec on pictures."""

import json

import numpy as np
import pytest

from apps.codec.golden import DATA
from yoto.apps.codec import rate_distortion as evaluation
from yoto.apps.codec import report
from yoto.apps.codec.rate_distortion import Point, bd_rate, classic_points, evaluate, model_points
from yoto.data import images
from yoto.errors import YotoError


def curve(rates, offset=0.0):
    """PSNR that rises by 6 dB per bit, as at high rate."""
    return [Point(0, float(r), 6.02 * float(np.log2(r)) + 30 + offset, 0.9, 0, 0) for r in rates]


def test_bd_rate_of_a_constant_factor():
    base = curve([0.1, 0.2, 0.5, 1, 2])
    for factor in (0.5, 0.7, 1.3):
        scaled = [Point(0, p.bpp * factor, p.psnr, p.ms_ssim, 0, 0) for p in base]
        assert bd_rate(base, scaled) == pytest.approx(100 * (factor - 1), abs=1e-9)


def test_bd_rate_of_a_shift_in_psnr():
    """3.01 dB are half a bit in amplitude: half the rate on this curve's slope."""
    base = curve(np.geomspace(0.1, 2, 9))
    assert bd_rate(base, curve(np.geomspace(0.1, 2, 9), 6.02)) == pytest.approx(-50, abs=0.1)
    assert bd_rate(base, curve(np.geomspace(0.3, 1, 5))) == pytest.approx(0, abs=1e-6)


def test_bd_rate_needs_curves_that_overlap():
    assert bd_rate(curve([0.1, 0.2]), curve([1, 2])) is None
    with pytest.raises(YotoError, match="two points"):
        bd_rate(curve([0.1]), curve([0.1, 0.2]))


def test_bd_rate_within_limits_leaves_out_what_is_beyond():
    """Half the rate below 30 dB, the same above."""
    base = [Point(0, 2 ** (psnr / 6), float(psnr), 0.9, 0, 0) for psnr in range(20, 41)]
    halved = [Point(0, p.bpp / (2 if p.psnr < 30 else 1), p.psnr, 0.9, 0, 0) for p in base]
    assert bd_rate(base, halved, (35, 40)) == pytest.approx(0, abs=1e-6)
    assert bd_rate(base, halved, (20, 28)) == pytest.approx(-50, abs=1e-6)
    assert -50 < bd_rate(base, halved) < 0
    assert bd_rate(base, halved, (10, 60)) == bd_rate(base, halved)
    assert bd_rate(base, halved, (41, 60)) is None


def test_a_report_has_one_range_for_all():
    curves = {"yoto": curve([0.5, 1, 2]), "JPEG 4:2:0": curve([0.4, 0.8, 1.6])}
    made = evaluation.Report(curves, ("a",), {})
    assert made.within == evaluation.RANGE
    assert made.rates()["yoto"] == bd_rate(curves["JPEG 4:2:0"], curves["yoto"], evaluation.RANGE)
    far = evaluation.Report({**curves, "smooth": curve([0.4, 0.8], 30.0)}, ("a",), {})
    assert far.within is None


@pytest.fixture(scope="module")
def found(tiny):
    picture = images.read_picture(DATA / "rgb-original.png")
    ours = model_points(tiny, [picture], (20.0, 80.0))
    theirs = classic_points(evaluation.CLASSICS["JPEG 4:2:0"], [picture])
    return ours, theirs


def test_points_are_of_real_files(found, tiny):
    from yoto import codec

    picture = images.read_picture(DATA / "rgb-original.png")
    ours, theirs = found
    data = codec.compress(picture, quality=20, model=tiny)
    assert ours[0].bpp == 8 * len(data) / (100 * 70)
    assert [p.quality for p in theirs] == list(evaluation.JPEG_QUALITIES)
    assert theirs[0].bpp < theirs[-1].bpp
    assert theirs[0].psnr < theirs[-1].psnr


def test_what_others_do_not_write_is_not_counted(found, tiny, tmp_path):
    from PIL import Image, ImageCms

    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    rich = Image.open(DATA / "rgb-original.png").convert("RGBA")
    rich.save(tmp_path / "rich.png", icc_profile=profile)
    ours = evaluate(tiny, [tmp_path / "rich.png"], qualities=(20.0, 80.0)).points["yoto"]
    assert [(p.bpp, p.psnr) for p in ours] == [(p.bpp, p.psnr) for p in found[0]]


def test_the_report(tiny, tmp_path):
    seen = []
    made = evaluate(tiny, [DATA / "rgb-original.png"], qualities=(0.0, 50.0, 100.0), progress=lambda *n: seen.append(n))
    assert seen[-1][0] == seen[-1][1] == len(seen)
    names = {path.name for path in report.write_report(made, tmp_path)}
    assert names == {"points.csv", "points.json", "report.md", "curve.png"} == {p.name for p in tmp_path.iterdir()}
    values = json.loads((tmp_path / "points.json").read_text())
    assert values["bd_rate_percent"]["JPEG 4:2:0"] == pytest.approx(0)
    assert values["bd_rate_within"] == [28.3, 36.65]
    assert "over 28.3 to 36.65 dB" in (tmp_path / "report.md").read_text()
    assert next(iter(values["points"])) == "yoto"
    assert "| **yoto** |" in (tmp_path / "report.md").read_text()
    rows = (tmp_path / "points.csv").read_text().splitlines()
    assert len(rows) == 1 + sum(map(len, values["points"].values()))
