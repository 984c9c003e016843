"""Scale and shift of outputs: one value in every layout of memory, precision and mode of differentiation."""

import pytest
import torch
from torch import nn

from yoto.conditioning import condition
from yoto.conditioning.binding import Modulation, is_planar
from yoto.conditioning.folding import Layer, Site
from yoto.errors import YotoError
from yoto.space import LogUniform, LossSpace

SPACE = LossSpace(a=1.0, b=LogUniform(0.1, 10.0))


def reference(output, scale, shift):
    shape = (-1, output.shape[1], *[1] * (output.ndim - 2))
    return output * scale.reshape(shape) + (0 if shift is None else shift.reshape(shape))


def modulation(scale, shift):
    return Modulation(Site("layer", "Conv2d", Layer(scale.shape[-1], shift is not None, -1)), scale, shift, 0)


@pytest.mark.parametrize("shape", [(4, 3, 5), (4, 3, 5, 2), (4, 3, 2, 2, 2), (1, 3, 4, 4), (4, 3, 1, 1)])
@pytest.mark.parametrize("rows", [(), (4,)])
@pytest.mark.parametrize("shifted", [True, False])
def test_value_and_both_derivatives(shape, rows, shifted):
    generator = torch.Generator().manual_seed(0)
    rows = (shape[0],) if rows else ()
    values = [torch.randn(shape, generator=generator), torch.randn(*rows, 3, generator=generator)]
    values += [torch.randn(*rows, 3, generator=generator)] if shifted else []
    values = [v.double().requires_grad_() for v in values]
    run = lambda x, s, t=None: modulation(s, t)(x)  # noqa: E731
    assert is_planar(values[0])
    torch.testing.assert_close(run(*values), reference(*values, *([] if shifted else [None])), rtol=1e-12, atol=1e-12)
    assert torch.autograd.gradcheck(run, values)
    assert torch.autograd.gradgradcheck(run, values)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_every_layout_and_precision_agrees(dtype, layout):
    x = torch.randn(3, 8, 6, 5).to(dtype).contiguous(memory_format=layout)
    scale, shift = torch.rand(3, 8) + 0.5, torch.randn(3, 8)
    found = modulation(scale, shift)(x)
    assert found.dtype == dtype
    assert found.is_contiguous(memory_format=layout)
    expected = reference(x.double(), scale.to(dtype).double(), shift.to(dtype).double())
    eps = torch.finfo(dtype).eps
    torch.testing.assert_close(found.double(), expected, rtol=2 * eps, atol=4 * eps)


def test_an_empty_batch_and_no_gradient():
    scale, shift = torch.rand(8), torch.rand(8)
    assert modulation(scale, shift)(torch.ones(0, 8, 2, 2)).shape == (0, 8, 2, 2)
    assert modulation(torch.rand(0, 8), torch.rand(0, 8))(torch.ones(0, 8, 2, 2)).shape == (0, 8, 2, 2)
    with torch.inference_mode():
        assert modulation(scale, None)(torch.ones(2, 8, 2, 2)).shape == (2, 8, 2, 2)


def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(2, 4, 3), nn.ReLU(inplace=True), nn.Conv2d(4, 3, 3), nn.Flatten(), nn.Linear(48, 2))


def test_models_with_stacked_parameters_through_vmap():
    models, x, lam = [condition(nn.Linear(4, 3), SPACE) for _ in range(3)], torch.randn(5, 4), SPACE.sample(5)
    stacked = torch.func.stack_module_state(models)
    run = lambda *state: torch.func.functional_call(models[0], state, (x,), {"at": lam})  # noqa: E731
    torch.testing.assert_close(torch.func.vmap(run)(*stacked), torch.stack([model(x, at=lam) for model in models]))


