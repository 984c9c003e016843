from __future__ import annotations

import json

import pytest

from curves.curves import BETAS, curve
from yoto.curves.curve import TradeoffCurve
from yoto.errors import YotoError


def test_json_gives_an_equal_curve(tmp_path):
    curve().to_json(tmp_path / "curve.json")
    assert TradeoffCurve.from_json(tmp_path / "curve.json") == curve()


def test_csv_gives_an_equal_curve_but_for_info(tmp_path):
    curve().to_csv(tmp_path / "curve.csv")
    assert TradeoffCurve.from_csv(tmp_path / "curve.csv") == curve(info={})
    header = (tmp_path / "curve.csv").read_text().splitlines()[0].split(",")
    assert header[:5] == ["point.kl", "weight.reconstruction", "weight.kl", "term.reconstruction", "term.kl"]


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"format": "yoto-curve", "version": 1}', '{"version": 2}'])
def test_a_damaged_json_file_is_one_line(tmp_path, text):
    (tmp_path / "curve.json").write_text(text)
    with pytest.raises(YotoError) as caught:
        TradeoffCurve.from_json(tmp_path / "curve.json")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["", "a,b\n1,2\n", "point.kl,weight.kl,loss\n1,2\n", "point.kl\nx\n"])
def test_a_damaged_csv_file_is_one_line(tmp_path, text):
    (tmp_path / "curve.csv").write_text(text)
    with pytest.raises(YotoError) as caught:
        TradeoffCurve.from_csv(tmp_path / "curve.csv")
    assert "\n" not in str(caught.value)


def test_missing_files_are_named(tmp_path):
    for read in (TradeoffCurve.from_json, TradeoffCurve.from_csv):
        with pytest.raises(YotoError, match="nowhere"):
            read(tmp_path / "nowhere")


def test_a_term_and_a_parameter_of_one_name_are_told_apart():
    assert curve().series("kl") == (15.0, 5.0, 0.0)
    assert curve().values("kl") == BETAS


def test_points_are_named_by_what_tells_them_apart():
    points = ({"a": 1.0, "b": 2.0}, {"a": 1.0, "b": 3.0}, {"a": 1.0, "b": 4.0})
    made = curve(parameters=("a", "b"), points=points)
    assert made.varying == ("b",)
    assert made.label(2) == "b = 4"
    assert made.take([1]).varying == ("a", "b")
    assert made.take([1]).label(0) == "a = 1, b = 3"


@pytest.mark.parametrize("method", ["series", "values"])
def test_unknown_names_get_a_hint(method):
    with pytest.raises(YotoError, match="Did you mean 'kl'"):
        getattr(curve(), method)("k1")


def test_at_finds_points_up_to_float32_and_keeps_their_order():
    found = curve().at([{"kl": 128.0}, {"kl": 0.5 * (1 + 1e-7)}])
    assert found.loss == (385.0, 230.0)
    with pytest.raises(YotoError, match="Sweep it too"):
        curve().at([{"kl": 7.0}])


def test_ordered_sorts_by_the_parameters():
    assert curve(betas=(8.0, 0.5, 128.0)).ordered().values("kl") == BETAS


def test_join_puts_single_models_together():
    parts = [curve().take([index]) for index in range(3)]
    assert TradeoffCurve.join(parts) == curve()


def test_join_keeps_what_all_have():
    one, other = curve().take([0]), curve(metrics={}, info={"data": "toys", "model": "b"}).take([1])
    joined = TradeoffCurve.join([one, other])
    assert joined.metrics == {}
    assert joined.info == {"data": "toys"}


@pytest.mark.parametrize("changes", [{"errors": {"loss": (1.0,)}}, {"points": ()}, {"parameters": ("beta",)}])
def test_columns_that_do_not_fit_are_refused(changes):
    with pytest.raises(YotoError, match="should"):
        curve(**changes)


def test_hypervolume_keeps_its_reference_point():
    found = curve().hypervolume({"reconstruction": 400.0, "kl": 20.0})
    points = [(222.5, 15.0), (250.0, 5.0), (385.0, 0.0)]
    expected = (400 - 222.5) * 5 + (400 - 250) * 10 + (400 - 385) * 5
    assert curve().terms["reconstruction"] == tuple(point[0] for point in points)
    assert float(found) == pytest.approx(expected)
    assert found.reference_point == {"reconstruction": 400.0, "kl": 20.0}


def test_a_curve_is_strict_json():
    with pytest.raises(ValueError, match="JSON"):
        curve(loss=(float("nan"), 1.0, 2.0)).to_json("unused.json")
    assert json.dumps(curve().to_dict(), allow_nan=False)
