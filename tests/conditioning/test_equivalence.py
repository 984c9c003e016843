"""A conditional network gives what eager gives under every way of running it."""

import copy
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from ranks import run_on_ranks
from yoto.conditioning import condition
from yoto.errors import YotoError
from yoto.objective import Objective
from yoto.space import LogUniform, LossSpace

SPACE = LossSpace(fit=1.0, size=LogUniform(0.1, 10.0))
OBJECTIVE = Objective(SPACE)


class Net(nn.Module):
    def __init__(self, checkpointing=None):
        super().__init__()
        self.stem = nn.Conv2d(1, 8, 3, padding=1)
        self.body = nn.Sequential(nn.Conv2d(8, 8, 3, padding=1), nn.ReLU(), nn.ConvTranspose2d(8, 8, 3, padding=1))
        self.head = nn.Linear(8, 4)
        self.checkpointing = checkpointing

    def forward(self, x):
        x = torch.relu(self.stem(x))
        plain = self.checkpointing is None
        x = self.body(x) if plain else checkpoint(self.body, x, use_reentrant=self.checkpointing)
        return self.head(x.mean((2, 3)))


def model_and_batch(seed=0, **arguments):
    torch.manual_seed(seed)
    model = condition(Net(**arguments), SPACE, multiplier=0.5, fourier=1)
    return model, torch.randn(6, 1, 8, 8), SPACE.sample(6)


def loss_of(model, x, lam):
    y = model(x, at=lam)
    return OBJECTIVE({"fit": (y - 1).square().mean(1), "size": y.square().mean(1)}, lam)


def gradients(model):
    return {n: p.grad.clone() for n, p in model.named_parameters()}


def reference(**arguments):
    model, x, lam = model_and_batch(**arguments)
    loss_of(model, x, lam).backward()
    return gradients(model)


def close(found, expected, tolerance=1e-5):
    assert found.keys() == expected.keys()
    for name in found:
        assert torch.allclose(found[name], expected[name], rtol=tolerance, atol=tolerance), name


def test_concurrent_threads_with_different_lambda():
    model, x, _ = model_and_batch()
    lams = SPACE.sample(24, torch.Generator().manual_seed(1))
    with torch.no_grad():
        expected = [model(x, at=lam) for lam in lams]
        barrier = threading.Barrier(4)

        def work(i):
            if i < 4:
                barrier.wait(timeout=30)
            with torch.no_grad():
                return model(x, at=lams[i])

        with ThreadPoolExecutor(4) as pool:
            for _ in range(5):
                barrier.reset()
                found = list(pool.map(work, range(24)))
                assert all(torch.equal(a, b) for a, b in zip(found, expected, strict=True))


def test_compile_gives_eager_outputs_and_gradients_in_one_graph():
    from torch._dynamo.utils import counters

    torch._dynamo.reset()
    counters.clear()
    model, x, lam = model_and_batch()
    compiled = torch.compile(model, backend="aot_eager", fullgraph=True)
    loss_of(compiled, x, lam).backward()
    close(gradients(model), reference())
    with torch.no_grad():
        for seed in range(3):
            other = SPACE.sample(6, torch.Generator().manual_seed(seed))
            assert torch.allclose(compiled(x, at=other), model(x, at=other), atol=1e-6)
    assert counters["stats"]["unique_graphs"] <= 2  # with and without gradients; none per λ


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:`torch.jit.script_method` is deprecated:DeprecationWarning")  # by torch itself
def test_inductor_gives_eager_outputs():
    torch._dynamo.reset()
    model, x, lam = model_and_batch()
    with torch.no_grad():
        assert torch.allclose(torch.compile(model)(x, at=lam), model(x, at=lam), atol=1e-5)


