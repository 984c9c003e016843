"""The same in Lightning: a module whose training step is a `yoto.LossStep`. Needs pytorch-lightning; seconds on a CPU.

Validation is the mean balanced loss over all λ, `curve.score()`, so that Lightning's own early stopping and choice of
the best checkpoint are over the whole distribution. The checkpoint loads anew with `load_from_checkpoint`.
"""

import sys
import tempfile
from typing import Any

import pytorch_lightning as lightning
import torch
from pytorch_lightning.callbacks import EarlyStopping, ModelCheckpoint
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

import yoto
from yoto.optim import Clipper, cosine

SPACE = yoto.LossSpace(fit=1.0, size=yoto.LogUniform(0.01, 1.0))


def terms(net: nn.Module, batch: list[Tensor]) -> dict[str, Tensor]:
    """The loss terms: one number per sample, [B], by name."""
    x, target = batch
    y = net(x)
    return {"fit": (y - target).square().mean(1), "size": y.abs().mean(1)}


class Conditioned(lightning.LightningModule):
    """Trains one network for every weight of "size"."""

    def __init__(self, space: yoto.LossSpace = SPACE, width: int = 64, lr: float = 0.02) -> None:
        super().__init__()
        self.save_hyperparameters()  # a LossSpace is a plain value: it goes into the checkpoint and comes out of it
        net = nn.Sequential(nn.Linear(8, width), nn.ReLU(), nn.Linear(width, 4))
        self.step = yoto.LossStep(yoto.condition(net, space), terms, yoto.Objective(space))
        self.clip = Clipper()

    def training_step(self, batch: list[Tensor], _: int) -> Tensor:
        """The loss of a batch, with a λ for every sample."""
        draws = torch.Generator().manual_seed(self.global_step)  # the same on all ranks, which share out the draw
        share = {"rank": self.global_rank, "world": self.trainer.world_size}
        progress = self.global_step / int(self.trainer.estimated_stepping_batches)
        lam = self.hparams.space.sample(len(batch[0]), draws, progress=progress, device=self.device, **share)
        loss, found = self.step(batch, lam)
        self.log_dict({name: term.mean() for name, term in found.items()})
        return loss

    def on_validation_epoch_end(self) -> None:
        """One number over all λ."""
        curve = yoto.sweep(self.step.model, self.trainer.val_dataloaders, terms, objective=self.step.objective)
        self.log("score", curve.score(), prog_bar=True)

    def on_before_optimizer_step(self, _: Any) -> None:
        """Clip gradients that are larger than usual."""
        self.clip(self.parameters())

    def validation_step(self, *_: Any) -> None:
        """Nothing: `on_validation_epoch_end` goes over the data once for all λ."""

    def configure_optimizers(self) -> Any:
        """The recipes' optimiser and schedule; an ordinary optimiser to Lightning."""
        optimiser = yoto.optimiser(self.step.model, lr=self.hparams.lr)
        schedule = cosine(optimiser, int(self.trainer.estimated_stepping_batches))
        return {"optimizer": optimiser, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


def main(folder: str) -> None:
    """Train, load the best checkpoint, measure and bake."""
    lightning.seed_everything(0, verbose=False)
    x = torch.randn(2560, 8)
    data = TensorDataset(x, torch.tanh(x @ torch.randn(8, 4)))
    train = DataLoader(torch.utils.data.Subset(data, range(2048)), 64, shuffle=True, drop_last=True)
    rest = DataLoader(torch.utils.data.Subset(data, range(2048, 2560)), 256)
    best = ModelCheckpoint(folder, "best", monitor="score")
    trainer = lightning.Trainer(
        max_epochs=6,
        callbacks=[best, EarlyStopping("score", patience=3)],
        default_root_dir=folder,
        accelerator="auto",
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(Conditioned(), train, rest)

    model = Conditioned.load_from_checkpoint(best.best_model_path, weights_only=True).step.model.cpu().eval()
    curve = yoto.sweep(model, rest, terms, SPACE.grid(5))
    for point, fit, size in zip(curve.points, curve.terms["fit"], curve.terms["size"], strict=True):
        print(f"weight of size {point['size']:6.3f}   fit {fit:.4f}   size {size:.4f}")
    plain = model.bake(size=0.1, probe=x[:16])
    print(f"baked at 0.1: {type(plain).__name__}")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else tempfile.mkdtemp())
