"""Safetensors files that carry a SHA-256 of themselves, so that a damaged one is refused.

The header is JSON and is read without torch. Nothing in a file is executed or imported.
"""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from yoto.errors import YotoError

if TYPE_CHECKING:
    from torch import Tensor, nn

LARGEST_HEADER = 16 * 2**20
EXTRA_STATE = "_extra_state"
"""How the keys of what `get_extra_state` returns end."""


def read_header(path: Path) -> tuple[dict[str, Any], int]:
    """The safetensors header as a mapping and where the tensor data starts; refuses damaged files."""
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            start = file.read(8)
            length = struct.unpack("<Q", start)[0] if len(start) == 8 else -1
            if not 2 <= length <= min(LARGEST_HEADER, size - 8):
                raise YotoError(f"{str(path)!r} should be a .safetensors file. Found {size} bytes without its header.")
            header = json.loads(file.read(length))
            ends = [t["data_offsets"][1] for n, t in header.items() if n != "__metadata__"]
    except OSError as error:
        raise YotoError(f"{str(path)!r} cannot be read: {error.strerror}.") from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        if isinstance(error, YotoError):
            raise
        raise YotoError(f"{str(path)!r} should be a .safetensors file. Found a damaged header.") from None
    if 8 + length + max(ends, default=0) != size:
        raise YotoError(
            f"{str(path)!r} is damaged: it should have {8 + length + max(ends, default=0)} bytes. Found {size}."
        )
    return header, 8 + length


def halved(value: Tensor) -> Tensor:
    """float32 as float16, unless a number is beyond its range; other tensors as they are."""
    import torch

    narrow = value.half() if value.dtype == torch.float32 else value
    return narrow if bool(narrow.isfinite().all()) else value


def only(state: Mapping[str, Any]) -> dict[str, Tensor]:
    """The tensors of a `state_dict`; some networks put other objects beside them."""
    from torch import Tensor

    return {name: value for name, value in state.items() if isinstance(value, Tensor)}


def extra_state(state: Mapping[str, Any]) -> dict[str, Any]:
    """What modules keep beside tensors and ask back (`get_extra_state`), JSON-able; other objects are the class's own.

    Raises:
        YotoError: If it cannot be written as JSON.
    """
    tensors = only(state)
    result = {n: value for n, value in state.items() if n not in tensors and n.endswith(EXTRA_STATE)}
    for name, value in result.items():
        try:
            same = json.loads(json.dumps(value)) == value
        except (TypeError, ValueError):
            same = False
        if not same:
            raise YotoError(
                f"A bundle holds tensors and JSON. Found a {type(value).__name__} as {name!r} of the network's state. "
                "Usually: let get_extra_state() return a tensor, numbers or text."
            )
    return result


def check_dense(name: str, tensor: Tensor) -> None:
    """Refuse a tensor that safetensors cannot hold: sparse, quantised, or of complex numbers in double precision."""
    import torch

    if tensor.layout != torch.strided or tensor.is_quantized or tensor.dtype == torch.complex128:
        kind = "quantised" if tensor.is_quantized else str(tensor.layout).removeprefix("torch.")
        raise YotoError(
            f"A bundle holds dense tensors of a type that safetensors has. Found {tensor.dtype}, {kind}, as {name!r} "
            "of the network's state. Usually: register_buffer(…, persistent=False), where the network makes it anew."
        )


def packed(state: Mapping[str, Any], metadata: Mapping[str, str]) -> bytes:
    """Tensors and metadata as the bytes of a safetensors file; a `sha256` of everything joins the metadata.

    Raises:
        YotoError: If it cannot hold a tensor.
    """
    import torch
    from safetensors.torch import save as serialise

    tensors = {}
    for name, tensor in state.items():
        check_dense(name, tensor)
        tensors[name] = tensor.detach().cpu().clone(memory_format=torch.contiguous_format)
    plain = serialise(tensors, dict(metadata))
    (length,) = struct.unpack("<Q", plain[:8])
    header, data = json.loads(plain[8 : 8 + length]), plain[8 + length :]
    # The library writes metadata in an order of its own; written in ours, equal models give equal files.
    header["__metadata__"] = {**metadata, "sha256": digest(header, data)}
    text = json.dumps(header, sort_keys=True, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + data


def digest(header: Mapping[str, Any], data: bytes) -> str:
    """SHA-256 of a file: its header in canonical form, without the hash itself, and its tensor data."""
    metadata = {k: v for k, v in header.get("__metadata__", {}).items() if k != "sha256"}
    canonical = json.dumps({**header, "__metadata__": metadata}, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode() + data).hexdigest()


def read_checked(path: Path, header: Mapping[str, Any], start: int) -> bytes:
    """The bytes of a file.

    Raises:
        YotoError: If they do not have the hash that they were written with.
    """
    data = path.read_bytes()
    if digest(header, data[start:]) != (header.get("__metadata__") or {}).get("sha256"):
        raise YotoError(
            f"{str(path)!r} is damaged: it does not have the SHA-256 it was written with. Get the file anew."
        )
    return data


def widen(model: nn.Module, state: Mapping[str, Tensor]) -> None:
    """Give a model double precision where its weights in a file have it; as a whole, buffers too, where all have."""
    import torch

    own = {name: each for name, each in model.named_parameters(remove_duplicate=False) if each.is_floating_point()}
    wide = [each for name, each in own.items() if name in state and state[name].dtype == torch.float64]
    if len(wide) == len(own):
        model.double()
    for parameter in wide:
        parameter.data = parameter.data.double()


SHOWN = 3
"""Parameters that do not fit which a message names."""


def restore(model: nn.Module, state: Mapping[str, Any], source: str) -> None:
    """Load weights into a model, or say in one line which do not fit."""
    whole = model.state_dict()
    own = {name: value for name, value in whole.items() if name.endswith(EXTRA_STATE)} | only(whole)
    odd = [
        f"{name!r} is {list(state[name].shape)} there and {list(tensor.shape)} in the network"
        for name, tensor in only(own).items()
        if name in state and tensor.shape != state[name].shape
    ]
    odd += [f"{name!r} is not in the file" for name in own if name not in state]
    odd += [f"{name!r} is not in the network" for name in state if name not in own]
    if odd:
        net = type(getattr(model, "plain", model)).__name__
        more = f", and {len(odd) - SHOWN} more" if len(odd) > SHOWN else ""
        raise YotoError(
            f"{source!r} should hold weights of this network, a {net}. {len(odd)} do not fit: "
            f"{', '.join(odd[:SHOWN])}{more}. Usually: another network, recipe or version of it."
        )
    model.load_state_dict(dict(state))
