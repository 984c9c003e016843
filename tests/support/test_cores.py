"""Forked children compute, whatever their parent computed before."""

import subprocess
import sys
import textwrap

import pytest

CHILD = """
    import multiprocessing, os
    import torch

    from yoto import bundle

    torch.set_num_threads(2)
    net = torch.nn.Conv2d(16, 16, 3)
    images = torch.rand(4, 16, 128, 128)

    def work(loaded):
        net(images)
        print(loaded, torch.get_num_threads(), flush=True)
        os._exit(0)

    work_of_parent = net(images)
    bundle.load("vae/fashion-mnist")
    child = multiprocessing.get_context("fork").Process(target=work, args=("child",))
    child.start()
    child.join(20)
    print("alive" if child.is_alive() else "ended", torch.get_num_threads(), flush=True)
    child.kill()
"""


@pytest.mark.skipif(not hasattr(__import__("os"), "register_at_fork"), reason="this system does not fork")
def test_a_forked_child_computes_on_one_thread():
    found = subprocess.run([sys.executable, "-c", textwrap.dedent(CHILD)], capture_output=True, text=True, timeout=60)
    assert found.stdout.split() == ["child", "1", "ended", "2"], found.stderr
