"""What is measured of the sliders, against values that can be worked out."""

import json

import numpy as np
import pytest
from PIL import Image

from apps.style import toy
from yoto.apps.style import report
from yoto.apps.style import sliders as evaluation
from yoto.apps.style.sliders import Blend, Evaluation, Row, against_blending, evaluate, means, own_loss, spearman


@pytest.fixture(scope="module")
def measured(painter, tmp_path_factory):
    folder = tmp_path_factory.mktemp("photographs")
    files = []
    for seed in range(2):
        files.append(folder / f"photo-{seed}.png")
        Image.fromarray(toy.photograph(80, 96, seed)).save(files[-1])
    seen = []
    found = evaluate(painter.bank, files, side=64, progress=lambda *a: seen.append(a))
    assert seen[-1][0] == seen[-1][1]
    return found


def test_every_picture_is_measured(measured):
    assert len(measured.rows) == 2 * 2 * 6 * 5
    assert len(measured.blends) == 2 * 2 * 3 * 2
    assert {row.style for row in measured.rows} == {"dots", "stripes"}
    assert all(("judge_style" in row.losses) == (row.slider == "strength") for row in measured.rows)
    assert all(np.isfinite(list(row.losses.values())).all() for row in measured.rows)


def test_style_is_the_mean_of_its_groups(measured):
    for row in measured.rows:
        assert row.losses["style"] == pytest.approx(
            np.mean([row.losses[f"style_{name}"] for name in ("fine", "mid", "coarse", "coarser")])
        )


def test_the_same_features_judge_alike(measured):
    for row in measured.rows:
        if row.slider == "strength":
            assert row.losses["judge_style"] == pytest.approx(row.losses["style"], rel=1e-4)


def test_a_report_is_written(measured, tmp_path):
    paths = report.write_report(measured, report.summary(measured), tmp_path)
    assert [path.name for path in paths] == ["sliders.csv", "summary.json", "report.md", "sliders.png"]
    assert all(path.stat().st_size for path in paths)
    found = json.loads(paths[1].read_text())
    assert found["sliders"]["coarse"]["loss"] == "style_coarse"
    assert len(paths[0].read_text().splitlines()) == 1 + len(measured.rows)


def made(own, blends=()):
    rows = tuple(
        Row("a", "strength", float(i), f"photo-{n}", {"style": value}, 0.0, 0.1 * i)
        for n, series in enumerate(own)
        for i, value in enumerate(series)
    )
    return Evaluation(rows, tuple(blends), {})


def test_rank_correlation_is_averaged_over_photographs():
    assert spearman(made([[5, 4, 3, 2, 1]]), "strength") == pytest.approx(-1)
    assert spearman(made([[5, 4, 3, 2, 1], [1, 2, 3, 4, 5]]), "strength") == pytest.approx(0)
    assert spearman(made([[5, 4, 2, 3, 1]]), "strength") == pytest.approx(-0.9)
    assert means(made([[1, 2], [3, 4]]), "strength", lambda row: row.losses["style"]) == [2, 3]


def test_blending_is_compared_at_each_strength():
    blends = [Blend("a", "p", s, 0.01, 0.5, 0.2 * s, 0.4 * s) for s in evaluation.STRENGTHS]
    for (smoothness, strength), (slider, blend) in against_blending(made([[1, 2]], blends)).items():
        assert smoothness == 0.01
        assert slider == pytest.approx(0.2 * strength)
        assert slider / blend == pytest.approx(0.5)


def test_the_blend_of_equal_content_is_measured_not_interpolated():
    """A convex curve: a straight line between two of its points would lie above it."""
    asked = []

    def blend(alpha):
        asked.append(alpha)
        return 1.7 * alpha**1.5, np.exp(-5 * alpha)

    coarse = {alpha: blend(alpha) for alpha in evaluation.ALPHAS}
    for wanted in (0.05, 0.4, 0.9, 1.6):
        content, style = evaluation.at_content(blend, coarse, wanted)
        alpha = (wanted / 1.7) ** (1 / 1.5)
        assert content == pytest.approx(wanted, rel=0.01)
        assert style == pytest.approx(np.exp(-5 * alpha), rel=0.05)
    assert evaluation.at_content(blend, coarse, 99.0) == coarse[1.0]
    assert evaluation.at_content(blend, coarse, 0.0) == coarse[0.0]


def test_each_slider_has_a_loss_of_its_own():
    assert [own_loss(name) for name in ("strength", "fine", "smoothness")] == ["style", "style_fine", "smoothness"]


def test_the_middle_is_cut_out():
    pixels = toy.photograph(50, 70)
    assert np.array_equal(evaluation.middle(pixels, 30), pixels[10:40, 20:50])
    assert evaluation.middle(pixels, 60).shape == (50, 60, 3)