def test_export_with_dynamic_batch_and_size():
    model, x, lam = model_and_batch()
    batch = torch.export.Dim("batch")

    class Positional(nn.Module):
        def __init__(self):
            super().__init__()
            self.model = model

        def forward(self, x, lam):
            return self.model(x, at=lam)

    dims = ({0: batch, 2: torch.export.Dim("height"), 3: torch.export.Dim("width")}, {0: batch})
    program = torch.export.export(Positional(), (x, lam), dynamic_shapes=dims).module()
    for size, height, width in ((6, 8, 8), (1, 5, 9), (11, 16, 4)):
        inputs, lams = torch.randn(size, 1, height, width), SPACE.sample(size)
        assert torch.allclose(program(inputs, lams), model(inputs, at=lams), atol=1e-5)


def test_autocast_keeps_film_values_in_float32():
    model, x, lam = model_and_batch()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        values = model.modulations(lam)["stem"]
        y = model(x, at=lam)
        baked = model.bake(lam[0])(x)
        assert y.dtype == torch.bfloat16
    assert values.scale.dtype == torch.float32
    assert torch.equal(values.scale, model.modulations(lam)["stem"].scale)
    assert torch.allclose(y.float(), model(x, at=lam), atol=0.1)
    assert torch.allclose(baked[0].float(), model(x, at=lam)[0], atol=0.1)


def test_non_reentrant_checkpointing_gives_the_same_gradients():
    model, x, lam = model_and_batch(checkpointing=False)
    loss_of(model, x, lam).backward()
    close(gradients(model), reference())


def test_reentrant_checkpointing_is_refused():
    model, x, lam = model_and_batch(checkpointing=True)
    with pytest.raises(YotoError, match="use_reentrant=False"):
        loss_of(model, x.requires_grad_(), lam).backward()
    bound = model_and_batch()[0].at(lam)
    with torch.no_grad():
        assert bound(x).shape == (6, 4)  # bound with gradients, used without: fine


def test_a_file_of_the_users_may_be_called_checkpoint(tmp_path):
    file, names = tmp_path / "eval_checkpoint.py", {}
    text = "def forward(net, x):\n    return net(x)\n"
    exec(compile(text, str(file), "exec"), names)
    model, x, lam = model_and_batch()
    bound = model.at(lam)
    with torch.no_grad():
        assert names["forward"](bound, x).shape == (6, 4)


def test_gradient_accumulation():
    model, x, lam = model_and_batch()
    for part in range(3):
        rows = slice(2 * part, 2 * part + 2)
        (loss_of(model, x[rows], lam[rows]) / 3).backward()
    close(gradients(model), reference())


def test_deepcopy_trains_on_its_own():
    model, x, lam = model_and_batch()
    twin = copy.deepcopy(model)
    loss_of(twin, x, lam).backward()
    assert all(p.grad is None for p in model.parameters())
    close(gradients(twin), reference())


def wrap(model, kind):
    if kind == "ddp":
        return nn.parallel.DistributedDataParallel(model)
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard

    mesh = init_device_mesh("cpu", (2,))
    fully_shard(model.plain.body, mesh=mesh)
    return fully_shard(model, mesh=mesh)


def distributed(rank, folder):
    for kind in ("ddp", "fsdp2"):
        model, x, lam = model_and_batch()
        half = slice(3 * rank, 3 * rank + 3)
        wrapped = wrap(model, kind)  # kept: DDP stops averaging when its wrapper goes
        loss_of(wrapped, x[half], lam[half]).backward()
        found = {n: p.grad for n, p in model.named_parameters()}
        found = {n: g.full_tensor() if hasattr(g, "full_tensor") else g for n, g in found.items()}
        if rank == 0:
            torch.save(found, folder / f"{kind}.pt")


def test_ddp_and_fsdp2_in_two_processes_give_the_gradients_of_one(tmp_path):
    run_on_ranks(distributed, tmp_path)
    for kind in ("ddp", "fsdp2"):
        close(torch.load(tmp_path / f"{kind}.pt"), reference())
