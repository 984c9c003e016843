"""Running a style network: by onnxruntime where it is installed and the network is there as ONNX, else by torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, Protocol

import numpy as np

from yoto import bundle
from yoto.apps.style.painting.bank import Bank
from yoto.data.pixels import Floats
from yoto.errors import YotoError
from yoto.space import Value
from yoto.support import cores
from yoto.support.extras import require
from yoto.support.numbers import check_real, check_whole

EngineName = Literal["onnxruntime", "torch"]
ENGINES = ("onnxruntime", "torch")
MOST_THREADS = 1024
"""More are a slip of the keyboard, and take minutes to start."""


class Engine(Protocol):
    """A network at any λ, computing on the CPU. `name` is the library."""

    name: EngineName

    def __call__(
        self, images: Floats, values: Mapping[str, Value], statistics: Floats | None = None
    ) -> tuple[Floats, Floats]:
        """Images [N, 3, H, W] in [0, 1] to stylised ones, all normalised alike.

        Args:
            images: Sides ≥ 16.
            values: The free loss parameters.
            statistics: At every norm, as an earlier call returned them; None: those of the images taken together.

        Returns:
            The stylised images and the statistics [2, norms' channels] that were used.
        """
        ...


class OnnxEngine:
    """The network in onnxruntime.

    Args:
        bank: Of the model whose network it is.
        threads: Number of threads; all cores by default.

    Raises:
        YotoError: If the ONNX file is damaged or of another model.
    """

    name: EngineName = "onnxruntime"

    def __init__(self, bank: Bank, threads: int | None = None) -> None:
        from yoto.support.onnx import onnxruntime

        path, module = bank.network(), onnxruntime()
        assert path is not None
        options = module.SessionOptions()
        options.intra_op_num_threads = threads or cores.available()
        options.inter_op_num_threads = 1
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # waiting would cost CPU time
        options.log_severity_level = 3
        try:
            self.session = module.InferenceSession(path.read_bytes(), options, providers=["CPUExecutionProvider"])
        except Exception as error:
            raise YotoError(
                f"{str(path)!r} should be a network in ONNX. Found a damaged file. {self.anew(bank)}"
            ) from error
        of = self.session.get_modelmeta().custom_metadata_map.get("bundle")
        if of != bundle.sha256(bank.header.path):
            raise YotoError(
                f"{str(path)!r} should be the network of {bank.header.path.name}. Found that of another. "
                f"{self.anew(bank)}"
            )
        self.space = bank.space
        self.channels = next(i for i in self.session.get_inputs() if i.name == "statistics").shape[1]

    def __call__(
        self, images: Floats, values: Mapping[str, Value], statistics: Floats | None = None
    ) -> tuple[Floats, Floats]:
        given = statistics is not None
        feeds: dict[str, Any] = {
            "image": images,
            "lambda": np.asarray(self.space.check(values), np.float32),
            "statistics": statistics if given else np.zeros((2, self.channels), np.float32),
            "given": np.asarray(given, np.float32),
        }
        painted, used = self.session.run(None, feeds)
        return painted, used

    @staticmethod
    def anew(bank: Bank) -> str:
        """How to write the network."""
        path = bank.header.path
        return f"Write it with yoto export {path} -o {path.with_suffix('.onnx')} --force."


class TorchEngine:
    """The network in torch, baked at the λ of the last call.

    Args:
        bank: Of the model.
        threads: Number of threads; torch's setting by default. It holds for the whole process.
    """

    name: EngineName = "torch"

    def __init__(self, bank: Bank, threads: int | None = None) -> None:
        import torch

        if threads is not None:
            torch.set_num_threads(threads)
        self.model = bundle.load(bank.header.path).conditional
        self.space = bank.space
        self.baked: tuple[tuple[float, ...], Any] | None = None

    def __call__(
        self, images: Floats, values: Mapping[str, Value], statistics: Floats | None = None
    ) -> tuple[Floats, Floats]:
        import torch

        lam = tuple(self.space.check(values))
        baked = self.baked  # another thread may put its own there meanwhile
        if baked is None or baked[0] != lam:
            baked = self.baked = (lam, self.model.bake(torch.tensor(lam)))
        with torch.inference_mode():
            painted, used = baked[1].shared(
                torch.from_numpy(images), None if statistics is None else torch.from_numpy(statistics)
            )
        return painted.numpy(), used.numpy()


def make_engine(bank: Bank, name: EngineName | None = None, threads: int | None = None) -> Engine:
    """The engine of that name, or the fastest that is there.

    Raises:
        YotoError: If the named one is not there, the name is unknown, or `threads` is no whole number from 1 to 1024.
    """
    from importlib.util import find_spec

    if name is not None and name not in ENGINES:
        raise YotoError(f"`engine` should be {' or '.join(ENGINES)}. Found {name!r}.")
    if threads is not None:
        check_whole("threads", threads)
        check_real("threads", threads, most=MOST_THREADS)
    installed, network = find_spec("onnxruntime") is not None, bank.network()
    if name == "onnxruntime":
        require("The engine onnxruntime", "onnxruntime", extra="style")
    if name == "onnxruntime" and network is None:
        path = bank.header.path
        raise YotoError(
            f"engine onnxruntime needs the network {path.with_suffix('.onnx').name!r} beside the model. Found none. "
            f"{OnnxEngine.anew(bank)}"
        )
    if name == "torch" or not installed or network is None:
        return TorchEngine(bank, threads)
    try:
        return OnnxEngine(bank, threads)
    except YotoError:
        if name is not None:
            raise
        return TorchEngine(bank, threads)  # the file is a helper: the model itself is whole
