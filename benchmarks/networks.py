r"""Networks that other people wrote: does `condition(net, space, example=inputs)` do everything for them?

    python benchmarks/networks.py --packages FOLDER [--only PATTERN] [--jobs 2] [--limit 60] [--no-exports]

Every row of networks.csv is built from a small random configuration (nothing is downloaded) in a process of its own,
and goes through `tests/networks/harness.py`: a λ per sample against one λ at a time in float64 and float32, hidden
states included; gradients of every parameter against the plain network's; baked against bound; saved and loaded;
`torch.export` of the plain network and `yoto.export`, both at another batch size. Rows that are in the results already
are kept (`--again` runs them anew, `--bad` those that did not do everything), so that an interrupted run goes on where
it was.

The packages are installed without what they depend on, so that none brings another torch:

    pip install --no-deps --target FOLDER timm transformers diffusers segmentation-models-pytorch monai compressai \
        torch_geometric rtdl_revisiting_models rtdl_num_embeddings neuraloperator tensorly tensorly-torch vit-pytorch \
        x-transformers einx einops torch_einops_utils frozendict loguru huggingface_hub hf_xet tokenizers regex tqdm \
        requests urllib3 certifi idna charset_normalizer fsspec filelock packaging pyyaml importlib_metadata zipp \
        httpx2 httpcore2 anyio sniffio h11 truststore xxhash aiohttp psutil pyparsing jinja2 markupsafe pandas \
        python-dateutil pytz six tzdata opt_einsum

Where torchvision is missing, `networks_torchvision.py` stands in for it: the packages import it, no row uses it.
"""

from __future__ import annotations

import argparse
import csv
import inspect
import json
import multiprocessing
import os
import platform
import re
import resource
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch: rows run side by side
    os.environ["HF_HUB_OFFLINE"] = "1"
    sys.path[:1] = [str(ROOT / "tests"), str(ROOT)]  # in place of this folder, whose `networks` is this file

from networks.report import EXPORTS, STAGES  # noqa: E402

MAKERS = {
    "timm": "networks_vision",
    "smp": "networks_vision",
    "hf": "networks_transformers",
    "diffusers": "networks_diffusers",
    "monai": "networks_medical",
    "misc": "networks_misc",
}
IMPORTS = {
    "timm": ["timm"],
    "smp": ["segmentation_models_pytorch"],
    "hf": ["transformers"],
    "diffusers": ["diffusers"],
    "monai": ["monai.networks.nets"],
}
"""What a row's package is imported by, once, before rows are forked."""
DISTRIBUTIONS = ("timm", "transformers", "diffusers", "segmentation-models-pytorch", "monai", "compressai")
DISTRIBUTIONS += ("torch_geometric", "neuraloperator", "vit-pytorch", "x-transformers")
CLOCK = 20
"""Longest time on the clock for a row, in multiples of its limit of processor time: the machine may be busy."""
COVERED = 0.9
"""Least share of the layers that ran and fold which are sites or right before one."""
COLUMNS = {"λ per sample": "per sample", "in float32": "float32", "in training": "training", "gradients": "gradients"}
COLUMNS |= {"baked": "bake", "loaded": "save", "plain export": "plain export", "export": "export"}
"""Columns of the table and the stages that they show."""
Row = dict[str, Any]


def listed() -> list[Row]:
    """The rows of networks.csv."""
    with (ROOT / "benchmarks" / "networks.csv").open(newline="", encoding="utf-8") as file:
        return [dict(row) for row in csv.DictReader(file)]


def key(row: Row) -> str:
    """What a row is stored under."""
    return f"{row['package']}/{row['network']}"


def case_of(row: Row) -> Any:
    """The harness's case of a row."""
    import torch

    from networks.outputs import Inputs
    from networks.report import Case

    maker = import_module(f"benchmarks.{MAKERS[row['package']]}")
    name = row["network"]
    groups = re.findall(r"\(([^)]*)\)", row["input"])
    shapes = [tuple(int(n) for n in re.findall(r"\d+", group)) for group in groups]
    shared = getattr(maker, "SHARED", {}).get(name, ())
    make: Callable[[], Any] = lambda: maker.make(name)  # noqa: E731
    if row["package"] == "timm":
        make = lambda: maker.make_timm(name, shapes[0][-1])  # noqa: E731
    if hasattr(maker, "inputs"):
        values = maker.inputs(name, shapes)
    else:
        values = (torch.randn(shapes[0], generator=torch.Generator().manual_seed(0)),)
    more = maker.options(name) if hasattr(maker, "options") else {}
    return Case(make, Inputs(values, 0, shared), more)


