"""Speed of the codec, one thread, one run: encode and decode beside classic codecs, entropy coding beside CompressAI's.

    python benchmarks/codec.py [--model NAME] [--against NAME] [--compressai FOLDER] [-o results/compression/speed]

Another codec given by --against is timed in turns with the first, call by call.
CompressAI's coder is compared where FOLDER holds its unpacked wheel (`pip download --no-deps compressai`; installing
it would replace torch): its extension is driven as its `compress` and `decompress` do, tensors to lists and back
included, on the same latents.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import torch
from PIL import Image

from yoto import codec
from yoto.apps.codec import assembly, latents
from yoto.apps.codec import rate_distortion as evaluation
from yoto.apps.codec.format import chunks, container, tables
from yoto.apps.codec.format.coder import PythonCoder, decode_values, default, encode_values
from yoto.data import images
from yoto.data.photographs import BUNDLED
from yoto.support.files import write_atomic
from yoto.training.machine import describe_machine

QUALITY = 50.0
ROUNDS = 7


def seconds(work: Callable[[], Any], rounds: int = ROUNDS) -> float:
    """Median time of a call, after one that is not counted."""
    work()
    times = []
    for _ in range(rounds):
        begin = time.perf_counter()
        work()
        times.append(time.perf_counter() - begin)
    return median(times)


def in_turns(works: Sequence[Callable[[], Any]], rounds: int = ROUNDS) -> list[float]:
    """Median time of each call, all of them in every round, after a round that is not counted."""
    times: list[list[float]] = [[] for _ in works]
    for number in range(rounds + 1):
        for work, own in zip(works, times, strict=True):
            begin = time.perf_counter()
            work()
            if number:
                own.append(time.perf_counter() - begin)
    return [median(own) for own in times]


def extension(folder: Path) -> Any:
    """CompressAI's entropy coder, without the package around it."""
    (path,) = (folder / "compressai").glob("ans.*.so")
    spec = importlib.util.spec_from_file_location("ans", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def compressai_coder(
    folder: Path, symbols: np.ndarray, scales: torch.Tensor
) -> tuple[Callable[[], Any], Callable[[], Any]]:
    """CompressAI's way from latents to bytes and back: scale indexes by comparison, then lists for its coder."""
    ans = extension(folder)
    table = torch.tensor(tables.scales())
    cdfs, lengths, offsets = [], [], []
    for own in tables.normal_tables():
        # 16 bits; the last interval is the escape.
        count = len(own.frequencies) - 1
        mass = 2**16 - count - 1
        frequencies = np.floor(own.frequencies[:-1] / own.frequencies[:-1].sum() * mass).astype(int) + 1
        frequencies[int(np.argmax(frequencies))] += 2**16 - 1 - int(frequencies.sum())
        cdfs.append([0, *np.cumsum([*frequencies, 1]).tolist()])
        lengths.append(len(cdfs[-1]))
        offsets.append(own.lowest)
    values = torch.from_numpy(symbols.astype(np.int32))

    def indexes() -> torch.Tensor:
        found = scales.new_full(scales.size(), len(table) - 1).int()
        for bound in table[:-1]:
            found -= (scales <= bound).int()
        return found

    def encode() -> bytes:
        return ans.RansEncoder().encode_with_indexes(
            values.reshape(-1).int().tolist(), indexes().reshape(-1).int().tolist(), cdfs, lengths, offsets
        )  # type: ignore[no-any-return]

    data = encode()

    def decode() -> torch.Tensor:
        decoded = ans.RansDecoder().decode_with_indexes(
            data, indexes().reshape(-1).int().tolist(), cdfs, lengths, offsets
        )
        return torch.tensor(decoded, dtype=torch.int32).reshape(values.shape)

    assert torch.equal(decode(), values)
    return encode, decode


def entropy_rows(model: Any, picture: Any, folder: Path | None, name: str = "yoto") -> list[dict[str, Any]]:
    """Throughput of entropy coding on the latents of one picture."""
    header = chunks.header_of(picture, round(QUALITY * 2.55), model.fingerprint, 1024)
    contents = latents.encode(model, header, picture.pixels, default())
    rows, columns = header.grid
    hyper = np.zeros((len(model.integers.prior_mean[0]), rows, columns), np.int64)
    index = latents.hyper_index(model, header.level, hyper)
    hyper = decode_values(contents.hyper, index, model.integers.tables, default()).reshape(hyper.shape)
    index = latents.parameters(model, header.level, hyper, (0, rows, 0, columns)).table.numpy()
    flat = index.ravel()
    symbols = decode_values(contents.tiles[0], flat, model.integers.tables, default())
    found = []
    own, count = model.integers.tables, symbols.size / 1e6
    for title, coder in ((f"{name}, constriction", default()), (f"{name}, plain Python", PythonCoder())):
        payload = encode_values(symbols, flat, own, coder)
        encoding = seconds(lambda c=coder: encode_values(symbols, flat, own, c))
        decoding = seconds(lambda c=coder, p=payload: decode_values(p, flat, own, c))
        found.append({"coder": title, "encode": count / encoding, "decode": count / decoding, "bytes": len(payload)})
    if folder is not None:
        scales = torch.tensor(tables.scales())[torch.from_numpy(index).long()]
        encode, decode = compressai_coder(folder, symbols.reshape(index.shape), scales)
        found.append(
            {
                "coder": "CompressAI's path",
                "encode": count / seconds(encode),
                "decode": count / seconds(decode),
                "bytes": len(encode()),
            }
        )
    return found


def codec_rows(models: Mapping[str, Any], picture: Any) -> list[dict[str, Any]]:
    """Seconds to encode and decode one picture."""
    encodes, decodes = [], []
    for model in models.values():
        contents = container.parse(codec.compress(picture, quality=QUALITY, model=model))
        encodes.append(lambda m=model: codec.compress(picture, quality=QUALITY, model=m))
        decodes.append(lambda m=model, c=contents: assembly.pixels_of(c, m, default()))
    encoding, decoding = in_turns(encodes), in_turns(decodes)
    rows = [{"codec": n, "encode": e, "decode": d} for n, e, d in zip(models, encoding, decoding, strict=True)]
    for name, classic in evaluation.available().items():
        with tempfile.TemporaryDirectory() as place:
            path = Path(place) / f"x.{classic.format.lower()}"
            image = Image.fromarray(picture.pixels)
            quality = classic.qualities[len(classic.qualities) // 2]

            def encode(i=image, p=path, c=classic, q=quality) -> None:  # noqa: ANN001
                i.save(p, c.format, quality=q, **c.options)

            def decode(p=path) -> None:  # noqa: ANN001
                with Image.open(p) as opened:
                    opened.load()

            rows.append({"codec": name, "encode": seconds(encode), "decode": seconds(decode)})
    return rows


def process_seconds(file: Path, model: str | None) -> float:
    """`yoto compress` of one photograph, from the start of the process to its end."""
    with tempfile.TemporaryDirectory() as place:
        command = [sys.executable, "-m", "yoto", "compress", str(file), "-o", f"{place}/x.yoto", "--force"]
        command += ["--quality", f"{QUALITY:g}", *(["--model", model] if model else [])]
        return seconds(lambda: subprocess.run(command, check=True, capture_output=True), 5)  # noqa: S603 - our own


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model")
    parser.add_argument("--against", metavar="NAME", help="another codec, timed in turns with the first")
    parser.add_argument("--compressai", type=Path)
    parser.add_argument("-o", "--output", type=Path, help="write OUTPUT.md and OUTPUT.json")
    options = parser.parse_args()
    torch.set_num_threads(1)
    file = min(BUNDLED.glob("*.webp"))
    picture, models = images.read_picture(file), {"yoto": codec.load(options.model)}
    entropy = entropy_rows(models["yoto"], picture, options.compressai)
    if options.against:
        other = Path(options.against).stem
        models[other] = codec.load(options.against)
        entropy += entropy_rows(models[other], picture, None, other)
    result = {
        "machine": describe_machine(torch.device("cpu")),
        "picture": f"{file.stem}, {picture.pixels.shape[1]}x{picture.pixels.shape[0]}",
        "codecs": codec_rows(models, picture),
        "entropy": entropy,
        "process": process_seconds(file, options.model),
    }
    lines = [
        "# Speed of the codec",
        "",
        (
            f"One thread on {result['machine']['processor']}, {result['picture']}, quality {QUALITY:g}, "
            f"medians of {ROUNDS}."
        ),
        "",
        "| codec | encode, s | decode, s |",
        "| --- | --- | --- |",
        *(f"| {row['codec']} | {row['encode']:.3f} | {row['decode']:.3f} |" for row in result["codecs"]),
        "",
        "Entropy coding of the latents alone, in million symbols per second:",
        "",
        "| coder | encode | decode | bytes |",
        "| --- | --- | --- | --- |",
        *(
            f"| {row['coder']} | {row['encode']:.1f} | {row['decode']:.1f} | {row['bytes']:,} |"
            for row in result["entropy"]
        ),
        "",
        f"`yoto compress` of one photograph, process start to end: {result['process']:.2f} s.",
    ]
    text = "\n".join(lines) + "\n"
    print(text)
    if options.output:
        write_atomic(options.output.with_suffix(".md"), text)
        write_atomic(options.output.with_suffix(".json"), json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
