"""The objective: weighted sums, balancing, custom losses, and what it refuses."""

import json
import pickle
from copy import deepcopy

import pytest
import torch

from yoto.errors import YotoError
from yoto.objective import Chebyshev, CosinePenalised, Objective, SmoothChebyshev
from yoto.space import LogUniform, LossSpace, Uniform

SPACE = LossSpace(reconstruction=1.0, kl=LogUniform(0.5, 128.0))


def batch(n=8):
    return {"reconstruction": torch.rand(n) + 1, "kl": torch.rand(n)}, SPACE.sample(n)


def test_without_balance_it_is_the_mean_of_the_weighted_sum():
    terms, lam = batch()
    expected = (terms["reconstruction"] + lam[:, 1] * terms["kl"]).mean()
    assert torch.allclose(Objective(SPACE, balance=None)(terms, lam), expected)


def test_balance_divides_by_a_power_of_the_weight_over_its_median():
    terms, lam = batch()
    loss = terms["reconstruction"] + lam[:, 1] * terms["kl"]
    assert torch.allclose(Objective(SPACE, balance=0.25)(terms, lam), (loss / (lam[:, 1] / 8) ** 0.25).mean())
    assert torch.allclose(Objective(SPACE, balance="geometric")(terms, lam), (loss / lam[:, 1].sqrt()).mean())


def test_balance_leaves_the_minimiser_at_one_weight_where_it_was():
    x = torch.linspace(0, 1, 101, requires_grad=True)
    terms = {"reconstruction": (1 - x) ** 2, "kl": x**2}
    lam = SPACE.point(kl=4.0).expand(101, 2)
    for balance in (None, 0.25, "geometric"):
        (gradient,) = torch.autograd.grad(Objective(SPACE, balance=balance)(terms, lam), x, retain_graph=True)
        assert gradient.abs().argmin() == 20  # minimiser of (1 − x)² + 4x²


def test_scalarisation_gets_losses_and_weights_in_column_order():
    terms, lam = batch()
    tchebycheff = Objective(SPACE, balance=None, scalarisation=lambda losses, weights: (losses * weights).amax(1))
    expected = torch.maximum(terms["reconstruction"], lam[:, 1] * terms["kl"])
    assert torch.equal(tchebycheff.loss(terms, lam), expected)
    assert torch.equal(tchebycheff.loss(terms, lam[0])[:1], expected[:1])


def test_a_loss_with_a_parameter_that_is_no_weight():
    space = LossSpace(level=Uniform(0.05, 0.95, weight=False))

    def pinball(terms, parameters):
        error, q = terms["error"], parameters["level"]
        return torch.maximum(q * error, (q - 1) * error)

    error, lam = torch.randn(64), space.sample(64)
    objective = Objective(space, loss=pinball)
    expected = torch.where(error > 0, lam[:, 0] * error, (lam[:, 0] - 1) * error)
    assert torch.allclose(objective({"error": error}, lam), expected.mean())
    with pytest.raises(YotoError, match=r"shape \[B\]"):
        Objective(space, loss=lambda terms, parameters: terms["error"].mean())({"error": error}, lam)


def test_reduced_terms_need_one_weight_per_batch():
    terms, lam = batch()
    reduced = {name: term.mean() for name, term in terms.items()}
    with pytest.raises(YotoError, match="per_batch=True"):
        Objective(SPACE)(reduced, lam)
    with pytest.raises(YotoError, match="one for the whole batch"):
        Objective(SPACE, per_batch=True)(reduced, lam)
    same = lam[:1].expand(8, 2)
    objective = Objective(SPACE, per_batch=True, balance=None)
    with pytest.raises(YotoError, match="one for the whole batch"):
        Objective(SPACE, per_batch=True)(terms, lam)
    expected = reduced["reconstruction"] + lam[0, 1] * reduced["kl"]
    assert torch.allclose(objective(reduced, same), expected)
    assert torch.allclose(objective(terms, lam[0]), expected)


def test_weights_that_may_be_zero():
    space = LossSpace(a=1.0, b=Uniform(0, 1))
    loss = Objective(space)({"a": torch.ones(1), "b": torch.ones(1)}, torch.tensor([[1.0, 0.0]]))
    assert loss.isfinite()
    with pytest.raises(YotoError, match="contains 0"):
        Objective(space, balance="geometric")


def test_bad_arguments():
    with pytest.raises(YotoError, match="balance"):
        Objective(SPACE, balance="mean")
    with pytest.raises(YotoError, match="not both"):
        Objective(SPACE, loss=lambda t, p: t["a"], scalarisation=lambda a, b: a[:, 0])


@pytest.mark.parametrize("kind", ["weighted-sum", "chebyshev", "smooth-chebyshev", "cosine-penalised"])
def test_it_pickles_and_copies(kind):
    terms, lam = batch()
    objective = Objective(SPACE, scalarisation=kind, reduction="none")
    for other in (pickle.loads(pickle.dumps(objective)), deepcopy(objective)):
        assert torch.equal(other(terms, lam), objective(terms, lam))
    own = Objective(SPACE, scalarisation=torch.mul)
    assert pickle.loads(pickle.dumps(own)).weighted is torch.mul


def test_complex_terms_are_refused():
    terms, lam = batch()
    with pytest.raises(YotoError, match="'kl' should hold real numbers"):
        Objective(SPACE)({**terms, "kl": terms["kl"] + 0j}, lam)


def test_a_loss_of_another_number_of_samples_is_refused():
    terms, lam = batch(2)
    wrong = [
        {"scalarisation": lambda losses, weights: (losses * weights).sum().reshape(1)},
        {"loss": lambda terms, parameters: terms["kl"].mean()[None]},
    ]
    for given in wrong:
        with pytest.raises(YotoError, match=r"shape \[B\], here \[2\]\. Found shape \(1,\)"):
            Objective(SPACE, **given)(terms, lam)
    with pytest.raises(YotoError, match="a row for each of the 2 samples. Found 1"):
        Objective(SPACE, loss=lambda terms, parameters: terms["kl"] * parameters["kl"])(terms, lam[:1])
    whole = Objective(SPACE, loss=lambda terms, parameters: terms["kl"] * parameters["kl"], per_batch=True)
    assert whole.loss(terms, lam[0]).shape == (1,)


def test_balance_is_a_number():
    for wrong in (float("nan"), float("inf"), True, "arithmetic"):
        with pytest.raises(YotoError, match="`balance` should be a number"):
            Objective(SPACE, balance=wrong)
    assert Objective(SPACE, balance=torch.tensor(0.25)).to_dict()["balance"] == 0.25


def test_a_scalarisation_is_an_object_whose_settings_json_holds():
    with pytest.raises(YotoError, match=r"Found the class Chebyshev. Usually: Chebyshev\(\)"):
        Objective(SPACE, scalarisation=Chebyshev)
    number = torch.tensor(0.5)
    for made in (
        Chebyshev(ideal={"kl": number}),
        Chebyshev(number),
        SmoothChebyshev(smoothing=number, ideal=number),
        CosinePenalised(penalty=number),
    ):
        said = Objective(SPACE, scalarisation=made).to_dict()
        assert Objective.from_dict(SPACE, json.loads(json.dumps(said))).scalarisation == made