def measure(row: Row, path: Path, exports: bool, limit: float, others: bool = True) -> None:
    """Everything about one row, written to `path` after every stage; runs in a process of its own.

    `others`: what is not about exports, as in `tests/networks/harness.py`.
    """
    sys.stdout = sys.stderr = Path(os.devnull).open("w")  # noqa: SIM115
    resource.setrlimit(resource.RLIMIT_CPU, (int(limit), int(limit) + 1))
    import torch

    torch.set_num_threads(1)
    facts: Row = {"commit": commit()}

    def write(report: Any = None, error: str = "") -> None:
        content: Row = {**facts, "error": error, "seconds": round(time.process_time(), 1)}
        if report is not None:
            content["stages"] = {name: asdict(result) for name, result in report.stages.items()}
            content["layers"] = None if report.coverage is None else asdict(report.coverage)
            content["remarks"] = report.remarks
        path.with_suffix(".part").write_text(json.dumps(content), "utf-8")
        path.with_suffix(".part").replace(path)

    try:
        from networks.harness import check
        from networks.running import fresh, run

        case = case_of(row)
        net = fresh(case)
        with torch.no_grad():
            run(net, case.inputs.values)
        facts["parameters"] = sum(p.numel() for p in net.parameters())
        del net
    except Exception as error:  # noqa: BLE001
        write(error=f"{type(error).__name__}: {' '.join(str(error).split())[:200]}")
        return
    check(case, write, exports, others)


def commit() -> str:
    """The commit that is measured, with a mark where files differ from it."""
    asked = ["git", "-C", str(ROOT), "describe", "--always", "--dirty=+", "--exclude=*"]
    answer = subprocess.run(asked, capture_output=True, text=True, check=False)  # noqa: S603
    return answer.stdout.strip()


def packages(folder: Path | None) -> None:
    """Makes the installed packages importable, behind the environment's own."""
    if folder is not None:
        sys.path.append(str(folder))
    if find_spec("torchvision") is None:
        import_module("benchmarks.networks_torchvision")


def warm(exports: bool) -> None:
    """Goes through a small network once, so that what torch imports on first use is there before rows are forked."""
    import torch

    from networks.harness import check
    from networks.outputs import Inputs
    from networks.report import Case

    torch.set_num_threads(1)
    check(Case(lambda: torch.nn.Linear(2, 2), Inputs((torch.randn(3, 2),))), exports=exports)


def classified(row: Row) -> str:
    """What became of a row: everything, few layers, refused, wrong, failed, unchecked, time, or not built."""
    if row.get("error"):
        return "not built"
    stages = row.get("stages", {})
    found = [stages[s]["status"] if s in stages else "time" for s in STAGES]
    if stages.get("condition", {}).get("status", "ok") != "ok":
        found = [stages["condition"]["status"]]
    worst = next((s for s in ("wrong", "failed", "refused", "unchecked", "time") if s in found), "everything")
    return "few layers" if worst == "everything" and share(row) < COVERED else worst


def share(row: Row) -> float:
    """Share of the layers that ran and fold which are sites or right before one."""
    layers = row.get("layers")
    return 0.0 if not layers else 1 - len(layers["missing"]) / max(layers["called"] - len(layers["constant"]), 1)


def reason(row: Row) -> str:
    """The first thing that is not right, in a line."""
    if row.get("error"):
        return str(row["error"])
    stages = row.get("stages", {})
    for status in ("wrong", "failed", "refused", "unchecked"):
        for name in STAGES:
            if stages.get(name, {}).get("status") == status:
                return f"{name}: {stages[name]['note']}"
    missing = [name for name in STAGES if name not in stages]
    if missing:
        return f"no time for: {', '.join(missing)}"
    if classified(row) == "few layers":
        return f"not conditioned: {', '.join(row['layers']['missing'][:4])}"
    return ""


