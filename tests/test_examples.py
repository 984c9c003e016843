"""The examples run as they stand, in seconds, and show what they promise."""

import importlib
import json
import math
import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

import pytest
import torch

from yoto.bundle import read_header

EXAMPLES = Path(__file__).parent.parent / "examples"


def cpu_seconds():
    """CPU time of the processes that this one has waited for: other work on the machine does not count."""
    times = os.times()
    return times.children_user + times.children_system


def test_the_quickstart_prints_a_trade_off_and_checks_a_baked_network(tmp_path):
    begin = cpu_seconds()
    script = EXAMPLES / "quickstart.py"
    shown = subprocess.run([sys.executable, script], cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    assert cpu_seconds() - begin < 20
    rows = [[float(number) for number in row] for row in re.findall(r"^ +(\S+) +(\S+) +(\S+)$", shown, re.MULTILINE)]
    weights, fits, roughness = zip(*rows, strict=True)
    assert list(weights) == sorted(weights)
    assert list(fits) == sorted(fits)
    assert list(roughness) == sorted(roughness, reverse=True)
    assert roughness[0] > 10 * roughness[-1]
    (difference,) = re.findall(r"^baked at .* difference (\S+)$", shown, re.MULTILINE)
    assert float(difference) < 1e-5
    assert shown.endswith("the same outputs\n")
    assert len(script.read_text("utf-8").splitlines()) <= 100


def table(shown):
    """The columns of numbers that an example prints."""
    rows = [line.split() for line in shown.splitlines() if re.fullmatch(r" +[\d. ]+", line)]
    return [[float(number) for number in column] for column in zip(*rows, strict=True)]


def own_loop(folder):
    return subprocess.run(
        [sys.executable, EXAMPLES / "own_loop.py", folder], capture_output=True, text=True, check=True
    ).stdout


def test_a_loop_of_ones_own_trains_stops_resumes_chooses_polishes_and_saves(yoto, tmp_path):
    begin = cpu_seconds()
    shown = own_loop(tmp_path)
    assert cpu_seconds() - begin < 30
    weights, classification, reconstruction, accuracy = table(shown)
    assert weights == sorted(weights)
    assert reconstruction == sorted(reconstruction, reverse=True)
    assert classification[0] < 0.6 * classification[-1]
    assert accuracy[0] > accuracy[-1] + 0.1
    chosen = re.search(r"^chosen: weight (\S+), accuracy (\S+), as asked for$", shown, re.MULTILINE)
    weight, reached = map(float, chosen.groups())
    assert 0.1 < weight < 10  # between the curve's points, where the accuracy has just not left the bound
    assert 0.85 <= reached < 0.86
    before, after = map(float, re.search(r"^polished: loss (\S+) before, (\S+) after$", shown, re.MULTILINE).groups())
    assert after < 0.99 * before
    assert shown.endswith("the same outputs\n")
    assert own_loop(tmp_path).splitlines()[-1].endswith("the same outputs")
    header = read_header(tmp_path / "model.safetensors")
    assert header.directions == {"accuracy": "higher"}
    assert header.example is not None
    assert set(torch.load(tmp_path / "plain.pt", weights_only=True)) >= {"encoder.0.weight", "classifier.2.bias"}
    code, _, err = yoto("demo", tmp_path / "model.safetensors", "--check")  # its page needs neither task nor recipe
    assert code == 0
    assert "/api/model.json\n" in err


def test_a_loop_that_is_cut_off_goes_on_as_if_it_had_not_been(tmp_path):
    text, epochs = (EXAMPLES / "own_loop.py").read_text("utf-8"), "range(first, EPOCHS)"
    assert epochs in text
    text = text.replace("EPOCHS, PATIENCE, SIZE = 30,", "EPOCHS, PATIENCE, SIZE = 4,")
    outputs = []
    for name, ends in (("whole", (4,)), ("parts", (2, 4))):
        for end in ends:
            script = tmp_path / "script.py"
            script.write_text(text.replace(epochs, f"range(first, {end})"))
            run = [sys.executable, script, tmp_path / name]
            shown = subprocess.run(run, capture_output=True, text=True, check=True).stdout
        outputs.append(shown.replace("goes on after epoch 1\n", "").replace(str(tmp_path / name), ""))
    assert outputs[0] == outputs[1]


def test_a_loop_that_has_stopped_early_stays_so_when_it_is_run_again(tmp_path):
    text = (EXAMPLES / "own_loop.py").read_text("utf-8")
    worse = {"= 30, 4, 24": "= 30, 2, 24", "signals(4096": "signals(256", ".score()  #": ".score() + epoch  #"}
    for old, new in worse.items():
        assert old in text
        text = text.replace(old, new)
    (tmp_path / "script.py").write_text(text)
    run = [sys.executable, tmp_path / "script.py", tmp_path]
    first, second = (subprocess.run(run, capture_output=True, text=True, check=True).stdout for _ in range(2))
    stopped = re.search(r"^stopped after epoch (\d+): .*$", first, re.MULTILINE)
    assert int(stopped[1]) < 29
    assert second.splitlines()[:2] == [f"goes on after epoch {stopped[1]}", stopped[0]]


@pytest.mark.slow
def test_the_loop_on_two_processes_leaves_both_with_one_network():
    run = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", EXAMPLES / "ddp.py"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo", "CUDA_VISIBLE_DEVICES": ""}
    result = subprocess.run(run, env=environment, capture_output=True, text=True, check=True, timeout=300)
    assert "2 ranks, largest difference of their parameters 0\n" in result.stdout
    assert "LossStep" not in result.stderr  # no warning of a network outside of its wrapper
    rows = re.findall(r"^weight of size +(\S+) +fit (\S+) +size (\S+)$", result.stdout, re.MULTILINE)
    sizes = [float(size) for _, _, size in rows]
    assert len(sizes) == 5
    assert sizes[1:] == sorted(sizes[1:], reverse=True)
    assert sizes[0] > 1.5 * sizes[-1]


