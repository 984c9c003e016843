from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from curves.curves import comparison, contender, curve
from yoto.drawing.lines import save_figure
from yoto.errors import YotoError
from yoto.report.plots import calm_place, regret_figure, samples_figure, tradeoff_figure


def texts(figure):
    return {text.get_text() for axes in figure.axes for text in axes.texts}


def labels(axes):
    return [text.get_text() for text in axes.get_legend().get_texts()]


def test_a_curve_is_drawn_with_units_and_logarithmic_parameter():
    figure = curve().plot()
    trade, first, second = figure.axes
    assert trade.get_xlabel() == "kl (nats per image)"
    assert trade.get_ylabel() == "reconstruction (nats per image)"
    assert first.get_xscale() == second.get_xscale() == "log"
    assert second.get_xlabel() == "β, the weight of kl"
    assert texts(figure) == {"β = 0.5", "β = 8", "β = 128"}


@pytest.mark.parametrize(
    ("means", "place"),
    [
        ([[6.0, 4.0, 4.0], [5.0, 2.0, 1.0]], (True, True)),
        ([[6.0, 4.0, 4.0], [7.0, -0.2, -1.3]], (True, False)),
        ([[6.0, 0.5, 0.4], [7.0, -0.2, -0.3]], (False, True)),
        ([[0.3, 4.0, 4.0], [7.0, 3.0, -0.3]], (True, False)),
    ],
)
def test_a_note_at_the_zero_line_keeps_clear_of_the_markers(means, place):
    assert calm_place(np.array(means)) == place


def test_axes_can_be_chosen():
    figure = curve().plot(x="mse", y="loss", dark=True)
    assert figure.axes[0].get_xlabel() == "mse"
    with pytest.raises(YotoError, match="series"):
        curve().plot(x="nothing")


def test_a_curve_without_units_over_two_parameters():
    points = ({"a": 1.0, "b": 2.0}, {"a": 3.0, "b": 2.0}, {"a": 1.0, "b": 5.0})
    plain = curve(parameters=("a", "b"), points=points, info={}, errors={})
    assert "a = 1, b = 2" in texts(plain.plot())


def test_one_point_and_one_term():
    curve(terms={"reconstruction": (1.0, 2.0, 3.0)}, metrics={}, errors={}).take([1]).plot()


def test_the_tradeoff_has_a_line_per_seed_and_a_labelled_cross_per_point():
    figure = tradeoff_figure(comparison())
    axes = figure.axes[0]
    assert len(axes.lines) == 4
    assert labels(axes) == ["conditional, 1x", "paper", "trained for one β alone"]
    assert texts(figure) == {"β = 0.5", "β = 8", "β = 128"}


def test_regret_is_in_percent_above_the_floor_with_a_bar_over_the_seeds():
    axes = regret_figure(comparison()).axes[0]
    assert "above the floor" in axes.get_ylabel()
    assert "%" in axes.get_ylabel()
    assert axes.get_xscale() == "log"
    assert [text.get_text() for text in axes.get_xticklabels()] == ["0.5", "8", "128"]
    marks = [line for line in axes.lines if line.get_label() == "conditional, 1x"]
    assert marks[0].get_ydata()[0] == pytest.approx(100 * (((44 / 40) + (46 / 40)) / 2 - 1))


def test_regret_is_a_difference_in_the_unit_where_a_ratio_is_undefined():
    low = curve((-10.0, 20.0, 30.0))
    made = comparison(
        references=(low,),
        reference_costs=((),),
        seeds=(0,),
        floor=None,
        contenders=(contender(losses=[(-9.0, 21.0, 33.0)]),),
    )
    axes = regret_figure(made).axes[0]
    assert "(nats per image)" in axes.get_ylabel()
    assert "floor" not in axes.get_ylabel()


def test_pictures_of_several_models(tmp_path):
    tile = np.zeros((20, 40, 3), np.uint8)
    figure = samples_figure({"one": {"β = 1": tile, "β = 2": tile}, "two": {"β = 1": tile, "β = 2": tile}})
    save_figure(figure, tmp_path / "samples.png")
    with Image.open(tmp_path / "samples.png") as image:
        assert image.width > image.height / 2
    assert {axes.get_title(loc="left") for axes in figure.axes} >= {"one, β = 1", "two, β = 2"}
    with pytest.raises(YotoError, match="at least one picture"):
        samples_figure({"one": {}})
