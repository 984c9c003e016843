"""The benchmark over other libraries' networks: every row is known; what was not compared is not done."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from networks.report import STAGES

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def benchmark():
    spec = importlib.util.spec_from_file_location("networks_benchmark", ROOT / "benchmarks" / "networks.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def makers(monkeypatch, benchmark):
    monkeypatch.setattr(sys, "path", [*sys.path, str(ROOT)])
    return {name: importlib.import_module(f"benchmarks.{module}") for name, module in benchmark.MAKERS.items()}


def test_every_row_has_a_configuration(benchmark, makers):
    rows = benchmark.listed()
    assert len(rows) == 234
    assert len({benchmark.key(row) for row in rows}) == 234
    for row in rows:
        known = {"monai": "MAKE", "misc": "MAKE", "diffusers": "CONFIGS"}.get(row["package"])
        assert known is None or row["network"] in getattr(makers[row["package"]], known), row


def done(**changes):
    stages = {name: {"status": "ok", "value": 0.0, "note": ""} for name in STAGES}
    layers = {"called": 10, "sites": 9, "before": 1, "constant": [], "missing": []}
    return {"stages": stages | changes, "layers": layers, "error": ""}


def test_a_row_is_done_only_when_every_stage_was_compared(benchmark):
    assert benchmark.classified(done()) == "everything"
    for name in STAGES:
        row = done()
        del row["stages"][name]
        assert benchmark.classified(row) == "time"
        assert name in benchmark.reason(row)
        for status in ("wrong", "failed", "refused", "unchecked"):
            row = done(**{name: {"status": status, "value": None, "note": "because"}})
            assert benchmark.classified(row) == status
            assert benchmark.reason(row) == f"{name}: because"


def test_a_row_with_few_sites_or_no_network_is_not_done(benchmark):
    few = done() | {"layers": {"called": 10, "sites": 5, "before": 1, "constant": [], "missing": ["a", "b", "c", "d"]}}
    assert benchmark.classified(few) == "few layers"
    assert benchmark.classified({"error": "ImportError: no"}) == "not built"
    assert benchmark.classified({"stages": {}}) == "time"


SMALL = [
    "BertModel",
    "BertForMaskedLM (tied)",
    "DistilBertModel",
    "DebertaV2Model",
    "LongformerModel",
    "FNetModel",
    "PerceiverModel",
    "SqueezeBertModel",
    "GPT2Model (Conv1D)",
    "GPT2LMHeadModel (tied)",
    "GPTNeoXForCausalLM",
    "OPTForCausalLM",
    "BloomForCausalLM",
    "LlamaForCausalLM",
    "Gemma3ForCausalLM",
    "MixtralForCausalLM (MoE)",
    "MambaForCausalLM",
    "RwkvForCausalLM",
    "T5ForConditionalGeneration (tied)",
    "BartForConditionalGeneration (tied)",
    "ViTModel",
    "BeitModel",
    "ViTMAEForPreTraining",
    "DINOv3ViTModel",
    "SwinModel",
    "SegformerForSemanticSegmentation",
    "ConvNextModel",
    "ConvNextV2Model",
    "ResNetModel",
    "WhisperModel",
]
"""Rows of networks.csv that take a few seconds each."""
PACKAGES = os.environ.get("YOTO_PACKAGES", "")
"""A folder that transformers is installed in, where the environment has none."""


@pytest.mark.slow
def test_thirty_small_networks_of_transformers_do_everything(tmp_path, benchmark):
    """Skipped without transformers, which the project does not need."""
    if importlib.util.find_spec("transformers") is None and not PACKAGES:
        pytest.skip("transformers is not installed; YOTO_PACKAGES may name a folder that it is in")
    asked = ["--only", f"^hf/({'|'.join(map(re.escape, SMALL))})$", "--no-exports", "-o", str(tmp_path / "rows")]
    asked += ["--packages", PACKAGES] if PACKAGES else []
    command = [sys.executable, str(ROOT / "benchmarks" / "networks.py"), *asked]
    subprocess.run(command, check=True, capture_output=True, timeout=3000)
    rows = json.loads((tmp_path / "rows.json").read_text("utf-8"))
    assert len(rows) == len(SMALL) == 30
    assert {
        benchmark.key(row): benchmark.reason(row) for row in rows if benchmark.classified(row) != "everything"
    } == {}
