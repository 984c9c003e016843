"""The page of the β-VAE: reconstructions, samples and latent traversals that follow β."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from yoto import bundle
from yoto.data.images import Picture, read_picture
from yoto.data.pixels import Pixels
from yoto.errors import YotoError
from yoto.web import describe, uploads
from yoto.web.copy_folder import CopyFolder, fixed, parsed
from yoto.web.page import Glimpse, Page

if TYPE_CHECKING:
    from torch import Tensor

    from yoto.apps.vae.likelihood import Likelihood
    from yoto.apps.vae.network import VAE
    from yoto.apps.vae.task import VAETask
    from yoto.bundle import Bundle
    from yoto.curves.selection.coordinates import Coordinates

FILES = Path(__file__).parent / "static"
DEFAULTS = ("vae/fashion-mnist", "vae/shapes")
EXAMPLES = Path(__file__).parents[2] / "assets" / "vae"
"""Holds strips of examples of data sets that do not come with the package, DATASET.png."""
Part = Literal["originals", "reconstructions", "samples", "traversals"]
PARTS: tuple[Part, ...] = ("originals", "reconstructions", "samples", "traversals")
"""Strips that the page shows."""
METHODS = ("encode", "decode")
"""Of the network, that a page without a server runs."""
COUNT = 12
"""Examples, and samples."""
STEPS = 9
SPAN = 2.5
"""Of traversals: values of a latent from -SPAN to SPAN."""
DIMENSIONS = 8
"""Latents that are traversed at most, those that tell most first."""


@dataclass
class Loaded:
    """A model at hand: its task, a plain network that is rewritten at every β, and examples [N, C, H, W] or None."""

    bundle: Bundle
    task: VAETask
    plain: VAE
    examples: Tensor | None


class Autoencoders(Page):
    """The β-VAEs behind the page; its methods run in threads.

    Args:
        models: Names or files of β-VAEs.
    """

    title = "β-VAE"
    about = "A variational autoencoder at every β: from sharp copies to few, independent latents."
    html = FILES / "page.html"
    script = FILES / "page.js"
    alone = True

    def __init__(self, models: tuple[str, ...] = DEFAULTS) -> None:
        self.headers = {name: bundle.read_header(name) for name in models}
        for header in self.headers.values():
            if header.task != "vae" or header.conditioning is None or "kl" not in header.space.free:
                raise YotoError(f"A VAE trained for a range of β is needed. Found {str(header.path)!r}.")
        self.loaded: dict[str, Loaded] = {}
        self.lock = threading.Lock()

    def info(self) -> dict[str, Any]:
        """What the page is told: each model with the range of β, and its curve."""
        models = []
        for name, header in self.headers.items():
            from yoto.apps.vae.options import VAEOptions

            assert header.recipe is not None
            options = VAEOptions(**header.recipe["options"])
            side, channels = options.image
            beta = next(p for p in describe.parameters(header.space, {"kl": "β"}) if p["name"] == "kl")
            models.append(
                describe.model(header, name)
                | {
                    "beta": beta,
                    "side": side,
                    "channels": channels,
                    "latents": options.latents,
                    "data": options.dataset,
                }
            )
        return {"models": models, "count": COUNT, "steps": STEPS, "span": SPAN, "dimensions": DIMENSIONS}

    def loads(self) -> Sequence[Callable[[], object]]:
        return [partial(self.ready, name) for name in self.headers]

    def put(self, copy: CopyFolder) -> None:
        """The facts, networks and examples of the β-VAEs."""
        info = self.info()
        for facts in info["models"]:
            name = facts["model"].removeprefix("vae/").replace("/", "-")
            loaded = self.ready(facts["model"])
            space = loaded.bundle.space
            networks = {}
            for method, data in vae_networks(loaded.bundle.conditional, loaded.task).items():
                file = f"models/vae-{name}-{method}.onnx"
                copy.put(file, data)
                networks[method] = {"file": file, "outputs": [o.name for o in parsed(data).graph.output]}
            tiles = examples(loaded.task)
            if tiles is not None:
                copy.put(f"api/vae/{name}.png", uploads.encoded(strip(tiles), "PNG"))
            facts |= {
                "columns": list(space.names), "fixed": fixed(space), "likelihood": loaded.task.options.likelihood,
                "networks": networks, "examples": None if tiles is None else f"api/vae/{name}.png",
            }  # fmt: skip
        copy.put_json("api/vae.json", info)

    def ready(self, name: str) -> Loaded:
        """A model, loaded once.

        Raises:
            YotoError: If the page has none of this name.
        """
        from yoto.apps.vae.task import VAETask

        if name not in self.headers:
            raise YotoError(f"The model should be one of {', '.join(self.headers)}. Found another.")
        with self.lock:
            if name not in self.loaded:
                found = bundle.load(self.headers[name].path)
                assert isinstance(found.task, VAETask)
                plain = found.conditional.bake(kl=found.conditional.space.median()[-1].item()).eval()
                self.loaded[name] = Loaded(found, found.task, plain, examples(found.task))
            return self.loaded[name]

    def chosen_by_eye(self, model: str = "") -> Coordinates | None:
        from yoto.curves.selection.coordinates import Coordinates

        if model not in self.headers:
            raise YotoError(f"The model should be one of {', '.join(self.headers)}. Found another.")
        return Coordinates(self.headers[model].space)

    def show(
        self,
        name: str,
        beta: float,
        *,
        seed: int = 0,
        picture: Picture | None = None,
        traverse: int = 0,
        parts: Sequence[Part] = PARTS,
    ) -> tuple[dict[str, Any], dict[str, Pixels]]:
        """Strips of pictures at one β: "originals", "reconstructions", "samples" and "traversals".

        Args:
            beta: Weight of the KL term, in the model's range.
            seed: Of the samples' latents, the same at every β.
            picture: A picture of the user's, in front of the examples; its central square.
            traverse: Number of the picture whose latents are traversed.
            parts: The strips that are wanted.

        Returns:
            Facts, and strips uint8 [rows·H, columns·W, 3] by name.
        """
        import torch

        from yoto.apps.vae import losses
        from yoto.apps.vae.metrics import used_units
        from yoto.apps.vae.pictures import draw_latents, telling
        from yoto.data.pixels import psnr

        loaded = self.ready(name)
        task, likelihood = loaded.task, loaded.task.likelihood
        loaded.bundle.space.check({"kl": beta})
        net = loaded.bundle.conditional.bake(kl=beta, into=loaded.plain)
        images = with_own(task, picture, loaded.examples)
        strips = {}
        facts: dict[str, Any] = {"beta": beta}
        with torch.inference_mode():
            if images is not None:
                mean, sigma = net.encode(likelihood.scaled(images))
                decoded = likelihood.decode(net, mean)
                strips["originals"], strips["reconstructions"] = strip(images), strip(decoded)
                kl = losses.kl_of_dimensions(mean, sigma)
                number = min(max(traverse, 0), len(images) - 1)
                order = telling(sigma[number], DIMENSIONS)
                if "traversals" in parts:
                    strips["traversals"] = traversals(likelihood, net, mean[number], order)
                facts |= {
                    "psnr": float(psnr((decoded - images).square().mean())),
                    "kl": float(kl.sum(dim=1).mean()), "active": int(used_units(kl).sum()),
                    "dimensions": order, "traversed": number,
                }  # fmt: skip
            strips["samples"] = strip(likelihood.decode(net, draw_latents(COUNT, task.options.latents, seed)))
        return facts, {part: pixels for part, pixels in strips.items() if part in parts}

    def shown(self, *arguments: Any, **options: Any) -> dict[str, Any]:
        """As `show`, with the strips as PNG in `data:` addresses."""
        facts, strips = self.show(*arguments, **options)
        return {**facts, "strips": {name: uploads.png_inline(pixels) for name, pixels in strips.items()}}

    def glimpse(self) -> Glimpse | None:
        """A few pictures and their reconstructions at values of β from low to high."""
        name = next(iter(self.headers))
        loaded = self.ready(name)
        if loaded.examples is None:
            return None
        low, high = (self.info()["models"][0]["beta"][key] for key in ("low", "high"))
        betas = [float(low * (high / low) ** (step / 6)) for step in range(7)]
        frames = []
        for beta in betas:
            _, strips = self.show(name, beta, parts=PARTS[:2])
            side = strips["originals"].shape[0]
            both = np.concatenate([strips[part][:, side : 4 * side] for part in PARTS[:2]])
            frames.append(both.repeat(3, axis=0).repeat(3, axis=1))
        return Glimpse("β", [f"β {beta:.3g}" for beta in betas], frames)


def vae_networks(model: Any, task: Any) -> dict[str, bytes]:
    """Encoder and decoder as ONNX with λ [B, D] as the last input.

    Weights are stored in half precision where they are many, as the bundle stores them.
    """
    from yoto.export import export
    from yoto.export.onnx import halve, strip

    result = {}
    with tempfile.TemporaryDirectory() as folder:
        for method in METHODS:
            path = Path(folder) / f"{method}.onnx"
            export(model, path, task.examples(method), method=method)
            graph = parsed(path.read_bytes())
            strip(graph)
            halve(graph)
            result[method] = graph.SerializeToString()
    return result


def examples(task: VAETask) -> Tensor | None:
    """Test images of a task [N, C, H, W] in [0, 1], or None where its data set is not here."""
    import torch

    from yoto.data.pixels import planes

    file = EXAMPLES / f"{task.options.dataset}.png"
    side, channels = task.options.image
    if file.is_file():
        pixels = read_picture(file).pixels[..., :channels]
        return planes(pixels.reshape(side, -1, side, channels).swapaxes(0, 1))
    try:
        data = task.data("test")
        chosen = torch.arange(COUNT) * (len(data) // COUNT)
        return torch.as_tensor(data.batch(chosen, None)).float()
    except (YotoError, OSError):
        return None


def with_own(task: VAETask, picture: Picture | None, others: Tensor | None) -> Tensor | None:
    """The examples with the user's picture in the first place."""
    if picture is None:
        return others
    import torch

    from yoto.apps.vae.pictures import square

    own = square(picture.pixels, *task.options.image)
    return own if others is None else torch.cat([own, others[: COUNT - 1]])


def strip(images: Tensor, columns: int | None = None) -> Pixels:
    """Images [N, C, H, W] in [0, 1] side by side, or in rows of `columns`: uint8 [rows·H, columns·W, 3]."""
    from yoto.data.pixels import to_bytes

    pixels = to_bytes(images)
    count, height, width, _ = pixels.shape
    across = columns or count
    rows = pixels.reshape(count // across, across, height, width, 3)
    return np.ascontiguousarray(rows.transpose(0, 2, 1, 3, 4).reshape(-1, across * width, 3))


def traversals(likelihood: Likelihood, net: Any, mean: Tensor, order: list[int]) -> Pixels:
    """A row per latent dimension of `order`, which goes from -SPAN to SPAN while the others stay."""
    from yoto.apps.vae.pictures import traversed

    return strip(likelihood.decode(net, traversed(mean, order, STEPS, SPAN).flatten(0, 1)), STEPS)
