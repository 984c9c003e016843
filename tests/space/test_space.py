"""The loss space: ranges are held, the encoding is scaled, JSON is complete."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from yoto.errors import YotoError
from yoto.space import Choice, Fixed, LogUniform, LossSpace, Simplex, Uniform

SPACE = LossSpace(
    content=1.0,
    kl=LogUniform(0.125, 512.0),
    offset=Uniform(-2.0, 3.0, weight=False),
    mix=Simplex("fine", "coarse", "whole"),
    style=Choice("waves", "stars"),
)


def test_names_and_columns():
    assert SPACE.names == ("content", "kl", "offset", "fine", "coarse", "whole", "style:waves", "style:stars")
    assert SPACE.free == ("kl", "offset", "mix", "style")
    assert SPACE.fixed == ("content",)
    assert SPACE.weights == ("content", "kl", "fine", "coarse", "whole")
    assert SPACE.free_weights == ("kl", "fine", "coarse", "whole")


def test_grid_is_even_in_probability_and_has_the_ends():
    space = LossSpace(a=1.0, kl=LogUniform(0.125, 512.0))
    expected = [2.0**k for k in range(-3, 10)]
    assert torch.allclose(space.grid(13)[:, 1], torch.tensor(expected))
    assert space.grid(1)[0, 1] == pytest.approx(8.0)
    two = LossSpace(a=LogUniform(1, 100), b=Uniform(0, 2))
    assert two.grid(3).tolist() == [
        pytest.approx(row) for row in ([1, 1], [10, 1], [100, 1], [10, 0], [10, 1], [10, 2])
    ]
    assert two.grid(8, joint=True).shape == (8, 2)
    assert len(LossSpace(style=Choice("a", "b", "c")).grid(7)) == 3


def test_simplex_grid_stays_on_the_simplex():
    for m in (2, 3, 4):
        grid = LossSpace(mix=Simplex(*"abcd"[:m])).grid(5)
        assert len(grid) == (5 if m == 2 else 5 * m)
        assert grid.sum(1).sub(1).abs().max() < 1e-6
        assert grid.min() > 0


@given(st.floats(0.125, 512.0))
def test_point_and_encode_agree_with_the_closed_form(kl):
    space = LossSpace(reconstruction=1.0, kl=LogUniform(0.125, 512.0))
    lam = space.point(kl=kl)
    assert lam.tolist() == pytest.approx([1.0, kl], rel=1e-6)
    u = 2 * math.log(kl / 0.125) / math.log(4096) - 1
    features = space.encode(lam, fourier=2).tolist()
    waves = [f(k * math.pi * u / 2) for f in (math.sin, math.cos) for k in (1, 2)]
    assert features == pytest.approx([u, *waves], abs=1e-5)
    assert space.encode(lam, raw=True).tolist() == pytest.approx([math.log(kl)], abs=1e-5)
    assert space.encoded_size(2) == 5


def test_encoding_is_standardised():
    encoded = SPACE.encode(SPACE.sample(8192, torch.Generator().manual_seed(0)))
    assert encoded.shape[1] == SPACE.encoded_size() == 1 + 1 + 3 + 2
    assert encoded[:, :2].abs().max() <= 1 + 1e-5
    assert encoded[:, 2:5].mean().abs() < 0.02
    assert encoded[:, 2:5].square().mean() == pytest.approx(1.0, abs=0.05)
    scaled = SPACE.point(kl=1, offset=0, fine=0.2, coarse=0.3, whole=0.5, style="waves")
    tripled = scaled.clone()
    tripled[3:6] *= 3
    assert torch.allclose(SPACE.encode(scaled), SPACE.encode(tripled), atol=1e-5)  # only ratios matter


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({}, "`kl` is free"),
        ({"kl": 4}, "`offset` is free"),
        ({"kll": 4}, "Did you mean 'kl'"),
        ({"kl": 1000, "offset": 0}, r"`kl` should lie in \[0.125, 512\]"),
        ({"kl": "x"}, "`kl` should be a number"),
        ({"kl": float("nan")}, "finite"),
        ({"kl": True}, "should be a number"),
        ({"content": 2.0}, "`content` is fixed at 1"),
        ({"kl": 1, "offset": 9}, "`offset` should lie in"),
        ({"kl": 1, "offset": 0, "fine": 0.5, "coarse": 0.5}, "Missing: whole"),
        ({"kl": 1, "offset": 0, "fine": 0.5, "coarse": 0.5, "whole": 0.5, "style": "waves"}, "sum to 1"),
        ({"kl": 1, "offset": 0, "mix": {"fine": 0.2, "coarse": 0.3, "whole": 0.5}, "style": "wave"}, "Did you mean"),
        ({"kl": 1, "offset": 0, "mix": {"fine": 0.2, "coarse": 0.3, "whole": 0.5}, "style": {"waves": 0.7}}, "sum 0.7"),
    ],
)
def test_point_errors_name_the_parameter_and_its_range(values, message):
    with pytest.raises(YotoError, match=message):
        SPACE.point(values)


def test_extrapolation_and_blends_on_request():
    space = LossSpace(kl=LogUniform(1, 10), style=Choice("a", "b"))
    lam = space.point(kl=100, style={"a": 0.25, "b": 0.75}, extrapolate=True)
    assert lam.tolist() == [100, 0.25, 0.75]
    assert space.describe(lam) == {"kl": 100, "style:a": 0.25, "style:b": 0.75}
    with pytest.raises(YotoError, match="above 0"):
        space.point(kl=-1, style="a", extrapolate=True)


@pytest.mark.parametrize(
    "build",
    [
        LossSpace,
        lambda: LossSpace(a=LogUniform(0, 1)),
        lambda: LossSpace(a=LogUniform(2, 1)),
        lambda: LossSpace(a=Uniform(-1, 1)),
        lambda: LossSpace(a=1.0, mix=Simplex("a", "b")),
        lambda: LossSpace(a=-1.0),
        lambda: LossSpace(mix=Simplex("a", "b", minimum=0.6)),
        lambda: LossSpace(style=Choice("a")),
        lambda: LossSpace(a={"distribution": "loguniform", "low": 1, "high": 2}),
        lambda: LossSpace(a={"distribution": "uniform", "lo": 1, "high": 2}),
        lambda: LossSpace.from_dict([1]),
        lambda: LossSpace(a=1.0).grid(0),
        lambda: LossSpace(a=Uniform(0, 1)).sample(3, method="grid"),
        lambda: LossSpace(a=Uniform(0, 1)).sample(0),
        lambda: LossSpace(a=Uniform(0, 1)).sample(3, tilt={"b": 1.0}),
        lambda: LossSpace(a=Uniform(0, 1)).sample(3, spread=2.5),
        lambda: LossSpace(a=Uniform(0, 1)).sample(3, spread=-0.1),
        lambda: LossSpace(a=Uniform(0, 1)).sample(3, progress=1.1),
        lambda: LossSpace(at=1.0),
        lambda: LossSpace(a=[0.1, 10]),
        lambda: LossSpace(a=None),
        lambda: LossSpace(a=Choice(1, 2)),
    ],
)
def test_bad_spaces_are_refused(build):
    with pytest.raises(YotoError):
        build()


def test_json_round_trip():
    again = LossSpace.from_json(SPACE.to_json())
    assert again == SPACE
    assert hash(again) == hash(SPACE)
    assert again.names == SPACE.names
    assert again != LossSpace(content=1.0)
    short = LossSpace.from_dict({"a": 1, "b": {"distribution": "log-uniform", "low": 1, "high": 2}})
    assert short == LossSpace(a=Fixed(1.0), b=LogUniform(1, 2))


def test_what_describe_says_is_understood():
    for lam in SPACE.sample(8):
        assert torch.allclose(SPACE.point(SPACE.describe(lam)), lam, rtol=1e-5, atol=1e-6)
    space = LossSpace(content=Simplex("content", "style"))
    assert space.point(content=0.25, style=0.75).tolist() == [0.25, 0.75]


def test_combine_is_the_weighted_sum_and_checks_names():
    space = LossSpace(rate=LogUniform(0.1, 10), distortion=1.0, gamma=Uniform(0, 5, weight=False))
    terms = {"distortion": torch.rand(6), "rate": torch.rand(6)}
    lam = space.sample(6)
    assert torch.allclose(space.combine(terms, lam), lam[:, 0] * terms["rate"] + terms["distortion"])
    assert torch.allclose(space.combine(terms, lam[2])[2], space.combine(terms, lam)[2])
    with pytest.raises(YotoError, match=r"'ratio' has no weight.*Did you mean 'rate'"):
        space.combine({**terms, "ratio": terms["rate"]}, lam)
    with pytest.raises(YotoError, match="include rate"):
        space.combine({"distortion": terms["distortion"]}, lam)
    with pytest.raises(YotoError, match=r"shape \[B\]"):
        space.combine({**terms, "rate": torch.rand(6, 2)}, lam)
    with pytest.raises(YotoError, match="one number per sample each"):
        space.combine({**terms, "rate": torch.rand(5)}, lam)
    with pytest.raises(YotoError, match="row for each of the 6 samples"):
        space.combine(terms, lam[:1])


DISTRIBUTIONS = {
    "uniform": Uniform(-1.0, 3.0, weight=False),
    "log-uniform": LogUniform(0.125, 512.0),
    "simplex": Simplex("a", "b", "c"),
    "pair": Simplex("a", "b", concentration=0.5, minimum=0.01),
}


@pytest.mark.parametrize("kind", DISTRIBUTIONS)
def test_coordinates_reach_every_value_and_come_back(kind):
    distribution = DISTRIBUTIONS[kind]
    uniform = torch.rand(200, distribution.uniforms, dtype=torch.float64)
    values = distribution.draw(uniform, 0.0)
    unit = distribution.to_unit(values)
    assert unit.shape == (200, distribution.coordinates)
    assert unit.min() >= 0
    assert unit.max() <= 1
    cut = 0.06 * getattr(distribution, "minimum", 0.0)  # the ends of a simplex's log-ratios
    torch.testing.assert_close(distribution.from_unit(unit), values, rtol=1e-6, atol=cut + 1e-6)


@pytest.mark.parametrize("kind", DISTRIBUTIONS)
def test_coordinates_never_leave_the_range_and_carry_gradients(kind):
    distribution = DISTRIBUTIONS[kind]
    corners = torch.cartesian_prod(*[torch.tensor([0.0, 0.3, 1.0], dtype=torch.float64)] * distribution.coordinates)
    corners = corners.reshape(-1, distribution.coordinates).requires_grad_()
    values = distribution.from_unit(corners)
    for row in values.tolist():
        distribution.check("it", dict(zip("abc", row, strict=False)) if len(row) > 1 else row[0], False)
    (gradient,) = torch.autograd.grad(values.square().sum(), corners)
    assert gradient.isfinite().all()
    assert gradient.abs().max() > 0


def test_names_and_constants_have_no_coordinates():
    for distribution in (Choice("waves", "stars"), Fixed(2.0)):
        assert distribution.coordinates == 0
        median = torch.tensor([distribution.median()] * 2)
        assert distribution.to_unit(median).shape == (2, 0)
        torch.testing.assert_close(distribution.from_unit(torch.zeros(2, 0)), median)


@pytest.mark.parametrize(
    ("entry", "hint"),
    [
        ((0.1, 10.0), r"LogUniform\(0.1, 10\) or Uniform\(0.1, 10\). Found \(0.1, 10.0\)"),
        ([0.1, 10.0], r"LogUniform\(0.1, 10\)"),
        (("a", "b"), r"Choice\(\['a', 'b'\]\) or Simplex\('a', 'b'\)"),
        ("log", r"LogUniform\(0.1, 10.0\). Found 'log'"),
        (LogUniform, "Found the class LogUniform"),
    ],
)
def test_what_is_no_distribution_is_told_what_it_may_have_meant(entry, hint):
    with pytest.raises(YotoError, match=f"`kl` should be a number or a distribution, such as .*{hint}"):
        LossSpace(fit=1.0, kl=entry)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: LogUniform(1e-50, 1.0), r"`low` should be 0 or lie between 1\.2e-38 and 3\.4e\+38\. Found 1e-50"),
        (lambda: Uniform(0.0, 1e39), r"`high` should be 0 or lie between"),
        (lambda: LossSpace(a=1e-60, b=LogUniform(1, 2)), r"`value` should be 0 or lie between"),
        (
            lambda: Uniform(1.0, 1.0 + 1e-9),
            r"should differ in float32, as λ is kept\. Found 1\.0 and 1\.000000001",
        ),
    ],
)
def test_ranges_are_those_of_float32(make, said):
    with pytest.raises(YotoError, match=said):
        make()


def test_a_wide_range_of_float32_is_held():
    space = LossSpace(a=LogUniform(1.2e-38, 3.4e38), b=Uniform(-1e38, 1e38, weight=False))
    lam = space.sample(64, torch.Generator().manual_seed(0))
    assert lam.isfinite().all()
    assert (lam[:, 0] > 0).all()
    assert space.encode(lam, fourier=2).isfinite().all()


@pytest.mark.parametrize("minimum", [1e-50, 1e-310, 0.5 - 1e-12])
def test_weights_of_a_simplex_are_those_of_float32(minimum):
    with pytest.raises(YotoError, match="`minimum` should"):
        Simplex("a", "b", minimum=minimum)


def test_coordinates_of_a_widened_range_are_those_of_the_wider_one():
    for narrow, wide in ((LogUniform(0.5, 2.0), LogUniform(0.1, 10.0)), (Uniform(1.0, 2.0), Uniform(0.0, 4.0))):
        widened = narrow.widened("kl", wide)
        unit = torch.linspace(0, 1, 9, dtype=torch.float64)[:, None]
        assert torch.allclose(widened.to_unit(widened.from_unit(unit)), unit)


@pytest.mark.parametrize(
    ("read", "said"),
    [
        (lambda: LossSpace.from_json("nothing"), "should be JSON"),
        (lambda: LossSpace.from_json(None), "should be JSON"),
        (lambda: LossSpace.from_dict({1: 2.0}), "should have a name .* Found 1"),
        (lambda: LossSpace.from_dict({"self": 2.0}), "Found 'self'"),
        (lambda: LossSpace.from_dict({"kl": {"distribution": ["uniform"]}}), "`distribution` of 'kl' should be one of"),
        (lambda: Uniform(0.0, 1.0, weight="no"), "`weight` should be True or False. Found 'no'"),
        (lambda: Fixed(1.0, weight=None), "`weight` should be True or False"),
        (lambda: SPACE.describe(SPACE.sample(3)), r"Found shape \(3, "),
        (lambda: SPACE.describe(3.0), "Found 3.0"),
        (lambda: LossSpace(mix=Simplex("at", "b")), "'at' should not name a loss parameter"),
    ],
)
def test_what_a_file_may_hold_and_a_space_does_not(read, said):
    with pytest.raises(YotoError, match=said):
        read()
