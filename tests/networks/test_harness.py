"""The harness calls wrong what is wrong, and unchecked what it could not compare."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from networks.harness import check
from networks.outputs import Inputs
from networks.report import Case
from yoto import Conditional


def case(net=None):
    inputs = Inputs((torch.randn(3, 4),))
    return Case(net or (lambda: nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))), inputs)


def test_an_ordinary_network_does_everything():
    report = check(case(), exports=True)
    assert report.outcome == "everything", report.reason
    assert report.stages["export"].status == report.stages["plain export"].status == "ok"


@pytest.mark.parametrize(
    ("change", "stage"),
    [(lambda lam: lam.flip(0), "per sample"), (lambda lam: lam * 0 + 1, "per sample")],
    ids=["other-samples", "no-effect"],
)
def test_a_lambda_that_reaches_other_samples_or_none_is_wrong(monkeypatch, change, stage):
    at = Conditional.at
    other = lambda lam: change(lam) if lam.ndim == 2 else lam * 0 + 1  # noqa: E731
    monkeypatch.setattr(Conditional, "at", lambda self, lam, **more: at(self, other(lam), **more))
    report = check(case())
    assert report.stages[stage].status == "wrong"
    assert report.outcome == "wrong"


def test_a_baked_network_of_another_lambda_is_wrong(monkeypatch):
    bake = Conditional.bake
    monkeypatch.setattr(Conditional, "bake", lambda self, lam, **more: bake(self, lam * 1.01))
    assert check(case()).stages["bake"].status == "wrong"


def test_lost_gradients_are_wrong(monkeypatch):
    forward = Conditional.forward
    monkeypatch.setattr(Conditional, "forward", lambda self, x, **at: forward(self, x, **at).detach().requires_grad_())
    report = check(case())
    assert report.stages["as plain"].status == "wrong"
    assert report.outcome == "wrong"


def test_an_output_without_samples_is_unchecked():
    class Mean(nn.Module):
        def forward(self, x):
            return x.mean()

    report = check(case(lambda: nn.Sequential(nn.Linear(4, 4), nn.ReLU(), Mean())))
    assert report.outcome == "unchecked", report.reason
