"""A loop on several processes: `torchrun --nproc-per-node 2 ddp.py`, on GPUs where there are any, else on the CPU.

What is wrapped is `yoto.LossStep`, so that all of a step (binding at λ, the network, the loss) is inside the wrapper's
forward pass. Each rank draws its share of one stratified λ. Half a minute; needs torch only.
"""

import os

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader, DistributedSampler, TensorDataset

import yoto
from yoto.optim import Clipper, cosine

EPOCHS, BATCH = 8, 32  # samples per step of each rank


def terms(net: nn.Module, batch: list[Tensor]) -> dict[str, Tensor]:
    """The loss terms: one number per sample, [B], by name."""
    x, target = batch
    y = net(x)
    return {"fit": (y - target).square().mean(1), "size": y.abs().mean(1)}


def main() -> None:
    """Train on this rank; the first one measures and saves."""
    cuda = torch.cuda.is_available()
    dist.init_process_group("nccl" if cuda else "gloo")  # rank and world size come from torchrun
    rank, world = dist.get_rank(), dist.get_world_size()
    device = torch.device("cuda", int(os.environ["LOCAL_RANK"])) if cuda else torch.device("cpu")

    torch.manual_seed(0)  # the same network on every rank
    x = torch.randn(2048, 8)
    data = TensorDataset(x, torch.tanh(x @ torch.randn(8, 4)))
    sampler = DistributedSampler(data, rank=rank, num_replicas=world, drop_last=True)
    loader = DataLoader(data, batch_size=BATCH, sampler=sampler, drop_last=True)

    space = yoto.LossSpace(fit=1.0, size=yoto.LogUniform(0.01, 1.0))
    net = nn.Sequential(nn.Linear(8, 64), nn.ReLU(), nn.Linear(64, 4))
    model, objective = yoto.condition(net, space).to(device), yoto.Objective(space)
    step = DistributedDataParallel(yoto.LossStep(model, terms, objective))
    steps = EPOCHS * len(loader)
    optimiser = yoto.optimiser(model, lr=0.02)
    schedule, clip = cosine(optimiser, steps), Clipper()

    for epoch in range(EPOCHS):
        sampler.set_epoch(epoch)  # which examples: of seed and epoch
        draws = torch.Generator().manual_seed(epoch)  # which λ: one stream on all ranks, shared out
        for number, batch in enumerate(loader, epoch * len(loader)):
            lam = space.sample(BATCH, draws, progress=number / steps, rank=rank, world=world, device=device)
            loss, _ = step([each.to(device) for each in batch], lam)
            loss.backward()  # gradients are averaged over the ranks here
            clip(model.parameters())
            optimiser.step()
            schedule.step()
            optimiser.zero_grad()

    weights = torch.cat([parameter.detach().flatten() for parameter in model.parameters()])
    others = [torch.empty_like(weights) for _ in range(world)]
    dist.all_gather(others, weights)
    if rank == 0:
        apart = max(float((other - weights).abs().max()) for other in others)
        print(f"{world} ranks, largest difference of their parameters {apart:g}")
        curve = yoto.sweep(model, DataLoader(data, batch_size=512), terms, space.grid(5))
        for point, fit, size in zip(curve.points, curve.terms["fit"], curve.terms["size"], strict=True):
            print(f"weight of size {point['size']:6.3f}   fit {fit:.4f}   size {size:.4f}")
    dist.barrier()
    dist.destroy_process_group()


main()