def test_gradients_sample_by_sample_through_vmap():
    """`torch.func` over samples, each with a λ of its own, against a loop."""
    model, x = condition(network(), SPACE).eval(), torch.randn(5, 2, 8, 8)
    lam = SPACE.sample(5, torch.Generator().manual_seed(1))
    parameters = dict(model.named_parameters())

    def loss(p, x, at):
        return torch.func.functional_call(model, p, (x[None],), {"at": at[None]}).square().sum()

    found = torch.func.vmap(torch.func.grad(loss), (None, 0, 0))(parameters, x, lam)
    for i in range(5):
        model.zero_grad()
        model(x[i : i + 1], at=lam[i]).square().sum().backward()
        for name, parameter in model.named_parameters():
            torch.testing.assert_close(found[name][i], parameter.grad, rtol=1e-4, atol=1e-5)


@pytest.mark.filterwarnings("ignore:.*torch.jit.script:DeprecationWarning")  # torch's own, at the first one
def test_derivatives_forwards_agree_with_backwards():
    model, x = condition(network(), SPACE).double().eval(), torch.randn(5, 2, 8, 8, dtype=torch.float64)
    lam = SPACE.sample(5, torch.Generator().manual_seed(1)).double()
    direction = torch.randn_like(x)
    run = lambda x: model(x, at=lam).square().sum()  # noqa: E731
    forwards = torch.func.jvp(run, (x,), (direction,))[1]
    x.requires_grad_()
    torch.testing.assert_close(forwards, (torch.autograd.grad(run(x), x)[0] * direction).sum())


def test_what_is_in_place_behind_a_site_is_right():
    """A network of ReLU(inplace=True): its gradients against those of one that is not in place."""
    other = network()
    other[1] = nn.ReLU()
    grads = []
    for net in (network(), other):
        torch.manual_seed(2)
        model = condition(net, SPACE)
        model(torch.ones(5, 2, 8, 8), at=SPACE.grid(5)).sum().backward()
        grads.append([p.grad for p in model.parameters()])
    assert all(torch.equal(a, b) for a, b in zip(*grads, strict=True))


def test_samples_along_a_later_axis_are_not_taken_for_the_first():
    x, scale, shift = torch.randn(4, 3, 4), torch.rand(4, 3), torch.rand(4, 3)  # as many entries along both
    site = Site("layer", "Conv1d", Layer(3, True, 1))
    found = Modulation(site, scale, shift, batch_dim=2)(x)
    assert is_planar(x)
    torch.testing.assert_close(found, x * scale.T[None] + shift.T[None])


@pytest.mark.parametrize("width", [1, 5])
def test_a_layer_of_another_width_in_its_place_is_told(width):
    model = condition(nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3)), SPACE)
    model.plain[2] = nn.Linear(8, width)
    with pytest.raises(YotoError, match=rf"layer '2' should have 3 channels along axis 1.*Found shape \(6, {width}\)"):
        model(torch.randn(6, 4), b=1.0)


@pytest.mark.filterwarnings("ignore:.*nested tensors:UserWarning")
def test_nested_outputs_are_modulated_sample_by_sample():
    torch.manual_seed(0)
    model = condition(
        nn.Sequential(nn.Linear(4, 8), nn.LayerNorm(8), nn.GELU(), nn.Linear(8, 3)), SPACE, multiplier=1.0
    )
    parts, lam = [torch.randn(length, 4) for length in (2, 5, 3)], SPACE.sample(3)
    x = torch.nested.nested_tensor(parts, layout=torch.jagged)
    rows = [model(part[None], at=each)[0] for part, each in zip(parts, lam, strict=True)]
    found = model(x, at=lam).unbind()
    for one, other in zip(found, rows, strict=True):
        torch.testing.assert_close(one, other)
    for one, part in zip(model(x, b=2.0).unbind(), parts, strict=True):
        torch.testing.assert_close(one, model(part, b=2.0))
    slopes = [
        torch.autograd.grad(torch.cat(each).square().sum(), list(model.film.parameters())) for each in (found, rows)
    ]
    for one, other in zip(*slopes, strict=True):
        torch.testing.assert_close(one, other)
    with pytest.raises(
        YotoError, match="a row of λ for each of its 3 samples or one λ. Found torch.jagged.*λ of 2 rows"
    ):
        model(x, at=lam[:2])
    with pytest.raises(YotoError, match="should hold dense tensors. Found a nested one"):
        condition(model.plain, SPACE, example=x)
