"""Every tensor that a decoder reads is in the fingerprint, by what happens when it changes."""

import pytest
import torch

from apps.codec.golden import DATA
from yoto import bundle
from yoto.apps.codec.format import integer
from yoto.apps.codec.format.integer import IntegerDecoder, fingerprint
from yoto.apps.codec.symbols import dequantised

LEVEL = 200


@pytest.fixture(scope="module")
def loaded():
    return bundle.load(DATA / "tiny.safetensors")


@torch.no_grad()
def outcome(model, extras):
    """What a decoder makes of some symbols."""
    integers = IntegerDecoder(model.plain, extras)
    net = model.bake(distortion=integer.level_weights(model.space)[LEVEL])
    generator = torch.Generator().manual_seed(0)
    channels = integers.prior_mean.shape[1]
    symbols = torch.randint(-3, 4, (channels, 2, 2), generator=generator)
    known = integers.parameters(integers.hyper_latents(symbols, LEVEL), LEVEL)
    coded = torch.randint(-3, 4, known.mean.shape, generator=generator).float()
    y = dequantised(net, coded, known.mean, known.log_scale)
    frequencies = torch.cat([torch.from_numpy(table.frequencies) for table in integers.tables])
    return [net.synthesis(y[None]), known.table, integers.prior_index, frequencies]


def same(one, other):
    return all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


def changed(tensor):
    return tensor + 1 if not tensor.is_floating_point() else tensor + 0.25 + 0.5 * tensor.abs()


NAMES = sorted(bundle.load(DATA / "tiny.safetensors").model.state_dict())
EXTRAS = sorted(bundle.load(DATA / "tiny.safetensors").extras)


@pytest.mark.parametrize("name", NAMES)
def test_a_tensor_that_changes_pictures_changes_the_fingerprint(loaded, name):
    model, extras = loaded.model, loaded.extras
    tensor = model.state_dict()[name]
    before, original, named = outcome(model, extras), tensor.clone(), fingerprint(model, extras)
    with torch.no_grad():
        tensor.copy_(changed(tensor))
    try:
        assert (fingerprint(model, extras) == named) == name.startswith(integer.ENCODER)
        if name.startswith(integer.ENCODER):
            assert same(outcome(model, extras), before)
    finally:
        with torch.no_grad():
            tensor.copy_(original)
    assert same(outcome(model, extras), before)


@pytest.mark.parametrize("name", EXTRAS)
def test_every_table_is_in_the_fingerprint(loaded, name):
    other = loaded.extras | {name: changed(loaded.extras[name])}
    assert fingerprint(loaded.model, other) != fingerprint(loaded.model, loaded.extras)


def test_a_tensor_of_another_name_is_in_the_fingerprint(loaded):
    """A prior or table that a later decoder reads cannot be forgotten."""
    before = fingerprint(loaded.model, loaded.extras)
    plain = loaded.model.plain
    plain.register_buffer("later", torch.zeros(3))
    try:
        assert fingerprint(loaded.model, loaded.extras) != before
    finally:
        del plain.later
    assert fingerprint(loaded.model, loaded.extras | {"later": torch.zeros(1)}) != before
