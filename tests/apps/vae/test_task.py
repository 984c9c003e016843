"""The task: terms by definition, metrics, data, training steps that lower the loss."""

from __future__ import annotations

import math

import pytest
import torch
from torch.distributions import Bernoulli, Normal

from yoto.apps.vae import losses
from yoto.apps.vae.task import VAETask
from yoto.registry import load_task
from yoto.task import Task

DIGITS = {"dataset": "digits"}


@pytest.fixture
def digits():
    torch.manual_seed(0)
    task = VAETask(DIGITS)
    return task, task.network(), task.data("test").batch(torch.arange(20), None)


def test_is_a_task_and_is_found_by_name():
    task = load_task("vae", DIGITS)
    assert isinstance(task, VAETask)
    assert isinstance(task, Task)


def test_bernoulli_terms_are_those_of_torchs_distributions(digits):
    task, net, x = digits
    torch.manual_seed(3)
    terms = task.terms(net, x, None)
    assert list(terms) == ["reconstruction", "kl"]
    torch.manual_seed(3)
    out = net(x)
    likelihood = Bernoulli(logits=out.parameters, validate_args=False)
    torch.testing.assert_close(terms["reconstruction"], -likelihood.log_prob(x).sum((1, 2, 3)))
    torch.testing.assert_close(terms["kl"], losses.kl_to_standard_normal(out.mean, out.sigma))


def test_gaussian_terms_are_of_images_between_minus_one_and_one():
    torch.manual_seed(0)
    task = VAETask({"dataset": "folder", "likelihood": "gaussian", "channels": 4, "latent": 3})
    net, x = task.network(), torch.rand(4, 3, 32, 32)
    torch.manual_seed(3)
    terms = task.terms(net, x, None)
    torch.manual_seed(3)
    parameters = net(2 * x - 1).parameters
    mean, raw = parameters[:, :3], parameters[:, 3:]
    likelihood = Normal(mean, 1e-6 + torch.nn.functional.softplus(raw))
    torch.testing.assert_close(terms["reconstruction"], -likelihood.log_prob(2 * x - 1).sum((1, 2, 3)))


def test_terms_of_a_sample_do_not_depend_on_the_others(digits):
    task, net, x = digits
    with torch.no_grad():
        whole = task.terms(net, x, None)["kl"]
        part = task.terms(net, x[3:5], None)["kl"]
    torch.testing.assert_close(whole[3:5], part)


def test_metrics_are_of_the_posterior_mean(digits):
    task, net, x = digits
    values = task.metrics(net, x, None)
    expected = (net.decode(net.encode(x)[0]).sigmoid() - x).square().mean((1, 2, 3))
    torch.testing.assert_close(values["mse"], expected.detach())
    torch.testing.assert_close(values["psnr"], -10 * expected.detach().log10())
    assert not values["mse"].requires_grad


@pytest.mark.parametrize("likelihood", ["bernoulli", "gaussian"])
def test_images_come_out_between_zero_and_one(likelihood):
    torch.manual_seed(0)
    task = VAETask({**DIGITS, "likelihood": likelihood})
    net, x = task.network(), torch.rand(5, 1, 8, 8)
    for images in (task.likelihood.reconstruct(net, x), task.likelihood.decode(net, 10 * torch.randn(5, 8))):
        assert images.shape == x.shape
        assert images.min() >= 0
        assert images.max() <= 1
        assert not images.requires_grad


def test_floor_is_the_entropy_of_the_pixels():
    task = VAETask(DIGITS)
    data = task.data("test")
    x = data.batch(torch.arange(len(data)), None).double()
    entropy = Bernoulli(probs=x).entropy().nan_to_num().sum((1, 2, 3)).mean()
    assert task.floor("test", batch=77) == pytest.approx({"reconstruction": float(entropy), "kl": 0.0}, rel=1e-5)
    assert VAETask({**DIGITS, "likelihood": "gaussian"}).floor("test") is None


def test_a_few_steps_lower_the_loss(digits):
    task, net, x = digits
    optimiser = torch.optim.Adam(net.parameters(), 1e-2)
    values = []
    for _ in range(30):
        terms = task.terms(net, x, None)
        loss = (terms["reconstruction"] + 0.5 * terms["kl"]).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        values.append(float(loss.detach()))
    assert values[-1] < 0.75 * values[0]
    assert math.isfinite(values[-1])


def test_training_steps_agree_for_a_conditional_net_at_its_start(digits):
    """Bound at a λ, the net is of the task's class and all its methods work."""
    from yoto import LogUniform, LossSpace, condition

    task, net, x = digits
    space = LossSpace(reconstruction=1.0, kl=LogUniform(0.125, 8.0))
    model = condition(net, space)
    at = space.sample(len(x), generator=torch.Generator().manual_seed(0))
    terms = task.terms(model.at(at), x, at)
    assert all(t.shape == (len(x),) for t in terms.values())
    loss = space.combine(terms, at).mean()
    loss.backward()
    assert all(p.grad is not None for p in model.film.parameters())
