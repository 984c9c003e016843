"""Everything that a training run carries from one step to the next, and its way to disk and back."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from yoto.errors import YotoError
from yoto.optim import Clipper, Optimiser
from yoto.support.tensors import extra_state, only
from yoto.training.checkpoint import load_checkpoint, save_checkpoint
from yoto.training.ema import EMA
from yoto.training.monitor import Monitor
from yoto.training.start import Source, as_source


@dataclass
class State:
    """The state of a run.

    Attributes:
        model: Conditional or plain network.
        optimiser, clipper, monitor: As named.
        ema: Averaged parameters, or None.
        step: Steps done.
        best: Lowest validation loss so far, or None.
        source: Where the parameters came from that the run started with, or None for random ones.
        earlier: Wall-clock and processor seconds of earlier processes.
        begin: Wall-clock and processor time at which this process began its steps.
        beside: Processor seconds of the processes that work on the run beside this one, when they were last asked.
    """

    model: nn.Module
    optimiser: Optimiser
    clipper: Clipper
    monitor: Monitor
    ema: EMA | None
    step: int = 0
    best: float | None = None
    source: Source | None = None
    earlier: tuple[float, float] = (0.0, 0.0)
    begin: tuple[float, float] = field(default_factory=lambda: (time.monotonic(), time.process_time()))
    beside: float = 0.0

    def start_clock(self) -> None:
        """Count time from now on: what a process does before its first step, it does once for all of its runs."""
        self.begin = (time.monotonic(), time.process_time())

    @property
    def seconds(self) -> float:
        """Wall-clock seconds of training, over all processes that took part one after the other."""
        return self.earlier[0] + time.monotonic() - self.begin[0]

    @property
    def own_cpu_seconds(self) -> float:
        """Processor time of this process since its clock was started."""
        return time.process_time() - self.begin[1]

    @property
    def cpu_seconds(self) -> float:
        """Processor time of this process, of those beside it and of their forerunners."""
        return self.earlier[1] + self.own_cpu_seconds + self.beside

    def tensors(self) -> dict[str, Tensor]:
        """All tensors of the state under names such as "model/plain.encoder.weight"."""
        parts: dict[str, dict[str, Tensor]] = {
            "model": only(self.model.state_dict()),
            "optimiser": self.optimiser.tensors(),
            "clipper": self.clipper.state_dict(),
            "ema": {} if self.ema is None else self.ema.tensors(),
            "monitor": self.monitor.tensors(),
        }
        return {f"{part}/{name}": value for part, values in parts.items() for name, value in values.items()}

    def save_checkpoint(self, folder: Path) -> None:
        """Write a checkpoint from which `load_checkpoint` goes on exactly."""
        state: dict[str, Any] = {
            "step": self.step,
            "seconds": round(self.seconds, 3),
            "cpu_seconds": round(self.cpu_seconds, 3),
            "best": self.best,
            "reference": self.monitor.reference,
            "source": None if self.source is None else asdict(self.source),
            "extra": extra_state(self.model.state_dict()),
        }
        save_checkpoint(folder, self.tensors(), state)

    def load_checkpoint(self, folder: Path) -> None:
        """Take up the state that `save_checkpoint` wrote.

        Raises:
            YotoError: If there is no checkpoint, it is damaged, or it belongs to another network.
        """
        tensors, state = load_checkpoint(folder)
        parts: dict[str, dict[str, Tensor]] = {"model": {}, "optimiser": {}, "clipper": {}, "ema": {}, "monitor": {}}
        for key, value in tensors.items():
            part, name = key.split("/", 1)
            parts[part][name] = value
        try:
            self.model.load_state_dict({**parts["model"], **state.get("extra", {})})
            self.optimiser.load_tensors(parts["optimiser"])
            if self.ema is not None:
                self.ema.load_tensors(parts["ema"])
        except (RuntimeError, KeyError) as error:
            found = str(error).splitlines()[-1].strip()
            raise YotoError(
                f"{str(folder)!r} should hold the state of this recipe's network. Found: {found} "
                "Usually: the network's code changed since; start the run anew."
            ) from None
        device = self.optimiser.parameters[0].device
        self.clipper.load_state_dict(parts["clipper"], device)
        self.monitor.load_tensors(parts["monitor"], device)
        self.step, self.best = state["step"], state["best"]
        self.monitor.reference, self.source = state["reference"], as_source(state.get("source"))
        self.earlier = (state["seconds"], state["cpu_seconds"])
