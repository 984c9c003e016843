"""`training.cuda_graph`: the same run, replayed; on other devices the run as it is."""

import json
import random
from contextlib import nullcontext

import numpy as np
import pytest
import torch
from torch import nn

from training.test_loop import rows, run
from training.toy import Still, recipe
from yoto.errors import YotoError
from yoto.training.graphed import GraphedPass, repeatable

GPU = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")


def test_without_a_gpu_the_run_is_the_same_bit_for_bit(tmp_path):
    plain = run(tmp_path / "plain", accelerator="cpu")
    asked = run(tmp_path / "asked", overrides={"cuda_graph": True}, accelerator="cpu")
    for name, value in plain.model.state_dict().items():
        assert torch.equal(asked.model.state_dict()[name], value), name


def test_parts_of_a_batch_and_a_graph_exclude_each_other():
    with pytest.raises(YotoError, match="accumulate: 1") as info:
        recipe(cuda_graph=True, accumulate=2)
    assert "\n" not in str(info.value)


def test_a_batch_that_cannot_be_replayed_is_refused():
    graphed = GraphedPass(nn.Linear(2, 1), lambda loss: loss.backward())
    with pytest.raises(YotoError, match="tensors alone"):
        graphed((torch.zeros(3, 2), "names"), torch.zeros(3, 2))


def test_tensors_that_lie_elsewhere_than_lam_are_refused():
    graphed = GraphedPass(nn.Linear(2, 1), lambda loss: loss.backward())
    with pytest.raises(YotoError, match="all of them on the GPU"):
        graphed({"x": torch.zeros(3, 2, device="meta"), "length": torch.tensor(3)}, torch.zeros(3, 2, device="meta"))


class Counting(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("count", torch.zeros(()))

    def written(self):
        self.count.add_(1)

    def replaced(self):
        self.count = self.count + 1


def fail():
    raise RuntimeError("operation not permitted when stream is capturing\nmore of it")


@pytest.mark.parametrize(
    ("act", "message"),
    [
        (Counting.written, None),
        (Counting.replaced, "in the place of 'count'"),
        (lambda net: torch.rand(1), "random numbers of the CPU"),
        (lambda net: random.random(), "random numbers of the CPU"),
        (lambda net: np.random.rand(), "random numbers of the CPU"),  # noqa: NPY002
        (lambda net: fail(), "look at no value.*operation not permitted"),
    ],
)
def test_what_a_replay_would_not_do_anew_is_refused(act, message):
    net = Counting()
    before = dict(net.named_buffers())
    act_again = pytest.raises(YotoError, match=message) if message else nullcontext()
    with act_again as info, repeatable(lambda: dict(net.named_buffers()), before):
        act(net)
    assert message is None or "\n" not in str(info.value)


@GPU
def test_a_replayed_run_is_the_plain_run(tmp_path):
    plain = run(tmp_path / "plain", Still(), overrides={"steps": 30}, accelerator="cuda")
    graphed = run(tmp_path / "graphed", Still(), overrides={"steps": 30, "cuda_graph": True}, accelerator="cuda")
    for name, value in plain.model.state_dict().items():
        assert torch.allclose(graphed.model.state_dict()[name], value, rtol=1e-3, atol=1e-5), name
    for a, b in zip(rows(tmp_path / "plain"), rows(tmp_path / "graphed"), strict=True):
        assert float(a["loss"]) == pytest.approx(float(b["loss"]), rel=1e-3)


@GPU
def test_a_replayed_run_draws_new_noise_at_every_step_and_can_be_resumed(tmp_path):
    still = {"lr": 1e-12, "adam_lr": 1e-12, "log_every": 1, "checkpoint_every": 5, "steps": 10, "cuda_graph": True}
    run(tmp_path / "whole", overrides=still, accelerator="cuda")
    losses = [float(row["loss"]) for row in rows(tmp_path / "whole")]
    assert len(set(losses)) == len(losses)
    run(tmp_path / "cut", overrides=still, accelerator="cuda", max_minutes=0.0)
    resumed = run(tmp_path / "cut", overrides=still, accelerator="cuda", resume=True)
    assert resumed.finished
    assert [float(row["loss"]) for row in rows(tmp_path / "cut")] == pytest.approx(losses, rel=1e-3)
    assert json.loads((tmp_path / "cut" / "run.json").read_text())["steps"] == 10


@GPU
def test_a_batch_of_another_shape_is_refused():
    step = nn.Linear(2, 1).cuda()

    class Step(nn.Module):
        def __init__(self):
            super().__init__()
            self.net = step

        def forward(self, batch, lam):
            loss = (self.net(batch) * lam).sum()
            return loss, {"loss": loss.detach()}

    graphed = GraphedPass(Step(), lambda loss: loss.backward())
    x, lam = torch.rand(3, 2, device="cuda"), torch.rand(3, 1, device="cuda")
    assert graphed(x, lam)["loss"].item() == pytest.approx((step(x) * lam).sum().item(), rel=1e-5)
    assert torch.allclose(step.weight.grad, (x * lam).sum(0)[None], rtol=1e-5)
    with pytest.raises(YotoError, match="one shape"):
        graphed(torch.rand(2, 2, device="cuda"), torch.rand(2, 1, device="cuda"))
