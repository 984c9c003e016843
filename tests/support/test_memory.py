"""Freed memory stays with a process that asked for it."""

import os
import subprocess
import sys

import pytest

FAULTS = """
import resource, sys
from yoto.support.memory import keep_freed
print(keep_freed() if sys.argv[1] == "keep" else None)
def faults(): return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for i in range(6):
    before = faults()
    kept = [bytes([1]) * 2**22 for _ in range(24)] + [bytes([1]) * 2**25]
    del kept
print(faults() - before)
"""


def output(mode, **more):
    environment = {k: v for k, v in os.environ.items() if not k.startswith("MALLOC_") and k != "LD_PRELOAD"}
    done = subprocess.run(
        [sys.executable, "-c", FAULTS, mode], capture_output=True, text=True, check=True, env=environment | more
    )
    taken, faults = done.stdout.split()
    return taken, int(faults)


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's settings")
def test_a_step_that_allocates_as_the_one_before_faults_no_more():
    taken, faults = output("keep")
    if taken == "False":
        pytest.skip("another C library")
    assert faults < 100 < 10_000 < output("leave")[1]


def test_settings_of_the_user_stay():
    assert output("keep", MALLOC_TRIM_THRESHOLD_="131072")[0] == "False"
