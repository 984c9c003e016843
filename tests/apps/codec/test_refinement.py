"""Latents that are refined while encoding: smaller losses, files like any other."""

import io
import math
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

import yoto.pillow  # noqa: F401 - registers the format
from yoto import codec
from yoto.apps.codec import refinement, search
from yoto.apps.codec.format.coder import default
from yoto.apps.codec.network import make_network
from yoto.apps.codec.options import CompressionOptions
from yoto.apps.codec.rounding import Rounding
from yoto.data import images
from yoto.data.photographs import BUNDLED
from yoto.errors import YotoError

GENERATOR = torch.Generator().manual_seed(0)


@pytest.fixture
def trial(tiny, photo):
    picture = images.of_image(Image.fromarray(photo))
    return lambda effort, **options: search.Trial(
        picture, tiny, options.pop("tile", 1024), default(), effort, **options
    )


@pytest.mark.parametrize("network", ["mean-scale", "spatial", "scale"])
def test_with_real_rounding_it_is_the_networks_own_forward(network):
    net = make_network(CompressionOptions(network=network, channels=8, latents=12)).eval()
    images_ = torch.rand(1, 3, 128, 192, generator=GENERATOR)
    with torch.no_grad():
        whole = net(images_)
        y = net.analysis(images_)
        decoded, _, bits = refinement.coded(net, y, net.hyper_analysis(y), torch.round, Rounding.normal(math.inf))
        image = net.synthesis(decoded)
    assert torch.allclose(image, whole.image, atol=1e-5)
    assert torch.allclose(bits, whole.latent_bits.sum() + whole.hyper_bits.sum(), rtol=0.01)  # by tables of 64 scales


@pytest.mark.parametrize("network", ["mean-scale", "spatial", "scale"])
@pytest.mark.parametrize("share", [0.0, 0.5])
def test_gradients_reach_latents_and_hyper_latents(network, share):
    net = make_network(CompressionOptions(network=network, channels=8, latents=12)).eval()
    y = torch.randn(1, 12, 8, 8, generator=GENERATOR).requires_grad_()
    z = torch.randn(1, 8, 2, 2, generator=GENERATOR).requires_grad_()
    decoded, _, bits = refinement.coded(net, y, z, refinement.soft(share), Rounding.normal(8.0))
    for gradient in torch.autograd.grad(net.synthesis(decoded).square().sum() + bits, (y, z)):
        assert (gradient != 0).float().mean() > 0.9


def test_soft_rounding_passes_through_integers_and_sharpens():
    x = torch.linspace(-3, 3, 601)
    distances = []
    for share in (0.0, 0.5, 1.0):
        soft = refinement.soft(share)(x)
        assert (soft.diff() > -1e-5).all()
        halves = torch.tensor([-1.5, 0.5])
        assert torch.allclose(refinement.soft(share)(halves), halves)
        distances.append(float((soft - x.round()).abs().mean()))
    assert distances[0] > distances[1] > distances[2]


def test_effort_0_writes_the_bytes_that_it_wrote(tiny, photo):
    assert codec.compress(photo, quality=40, model=tiny, effort=0) == codec.compress(photo, quality=40, model=tiny)


def test_more_effort_is_never_worse(trial):
    losses = [each.loss(each.best(150)) for each in map(trial, range(3))]
    assert losses[2] <= losses[1] <= losses[0]


@pytest.mark.parametrize(("effort", "tile"), [(1, 128), (1, 1024), (2, 1024)])
def test_the_loss_of_the_file_falls_and_every_run_writes_the_same(trial, tiny, effort, tile, monkeypatch):
    monkeypatch.setitem(refinement.PLANS, 2, tuple(replace(each, steps=20) for each in refinement.PLANS[2]))
    each = trial(effort, tile=tile)
    refined, plain = each.best(200), each(200)
    if tile == 128:  # most latents lie where the next tile's, not yet refined, play a part: nothing may be gained
        assert each.loss(refined) <= each.loss(plain)
    else:
        assert each.loss(refined) < 0.995 * each.loss(plain)
    assert trial(effort, tile=tile).best(200).data == refined.data
    assert codec.decompress(refined.data, model=tiny).size == (200, 140)


def test_the_loss_is_distortion_and_rate_of_the_file(trial, tiny, photo):
    each = trial(0)
    coded = each(120)
    decoded = np.asarray(codec.decompress(coded.data, model=tiny)).astype(float)
    expected = tiny.weights[120] * np.square(decoded - photo).mean() + 8 * len(coded.data) / (200 * 140)
    assert each.loss(coded) == pytest.approx(expected, rel=1e-6)


def test_a_refinement_that_makes_it_worse_is_dropped(trial, monkeypatch):
    monkeypatch.setattr(refinement.Refinement, "refined", lambda self, net, image, y, z: (y + 3.3, z))
    each = trial(1)
    assert each.best(100).data == each(100).data


def test_targets_are_met_with_effort(tiny, photo):
    plain = codec.encode(photo, size=1500, model=tiny)
    coded = codec.encode(photo, size=1500, model=tiny, effort=1)
    assert len(coded.data) <= 1500
    assert coded.level >= plain.level
    assert codec.encode(photo, bpp=0.5, model=tiny, effort=1).bpp == pytest.approx(0.5, rel=0.05)
    assert codec.encode(photo, psnr=35, model=tiny, effort=1).psnr == pytest.approx(35, abs=0.25)


@pytest.mark.parametrize("effort", [1, 2])
def test_progress_ends_with_the_last_step(trial, monkeypatch, effort):
    monkeypatch.setitem(refinement.PLANS, 2, tuple(replace(each, steps=3) for each in refinement.PLANS[2]))
    seen = []
    trial(effort, tile=128, progress=lambda done, total: seen.append((done, total))).best(100)
    steps = 4 * sum(plan.steps for plan in refinement.PLANS[effort])  # tiles of 128 in 200x140
    assert seen == [(step, steps) for step in range(1, steps + 1)]


@pytest.mark.parametrize("effort", [3, -1, 1.5, True, "high", None])
def test_other_efforts_are_refused(tiny, photo, effort):
    with pytest.raises(YotoError, match="`effort` should be 0, 1 or 2. Found"):
        codec.compress(photo, model=tiny, effort=effort)


def test_pillow_takes_it(tiny, photo):
    buffer = io.BytesIO()
    Image.fromarray(photo).save(buffer, "YOTO", quality=80, effort=1, model=tiny)
    assert buffer.getvalue() == codec.compress(photo, quality=80, effort=1, model=tiny)
    assert buffer.getvalue() != codec.compress(photo, quality=80, model=tiny)


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
def test_ctrl_c_ends_a_refinement_within_a_second_and_leaves_no_file(tmp_path):
    code = (
        "import sys\n"
        "from yoto.cli import program\n"
        "from yoto.apps.codec import refinement\n"
        "loss = refinement.Refinement.loss\n"
        "def announced(self, *arguments): print('step', file=sys.stderr, flush=True); return loss(self, *arguments)\n"
        "refinement.Refinement.loss = announced\n"
        "program.main()"
    )
    photograph, out = min(BUNDLED.glob("*.webp")), tmp_path / "photo.yoto"
    process = subprocess.Popen(
        [sys.executable, "-c", code, "compress", photograph, "-o", out, "--effort", "2"],
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    for _ in range(2):
        assert process.stderr.readline() == "step\n"
    begin = time.monotonic()
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert time.monotonic() - begin < 3  # one second on a machine that does nothing else
    assert process.returncode == 130
    assert err.endswith("yoto compress: interrupted\n")
    assert not list(tmp_path.iterdir())
