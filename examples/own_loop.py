"""A loop of your own, whole: DataLoader, early stopping over all λ, resuming, the trade-off curve, choosing λ by a
bound, polishing there, saving.

One network classifies a signal and rebuilds it from a code of two numbers, too few for both; its loss is
`classification + w·reconstruction`, for every w from 0.01 to 10. Half a minute on a CPU; needs torch, and scipy to
choose. Given a folder, `python own_loop.py DIR`, it goes on where it stopped.
"""

import sys
import tempfile
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader, TensorDataset

import yoto
from yoto.optim import Clipper, cosine

EPOCHS, PATIENCE, SIZE = 30, 4, 24


def signals(n: int, seed: int) -> TensorDataset:
    """Noisy bumps of four widths, at random places and heights, [n, SIZE], and which width each has."""
    g = torch.Generator().manual_seed(seed)
    label, (place, height) = torch.randint(4, (n,), generator=g), torch.rand(2, n, 1, generator=g)
    distance = (torch.linspace(0, 1, SIZE) - place) / (0.04 + 0.04 * label[:, None])
    bumps = (1 + 2 * height) * (-distance.square()).exp()
    return TensorDataset(bumps + 0.2 * torch.randn(n, SIZE, generator=g), label)


class Network(nn.Module):
    """What the two numbers of its code are good for is what λ decides."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(SIZE, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 2))
        self.decoder = nn.Sequential(nn.Linear(2, 64), nn.ReLU(), nn.Linear(64, SIZE))
        self.classifier = nn.Sequential(nn.Linear(2, 64), nn.ReLU(), nn.Linear(64, 4))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Scores of the classes [B, 4] and the signal rebuilt [B, SIZE]."""
        code = self.encoder(x)
        return self.classifier(code), self.decoder(code)


Batch = tuple[Tensor, Tensor]


def terms(net: Network, batch: Batch) -> dict[str, Tensor]:
    """The loss terms: one number per sample, [B], by name."""
    x, label = batch
    scores, rebuilt = net(x)
    return {
        "classification": cross_entropy(scores, label, reduction="none"),
        "reconstruction": (rebuilt - x).square().sum(1),
    }


def correct(net: Network, batch: Batch) -> Tensor:
    """Whether each sample is classified right."""
    return (net(batch[0])[0].argmax(1) == batch[1]).float()


folder = Path(sys.argv[1] if len(sys.argv) > 1 else tempfile.mkdtemp())
folder.mkdir(parents=True, exist_ok=True)
torch.manual_seed(0)
order, draws = torch.Generator(), torch.Generator()  # of examples, and of λ
train = DataLoader(signals(4096, seed=1), batch_size=128, shuffle=True, generator=order, drop_last=True)
validation, test = (DataLoader(signals(1024, seed), batch_size=512) for seed in (2, 3))

space = yoto.LossSpace(classification=1.0, reconstruction=yoto.LogUniform(0.01, 10.0))
model, objective = yoto.condition(Network(), space), yoto.Objective(space)
step = yoto.LossStep(model, terms, objective)
steps = EPOCHS * len(train)
optimiser = yoto.optimiser(model, lr=0.02)  # that of the recipes: Muon on matrices, Adam on the rest
schedule, clip = cosine(optimiser, steps), Clipper()
best, waited, first = float("inf"), 0, 0

if (folder / "last.pt").exists():  # a LossSpace is a plain value: weights_only loading takes it
    last = torch.load(folder / "last.pt", weights_only=True)
    assert last["space"] == space
    model.load_state_dict(last["model"])
    optimiser.load_state_dict(last["optimiser"])
    schedule.load_state_dict(last["schedule"])
    clip.load_state_dict(last["clip"])
    best, waited, first = last["best"], last["waited"], last["epoch"] + 1
    print(f"goes on after epoch {first - 1}")

for epoch in range(first, EPOCHS):
    if waited == PATIENCE:  # at the start of an epoch, so that a loop that has stopped stays so when it is run again
        print(f"stopped after epoch {epoch - 1}: no better score for {PATIENCE} epochs")
        break
    order.manual_seed(epoch)  # what is random in an epoch depends on its number alone, so resuming repeats nothing
    draws.manual_seed(epoch)
    for number, batch in enumerate(train, epoch * len(train)):
        lam = space.sample(len(batch[0]), draws, progress=number / steps)  # a λ for every sample
        loss, _ = step(batch, lam)
        loss.backward()
        clip(model.parameters())
        optimiser.step()
        schedule.step()
        optimiser.zero_grad()
    score = yoto.sweep(model, validation, terms, space.grid(5), objective=objective).score()  # over the whole range
    waited = 0 if score < best else waited + 1
    if score < best:
        best = score
        torch.save(model.state_dict(), folder / "best.pt")
    parts = {"model": model, "optimiser": optimiser, "schedule": schedule, "clip": clip}
    state = {name: part.state_dict() for name, part in parts.items()}
    torch.save({**state, "space": space, "best": best, "waited": waited, "epoch": epoch}, folder / "last.pt")

model.load_state_dict(torch.load(folder / "best.pt", weights_only=True))
metrics = {"accuracy": yoto.Metric(correct, better="higher")}
curve = yoto.sweep(model, test, terms, space.grid(7), metrics=metrics, objective=objective)
print("weight of reconstruction   classification  reconstruction  accuracy   on signals that it has not seen")
rows = zip(curve.points, *curve.terms.values(), curve.metrics["accuracy"], strict=True)
for point, classification, reconstruction, accuracy in rows:
    print(f"{point['reconstruction']:24.2f} {classification:16.4f} {reconstruction:15.4f} {accuracy:9.4f}")

wanted = {"minimise": "reconstruction", "subject_to": ["accuracy >= 0.85"]}  # on the validation signals
found = yoto.select(model, validation, terms, **wanted, metrics=metrics, objective=objective, curve=curve)
accuracy, weight = found.values["accuracy"], found.point["reconstruction"]
print(f"chosen: weight {weight:.3f}, accuracy {accuracy:.4f}, {'as' if found.feasible else 'not as'} asked for")
plain = yoto.polish(model, found.point, train, terms, steps=400, objective=objective)  # a Network, for that λ alone
curves = [yoto.sweep(net, validation, terms, [found.point], objective=objective) for net in (model, plain)]
print("polished: loss {:.4f} before, {:.4f} after".format(*(each.loss[0] for each in curves)))
torch.save(plain.state_dict(), folder / "plain.pt")  # loads into Network() without yoto

x = next(iter(test))[0]
yoto.save(model, folder / "model.safetensors", curve=curve, objective=objective, example=x[:2])
again = yoto.load(folder / "model.safetensors", net=Network())
same = torch.equal(again.model(x, at=found.point)[0], model.eval()(x, at=found.point)[0])
print(f"for its sliders and its curve: yoto demo {folder / 'model.safetensors'}")
print(f"best score {best:.4f}; saved, and loaded: {'the same outputs' if same else 'other outputs'}")
