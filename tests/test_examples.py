"""The examples run as they stand, in seconds, and show what they promise."""

import os
import re
import subprocess
import sys
from pathlib import Path

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
