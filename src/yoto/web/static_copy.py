"""A copy of the pages for any web host: files alone, with networks that run in the browser."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from yoto import bundle
from yoto.apps.style.page import Style
from yoto.apps.vae.page import Autoencoders, examples, strip
from yoto.errors import YotoError
from yoto.space import Fixed, LossSpace
from yoto.support.files import write_atomic
from yoto.web import site, uploads

PAGES = ("style", "vae")
VENDOR = site.STATIC / "vendor"
"""What `make web` fetched."""
RUNTIME = ("ort.wasm.min.mjs", "ort-wasm-simd-threaded.mjs", "ort-wasm-simd-threaded.wasm")
LICENCE = "onnxruntime-web.LICENSE.txt"
KINDS = (".css", ".js", ".svg")
"""Of the static files that are copied as they are."""
WITHOUT = ("js/model.js",)
"""Scripts of pages that need a server."""
QUALITY = 92
"""Of the sample pictures as JPEG."""
METHODS = ("encode", "decode")


class Copy:
    """A folder that is being filled.

    Attributes:
        names: Paths of its files, relative to it, in the order of writing.
        size: Their bytes in all.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.names: list[str] = []
        self.size = 0

    def put(self, name: str, data: bytes | str) -> None:
        """Write a file whole."""
        content = data.encode() if isinstance(data, str) else data
        write_atomic(self.folder / name, content)
        self.names.append(name)
        self.size += len(content)

    def put_json(self, name: str, data: Any) -> None:
        """Write JSON that browsers read: without NaN and infinities."""
        self.put(name, json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":")))


def write(folder: Path) -> Copy:
    """Write a copy of the pages of style transfer and of the β-VAE into a folder.

    Raises:
        YotoError: If the run time for browsers or onnx is missing, or the folder cannot be written to.
    """
    refuse_incomplete()
    copy = Copy(folder)
    for name in PAGES:
        copy.put(f"{name}.html", site.page(name, PAGES, mode="static"))
    copy.put("index.html", site.page(PAGES[0], PAGES, mode="static"))
    put_files(copy)
    put_samples(copy)
    put_style(copy, Style())
    put_vae(copy, Autoencoders())
    return copy


def refuse_incomplete() -> None:
    """Refuse to begin where something is missing that the copy needs."""
    missing = [name for name in (*RUNTIME, LICENCE) if not (VENDOR / name).is_file()]
    if missing:
        raise YotoError(
            f"A copy of the page needs onnxruntime-web: {str(VENDOR)!r} should hold {', '.join(missing)}. Found no "
            "such file. Run make web in a checkout of yoto."
        )
    lacking = [name for name in ("onnx", "onnxscript") if find_spec(name) is None]
    if lacking:
        raise YotoError(
            f"A copy of the page needs {' and '.join(lacking)}. Found none. Install it with pip install 'yoto[onnx]'."
        )


def put_files(copy: Copy) -> None:
    """Scripts, style sheet, icon, and the run time."""
    for path in sorted(site.STATIC.rglob("*")):
        name = path.relative_to(site.STATIC).as_posix()
        if path.suffix in KINDS and name not in WITHOUT and not name.startswith("vendor/"):
            copy.put(name, path.read_bytes())
    for name in PAGES:
        copy.put(f"js/{name}.js", (site.OWN[name] / "page.js").read_bytes())
    for name in (*RUNTIME, LICENCE):
        copy.put(f"vendor/{name}", (VENDOR / name).read_bytes())


def put_samples(copy: Copy) -> None:
    """The sample pictures and their thumbnails."""
    copy.put_json("api/samples.json", site.samples())
    for name in uploads.samples():
        copy.put(f"api/samples/{name}.jpg", site.sample_thumbnail(name))
        picture = uploads.encoded(uploads.sample(name).pixels, "JPEG", quality=QUALITY)
        copy.put(f"api/pictures/{uploads.SAMPLE}{name}.jpg", picture)


def put_style(copy: Copy, page: Style) -> None:
    """The facts, thumbnails and network of style transfer."""
    from yoto.apps.style.painting.tiles import SMALLEST

    data = style_network(page)
    graph = parsed(data).graph
    channels = next(i for i in graph.input if i.name == "statistics").type.tensor_type.shape.dim[1].dim_value
    network = {
        "file": "models/style.onnx", "outputs": [o.name for o in graph.output], "fixed": fixed(page.bank.space),
        "channels": channels, "smallest": SMALLEST,
    }  # fmt: skip
    copy.put(network["file"], data)
    copy.put_json("api/style.json", page.info() | {"network": network})
    for style in page.bank.styles:
        thumbnail = page.thumbnail(style.name)
        if thumbnail is not None:
            copy.put(f"api/styles/{style.name}.jpg", thumbnail)


def style_network(page: Style) -> bytes:
    """The network of style transfer as ONNX: the file beside the model where it belongs to it, else a new one."""
    path, own = page.bank.network(), page.bank.header.path
    if path is not None:
        data = path.read_bytes()
        if any(p.key == "bundle" and p.value == bundle.sha256(own) for p in parsed(data).metadata_props):
            return data
    from yoto.apps.style.painting import onnx

    with tempfile.TemporaryDirectory() as folder:
        return onnx.write(own, Path(folder) / "network.onnx").read_bytes()


def put_vae(copy: Copy, page: Autoencoders) -> None:
    """The facts, networks and examples of the β-VAEs."""
    info = page.info()
    for facts in info["models"]:
        name = facts["model"].removeprefix("vae/").replace("/", "-")
        loaded = page.ready(facts["model"])
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


def vae_networks(model: Any, task: Any) -> dict[str, bytes]:
    """Encoder and decoder as ONNX with λ [B, D] as the last input.

    Weights are stored in half precision where they are many, as the bundle stores them.
    """
    from yoto.export import export, halve, strip

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


def fixed(space: LossSpace) -> Mapping[str, float]:
    """Values of the constant columns of λ."""
    return {name: p.value for name, p in space.parameters.items() if isinstance(p, Fixed)}


def parsed(data: bytes) -> Any:
    """An ONNX model from its bytes."""
    import onnx

    return onnx.load_from_string(data)
