import pytest
import torch

from yoto.errors import YotoError
from yoto.objective import Objective
from yoto.space import LogUniform, LossSpace
from yoto.training.monitor import Monitor, thirds

SPACE = LossSpace(reconstruction=1.0, kl=LogUniform(0.1, 10.0))


def lam(*values):
    return torch.tensor([[1.0, value] for value in values])


def test_means_over_the_window():
    monitor = Monitor(Objective(SPACE))
    points = lam(0.2, 1.0, 5.0)
    for step, scale in ((1, 1.0), (2, 3.0)):
        terms = {"reconstruction": scale * torch.tensor([1.0, 2.0, 3.0]), "kl": torch.tensor([1.0, 0.0, 1.0])}
        monitor.add(step, terms, points, torch.tensor(2.0 * scale))
    row = monitor.read_window()
    assert row == pytest.approx(
        {
            "loss": (1.2 + 2 + 8 + 3.2 + 6 + 14) / 6,
            "reconstruction": 4.0,
            "kl": 2 / 3,
            "gradient_norm": 4.0,
            "loss_kl_low": 2.2,
            "loss_kl_middle": 4.0,
            "loss_kl_high": 11.0,
        }
    )
    assert monitor.window == []


def test_thirds_are_those_of_the_distribution():
    ((name, column, low, high),) = thirds(SPACE)
    assert (name, column) == ("kl", 1)
    assert (low, high) == pytest.approx((0.1 * 100 ** (1 / 3), 0.1 * 100 ** (2 / 3)), rel=0.02)
    assert thirds(LossSpace(reconstruction=1.0)) == []


def test_an_unfinite_loss_names_the_step_and_the_sample():
    monitor = Monitor(Objective(SPACE))
    good, bad = torch.ones(3), torch.tensor([1.0, float("inf"), 1.0])
    monitor.add(41, {"reconstruction": good, "kl": good}, lam(0.2, 0.5, 2.0), torch.tensor(1.0))
    monitor.add(42, {"reconstruction": good, "kl": bad}, lam(0.2, 0.5, 2.0), torch.tensor(1.0))
    monitor.add(43, {"reconstruction": bad, "kl": bad}, lam(0.2, 0.5, 2.0), torch.tensor(1.0))
    with pytest.raises(YotoError, match=r"finite. Found inf at step 42 for λ reconstruction=1, kl=0.5 .*kl inf"):
        monitor.check_window()


def test_an_unfinite_gradient_is_found_too():
    monitor = Monitor(Objective(SPACE))
    good = torch.ones(3)
    monitor.add(7, {"reconstruction": good, "kl": good}, lam(0.2, 0.5, 2.0), torch.tensor(float("nan")))
    with pytest.raises(YotoError, match=r"at step 7 .*gradient norm nan"):
        monitor.read_window()


def test_an_exploding_loss():
    monitor = Monitor(Objective(SPACE))
    for step, scale in ((1, 2.0), (2, 150.0), (3, 500.0)):
        terms = {"reconstruction": torch.tensor([1.0, 1.0]), "kl": torch.tensor([0.0, scale])}
        monitor.add(step, terms, lam(0.2, 1.0), torch.tensor(1.0))
        if step < 3:
            monitor.read_window()
    with pytest.raises(YotoError, match=r"100 times .* at step 3 for λ reconstruction=1, kl=1 "):
        monitor.read_window()


def test_one_parameter_vector_for_the_batch_and_reduced_terms():
    monitor = Monitor(Objective(SPACE, per_batch=True))
    for step, value in ((1, 0.1), (2, 10.0)):
        terms = {"reconstruction": torch.tensor(2.0), "kl": torch.tensor(1.0)}
        monitor.add(step, terms, lam(value)[0], torch.tensor(1.0))
    row = monitor.read_window()
    assert row["loss"] == pytest.approx((2.1 + 12.0) / 2)
    assert row["loss_kl_high"] == pytest.approx(12.0)


def test_fixed_weights_with_terms_per_sample():
    monitor = Monitor(Objective(SPACE))
    monitor.add(1, {"reconstruction": torch.ones(4), "kl": torch.ones(4)}, lam(3.0)[0], torch.tensor(1.0))
    assert monitor.read_window()["loss"] == pytest.approx(4.0)


def window(of, weights=None):
    """The rank correlations after two steps of 200 samples, whose KL is a function of its weight."""
    monitor = Monitor(Objective(SPACE))
    for step in (1, 2):
        points = SPACE.sample(200) if weights is None else lam(*weights)
        kl = of(points[:, 1])
        monitor.add(step, {"reconstruction": torch.rand(200), "kl": kl}, points, torch.tensor(1.0))
    row = monitor.read_window()
    return row.get("correlation_kl"), monitor.remarks()


def test_a_term_that_follows_its_weight_is_logged_and_no_remark():
    from scipy.stats import spearmanr

    assert window(lambda weight: 1 / weight) == (pytest.approx(-1.0), [])
    monitor = Monitor(Objective(SPACE))
    points, kl = SPACE.sample(300), torch.rand(300)
    monitor.add(1, {"reconstruction": kl, "kl": kl}, points, torch.tensor(1.0))
    assert monitor.read_window()["correlation_kl"] == pytest.approx(spearmanr(points[:, 1], kl).statistic, abs=1e-6)


@pytest.mark.parametrize("of", [torch.rand_like, torch.ones_like, torch.clone], ids=["noise", "dead", "wrong way"])
def test_decorative_conditioning_is_told(of):
    found, (remark,) = window(of)
    assert found > -0.1
    assert "'kl' does not fall as its weight rises" in remark


def test_one_lam_or_few_samples_tell_nothing():
    assert window(torch.rand_like, weights=[4.0] * 200) == (None, [])
