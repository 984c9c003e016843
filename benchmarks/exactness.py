"""Encode once, decode under other instructions, threads, memory formats, batches, precisions and coders.

    python benchmarks/exactness.py [--model NAME] [--images N] [-o results/compression/exactness]

Every test photograph at five qualities; every file decoded in a process of its own kind. The symbols have to be the
same (each decoder compares their CRC-32 with that in the file, and this program the CRCs with each other), pixels
within one level of 255. Under bfloat16 autocast only the symbols are compared.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import torch

from yoto import codec
from yoto.apps.codec import assembly
from yoto.apps.codec.format import container
from yoto.apps.codec.format.coder import PythonCoder, default
from yoto.apps.codec.format.integer import IntegerDecoder
from yoto.data import images
from yoto.data.photographs import BUNDLED
from yoto.support.files import write_atomic
from yoto.training.machine import describe_machine

QUALITIES = (10.0, 30.0, 50.0, 70.0, 90.0)
AVX2 = {"ATEN_CPU_CAPABILITY": "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2", "MKL_ENABLE_INSTRUCTIONS": "AVX2"}
SSE4 = {"ATEN_CPU_CAPABILITY": "default", "ONEDNN_MAX_CPU_ISA": "SSE41", "MKL_ENABLE_INSTRUCTIONS": "SSE4_2"}
AVX512 = {"ATEN_CPU_CAPABILITY": "avx512", "ONEDNN_MAX_CPU_ISA": "AVX512_CORE", "MKL_ENABLE_INSTRUCTIONS": "AVX512"}
VARIANTS: dict[str, tuple[dict[str, str], dict[str, Any]]] = {
    "AVX2": (AVX2, {}),
    "SSE4": (SSE4, {}),
    "AVX-512": (AVX512, {}),
    "oneDNN off": ({}, {"mkldnn": False}),
    "2 threads": ({}, {"threads": 2}),
    "channels-last": ({}, {"channels_last": True}),
    "batch of 2": ({}, {"pairs": True}),
    "bfloat16 autocast": ({}, {"autocast": True}),
    "plain Python coder": ({}, {"coder": "python"}),
}


def in_pairs(decoder: IntegerDecoder) -> None:
    """Let every layer run on a batch of two."""
    for layer in list(decoder.layers):
        number = decoder.layers.index(layer)

        def run(x: torch.Tensor, level: int, own: Any = layer) -> torch.Tensor:
            return own(torch.cat([x, x.flip(2)]), level)[:1]

        decoder.layers[number] = run  # type: ignore[call-overload]


def passes_in_pairs(net: Any) -> Any:
    """Let a network decode its latents, and its pixels, as the first of two."""
    decoded, synthesis = net.decoded, net.synthesis.forward

    def both(mean: torch.Tensor, log_scale: torch.Tensor, code: Any) -> torch.Tensor:
        def twice(number: int | None, centre: torch.Tensor, step: torch.Tensor) -> torch.Tensor:
            one = code(number, centre[:1], step[:1] if step.ndim else step)
            return torch.cat([one, one.flip(2)])

        return decoded(torch.cat([mean, mean.flip(2)]), torch.cat([log_scale, log_scale.flip(2)]), twice)[:1]

    net.decoded = both
    net.synthesis.forward = lambda y: synthesis(torch.cat([y, y.flip(2)]))[:1]
    return net


def in_channels_last(decoder: IntegerDecoder) -> None:
    """Let every layer run on channels-last inputs."""
    for layer in list(decoder.layers):
        number = decoder.layers.index(layer)

        def run(x: torch.Tensor, level: int, own: Any = layer) -> torch.Tensor:
            return own(x.contiguous(memory_format=torch.channels_last), level)

        decoder.layers[number] = run  # type: ignore[call-overload]


def changed(model: codec.CodecModel, change: Callable[[Any], Any]) -> None:
    """Let the model's plain networks be changed, each when it is baked."""
    own, done = model.at, set()

    def at(level: int) -> Any:
        net = own(level)
        if id(net) not in done:
            done.add(id(net))
            kept.append(net)  # so that no other gets its number
            change(net)
        return net

    kept: list[Any] = []
    model.at = at  # type: ignore[method-assign]