def cell(row: Row, stage: str) -> str:
    """One stage in the table: a deviation, or what happened."""
    result = row.get("stages", {}).get(stage)
    if result is None:
        return "not reached"
    if result["status"] == "none":
        return "-"
    if result["status"] != "ok":
        return f"**{result['status']}**" if result["status"] == "wrong" else str(result["status"])
    return "ok" if result["value"] is None else f"{result['value']:.0e}"


def table(rows: list[Row]) -> str:
    """All rows and the counts as Markdown."""
    counts = Counter(classified(row) for row in rows)
    missing = [key(row) for row in listed() if key(row) not in {key(each) for each in rows}]
    tried = [row for row in rows if status(row, "plain export")]
    plain = [row for row in tried if status(row, "plain export") == "ok"]
    both = [row for row in plain if status(row, "export") == "ok"]
    versions = ", ".join(f"{name} {installed(name)}" for name in ("torch", *DISTRIBUTIONS) if installed(name))
    lines = [
        "# Networks of other libraries",
        "",
        "`condition(net, space, example=inputs)` on every row of `benchmarks/networks.csv`: small random",
        "configurations, a batch of 3. Layers: those that ran and fold; conditioned; right before a conditioned one.",
        "λ per sample: largest deviation from one λ at a time, relative to the largest output, hidden states included.",
        "benchmarks/networks.py says at its beginning how it is run.",
        "",
        f"`condition` {'learns from' if learns() else 'does not take'} `example` here.",
        "",
        f"{len(rows)} networks: " + ", ".join(f"{n} {name}" for name, n in counts.most_common()) + ".",
        f"`torch.export` takes {len(plain)} of the {len(tried)} plain networks that it was tried on,",
        f"`yoto.export` {len(both)} of those {len(plain)}.",
        f"Not run yet: {len(missing)}{': ' + ', '.join(missing) if missing else ''}.",
        f"Machine: {platform.machine()}, {os.cpu_count()} processors, one thread; random numbers from seeds 0 to 9.",
        "The last column names the commit that a row was measured at.",
        "",
        f"| {' | '.join(('network', 'layers', 'sites', 'before', *COLUMNS, 'outcome', 'commit'))} |",
        f"|{' --- |' * (len(COLUMNS) + 6)}",
    ]
    for row in rows:
        layers = row.get("layers") or {}
        counted = [str(layers.get(name, "")) for name in ("called", "sites", "before")]
        cells = [cell(row, stage) for stage in COLUMNS.values()]
        text = reason(row).replace("|", "/")[:160]
        outcome = classified(row) + (f": {text}" if text else "")
        lines.append("| " + " | ".join([key(row), *counted, *cells, outcome, measured(row)]) + " |")
    return "\n".join([*lines, "", f"Versions: {versions}.", ""])


def learns() -> bool:
    """Whether `condition` takes `example`."""
    import yoto

    return "example" in inspect.signature(yoto.condition).parameters


def status(row: Row, stage: str) -> str:
    """A stage's status, "" where it was not reached."""
    return str(row.get("stages", {}).get(stage, {}).get("status", ""))


def installed(name: str) -> str:
    """A package's version, or ""."""
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def write(rows: list[Row], out: Path) -> None:
    """The results as JSON, CSV and Markdown."""
    out.parent.mkdir(parents=True, exist_ok=True)
    out.with_suffix(".json").write_text(json.dumps(rows, indent=1, ensure_ascii=False) + "\n", "utf-8")
    with out.with_suffix(".csv").open("w", newline="", encoding="utf-8") as file:
        table_ = csv.writer(file)
        table_.writerow(["package", "network", "outcome", "layers", "sites", "before", "share", "reason"])
        for row in rows:
            layers = row.get("layers") or {}
            counted = [layers.get(name, "") for name in ("called", "sites", "before")]
            table_.writerow(
                [row["package"], row["network"], classified(row), *counted, f"{share(row):.2f}", reason(row)]
            )
    out.with_suffix(".md").write_text(table(rows), "utf-8")