def test_the_lightning_module_trains_keeps_its_best_and_loads_it(tmp_path):
    pytest.importorskip("pytorch_lightning")
    script = [sys.executable, EXAMPLES / "lightning_module.py", tmp_path]
    shown = subprocess.run(script, capture_output=True, text=True, check=True).stdout
    weights = [float(weight) for weight in re.findall(r"weight of size +(\S+)", shown)]
    sizes = [float(size) for size in re.findall(r"size (\S+)$", shown, re.MULTILINE)]
    assert weights == sorted(weights)
    assert sizes[-1] < 0.8 * sizes[0]
    assert shown.endswith("Sequential\n")
    assert list(tmp_path.glob("best*.ckpt"))


DOMAINS = ("quantiles", "imbalance", "fairness", "robustness", "pinn", "denoising", "registration", "language")
SMOKE = """
import importlib, sys
sys.path.insert(0, sys.argv[1])
import common
for name in sys.argv[3:]:
    module = importlib.import_module(name)
    common.launch(name, name, module.experiment, module.report, ["--smoke", "-o", sys.argv[2]])
"""


def test_the_domain_examples_run_on_generated_data(tmp_path):
    """All in one process, which pays for its imports once."""
    begin, names = cpu_seconds(), [name for name in DOMAINS if name != "language" or find_spec("transformers")]
    run = [sys.executable, "-c", SMOKE, EXAMPLES, tmp_path, *names]
    environment = {**os.environ, "YOTO_DATA": str(tmp_path), "OMP_NUM_THREADS": "1"}
    shown = subprocess.run(run, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True).stdout
    assert cpu_seconds() - begin < 5 * len(names)
    for name in names:
        record = json.loads((tmp_path / f"{name}-smoke.json").read_text("utf-8"))["seeds"]["0"]
        assert all(ratio > 0 for ratio in record["ratios"].values())
        assert len(record["ratios"]) > 1
        text = (tmp_path / f"{name}-smoke.md").read_text("utf-8")
        assert text.strip() in shown
        assert "Smoke run on generated data." in text
        assert (tmp_path / f"{name}-smoke.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("name", DOMAINS)
def test_a_domain_example_is_short_and_says_which_files_it_lacks(name, tmp_path):
    text = (EXAMPLES / f"{name}.py").read_text("utf-8")
    assert len(text.splitlines()) <= 150
    assert re.search(r"[Ff]or your own", text.partition("\nimport")[0].replace("\n", " "))
    assert re.search(r"read_table\(|package_file\(", text) or name == "pinn"


def test_without_its_data_an_example_says_in_one_line_where_they_come_from(tmp_path):
    environment = {**os.environ, "YOTO_DATA": str(tmp_path)}
    script = [sys.executable, EXAMPLES / "imbalance.py", "-o", tmp_path]
    result = subprocess.run(script, env=environment, capture_output=True, text=True)
    assert result.returncode == 2
    assert result.stderr.startswith("imbalance: mammography.csv.gz should lie in the folder that YOTO_DATA names")
    assert result.stderr.count("\n") == 1


@pytest.mark.slow
@pytest.mark.parametrize("name", ["quantiles", "imbalance", "denoising"])
@pytest.mark.filterwarnings("ignore:condition")
def test_a_reduced_run_of_a_domain_example_is_near_separate_networks(name, tmp_path, monkeypatch):
    """On the generated stand-in, and for a tenth of the steps or so."""
    monkeypatch.syspath_prepend(EXAMPLES)
    monkeypatch.chdir(tmp_path)
    module = importlib.import_module(name)
    load = module.load
    monkeypatch.setattr(module, "load", lambda *given: load(*given[:-1], True))
    if name == "quantiles":
        monkeypatch.setattr(module, "FILES", {"power-plant": ()})
    monkeypatch.setattr(module, "STEPS", {"denoising": 60}.get(name, 150))
    found = module.experiment(0, smoke=False)
    ratios = list(found["ratios"].values())
    assert found["steers"]
    assert 0.3 < math.prod(ratios) ** (1 / len(ratios)) < 1.5
    paragraphs, _ = module.report([found])
    assert paragraphs[0]


def test_settings_are_tried_on_validation_data_alone(tmp_path, monkeypatch, capsys):
    """One line for each setting; what is no setting, or is to be tried on test data, is refused."""
    monkeypatch.syspath_prepend(EXAMPLES)
    module = ModuleType("toy")
    module.LR = 0.01

    def experiment(seed, smoke, validation=False):
        assert validation
        return {"columns": {"loss": [[module.LR, 4.0], [0.02, 2.0]]}, "metrics": []}

    experiment.__module__ = "toy"
    monkeypatch.setitem(sys.modules, "toy", module)

    def launch(*arguments):
        importlib.import_module("common").launch("toy", "Toy", experiment, None, [*arguments, "-o", str(tmp_path)])

    launch("--validation", "--set", "LR=0.01")
    launch("--validation", "--set", "LR=0.16")
    rows = (tmp_path / "settings/toy.md").read_text("utf-8").splitlines()
    assert "| LR=0.01 | 1 | 0.2 | 0.2 | 1.000 |" in rows
    assert "| LR=0.16 | 1 | 0.2 | 0.8 | 4.000 |" in rows
    for arguments, message in (
        (["--set", "LR=0.02"], "--set should come with --validation"),
        (["--validation", "--set", "RATE=1"], "--set should name one of LR. Found 'RATE'."),
        (["--validation", "--set", "LR=fast"], "--set LR should have a Python literal, such as 0.01. Found 'fast'."),
    ):
        with pytest.raises(SystemExit) as stopped:
            launch(*arguments)
        assert stopped.value.code == 2
        assert message in capsys.readouterr().err


def test_the_gallery_quotes_the_results(monkeypatch):
    monkeypatch.syspath_prepend(EXAMPLES)
    table = importlib.import_module("common").gallery(EXAMPLES.parent / "results/examples")
    page = (EXAMPLES.parent / "docs/examples.md").read_text("utf-8")
    assert table in page
    readme = (EXAMPLES.parent / "README.md").read_text("utf-8")
    (mean,) = re.findall(r"all, geometric mean .*? ([\d.]+) ", table.replace("|", ""))
    assert f"{mean} times" in " ".join(readme.split())
    for name in re.findall(r"^\| (\w+) \| \d", table, re.MULTILINE):
        assert f"results/examples/{name}.png" in page
        assert f"results/examples/{name}.md" in page
