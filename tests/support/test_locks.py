"""A lock on a folder ends with its process."""

import subprocess
import sys

import pytest

from yoto.errors import YotoError
from yoto.support.locks import alone_in, check_free

HOLD = "import sys, time; from pathlib import Path; from yoto.support.locks import alone_in\n"
HOLD += "with alone_in(Path(sys.argv[1])): print('held', flush=True); time.sleep(60)"


@pytest.fixture
def holder(tmp_path):
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.communicate()


def test_who_comes_second_is_refused_until_the_first_is_gone(tmp_path, holder):
    for attempt in (alone_in(tmp_path).__enter__, lambda: check_free(tmp_path)):
        with pytest.raises(YotoError, match="nobody else works in"):
            attempt()
    holder.kill()  # SIGKILL: nothing of it can clean up
    holder.wait()
    check_free(tmp_path)
    with alone_in(tmp_path), pytest.raises(YotoError), alone_in(tmp_path):
        pass
    assert not list(tmp_path.iterdir())


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(YotoError, match="can be written to"), alone_in(tmp_path / "file" / "run"):
        pass
