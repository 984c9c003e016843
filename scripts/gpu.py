"""A training on a GPU machine from packed data: train, evaluate, put what counts into one folder (scripts/gpu.sh).

The machine has no network and not all packages: `--pack` puts photographs and what is missing into runs/carry, and
`--rehearse` tries the whole way here, so that a GPU minute is never spent on a missing module.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from yoto.recipe import Recipe

ROOT = Path(__file__).resolve().parents[1]
CARRY = ROOT / "runs/carry"
PRESENT = (
    "torch", "torchvision", "timm", "transformers", "peft", "pytorch-lightning", "lightning-fabric", "torchmetrics",
    "torchdiffeq", "safetensors", "typer", "rich", "PyYAML", "numpy", "Pillow", "scipy", "scikit-learn", "matplotlib",
    "h5py", "onnx", "onnxruntime",
)  # fmt: skip
"""What the GPU machine has, beside what these need."""
CARRIED = (
    "pydantic", "pydantic-core", "annotated-types", "typing-inspection", "moocore", "cffi", "pycparser", "platformdirs",
)  # fmt: skip
"""What is carried there."""
ABSENT = (*CARRIED, "pooch", "constriction")
MACHINE = ("--python-version", "3.12", "--platform", "manylinux2014_x86_64", "--only-binary", ":all:")
TOTAL = 64.0
"""MiB of the tracked tree, as far as it is checked out, and of runs/carry at most."""
SPARE = 2.0
"""MiB of that left free."""
RESERVE = 1.5
"""Minutes for evaluation and writing."""
SETUP = 8.0
"""Seconds that each network of a comparison takes before its first step."""
TRIED = 200
"""Steps by which the speed is measured."""
REHEARSED = (
    "training.steps=20", "training.warmup=5", "training.batch=2", "training.precision=32-true", "evaluation.limit=2",
    "training.checkpoint_every=20",
)  # fmt: skip


@dataclass(frozen=True)
class Run:
    """A line of docs/gpu-runs.md.

    Attributes:
        recipe: Name of the recipe.
        changes: To it.
        small: Further changes for a rehearsal.
        photographs: Whether it needs those of runs/carry.
        weights: A bundled model to go on from, in place of random parameters.
        compared: Whether separate networks are trained too, for the recipe's points: `yoto compare`.
    """

    recipe: str
    changes: tuple[str, ...] = ()
    small: tuple[str, ...] = ()
    photographs: bool = False
    weights: str | None = None
    compared: bool = False


RUNS = {
    "codec": Run(
        "compression/hyperprior-2",
        (
            *("training.batch=32", "options.crop=256", "training.spread=null"),
            *("training.checkpoint_every=20000", "training.log_every=200"),
        ),
        ("options.crop=64",),
        photographs=True,
        weights="compression/photo",
    ),
    "parity": Run(
        "compression/hyperprior-2",
        ("training.checkpoint_every=20000", "training.log_every=200"),
        ("options.crop=64", "options.channels=8", "options.latents=16"),
        photographs=True,
        compared=True,
    ),
    "shapes": Run("paper/shapes3d-vae", ("options.dataset=shapes",)),
}


def main() -> None:
    """Carry out what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", nargs="?", help=f"one of {', '.join(RUNS)}")
    parser.add_argument("--pack", type=Path, metavar="PHOTOS", help="fill runs/carry; PHOTOS has train and validation")
    parser.add_argument("--rehearse", metavar="NAME", choices=RUNS, help="20 steps on the CPU")
    parser.add_argument("--max-minutes", type=float, default=9.0, help="of everything [default: 9]")
    parser.add_argument("--carry", type=Path, default=CARRY, help="[default: runs/carry]")
    parser.add_argument("--out", type=Path, default=os.environ.get("OUT"), help="[default: $OUT]")
    parser.add_argument("--rehearsal", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.pack:
        pack(options.pack, options.carry)
    elif options.rehearse:
        sys.exit(rehearse(options.rehearse, options.carry, options.out))
    elif options.name not in RUNS or options.out is None:
        parser.error(f"NAME, one of {', '.join(RUNS)}, and a folder for what comes back (OUT or --out) should be given")
    else:
        work(options.name, options.carry, options.out, 60 * options.max_minutes, rehearsal=options.rehearsal)


def pack(photographs: Path, carry: Path) -> None:
    """Fill the folder that is carried: the packages that the machine lacks, for its Python, and photographs.

    These get the room that is left: more of it where git leaves tests, documents and results out of the tree.
    """
    shutil.rmtree(carry, ignore_errors=True)
    wanted = [f"{name}=={metadata.version(name)}" for name in CARRIED]
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-compile", "--target"]
    subprocess.run([*pip, str(carry / "site"), *MACHINE, *wanted], check=True)  # noqa: S603
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout  # noqa: S607
    tree = mebibytes(ROOT / name for name in listed.decode().split("\0"))
    room = TOTAL - SPARE - tree - mebibytes(carry.rglob("*"))
    script = [sys.executable, str(ROOT / "scripts/pack_photographs.py")]
    subprocess.run([*script, str(photographs), str(carry / "photos"), "--mib", f"{room:.1f}"], check=True)  # noqa: S603
    print(f"{carry}: {mebibytes(carry.rglob('*')):.1f} MiB, beside {tree:.1f} MiB of the tree")


def mebibytes(paths: Iterable[Path]) -> float:
    """What files take; folders and what is missing count nothing."""
    return sum(path.stat().st_size for path in paths if path.is_file()) / 2**20


def check(name: str, carry: Path) -> None:
    """Say within a second what is missing."""
    if RUNS[name].photographs and not (carry / "photos/train").is_dir():
        raise SystemExit(f"{carry / 'photos'} should have the packed photographs. Run scripts/gpu.sh --pack PHOTOS.")
    try:
        import pydantic  # noqa: F401
        import torch
    except ImportError as error:
        raise SystemExit(f"{carry / 'site'} should have what is missing here: {error}.") from None
    print(f"torch {torch.__version__}, {'a GPU' if torch.cuda.is_available() else 'no GPU'}", flush=True)


def work(name: str, carry: Path, out: Path, seconds: float, *, rehearsal: bool) -> None:
    """Train, evaluate, and leave what counts in `out`; the table comes last."""
    begin = time.monotonic()
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # as `yoto train` has it
    check(name, carry)
    import torch

    torch.backends.cudnn.benchmark = True
    from yoto.comparison.plan import make_plan
    from yoto.recipe import read

    run = RUNS[name]
    if run.photographs:
        os.environ["YOTO_DATA"] = str(carry)
    recipe = read(run.recipe, [*run.changes, *((*run.small, *REHEARSED) if rehearsal else ())])
    heading = ""
    with tempfile.TemporaryDirectory() as place:
        if not rehearsal:
            recipe, plain, graphed = graph_or_not(recipe, run.weights, Path(place))
            left = seconds - (time.monotonic() - begin) - 60 * RESERVE
            networks = 1
            if run.compared:
                networks = len(make_plan(recipe, points=None, seeds=None, multiples=(1.0,), others=()).runs())
            steps = (left - SETUP * (networks - 1)) / networks * max(plain, graphed)
            recipe = recipe.replace({"training.steps": max(TRIED, int(steps))})
            print(f"{recipe.training.steps} steps from {time.monotonic() - begin:.0f} s on", flush=True)
            heading = f"Steps per second: {plain:.1f}, as one CUDA graph {graphed:.1f}."
        minutes = (seconds - (time.monotonic() - begin)) / 60 - RESERVE / 3
        made = compared if run.compared else trained
        paragraphs = [heading, *made(run, recipe, Path(place) / "run", out, minutes)]
    told = "\n\n".join(filter(None, paragraphs))
    (out / "table.md").write_text(told + "\n", "utf-8")
    print(f"{time.monotonic() - begin:.0f} s in all")
    print(told)


def trained(run: Run, recipe: Recipe, place: Path, out: Path, minutes: float) -> list[str]:
    """Train a model and put it into `out`, with what says how it was made; returns what to tell."""
    from yoto.training import train

    found = train(recipe, place, weights=run.weights, max_minutes=minutes, progress=False)
    keep(place, ("recipe.yaml", "log.csv", "run.json"), out)
    if not found.finished:
        raise SystemExit(f"Stopped after step {found.steps}: no model. Give more --max-minutes.")
    return [f"{found.steps} steps in {found.seconds:.0f} s.", *finished(place, out)]


def compared(_: Run, recipe: Recipe, place: Path, out: Path, minutes: float) -> list[str]:
    """Compare with separate networks and put the report into `out`; returns what to tell."""
    from yoto.comparison import Stopped, compare
    from yoto.report.report import comparison_text

    try:
        found = compare(recipe, place, max_minutes=minutes, progress=False, note=lambda text: print(text, flush=True))
    except Stopped as stopped:
        raise SystemExit(f"{stopped} Give more --max-minutes.") from None
    keep(place, ("report.md", "report.json", "table.csv", "regret.png", "tradeoff.png", "samples.png"), out)
    return [f"{recipe.training.steps} steps each.", comparison_text(found)]


def speed(recipe: Recipe, weights: str | None, place: Path) -> float:
    """Steps per second, without those in which libraries choose their algorithms."""
    import csv

    from yoto.training import train

    every = TRIED // 4
    short = recipe.replace({"training.steps": TRIED, "training.warmup": 10, "training.log_every": every})
    train(short, place, weights=weights, progress=False)
    rows = list(csv.DictReader((place / "log.csv").read_text("utf-8").splitlines()))
    first, last = rows[0], rows[-1]
    return (int(last["step"]) - int(first["step"])) / (float(last["seconds"]) - float(first["seconds"]))


def graph_or_not(recipe: Recipe, weights: str | None, place: Path) -> tuple[Recipe, float, float]:
    """The recipe, with a CUDA graph where that is faster, and its steps per second without and with one (0: failed)."""
    from yoto.errors import YotoError

    plain = speed(recipe.replace({"training.cuda_graph": False}), weights, place / "plain")
    print(f"{plain:.1f} steps per second", flush=True)
    try:
        graphed = speed(recipe.replace({"training.cuda_graph": True}), weights, place / "graphed")
    except (RuntimeError, YotoError):
        traceback.print_exc()
        graphed = 0.0
    print(f"{graphed:.1f} steps per second as one CUDA graph", flush=True)
    return recipe.replace({"training.cuda_graph": graphed > plain}), plain, graphed


def keep(place: Path, names: Sequence[str], out: Path) -> None:
    """Copy files, as far as there are any, into the folder that comes back."""
    out.mkdir(parents=True, exist_ok=True)
    for name in names:
        if (place / name).exists():
            shutil.copyfile(place / name, out / name)


def finished(run: Path, out: Path) -> list[str]:
    """The model in half precision with its curve, and figures; returns the table."""
    import torch

    from yoto import bundle
    from yoto.build import build_objective, evaluation_points
    from yoto.curves import sweep
    from yoto.report.report import report_sweep
    from yoto.support.tables import aligned
    from yoto.task import BaseTask
    from yoto.training.folder import facts_of

    loaded = bundle.load(run)
    assert loaded.recipe is not None
    assert isinstance(loaded.task, BaseTask)
    bundle.halve(loaded.model)
    extras, facts = loaded.task.extras(loaded.conditional)
    recipe, task = loaded.recipe, loaded.task
    settings = recipe.evaluation
    curve = sweep(
        loaded.model.to("cuda" if torch.cuda.is_available() else "cpu"), task.data("test"), task,
        evaluation_points(recipe), objective=build_objective(recipe), batch=settings.batch, limit=settings.limit,
        seed=settings.seed, info={"split": "test"},
    )  # fmt: skip
    bundle.save(
        loaded.model.cpu(), out / "model.safetensors", recipe=recipe, curve=curve,
        objective=build_objective(recipe), info={**facts_of(run), **facts}, extras=extras, half=True,
    )  # fmt: skip
    report_sweep(curve, out)
    columns = {f"at {name}": [point[name] for point in curve.points] for name in curve.parameters}
    columns |= {name: list(curve.series(name)) for name in (*curve.terms, "loss", *curve.metrics)}
    rows = [[f"{value:.4g}" for value in row] for row in zip(*columns.values(), strict=True)]
    told = [aligned(list(columns), rows, right=[True] * len(columns))]
    if "psnr" in curve.metrics:
        told.append(against_jpeg(curve.series("psnr"), curve.series("rate")))
    return told


def against_jpeg(psnr: Sequence[float], bpp: Sequence[float]) -> str:
    """BD-rate of estimated rates against the JPEG files of results/compression/points.json."""
    from yoto.apps.codec.rate_distortion import REFERENCE, Point, bd_rate

    points = json.loads((ROOT / "results/compression/points.json").read_text("utf-8"))["points"]
    jpeg = [Point(**point) for point in points[REFERENCE]]
    own = [Point(i, rate, value, 0, 0, 0) for i, (value, rate) in enumerate(zip(psnr, bpp, strict=True))]
    found = bd_rate(jpeg, own)
    return f"BD-rate against {REFERENCE}, estimated rates: " + (
        "no common PSNR" if found is None else f"{found:+.1f} %"
    )


def rehearse(name: str, carry: Path, out: Path | None) -> int:
    """`work` for 20 steps, in a Python that sees what the GPU machine has and what is carried, nothing else."""
    with tempfile.TemporaryDirectory() as place:
        site, here = Path(place) / "site", Path(place) / "packages"
        for path, distribution in top_level(closure(PRESENT) - {normal(each) for each in ABSENT}).items():
            link(path, distribution, here)
        for each in CARRIED:
            if not list((carry / "site").glob(f"{each.replace('-', '_')}-{metadata.version(each)}.dist-info")):
                raise SystemExit(f"{carry / 'site'} should have {each} {metadata.version(each)}. Run --pack PHOTOS.")
            for path, distribution in top_level({normal(each)}).items():
                link(path, distribution, site)
        environment = {
            key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "YOTO_", "VIRTUAL_ENV"))
        }
        environment |= {"OMP_NUM_THREADS": "1"}  # it is no matter of speed, and others may be at work
        environment |= {"PYTHONPATH": os.pathsep.join(map(str, (ROOT / "src", site, here))), "CUDA_VISIBLE_DEVICES": ""}
        command = [sys.executable, "-S", str(Path(__file__).resolve()), name, "--rehearsal", "--carry", str(carry)]
        command += ["--out", str(out or Path(place) / "out")]
        return subprocess.run(command, env=environment, cwd=ROOT, check=False).returncode  # noqa: S603


