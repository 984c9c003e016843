"""Small networks of the kinds that other libraries have: everything works, or one line says what to do instead."""

from __future__ import annotations

import re

import pytest

from networks import kinds_other, kinds_text, kinds_vision  # noqa: F401  they register their kinds
from networks.harness import check
from networks.kinds import KINDS

ODD = "one odd layer refuses the network"
LAYOUT = "where the samples are is not learned"
CLASS = "layers of unknown class are not probed"
RAW = "layers that never run bound are not noticed"
ORDER = "the order of registration is taken for that of use"
WAITS: dict[str, str] = {
    "norm and activation in one module": ODD,
    "group norm and activation in one module": ODD,
    "layer norm over channels-first maps": ODD,
    "layer norm that computes in float32": ODD,
    "convolutions with standardised weights and a gain": ODD,
    "convolutions with standardised weights and no gain": ODD,
    "layer norm over maps or tokens, by their dimensions": LAYOUT,
    "layer norm over maps, as wide as it has channels": LAYOUT,
    "shifted windows with a table of relative positions": LAYOUT,
    "a grid of windows that are tiled": LAYOUT,
    "levels in a row of samples": LAYOUT,
    "learned queries as many as samples": LAYOUT,
    "a layer with two layouts": LAYOUT,
    "frames folded into the batch and back": LAYOUT,
    "sequence first, as long as there are samples": LAYOUT,
    "a buffer in place of samples": LAYOUT,
    "RMSNorm of its own class over maps": CLASS,
    "GPT-2's Conv1D behind embeddings": CLASS,
    "RMSNorm of its own class": CLASS,
    "linear layer of its own class": CLASS,
    "graph convolutions": CLASS,
    "attention on raw weights": RAW,
    "a closure over a layer": RAW,
    "a closure over the whole network": RAW,
    "a layer that never runs": RAW,
    "lists of convolutions and of norms": ORDER,
    "registered in another order than used": ORDER,
    "nothing but a recurrent layer": "the refusal does not say what a recurrent layer needs",
    "hooks registered in forward": "bound networks share dictionaries of hooks",
    "fx graph": "a graph module is not bound",
    "forward chosen in the constructor": "a forward of the object's own is refused",
    "an attribute that cannot be copied": "the error is not the library's",
    "a state that holds more than tensors": "it cannot be saved",
    "sines of large arguments": "a deviation in float32 is not judged again in float64",
}
"""Kinds that need what `condition` has not yet, and what that is."""


def marked(name):
    marks = [pytest.mark.xfail(strict=True, reason=WAITS[name])] if name in WAITS else []
    return pytest.param(name, marks=marks, id=name.replace(" ", "-"))


@pytest.mark.slow
@pytest.mark.parametrize("name", [marked(name) for name in KINDS])
def test_a_kind_of_network_works_or_is_refused_in_one_line(name):
    kind = KINDS[name]
    report = check(kind.case)
    if kind.refused:
        assert report.outcome == "refused", report.reason
        assert re.search(kind.refused, report.reason)
        return
    assert report.outcome == "everything", report.reason
    found = {site for site in kind.sites if site not in report.names}
    assert not found, f"not conditioned: {found}"
    assert not set(kind.left_out) & set(report.names)
    assert not report.coverage.still, "sites that never run"
    assert report.coverage.share >= kind.share, f"not conditioned: {report.coverage.missing}"
