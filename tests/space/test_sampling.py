"""Draws of λ follow their distribution, which may be moved and narrowed."""

import math

import pytest
import torch
from scipy import stats

from yoto.errors import YotoError
from yoto.space import Choice, LogUniform, LossSpace, Simplex, Uniform
from yoto.space.sampling import knots_at, recommended_spread

SPACE = LossSpace(
    content=1.0,
    kl=LogUniform(0.125, 512.0),
    offset=Uniform(-2.0, 3.0, weight=False),
    mix=Simplex("fine", "coarse", "whole"),
    style=Choice("waves", "stars"),
)


@pytest.mark.parametrize("method", ["iid", "stratified", "sobol"])
def test_draws_follow_the_distribution(method):
    lam = SPACE.sample(4096, torch.Generator().manual_seed(1), method).double()
    assert lam.shape == (4096, 8)
    assert torch.equal(lam[:, 0], torch.ones(4096).double())
    position = (lam[:, 1] / 0.125).log() / math.log(4096)
    assert stats.kstest(position.numpy(), "uniform").pvalue > 1e-3
    assert stats.kstest(((lam[:, 2] + 2) / 5).numpy(), "uniform").pvalue > 1e-3
    weights = lam[:, 3:6]
    assert weights.sum(1).sub(1).abs().max() < 1e-6
    assert weights.min() >= 1e-3 * (1 - 1e-6)
    share = ((weights - 1e-3) / (1 - 3e-3)).numpy()
    assert stats.kstest(share[:, 1], stats.beta(1, 2).cdf).pvalue > 1e-3
    assert lam[:, 6:].sum(1).eq(1).all()
    assert abs(float(lam[:, 6].mean()) - 0.5) < 0.05


def test_dirichlet_with_another_concentration():
    space = LossSpace(mix=Simplex("a", "b", concentration=0.5, minimum=1e-4))
    a = space.sample(4096, torch.Generator().manual_seed(0), "iid")[:, 0].double()
    assert stats.kstest(((a - 1e-4) / (1 - 2e-4)).numpy(), stats.beta(0.5, 0.5).cdf).pvalue > 1e-3


@pytest.mark.parametrize("method", ["iid", "stratified", "sobol"])
def test_columns_are_independent(method):
    space = LossSpace(a=LogUniform(0.1, 10), b=LogUniform(0.1, 10), c=Uniform(0, 1))
    lam = space.sample(4096, torch.Generator().manual_seed(0), method).double().numpy()
    for i, j in ((0, 1), (0, 2), (1, 2)):
        assert abs(stats.spearmanr(lam[:, i], lam[:, j]).statistic) < 0.05


def test_stratified_draws_visit_every_stratum_once():
    lam = LossSpace(kl=LogUniform(0.5, 128)).sample(128, torch.Generator().manual_seed(3)).double()
    position = (lam[:, 0] / 0.5).log() / math.log(256)
    assert sorted((position * 128).floor().int().tolist()) == list(range(128))


@pytest.mark.parametrize("tilt", [4.0, -1.0, 1e-12])
def test_tilt_changes_the_density_as_documented(tilt):
    lam = LossSpace(kl=LogUniform(1, math.e)).sample(8192, torch.Generator().manual_seed(0), "iid", tilt=tilt)
    position = lam[:, 0].double().log()
    cdf = (lambda u: u) if abs(tilt) < 1e-6 else (lambda u: (1 - (-tilt * u).exp()) / (1 - math.exp(-tilt)))
    expected = cdf(position.clamp(0, 1))
    assert stats.kstest(expected.numpy(), "uniform").pvalue > 1e-3


@pytest.mark.parametrize("tilt", [0.0, 2.0])
def test_spread_narrows_to_the_middle_of_the_probability(tilt):
    space = LossSpace(a=LogUniform(1, math.e), mix=Simplex("b", "c"), kind=Choice("d", "e"))
    whole, part, none = (
        space.sample(4096, torch.Generator().manual_seed(0), tilt=tilt, spread=s).double() for s in (1.0, 0.5, 0.0)
    )
    low, median, high = whole[:, 0].quantile(torch.tensor([0.25, 0.5, 0.75], dtype=torch.float64))
    assert part[:, 0].min() == pytest.approx(float(low), rel=1e-3)
    assert part[:, 0].max() == pytest.approx(float(high), rel=1e-3)
    assert none[:, 0].numpy() == pytest.approx(float(median), rel=1e-3)
    assert none[:, 1:3].numpy() == pytest.approx(0.5)
    assert part[:, 1:3].sum(dim=1).numpy() == pytest.approx(1)
    assert torch.equal(none[:, 3:], whole[:, 3:])  # a choice has no middle


