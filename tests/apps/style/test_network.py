"""The image-transform network: sizes, mix, normalisation, aliasing, and conditioning as everywhere."""

import os
import subprocess
import sys

import pytest
import torch

from yoto import LogUniform, LossSpace, condition
from yoto.apps.style.network import Norm, Shrink, TransformNetwork


@pytest.fixture
def net():
    return TransformNetwork((8, 12, 16), (1, 1), 4).eval()


@pytest.mark.parametrize("size", [(16, 16), (17, 31), (64, 40), (50, 100)])
def test_any_size_keeps_its_shape_and_range(net, size):
    out = net(torch.rand(2, 3, *size)).detach()
    assert out.shape == (2, 3, *size)
    assert float(out.min()) >= 0
    assert float(out.max()) <= 1


def test_the_default_is_small():
    assert sum(p.numel() for p in TransformNetwork().parameters()) < 2e6


def test_the_photograph_comes_back_where_its_share_is_1(net):
    with torch.no_grad():
        net.share.bias.fill_(30.0)
    image = torch.rand(1, 3, 32, 40)
    torch.testing.assert_close(net(image), image)
    with torch.no_grad():
        net.share.bias.fill_(-30.0)
    assert float((net(image) - image).abs().mean().detach()) > 0.05


def test_brightness_and_contrast_of_a_layer_are_normalised():
    norm = Norm(3, affine=True)
    x = torch.randn(2, 3, 8, 8) * 5 + 2
    y = norm(x)
    torch.testing.assert_close(y.mean(dim=(2, 3)), torch.zeros(2, 3), atol=1e-5, rtol=0)
    variance, mean = torch.var_mean(x[:1], dim=(0, 2, 3), correction=0)
    torch.testing.assert_close(norm(x[:1], (mean, variance)), y[:1], rtol=1e-4, atol=1e-5)


def test_shared_with_one_image_is_the_forward_pass(net):
    image = torch.rand(1, 3, 48, 64)
    painted, used = net.shared(image)
    torch.testing.assert_close(painted, net(image), rtol=1e-4, atol=1e-5)
    assert used.shape[0] == 2
    again, same = net.shared(image, used)
    torch.testing.assert_close(again, painted, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(same, used)


def test_shared_images_are_normalised_alike(net):
    images = torch.rand(3, 3, 32, 32) * torch.tensor([0.2, 0.5, 1.0])[:, None, None, None]
    painted, used = net.shared(images)
    for i in range(3):
        torch.testing.assert_close(net.shared(images[i : i + 1], used)[0], painted[i : i + 1], rtol=1e-4, atol=1e-5)
    assert float((net(images) - painted).abs().max().detach()) > 1e-3


def test_a_tensor_can_decide_whose_statistics_are_used(net):
    image, other = torch.rand(1, 3, 32, 32), net.shared(torch.rand(1, 3, 32, 32) ** 3)[1]
    for given, expected in ((0.0, net.shared(image)), (1.0, net.shared(image, other))):
        found = net.shared(image, other, torch.tensor(given))
        torch.testing.assert_close(found[0], expected[0], rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(found[1], expected[1], rtol=1e-4, atol=1e-5)


def test_shrinking_keeps_means_and_removes_the_finest_pattern():
    shrink = Shrink(3)
    torch.testing.assert_close(shrink(torch.full((1, 3, 16, 16), 0.7)), torch.full((1, 3, 8, 8), 0.7))
    pattern = (torch.arange(32) % 2).float().expand(1, 3, 32, 32)
    torch.testing.assert_close(shrink(pattern)[..., 1:-1], torch.full((1, 3, 16, 14), 0.5))


def test_low_pass_filters_steady_a_picture_that_moves_by_a_pixel(net, monkeypatch):
    """The painting of the moved picture should be the moved painting; without the filters it is less so."""
    generator = torch.Generator().manual_seed(0)
    image = torch.rand(1, 3, 128, 128, generator=generator)

    def apart():
        with torch.no_grad():
            moved, still = (net(each) for each in (image.roll(1, dims=3), image))
        return float((moved[..., 32:96, 32:96] - still[..., 32:96, 31:95]).abs().mean() / still.std())

    filtered = apart()
    monkeypatch.setattr(Shrink, "forward", lambda self, x: x[:, :, ::2, ::2])
    assert filtered < 0.7 * apart()


def test_a_baked_network_is_the_conditional_one(net):
    model = condition(net, LossSpace(content=1.0, style=LogUniform(0.1, 10.0)), multiplier=1.0)
    image = torch.rand(2, 3, 40, 48)
    lam = model.space.point(style=3.0)
    baked = model.bake(lam, probe=image)
    assert type(baked) is TransformNetwork
    torch.testing.assert_close(baked(image), model(image, at=lam), rtol=1e-4, atol=1e-5)
    assert {"share", "out", "detail"} <= set(model.conditioned.names)


def test_every_parameter_learns(net):
    image = torch.rand(2, 3, 48, 48)
    (net.train()(image) - torch.rand(2, 3, 48, 48)).square().mean().backward()
    silent = [name for name, p in net.named_parameters() if p.grad is None or not bool(p.grad.abs().sum() > 0)]
    assert silent == ["share.weight"] or silent == []


def test_the_painter_leaves_no_way_for_reports_of_its_use():
    """Reports are sent unless a variable of the environment forbids it before the first import."""
    pytest.importorskip("onnxruntime")
    program = "import os; from yoto import stylize; stylize.load(); print(os.environ['ORT_DISABLE_TELEMETRY'])"
    environment = {name: value for name, value in os.environ.items() if name != "ORT_DISABLE_TELEMETRY"}
    found = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    assert found.stdout.split() == ["1"]