def normal(name: str) -> str:
    """A distribution's name as it is compared."""
    return name.lower().replace("_", "-").replace(".", "-")


def closure(names: Sequence[str]) -> set[str]:
    """Those of the distributions that are installed here, with all that they need."""
    found: set[str] = set()
    waiting = [normal(name) for name in names]
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        try:
            needs = metadata.requires(name) or []
        except metadata.PackageNotFoundError:
            continue
        found.add(name)
        for need in needs:
            if "extra ==" not in need:
                end = next((i for i, letter in enumerate(need) if letter in " <>=!~;[("), len(need))
                waiting.append(normal(need[:end]))
    return found


def top_level(names: set[str]) -> Mapping[str, Any]:
    """First parts of the paths of what distributions installed, with the distribution."""
    found: dict[str, Any] = {}
    for distribution in metadata.distributions():
        if normal(distribution.metadata["Name"]) in names:
            for file in distribution.files or []:
                if file.parts[0] not in ("..", "__pycache__"):
                    found[file.parts[0]] = distribution
    return found


def link(name: str, distribution: Any, folder: Path) -> None:
    """A link to a module or package, or to the facts of a distribution."""
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / name
    if not target.exists():
        target.symlink_to(distribution.locate_file(name))


if __name__ == "__main__":
    main()
