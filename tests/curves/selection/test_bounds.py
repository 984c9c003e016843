"""Bounds as people write them."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from yoto.curves.selection.bounds import Bound, bounds_of, check_known, parse
from yoto.curves.selection.request import Measured, request
from yoto.errors import YotoError


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("reconstruction <= 250", ["reconstruction <= 250"]),
        ("psnr>=32", ["psnr >= 32"]),
        ("  kl<2.5e1 ", ["kl <= 25"]),
        ("kl =< .5", ["kl <= 0.5"]),
        ("ms_ssim ≥ 0.97", ["ms_ssim >= 0.97"]),
        ("250 >= reconstruction", ["reconstruction <= 250"]),
        ("10 <kl<= 2e1", ["kl >= 10", "kl <= 20"]),
        ("20 > kl > 10", ["kl <= 20", "kl >= 10"]),
        ("loss > -1_000", ["loss >= -1000"]),
        ("style:great-wave >= 0.5", ["style:great-wave >= 0.5"]),
    ],
)
def test_bounds_as_people_write_them(text, found):
    assert [str(bound) for bound in parse(text)] == found


@pytest.mark.parametrize(
    "text",
    [
        "",
        "kl",
        "kl = 3",
        "kl == 3",
        "kl <= ",
        "<= 3",
        "kl <= psnr",
        "3 <= 4",
        "kl <= 3 <= 4",
        "1 < kl > 2",
        "kl != 3",
        "a < b < c",
        "1 < 2 < kl",
        "kl <= 3 nats",
    ],
)
def test_what_is_no_bound_is_refused(text):
    with pytest.raises(YotoError, match="A bound should be NAME <= NUMBER"):
        parse(text)


@pytest.mark.parametrize("text", ["kl <= nan", "kl >= inf", "kl < -Infinity"])
def test_limits_are_finite(text):
    with pytest.raises(YotoError, match="finite number"):
        parse(text)


@given(st.floats(allow_nan=False, allow_infinity=False), st.sampled_from(["<=", ">="]))
def test_a_bound_reads_what_it_prints(limit, sense):
    bound = Bound("kl", sense, limit)
    assert parse(str(bound))[0].limit == pytest.approx(limit, rel=1e-9)


def test_contradictions_are_found_across_texts():
    with pytest.raises(YotoError, match="leave room for a value. Found 'kl >= 3' and 'kl <= 2'"):
        bounds_of(["kl >= 3", "psnr >= 1", "kl <= 2"])
    assert len(bounds_of(["kl >= 2", "kl <= 3", "kl<=3"])) == 2


def test_a_single_text_is_one_bound_and_other_things_are_none():
    assert bounds_of("kl <= 3") == (Bound("kl", "<=", 3.0),)
    with pytest.raises(YotoError, match="should be text"):
        bounds_of([3])


def test_unknown_names_are_named_with_the_nearest():
    with pytest.raises(YotoError, match="Found 'reconstrution'. Did you mean 'reconstruction'"):
        check_known(["reconstrution"], ["reconstruction", "kl"], "subject_to")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((None, None, ()), "Found neither"),
        (("kl", "psnr", ()), "Found 'kl' and 'psnr'"),
        ((None, 3, ()), "`maximise` should be the name of a term, a metric or 'loss'. Found 3"),
        (("kl", None, (), 95), "Found 95"),
        (("kl", None, (), 0.3), "between 0.5 and 1"),
    ],
)
def test_requests_are_complete(arguments, message):
    with pytest.raises(YotoError, match=message):
        request(*arguments)


def test_confidence_asks_for_student_quantiles_of_the_error():
    """t₉(0.95) = 1.833; two bounds share the doubt: t₉(0.975) = 2.262."""
    point = Measured(lam=(1.0,), values={"kl": 10.0, "psnr": 30.0}, errors={"kl": 1.0, "psnr": 0.5}, samples=10)
    assert request("kl", None, ["kl <= 12"]).excesses(point) == (-2.0,)
    assert request("kl", None, ["kl <= 12"], 0.95).excesses(point) == pytest.approx((-2 + 1.833,), abs=1e-3)
    both = request("kl", None, ["kl <= 12", "psnr >= 29"], 0.95)
    assert both.excesses(point) == pytest.approx((-2 + 2.262, -1 + 1.131), abs=1e-3)
    assert not both.feasible(point)


def test_confidence_is_a_number_of_any_kind():
    assert request("kl", None, (), np.float32(0.75)).confidence == 0.75


def test_confidence_needs_errors_and_samples():
    point = Measured(lam=(1.0,), values={"kl": 10.0}, samples=10)
    with pytest.raises(YotoError, match="needs the standard error of 'kl'"):
        request("kl", None, ["kl <= 12"], 0.95).excesses(point)
    one = Measured(lam=(1.0,), values={"kl": 10.0}, errors={"kl": 1.0}, samples=1)
    with pytest.raises(YotoError, match="at least 2 samples"):
        request("kl", None, ["kl <= 12"], 0.95).excesses(one)


def test_the_best_is_feasible_first_and_nearest_otherwise():
    points = [Measured(lam=(k,), values={"a": a, "b": b}) for k, (a, b) in enumerate([(5, 1), (3, 2), (1, 9)])]
    assert request("a", None, ["b <= 2.5"]).best(points) == 1
    assert request("a", None, []).best(points) == 2
    assert request(None, "a", ["b <= 100"]).best(points) == 0
    assert request("a", None, ["b <= 0.5"]).best(points) == 0


def test_a_bound_made_by_hand_means_what_it_says():
    assert Bound("kl", "<", 20.0) == Bound("kl", "<=", 20.0)
    for name, sense, limit in (("kl", "==", 1.0), ("kl", "<=", float("nan")), ("kl", "<=", "1"), (3, "<=", 1.0)):
        with pytest.raises(YotoError, match="A bound should be a name"):
            Bound(name, sense, limit)


def test_a_limit_that_is_reached_but_for_the_rounding_of_a_float32_holds():
    value = float(torch.tensor(0.7))
    assert value < 0.7
    assert Bound("b", ">=", 0.7).excess(value) == 0
    assert Bound("b", ">=", 0.7).excess(0.6999) > 0
    assert Bound("b", "<=", 0.0).excess(1e-30) > 0
