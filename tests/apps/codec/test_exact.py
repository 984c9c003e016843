"""The symbols do not depend on the processor's instructions, threads, memory format or batch; all of it is in
benchmarks/exactness.py, on real photographs.
"""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
import torch

from apps.codec.golden import DATA, GOLDEN
from yoto import codec
from yoto.apps.codec import latents
from yoto.apps.codec.format import container

DECODE = """
import json, sys, torch
torch.set_num_threads(int(sys.argv[2]))
torch.backends.mkldnn.enabled = sys.argv[3] == "1"
import numpy as np
from pathlib import Path
from yoto import codec
from yoto.apps.codec.format import container
from yoto.apps.codec.format.coder import PythonCoder, default
folder = Path(sys.argv[1])
model = codec.load(folder / "tiny.safetensors")
coder = PythonCoder() if sys.argv[4] == "python" else default()
out = {}
for file in sorted(folder.glob("*.yoto")):
    image = codec.decompress(file.read_bytes(), model=model, coder=coder)  # checks the CRC of all symbols
    out[file.stem] = np.asarray(image).astype(int).ravel().tolist()
print(json.dumps(out))
"""
MACHINES = {
    "avx2": {"ATEN_CPU_CAPABILITY": "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2", "MKL_ENABLE_INSTRUCTIONS": "AVX2"},
    "sse4": {"ATEN_CPU_CAPABILITY": "default", "ONEDNN_MAX_CPU_ISA": "SSE41", "MKL_ENABLE_INSTRUCTIONS": "SSE4_2"},
    "no oneDNN, two threads": {"mkldnn": "0", "threads": "2"},
    "python coder": {"coder": "python"},
}


@pytest.mark.parametrize("machine", MACHINES)
def test_golden_files_decode_the_same_on_other_machines(machine):
    settings = dict(MACHINES[machine])
    arguments = [settings.pop("threads", "1"), settings.pop("mkldnn", "1"), settings.pop("coder", "default")]
    process = subprocess.run(
        [sys.executable, "-c", DECODE, str(DATA), *arguments], capture_output=True, text=True, env=os.environ | settings
    )
    assert process.returncode == 0, process.stderr
    for name, pixels in json.loads(process.stdout).items():
        here = codec.decompress((DATA / f"{name}.yoto").read_bytes(), model=DATA / "tiny.safetensors")
        assert abs(np.asarray(here).astype(int).ravel() - pixels).max() <= 1
        assert name in GOLDEN


@pytest.mark.parametrize("name", ["rgb", "tiles"])
def test_symbols_do_not_depend_on_autocast(name):
    """Nor do means, steps and the weights of a level: what is left is the synthesis in half precision."""
    data, model = (DATA / f"{name}.yoto").read_bytes(), codec.load(DATA / "tiny.safetensors")
    expected = np.asarray(codec.decompress(data, model=model)).astype(int)
    model.plain.clear()  # baked anew
    with torch.autocast("cpu", torch.bfloat16):
        found = np.asarray(codec.decompress(data, model=model)).astype(int)
    assert abs(found - expected).max() <= 2
    model.plain.clear()
    assert np.array_equal(np.asarray(codec.decompress(data, model=model)), expected)


@torch.inference_mode()
def test_memory_format_batch_and_autocast_do_not_reach_the_parameters(tiny):
    contents = container.parse((DATA / "rgb.yoto").read_bytes())
    header, integers = contents.header, tiny.integers
    rows, columns = header.grid
    hyper = np.zeros((len(integers.prior_mean[0]), rows, columns), np.int64)
    index = latents.hyper_index(tiny, header.level, hyper)
    hyper = latents.decode_values(contents.hyper, index, integers.tables, latents_coder()).reshape(hyper.shape)
    z = integers.hyper_latents(torch.from_numpy(hyper), header.level)
    found = integers.parameters(z, header.level)

    with torch.autocast("cpu", torch.bfloat16):
        under = integers.parameters(z, header.level)
    strided = integers.parameters(z.movedim(0, -1).contiguous().movedim(-1, 0), header.level)
    for other in (under, strided):
        assert all(torch.equal(a, b) for a, b in zip(other, found, strict=True))
    x = torch.stack([z, z.flip(1)])
    for number, layer in enumerate(integers.layers):
        x = layer(x.contiguous(memory_format=torch.channels_last), header.level)
        x = torch.where(x < 0, (x * 0.125).floor(), x) if number < 2 else x
    assert torch.equal(x[0].chunk(2)[0].float() / 256, found.mean)


def latents_coder():
    from yoto.apps.codec.format.coder import default

    return default()