def test_spread_above_one_puts_draws_at_the_ends():
    space = LossSpace(a=LogUniform(1, math.e), kind=Choice("d", "e"))
    whole, wide = (space.sample(4096, torch.Generator().manual_seed(0), spread=s) for s in (1.0, 1.25))
    low, high = (wide[:, 0] < 1 + 1e-6), (wide[:, 0] > math.e - 1e-6)
    assert float(low.float().mean()) == pytest.approx(0.1, abs=1e-3)
    assert float(high.float().mean()) == pytest.approx(0.1, abs=1e-3)
    inner = wide[~(low | high), 0].log()
    assert stats.kstest(inner.numpy(), "uniform").pvalue > 1e-3
    assert torch.equal(wide[:, 1:], whole[:, 1:])


def test_spread_above_one_raises_weights_of_a_simplex_to_that_power():
    space = LossSpace(mix=Simplex("b", "c", "d", minimum=1e-9))
    whole, wide = (space.sample(512, torch.Generator().manual_seed(0), spread=s).double() for s in (1.0, 1.5))
    expected = whole.pow(1.5) / whole.pow(1.5).sum(dim=1, keepdim=True)
    torch.testing.assert_close(wide, expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("progress", [0.0, 0.3, 1.0])
def test_progress_follows_the_recommended_schedule_unless_spread_is_given(progress):
    space = LossSpace(a=LogUniform(1, math.e), mix=Simplex("b", "c"))

    def draw(**how):
        return space.sample(64, torch.Generator().manual_seed(0), **how)

    assert torch.equal(draw(progress=progress), draw(spread=recommended_spread(progress)))
    assert torch.equal(draw(progress=progress, spread=0.5), draw(spread=0.5))


def test_the_stream_is_the_generators_own():
    first = SPACE.sample(16, torch.Generator().manual_seed(5))
    torch.rand(7)
    assert torch.equal(first, SPACE.sample(16, torch.Generator().manual_seed(5)))


def test_knots_are_joined_by_lines_from_first_to_last_step():
    assert [knots_at(step, 5, [4.0, -1.0]) for step in (0, 2, 4)] == pytest.approx([4.0, 1.5, -1.0])
    assert [knots_at(step, 9, [0.0, 0.0, 1.0]) for step in (0, 3, 4, 6, 8)] == pytest.approx([0, 0, 0, 0.5, 1])
    assert knots_at(0, 1, (2.0, 0.0)) == 2.0


@pytest.mark.parametrize("method", ["stratified", "iid", "sobol"])
def test_ranks_share_one_draw(method):
    whole = SPACE.sample(12, torch.Generator().manual_seed(5), method)
    shares = [SPACE.sample(4, torch.Generator().manual_seed(5), method, rank=rank, world=3) for rank in range(3)]
    assert torch.equal(torch.cat(shares), whole)


def test_ranks_advance_their_generators_alike():
    generators = [torch.Generator().manual_seed(5) for _ in range(2)]
    for _ in range(3):
        one, other = (SPACE.sample(4, g, rank=rank, world=2) for rank, g in enumerate(generators))
        assert not (one == other).all(1).any()
    assert torch.equal(generators[0].get_state(), generators[1].get_state())


def test_a_generator_state_resumes_the_draws():
    generator = torch.Generator().manual_seed(5)
    SPACE.sample(4, generator)
    kept = generator.get_state()
    after = SPACE.sample(4, generator)
    assert torch.equal(SPACE.sample(4, torch.Generator().set_state(kept)), after)


def test_ranks_without_a_common_stream_are_refused():
    with pytest.raises(YotoError, match="`generator` should be given"):
        SPACE.sample(4, rank=1, world=2)
    with pytest.raises(YotoError, match="`rank` should be a whole number"):
        SPACE.sample(4, torch.Generator(), rank=2, world=2)


@pytest.mark.parametrize("tilt", [40.0, 1000.0, -1000.0])
def test_a_steep_tilt_keeps_draws_in_the_range_and_their_mean(tilt):
    space = LossSpace(fit=1.0, place=Uniform(0.0, 1.0, weight=False))
    wide = space.sample(64, torch.Generator().manual_seed(0), tilt=tilt, spread=2.0)
    assert torch.equal(wide, wide.clamp(0, 1))
    mean = space.sample(4096, torch.Generator().manual_seed(0), tilt=tilt)[:, 1].double().mean()
    assert float(mean) == pytest.approx(1 / tilt if tilt > 0 else 1 + 1 / tilt, rel=2e-2)  # of the exponential


@pytest.mark.parametrize("concentration", [1e-2, 1e-3, 1e-4])
def test_a_small_concentration_ends_in_the_corners(concentration):
    space = LossSpace(mix=Simplex("a", "b", "c", concentration=concentration))
    lam = space.sample(4096, torch.Generator().manual_seed(0))
    inner = (lam.amax(dim=1) < 0.99).double().mean()  # P = about 2 a ln 99 for a pair, thrice that here
    assert float(inner) < 60 * concentration
    assert torch.allclose(lam.mean(dim=0), torch.full((3,), 1 / 3), atol=0.03)


def test_a_tilt_of_what_has_no_low_end_is_refused():
    for name in ("mix", "style", "content"):
        with pytest.raises(YotoError, match=rf"`tilt` should name ranges \(kl, offset\). Found '{name}'"):
            SPACE.sample(4, tilt={name: 1.0})
