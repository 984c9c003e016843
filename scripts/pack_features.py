"""Write the layers of EfficientNet-Lite0 that style is measured by as one small file, to carry to another machine.

    python scripts/pack_features.py runs/lite0.safetensors

Half precision, about a megabyte; `yoto train style/bank weights=FILE` reads it in place of the package.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from safetensors.torch import save

from yoto.apps.style.features.interface import package_file
from yoto.apps.style.features.lite0 import LITE0_FILE, Lite0
from yoto.support.files import write_atomic


def main() -> None:
    """Keep the stem and the blocks in use."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("output", type=Path)
    options = parser.parse_args()
    state = torch.load(package_file(*LITE0_FILE), map_location="cpu", weights_only=True)
    wanted = ("_conv_stem.", "_bn0.", *(f"_blocks.{i}." for i in range(len(Lite0.strides))))
    kept = {n: t.half() if t.is_floating_point() else t for n, t in state.items() if n.startswith(wanted)}
    write_atomic(options.output, save({n: t.contiguous() for n, t in kept.items()}))
    print(f"{options.output}: {options.output.stat().st_size / 2**20:.2f} MiB")


if __name__ == "__main__":
    main()
