"""`yoto.widget`: what a person sees when a slider moves, by its events and without a browser."""

import io

import numpy as np
import pytest
import torch
from torch import nn

import yoto
from yoto import Choice, LogUniform, LossSpace, Simplex, Uniform, YotoError, condition

pytest.importorskip("ipywidgets")
from PIL import Image


def model_of(**parameters):
    torch.manual_seed(0)
    return condition(nn.Linear(3, 2), LossSpace(**parameters), multiplier=1.0)


def grey(net):
    """A picture whose grey shows what the network gives."""
    return np.full((4, 6), int(torch.sigmoid(net(torch.ones(1, 3))).mean() * 255), np.uint8)


def picture(box):
    return np.asarray(Image.open(io.BytesIO(box.children[-2].value)))


def test_the_picture_follows_the_slider_and_is_the_networks_at_that_weight():
    model = model_of(fit=1.0, size=LogUniform(0.01, 100.0))
    box = yoto.widget(model, grey)
    slider = box.children[0]
    assert slider.description == "size"
    assert slider.value == pytest.approx(1.0)
    seen = []
    for value in (0.01, 1.0, 100.0):
        slider.value = value
        assert (picture(box) == grey(model.at(size=value))).all()
        seen.append(int(picture(box)[0, 0]))
    assert len(set(seen)) > 1


def test_every_kind_of_parameter_has_its_control():
    model = model_of(mix=Simplex("a", "b", "c"), level=Uniform(0.1, 0.9, weight=False), style=Choice("one", "two"))
    at = []
    box = yoto.widget(model, lambda net: at.append(net(torch.ones(1, 3))))
    names = [control.description for control in box.children[:-2]]
    assert names == ["a", "b", "c", "level", "style"]
    controls = dict(zip(names, box.children, strict=False))
    controls["style"].value = "two"
    controls["level"].value = 0.9
    for name, value in {"a": 1.0, "b": 0.0, "c": 0.0}.items():
        controls[name].value = value
    low = model.space.parameters["mix"].minimum
    lam = model.space.point({"a": 1 - 2 * low, "b": low, "c": low, "level": 0.9, "style": "two"})
    assert torch.allclose(at[-1], model(torch.ones(1, 3), at=lam), atol=1e-6)


def test_it_begins_where_it_is_told_and_leaves_the_model_as_it_was():
    model = model_of(fit=1.0, size=LogUniform(0.01, 100.0)).train()
    grads = []
    box = yoto.widget(model, lambda net: grads.append((torch.is_grad_enabled(), net.training)), point={"size": 10.0})
    assert box.children[0].value == pytest.approx(10.0)
    assert (grads[-1], model.training) == ((False, False), True)


def test_figures_pictures_and_words_are_shown():
    from matplotlib.figure import Figure

    model = model_of(fit=1.0, size=LogUniform(0.01, 100.0))
    figure = Figure()
    figure.subplots().plot([1, 2])
    assert picture(yoto.widget(model, lambda net: figure)).ndim == 3
    assert picture(yoto.widget(model, lambda net: torch.zeros(2, 3, 3, dtype=torch.uint8))).shape == (2, 3, 3)
    assert picture(yoto.widget(model, lambda net: Image.new("RGB", (5, 2)))).shape == (2, 5, 3)
    words = yoto.widget(model, lambda net: "<b> & so on")
    assert words.children[-1].value == "<pre>&lt;b&gt; &amp; so on</pre>"
    assert words.children[-2].layout.display == "none"


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: yoto.widget(nn.Linear(3, 2), grey), "condition"),
        (lambda: yoto.widget(model_of(fit=1.0, size=LogUniform(0.1, 1.0)), 3), "function"),
        (lambda: yoto.widget(model_of(fit=1.0, size=LogUniform(0.1, 1.0)), grey, point={"sise": 0.5}), "sise"),
        (lambda: yoto.widget(model_of(fit=1.0, size=LogUniform(0.1, 1.0)), lambda net: torch.zeros(2, 2)), "uint8"),
    ],
)
def test_what_cannot_be_shown_is_refused(call, said):
    with pytest.raises(YotoError, match=said):
        call()
