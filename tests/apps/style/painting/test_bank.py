"""Settings in people's terms become loss parameters, or one clear line."""

import math

import pytest

from yoto.errors import YotoError
from yoto.stylize import open_bank


@pytest.fixture(scope="module")
def bank(model):
    return open_bank(model)


def test_strength_is_the_place_in_the_range_on_a_log_scale(bank):
    low, high = bank.extent("style")
    assert bank.weight(0) == low
    assert bank.weight(1) == high
    assert bank.weight(0.5) == pytest.approx(math.sqrt(low * high))


def test_every_free_parameter_has_a_value(bank):
    values = bank.parameters("dots", strength=0.3, layers={"coarse": 2.0})
    assert set(values) == set(bank.space.free)
    assert values["coarse"] == 2.0
    assert values["fine"] == 1.0
    assert values["painting"] == {"dots": 1.0}
    bank.space.check(values)


def test_blends_are_brought_to_the_sum_1(bank):
    assert bank.parameters({"dots": 3, "stripes": 1})["painting"] == {"dots": 0.75, "stripes": 0.25}
    assert bank.blend({"dots": 2, "stripes": 0}) == {"dots": 1.0}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"style": "dotz"}, "Did you mean 'dots'"),
        ({"style": {"dots": 0.0}}, "not all 0"),
        ({"style": {"dots": -1.0, "stripes": 2.0}}, "≥ 0"),
        ({"style": "dots", "strength": 1.01}, "0 to 1"),
        ({"style": "dots", "strength": float("nan")}, "0 to 1"),
        ({"style": "dots", "strength": "1"}, "0 to 1. Found '1'"),
        ({"style": "dots", "strength": None}, "0 to 1. Found None"),
        ({"style": ["dots"]}, r"`style` should be a name or weights by name, .* Found \['dots'\]"),
        ({"style": {"dots": "1"}}, "`dots` should be a number. Found '1'"),
        ({"style": {}}, "not all 0"),
        ({"style": {"dots": 1e308, "stripes": 1e308}}, "their sum finite"),
        ({"style": "dots", "layers": ["coarse"]}, "`layers` should be offsets by name"),
        ({"style": "dots", "layers": {"corse": 1.0}}, "Did you mean 'coarse'"),
        ({"style": "dots", "layers": {"coarse": 100.0}}, "`coarse` should lie in"),
        ({"style": "dots", "smoothness": 9.0}, "`smoothness` should lie in"),
    ],
)
def test_what_cannot_be_is_said(bank, arguments, message):
    with pytest.raises(YotoError, match=message):
        bank.parameters(**arguments)


def test_facts_of_the_paintings_come_with_the_model(bank):
    assert [style.name for style in bank.styles] == ["dots", "stripes"]
    assert bank.styles[0].title == "Many Dots"
    assert bank.styles[0].licence == "public domain"
    assert bank.styles[1].title == ""


def test_thumbnails_come_with_the_model(bank):
    from yoto.apps.style.thumbnails import overview, thumbnail

    assert thumbnail(bank, "dots").shape == (90, 120, 3)
    assert thumbnail(bank, "nothing") is None
    assert overview(bank).shape[2] == 3


def test_another_kind_of_model_is_refused():
    with pytest.raises(YotoError, match="style model"):
        open_bank("vae/fashion-mnist")


def test_the_bundled_bank_has_thumbnails_but_of_the_picture_that_is_not_free(monkeypatch):
    from yoto.apps.style.options import BANK, StyleOptions
    from yoto.apps.style.thumbnails import thumbnail, thumbnails

    bank = open_bank()
    assert set(bank.names) == set(BANK)
    assert {name for name in bank.names if thumbnail(bank, name) is None} == {"starry-night"}
    assert all(style.licence for style in bank.styles)
    monkeypatch.setenv("YOTO_DATA", "/nowhere")
    assert len(thumbnails(StyleOptions())) == len(BANK) - 1