def work(folder: Path, model: str | None, options: dict[str, Any]) -> None:
    """Decode all files of a folder as one variant does, and print the CRCs; pixels go to a file."""
    torch.set_num_threads(options.get("threads", 1))
    torch.backends.mkldnn.enabled = options.get("mkldnn", True)
    loaded = codec.load(model)
    if options.get("pairs"):
        in_pairs(loaded.integers)
        changed(loaded, passes_in_pairs)
    if options.get("channels_last"):
        in_channels_last(loaded.integers)
        changed(loaded, lambda net: net.to(memory_format=torch.channels_last))
    coder = PythonCoder() if options.get("coder") == "python" else default()
    crcs, pixels = {}, {}
    for file in sorted(folder.glob("*.yoto")):
        contents = container.parse(file.read_bytes())
        with torch.autocast("cpu", torch.bfloat16) if options.get("autocast") else nullcontext():
            pixels[file.stem] = assembly.pixels_of(contents, loaded, coder)
        crcs[file.stem] = contents.symbols  # compared with the decoded symbols' at the end of decoding
    np.savez(folder / "pixels.npz", **pixels)
    print(json.dumps({"crcs": crcs, "capability": torch.backends.cpu.get_cpu_capability()}))


def main() -> None:
    """Encode, decode under every variant, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model")
    parser.add_argument("--images", type=int, default=12)
    parser.add_argument("-o", "--output", type=Path, help="write OUTPUT.md and OUTPUT.json")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker is not None:
        work(options.folder, options.model, json.loads(options.worker))
        return
    torch.set_num_threads(1)
    loaded = codec.load(options.model)
    rows = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        expected, crcs = {}, {}
        for file in sorted(BUNDLED.glob("*.webp"))[: options.images]:
            picture = images.read_picture(file)
            for quality in QUALITIES:
                data = codec.compress(picture, quality=quality, model=loaded)
                stem = f"{file.stem}-{quality:g}"
                (folder / f"{stem}.yoto").write_bytes(data)
                contents = container.parse(data)
                expected[stem] = assembly.pixels_of(contents, loaded, default())
                crcs[stem] = contents.symbols
        for variant, (environment, settings) in VARIANTS.items():
            command = [sys.executable, __file__, "--worker", json.dumps(settings), "--folder", name]
            command += ["--model", options.model] if options.model else []
            env = os.environ | environment
            done = subprocess.run(command, capture_output=True, text=True, env=env, check=False)  # noqa: S603
            if done.returncode:
                rows.append({"variant": variant, "files": len(crcs), "same symbols": 0, "error": done.stderr[-300:]})
                continue
            told = json.loads(done.stdout)
            with np.load(folder / "pixels.npz") as pixels:
                differences = [np.abs(pixels[s].astype(int) - e).max() for s, e in expected.items()]
                changed = [float((pixels[s] != e).mean()) for s, e in expected.items()]
            rows.append(
                {
                    "variant": variant,
                    "capability": told["capability"],
                    "files": len(crcs),
                    "same symbols": sum(told["crcs"][stem] == crc for stem, crc in crcs.items()),
                    "largest difference": int(max(differences)),
                    "share of pixels": float(np.mean(changed)),
                }
            )
    machine = describe_machine(torch.device("cpu"))
    lines = [
        "# Exactness of decoding",
        "",
        (
            f"{options.images} photographs at {len(QUALITIES)} qualities, encoded on {machine['processor']} with one "
            "thread, decoded in other processes."
        ),
        "",
        "| decoder | files | same symbols | largest difference of a pixel, levels | values that differ |",
        "| --- | --- | --- | --- | --- |",
        *(
            f"| {r['variant']} | {r['files']} | {r['same symbols']} | "
            + (
                r["error"].replace("\n", " ")
                if "error" in r
                else f"{r['largest difference']} | {100 * r['share of pixels']:.4f} %"
            )
            + " |"
            for r in rows
        ),
    ]
    text = "\n".join(lines) + "\n"
    print(text)
    if options.output:
        write_atomic(options.output.with_suffix(".md"), text)
        write_atomic(
            options.output.with_suffix(".json"), json.dumps({"machine": machine, "rows": rows}, indent=1) + "\n"
        )
    wrong = [row for row in rows if row["same symbols"] != row["files"]]
    wrong += [row for row in rows if row["variant"] != "bfloat16 autocast" and row.get("largest difference", 0) > 1]
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