def measured(row: Row) -> str:
    """The commit that a row was measured at, and the one of its exports where that is another."""
    commit, exports = str(row.get("commit", "")), str(row.get("exported at", ""))
    return commit if exports in ("", commit) else f"{commit}, exports {exports}"


def lacks_exports(row: Row | None) -> bool:
    """Whether a row did everything that was tried, and its export was not."""
    return row is not None and classified(row) == "everything" and not status(row, "plain export")


def kept(row: Row | None, bad: bool, exports: bool) -> bool:
    """Whether a row's results stay: there are some, and where bad ones are not wanted they are good ones."""
    if row is None or not bad:
        return row is not None
    if exports and lacks_exports(row):
        return False
    return classified(row) == "everything" and status(row, "export") in ("ok", status(row, "plain export"))


def completed(row: Row, content: Row) -> Row:
    """A row's results with what a run of its exports alone found."""
    stages = {name: found for name, found in content["stages"].items() if name in EXPORTS}
    return {**row, "stages": {**row["stages"], **stages}, "exported at": content["commit"]}


def main() -> None:
    """Run what is not done yet, write the results after every row, print the counts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--packages", type=Path, help="folder that the packages are installed in")
    parser.add_argument("--only", default="", help="regular expression, searched in package/network")
    parser.add_argument("--jobs", type=int, default=1, help="rows at a time")
    parser.add_argument("--limit", type=float, default=60.0, help="seconds of processor time for a row")
    parser.add_argument("--no-exports", dest="exports", action="store_false", help="leave out what takes longest")
    parser.add_argument("--only-exports", action="store_true", help="of rows that did everything else, the exports")
    parser.add_argument("--again", action="store_true", help="run rows anew that have results")
    parser.add_argument("--bad", action="store_true", help="run rows anew that did not do everything, exports included")
    parser.add_argument("-o", "--out", type=Path, default=ROOT / "results" / "networks")
    options = parser.parse_args()
    packages(options.packages)
    stored = options.out.with_suffix(".json")
    known = {key(row): row for row in json.loads(stored.read_text("utf-8"))} if stored.is_file() else {}
    chosen = [row for row in listed() if re.search(options.only, key(row))]
    waiting = [row for row in chosen if options.again or not kept(known.get(key(row)), options.bad, options.exports)]
    if options.only_exports:
        waiting = [row for row in chosen if lacks_exports(known.get(key(row)))]
    others = not options.only_exports
    if waiting:
        warm(options.exports)
    processes = multiprocessing.get_context("fork")
    scratch = options.out.with_name(f".{options.out.name}")
    scratch.mkdir(parents=True, exist_ok=True)
    running: list[tuple[Any, Row, Path, float]] = []
    while waiting or running:
        while waiting and len(running) < options.jobs:
            row = waiting.pop(0)
            for module in IMPORTS.get(row["package"], []):
                import_module(module)
            path = scratch / f"{os.getpid()}-{len(waiting)}.json"
            path.unlink(missing_ok=True)
            process = processes.Process(target=measure, args=(row, path, options.exports, options.limit, others))
            process.start()
            running.append((process, row, path, time.monotonic() + CLOCK * options.limit))
        time.sleep(0.1)
        for item in list(running):
            process, row, path, end = item
            if process.is_alive() and time.monotonic() < end:
                continue
            if process.is_alive():
                process.kill()
            process.join()
            running.remove(item)
            content = json.loads(path.read_text("utf-8")) if path.is_file() else {"stages": {}}
            path.unlink(missing_ok=True)
            if others:
                known[key(row)] = {**row, **content, "exit": process.exitcode}
            elif "commit" in content:
                known[key(row)] = completed(known[key(row)], content)
            print(f"{key(row)}: {classified(known[key(row)])} {reason(known[key(row)])[:150]}", flush=True)
            write([known[key(r)] for r in listed() if key(r) in known], options.out)
    shutil.rmtree(scratch)
    print(Counter(classified(known[key(row)]) for row in chosen))


if __name__ == "__main__":
    main()
