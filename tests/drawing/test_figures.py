"""Figures of several weights: labels stay inside, and triangles and space show what the curve holds."""

import itertools

import numpy as np
import pytest

from yoto import LossSpace, Simplex, TradeoffCurve, YotoError
from yoto.drawing.spatial import CORNERS, flat

NAMES = ("reconstruction", "smoothness", "perceptual")
SPACE = LossSpace(mix=Simplex(*NAMES))


def lattice(n=5, **changes):
    weights = SPACE.grid(n, kind="lattice").tolist()
    points = [dict(zip(NAMES, row, strict=True)) for row in weights]
    terms = {name: [1 / (0.1 + row[i]) for row in weights] for i, name in enumerate(NAMES)}
    return TradeoffCurve(**{"points": points, "terms": terms, "loss": [1.0] * len(points), **changes})


def drawn(figure):
    figure.canvas.draw()
    return figure


def outside(figure):
    """Texts of annotations that leave the figure or the axes that they are in."""
    renderer = drawn(figure).canvas.get_renderer()
    left = []
    for axes in figure.axes:
        frame = axes.get_window_extent(renderer)
        for text in axes.texts:
            box = text.get_window_extent(renderer)
            if box.x0 < frame.x0 - 2 or box.x1 > frame.x1 + 2 or box.y0 < frame.y0 - 2 or box.y1 > frame.y1 + 2:
                left.append(text.get_text())
    return left


@pytest.mark.parametrize("shape", ["falling", "rising", "flat", "one"])
@pytest.mark.parametrize("count", [1, 3])
def test_labels_stay_inside(shape, count):
    names = [f"a_rather_long_name_{number}" for number in range(count)]
    along = np.linspace(0.1, 1, 1 if shape == "one" else 7)
    other = {"falling": 1 / along, "rising": along**2, "flat": 0 * along, "one": along}[shape]
    curve = TradeoffCurve(
        points=[{name: value * (i + 1) for i, name in enumerate(names)} for value in along],
        terms={"fit": other, "size": along},
        loss=along,
    )
    assert outside(curve.plot()) == []


def test_a_triangle_puts_each_corner_where_one_weight_is_all():
    assert np.allclose(flat(np.eye(3)), CORNERS)
    assert np.allclose(flat([[1, 1, 1]]), CORNERS.mean(axis=0))
    for one, other in itertools.combinations(range(3), 2):
        assert np.linalg.norm(CORNERS[one] - CORNERS[other]) == pytest.approx(1.0)


def test_a_ternary_figure_has_a_triangle_for_each_term_and_the_loss():
    figure = lattice().plot(kind="ternary")
    assert outside(figure) == []
    triangles = [axes for axes in figure.axes if axes.texts]
    assert [axes.get_title(loc="left") for axes in triangles] == [*NAMES, "loss"]
    for axes in triangles:
        assert [text.get_text() for text in axes.texts] == list(NAMES)
        (dots,) = [each for each in axes.collections if hasattr(each, "get_offsets") and len(each.get_offsets()) == 15]
        assert dots.get_array() is not None
    dots = next(each for each in triangles[0].collections if len(np.atleast_2d(each.get_offsets())) == 15)
    assert np.allclose(dots.get_array(), lattice().terms["reconstruction"])


def test_points_on_a_line_make_a_triangle_without_a_field():
    assert drawn(lattice().take([0, 1, 2]).plot(kind="ternary"))


def test_three_terms_in_space():
    figure = drawn(lattice().plot(kind="space", dark=True))
    (axes,) = figure.axes
    assert (axes.get_xlabel(), axes.get_ylabel(), axes.get_zlabel()) == (NAMES[1], NAMES[0], NAMES[2])


def test_what_does_not_suit_a_kind_is_refused():
    with pytest.raises(YotoError, match="one of terms, ternary, space"):
        lattice().plot(kind="cube")
    two = TradeoffCurve(points=[{"kl": 1.0}, {"kl": 2.0}], terms={"a": (1.0, 2.0), "b": (2.0, 1.0)}, loss=(1.0, 1.0))
    with pytest.raises(YotoError, match="weights of three terms that sum to 1"):
        two.plot(kind="ternary")
    with pytest.raises(YotoError, match="three terms or metrics"):
        two.plot(kind="space")
