"""`yoto reconstruct` and `yoto sample`: what a β-VAE does at each β."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from yoto.cli import batch, checks, pictures
from yoto.cli.options import Beta, Force, Json, Model, Output
from yoto.cli.output import print_json
from yoto.errors import YotoError
from yoto.support import cores

if TYPE_CHECKING:
    from torch import Tensor

    from yoto.apps.vae.task import VAETask
    from yoto.bundle import Bundle, Header

LEAST, MOST = -(2**63), 2**63 - 1
"""Seeds that torch takes."""
DEFAULT = "vae/fashion-mnist"
COUNT = 10
"""Samples per β, where nothing is said."""
CHUNK = 64
"""Pictures that are in memory at a time."""


def register(app: typer.Typer) -> None:
    """Add the commands of this group."""
    app.command("reconstruct")(reconstruct)
    app.command("sample")(sample)


def reconstruct(
    inputs: Annotated[list[Path], typer.Argument(metavar="IN", help="Pictures; - is standard input.")],
    output: Output,
    beta: Beta,
    model: Model = DEFAULT,
    jobs: Annotated[int | None, typer.Option("--jobs", metavar="N", min=1, help="Pictures to read at a time.")] = None,
    seed: Annotated[
        int, typer.Option("--seed", metavar="S", min=LEAST, max=MOST, help="Of the latent drawn for --json.")
    ] = 0,
    as_json: Json = False,
    force: Force = False,
) -> None:
    """Show pictures as a VAE decodes them.

    The central square of each picture is brought to the model's size. OUT shows it above its
    reconstructions at each β; it is a file for one input ("-" is standard output) and a folder for several. --json
    prints the loss terms in nats.

    \b
    yoto reconstruct shoe.png -o shoe-betas.png --beta 0.5,4,32
    """
    header, betas = open_model(model, beta)
    files = checks.inputs(inputs)
    targets = pictures.outputs(files, output, force=force)
    batch.refuse_mixing(targets, as_json)

    from yoto.apps.vae.pictures import reconstructions, square
    from yoto.data.images import visible

    loaded, task = load_vae(header)
    nets = {f"β = {b:g}": loaded.conditional.at(kl=b) for b in betas}
    side, channels = task.options.image
    report: list[dict[str, Any]] = []
    failed: list[YotoError] = []
    with ThreadPoolExecutor(jobs or cores.available()) as pool:
        for start in range(0, len(files), CHUNK):
            part = slice(start, start + CHUNK)
            squares = [
                pool.submit(lambda file: square(visible(pictures.read(file)), side, channels), file)
                for file in files[part]
            ]
            for file, target, future in zip(files[part], targets[part], squares, strict=True):
                with batch.noted(failed):
                    image = future.result()
                    pictures.write_picture(target, reconstructions(task.likelihood, nets, image))
                    if as_json:
                        values = [terms(task, net, image, seed) for net in nets.values()]
                        rows = [{"beta": b, **value} for b, value in zip(betas, values, strict=True)]
                        report.append({"input": str(file), "output": str(target), "betas": rows})
    if as_json:
        print_json(report)
    batch.refuse(failed)


def sample(
    output: Output,
    beta: Beta,
    count: Annotated[
        int | None, typer.Option("-n", "--count", metavar="N", min=1, max=1000, help="Samples per β [default: 10].")
    ] = None,
    model: Model = DEFAULT,
    seed: Annotated[
        int, typer.Option("--seed", metavar="S", min=LEAST, max=MOST, help="Of the latents, the same at each β.")
    ] = 0,
    traverse: Annotated[
        bool, typer.Option("--traverse", help="Instead move one sample along each latent dimension, at one β.")
    ] = False,
    force: Force = False,
) -> None:
    """Draw pictures from a VAE at each β.

    \b
    yoto sample -o samples.png --beta 0.5,4,32 -n 12
    yoto sample -o latents.png --beta 8 --traverse
    """
    header, betas = open_model(model, beta)
    if traverse and len(betas) > 1:
        raise checks.UsageError(f"--traverse needs one β. Found {len(betas)}")
    if traverse and count is not None:
        raise checks.UsageError("-n is for samples. Leave it out with --traverse, which moves one")
    output = pictures.picture_file(output, force=force)

    from yoto.apps.vae.pictures import draw_latents, samples, traversals

    loaded, task = load_vae(header)
    nets = {f"β = {b:g}": loaded.conditional.at(kl=b) for b in betas}
    z = draw_latents(1 if traverse else count or COUNT, task.options.latents, seed)
    if traverse:
        (net,) = nets.values()
        start = task.likelihood.decode(net, z)[0]
        pictures.write_picture(output, traversals(task.likelihood, net, start))
    else:
        pictures.write_picture(output, samples(task.likelihood, nets, z))


def open_model(model: str | None, beta: str) -> tuple[Header, list[float]]:
    """The model's header and the values of β, checked against its range.

    Raises:
        UsageError: If a value is given twice: rows and their labels are by β.
        YotoError: If the model is no conditional VAE or a β leaves its range.
    """
    from yoto import bundle

    betas = checks.numbers(beta, "--beta")
    if len({f"{b:g}" for b in betas}) < len(betas):
        raise checks.UsageError(f"--beta should give each value once, in six digits. Found {beta!r}")
    header = bundle.read_header(model or DEFAULT)
    if header.task != "vae" or header.conditioning is None or "kl" not in header.space.free:
        raise YotoError(f"--model should be a VAE trained for a range of β. Found {str(header.path)!r}.")
    for b in betas:
        header.space.check({"kl": b})
    return header, betas


def load_vae(header: Header) -> tuple[Bundle, VAETask]:
    """The model with its task."""
    from yoto import bundle
    from yoto.apps.vae.task import VAETask

    loaded = bundle.load(header.path)
    assert isinstance(loaded.task, VAETask)
    return loaded, loaded.task


def terms(task: VAETask, net: Any, image: Tensor, seed: int) -> dict[str, float]:
    """Loss terms (nats) and metrics of one image [1, C, H, W]."""
    import torch

    with torch.no_grad(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        values = task.terms(net, image) | task.metrics(net, image)
    return {name: float(value) for name, value in values.items()}
