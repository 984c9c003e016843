from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

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


def test_csv_keeps_the_directions_that_are_known(tmp_path):
    known = curve(metrics={"accuracy": BETAS, "mse (low)": BETAS, "rest": BETAS}, info={})
    known = replace(known, better={"accuracy": "higher", "mse (low)": "lower"})
    known.to_csv(tmp_path / "curve.csv")
    assert TradeoffCurve.from_csv(tmp_path / "curve.csv") == known
    assert "metric.accuracy (higher)" in (tmp_path / "curve.csv").read_text()


def test_a_curve_is_shown_in_one_line():
    assert repr(curve()) == str(curve())
    assert str(curve()) == (
        "TradeoffCurve(3 points, kl 0.5 to 128; reconstruction 222.5 to 385, kl 0 to 15; mse 0.23 to 0.385; "
        "loss 230 to 385; 100 samples)"
    )


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
    with pytest.raises(YotoError, match="`loss` of a curve should hold finite numbers"):
        curve(loss=(float("nan"), 1.0, 2.0))
    assert json.dumps(curve().to_dict(), allow_nan=False)


def test_a_curve_is_filled_by_hand_with_any_sequences():
    made = TradeoffCurve(
        points=[{"kl": 1}, {"kl": np.float64(2)}],
        terms={"fit": [1, 2], "kl": np.array([4.0, 1.5])},
        loss=torch.tensor([5.0, 5.0]),
        metrics={"psnr": (30.0, 28.0)},
        better={"psnr": "higher"},
    )
    assert made.parameters == ("kl",)
    assert made.weights == made.points == ({"kl": 1.0}, {"kl": 2.0})
    assert made.terms == {"fit": (1.0, 2.0), "kl": (4.0, 1.5)}
    assert made.loss == (5.0, 5.0)
    assert TradeoffCurve.from_dict(json.loads(json.dumps(made.to_dict()))) == made
    assert made.plot() is not None


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"balanced": 3.0}, "`balanced` of a curve should be a sequence of numbers"),
        ({"terms": [1.0]}, "`terms` of a curve should map names to columns"),
        ({"points": (0.5, 8.0, 128.0)}, "Each of `points`"),
        ({"better": {"mse": "up"}}, "'lower' or 'higher'"),
        ({"balanced": (1.0,)}, "one value for each"),
    ],
)
def test_a_curve_by_hand_says_what_is_wrong(changes, message):
    with pytest.raises(YotoError, match=message):
        curve(**changes)


def test_a_metric_that_is_better_higher_counts_from_below():
    made = curve(metrics={"accuracy": (0.9, 0.7, 0.2)}, better={"accuracy": "higher"})
    found = made.hypervolume({"kl": 20.0, "accuracy": 0.1})
    assert float(found) == pytest.approx((20 - 15) * 0.8 + (15 - 5) * 0 + (15 - 5) * 0.6 + 5 * 0.1)
    assert found.reference_point == {"kl": 20.0, "accuracy": 0.1}
    with pytest.raises(YotoError, match="lower or higher 'mse' is better should be known"):
        curve().hypervolume({"kl": 20.0, "mse": 1.0})
    assert float(curve().hypervolume({"kl": 20.0, "mse": 1.0}, better={"mse": "lower"})) > 0
    with pytest.raises(YotoError, match="'lower' or 'higher'"):
        curve().hypervolume({"kl": 20.0, "mse": 1.0}, better={"mse": "up"})


def test_a_score_needs_the_balanced_loss():
    assert curve(balanced=(1.0, 2.0, 6.0)).score() == pytest.approx(3.0)
    with pytest.raises(YotoError, match="`balanced` should be filled in"):
        curve().score()


def test_directions_and_balanced_losses_join():
    one = curve(better={"mse": "lower"}, balanced=(1.0, 2.0, 3.0))
    parts = [one.take([index]) for index in range(3)]
    assert TradeoffCurve.join(parts) == one
    assert TradeoffCurve.join([parts[0], curve().take([1])]).balanced == ()


@pytest.mark.parametrize("fact", [float("nan"), {1, 2}, b"bytes"])
def test_facts_that_json_does_not_hold_are_refused_before_a_file_is_written(tmp_path, fact):
    with pytest.raises(YotoError, match="`info` of a curve should hold what JSON can"):
        curve(info={"fact": fact}).to_json(tmp_path / "curve.json")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"better": ["mse"]}, "`better` of a curve should map names"),
        ({"info": None}, "`info` of a curve should map names"),
        ({"terms": None}, "`terms` of a curve should map names to columns"),
        ({"points": None}, "`points` of a curve should be a sequence"),
        ({"weights": {"kl": 1.0}}, "`weights` of a curve should be a sequence"),
        ({"parameters": "kl"}, "`parameters` of a curve should be a sequence. Found str"),
        ({"better": {"kl": "higher"}}, "A loss term should be better lower"),
        ({"better": {"loss": "higher"}}, "A loss term should be better lower"),
    ],
)
def test_fields_of_another_kind_are_one_line(changes, said):
    with pytest.raises(YotoError, match=said):
        curve(**changes)
    with pytest.raises(YotoError, match=said):
        TradeoffCurve.from_dict({**curve().to_dict(), **changes})


def test_a_curve_of_a_loss_alone_has_nothing_to_show():
    with pytest.raises(YotoError, match="a term or a metric to show"):
        curve(terms={}, metrics={}).plot()
