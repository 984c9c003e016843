"""Resumable state on disk: safetensors shards beside a state.json that names and checks them."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from yoto.errors import YotoError
from yoto.support.files import write_atomic

FORMAT = 1
LIMIT = 15 * 2**20


def save_checkpoint(folder: Path, tensors: Mapping[str, Tensor], state: Mapping[str, Any]) -> None:
    """Write a checkpoint that takes the place of the one in `folder` in a single rename.

    The shards get names that no earlier checkpoint has, then state.json is replaced, then the shards that it does
    not name are removed: whenever the process dies, state.json names complete shards. Each shard is smaller than
    16 MiB; a tensor above that is cut along its flattened values.

    Args:
        folder: Made where it does not exist.
        tensors: Any shapes, dtypes and devices.
        state: What JSON can hold; must have the key "step".

    Raises:
        YotoError: If the folder cannot be written to.
    """
    from safetensors.torch import save

    shards, layout = split(tensors)
    described: dict[str, Any] = {}
    for number, shard in enumerate(shards):
        data = save(shard)
        digest = hashlib.sha256(data).hexdigest()
        name = f"{state['step']:08d}-{number:02d}-{digest[:8]}.safetensors"
        write_atomic(folder / name, data)
        described[name] = {"sha256": digest, "bytes": len(data)}
    body = {"format": FORMAT, **state, "shards": described, "tensors": layout}
    write_atomic(folder / "state.json", json.dumps({**body, "sha256": digest_of(body)}) + "\n")
    for path in folder.glob("*.safetensors"):
        if path.name not in described:
            path.unlink(missing_ok=True)


def load_checkpoint(folder: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The tensors (on the CPU) and the state of the checkpoint in `folder`.

    Raises:
        YotoError: If there is none, or if anything in it differs from what was written.
    """
    from safetensors.torch import load

    state = load_state(folder)
    pieces: dict[str, Tensor] = {}
    for name, described in state["shards"].items():
        try:
            data = (folder / name).read_bytes()
        except OSError as error:
            raise damaged(folder / name, error.strerror or "no file") from None
        if hashlib.sha256(data).hexdigest() != described["sha256"]:
            raise damaged(folder / name, f"other contents ({len(data):,} of {described['bytes']:,} bytes)")
        pieces.update(load(data))
    tensors = {}
    for name, (shape, count) in state["tensors"].items():
        flat = [pieces[f"{name}@{number}"] for number in range(count)]
        tensors[name] = (flat[0] if count == 1 else torch.cat(flat)).reshape(shape)
    return tensors, state


def load_state(folder: Path) -> dict[str, Any]:
    """The checked contents of the state.json in `folder`, without reading any tensor."""
    path = folder / "state.json"
    try:
        state: dict[str, Any] = json.loads(path.read_bytes())
        digest = state.pop("sha256")
    except OSError as error:
        raise YotoError(
            f"{str(folder)!r} should hold a checkpoint. Found: {error.strerror} for state.json. "
            "Usually: the run was stopped before its first checkpoint; start it anew."
        ) from None
    except (ValueError, KeyError, AttributeError, TypeError):
        raise damaged(path, "no complete JSON object") from None
    if state.get("format") != FORMAT:
        raise YotoError(f"{str(path)!r} should be of format {FORMAT}. Found {state.get('format')!r}.")
    if digest_of(state) != digest:
        raise damaged(path, "contents that do not match their own checksum")
    return state


def split(tensors: Mapping[str, Tensor]) -> tuple[list[dict[str, Tensor]], dict[str, tuple[list[int], int]]]:
    """Flattened pieces in shards of at most `LIMIT` bytes, and shape and number of pieces of every tensor."""
    shards: list[dict[str, Tensor]] = [{}]
    layout: dict[str, tuple[list[int], int]] = {}
    used = 0
    for name, tensor in tensors.items():
        flat = tensor.detach().to("cpu").reshape(-1)
        length = max(1, LIMIT // max(1, flat.element_size()))
        count = max(1, math.ceil(flat.numel() / length))
        layout[name] = (list(tensor.shape), count)
        for number in range(count):
            piece = flat[number * length : (number + 1) * length].clone()
            size = piece.numel() * piece.element_size()
            if used + size > LIMIT and shards[-1]:
                shards.append({})
                used = 0
            shards[-1][f"{name}@{number}"] = piece
            used += size
    return shards, layout


def digest_of(body: Mapping[str, Any]) -> str:
    """SHA-256 of the JSON form of `body` in a canonical spelling."""
    return hashlib.sha256(json.dumps(body, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def damaged(path: Path, found: str) -> YotoError:
    """The error for a file that is not what was written."""
    return YotoError(
        f"{str(path)!r} should be as it was written. Found {found}. "
        "Usually: a damaged or partial copy; copy the whole run again, or start it anew."
    )
