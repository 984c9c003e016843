import pytest
import torch

from training.toy import settings
from yoto.data import ArrayData
from yoto.errors import YotoError
from yoto.space import LogUniform, LossSpace
from yoto.training.batches import Batches

SPACE = LossSpace(reconstruction=1.0, kl=LogUniform(0.1, 10.0))


def batches(**arguments):
    data = ArrayData(torch.arange(24.0).view(24, 1), augment=lambda x, generator: x + 0.5)
    own = {name: arguments.pop(name) for name in ("at", "rank", "shares") if name in arguments}
    return Batches(data, SPACE, settings(**arguments), seed=0, **own)


def test_a_step_draws_the_same_whatever_came_before():
    first, second = batches(), batches()
    for step in range(4):
        first.draw(step)
    noise = []
    for source in (first, second):
        batch, lam = source.draw(4)
        noise.append((batch, lam, torch.randn(3)))
    assert all(torch.equal(a, b) for a, b in zip(*noise, strict=True))
    assert not torch.equal(first.draw(5)[1], second.draw(4)[1])


def test_processes_and_parts_share_one_batch():
    whole, lam = batches().draw(3)
    parts = [batches(rank=rank, shares=2, accumulate=3).draw(3, part) for rank in range(2) for part in range(3)]
    assert torch.equal(torch.cat([part[0] for part in parts]), whole)
    assert torch.equal(torch.cat([part[1] for part in parts]), lam)


def test_noise_differs_between_processes_and_parts():
    drawn = set()
    for rank in range(2):
        for part in range(2):
            batches(rank=rank, shares=2, accumulate=2).draw(3, part)
            drawn.add(float(torch.randn(())))
    assert len(drawn) == 4


def test_lambda_is_stratified_tilted_narrowed_or_one_per_batch():
    lam = batches().draw(0)[1]
    positions = (lam[:, 1].log10() + 1) / 2
    assert sorted((positions * 12).floor().int().tolist()) == list(range(12))
    tilted = torch.stack([batches(tilt=[8.0, -8.0]).draw(step)[1][:, 1].log10().mean() for step in (0, 9)])
    assert tilted[0] < -0.3 < 0.3 < tilted[1]
    ranges = [batches(spread=[0.0, 0.25, 1.0]).draw(step)[1][:, 1].log10().abs().max() for step in (0, 4, 9)]
    assert ranges[0] == 0 < ranges[1] <= 0.25 < 0.8 < ranges[2]
    assert batches(per_batch=True).draw(0)[1].shape == (2,)
    alone = SPACE.point(kl=2.0)
    assert torch.equal(batches(at=alone).draw(0)[1], alone)


def test_an_uneven_share_is_an_error():
    with pytest.raises(YotoError, match="multiple of 10"):
        batches(shares=5, accumulate=2)


def test_channels_last():
    data = ArrayData(torch.rand(8, 3, 4, 4))
    batch, _ = Batches(data, SPACE, settings(batch=4, steps=1, channels_last=True), seed=0).draw(0)
    assert batch.is_contiguous(memory_format=torch.channels_last)
