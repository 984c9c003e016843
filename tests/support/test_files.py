"""Files are written whole or not at all, and what is replaced keeps what its owner gave it."""

import errno
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from yoto.support import files
from yoto.support.files import atomic, write_atomic

POSIX = pytest.mark.skipif(os.name == "nt", reason="POSIX files")


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


@POSIX
@pytest.mark.parametrize("given", [0o600, 0o640, 0o666, 0o444])
def test_a_replaced_file_keeps_its_mode(tmp_path, given):
    file = tmp_path / "a.png"
    write_atomic(file, "old")
    assert mode(file) == 0o666 & ~files_umask()
    file.chmod(given)
    write_atomic(file, "new")
    assert (file.read_text(), mode(file)) == ("new", given)


def files_umask():
    umask = os.umask(0)
    os.umask(umask)
    return umask


@POSIX
@pytest.mark.parametrize("there", [True, False])
def test_of_a_link_the_target_is_replaced(tmp_path, there):
    (tmp_path / "store").mkdir()
    if there:
        (tmp_path / "store/real").write_text("old")
    (tmp_path / "link").symlink_to("store/real")
    write_atomic(tmp_path / "link", "new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "store/real").read_text() == "new"
    assert [path.name for path in (tmp_path / "store").iterdir()] == ["real"]


def test_the_longest_names_are_written(tmp_path):
    for name in ("n" * 251 + ".png", "n" * 255, "a." + "s" * 253):
        write_atomic(tmp_path / name, name)
        assert (tmp_path / name).read_text() == name


@POSIX
def test_a_device_is_written_to(tmp_path):
    write_atomic("/dev/null", "nothing")
    assert stat.S_ISCHR(Path("/dev/null").stat().st_mode)
    assert not files.is_device(tmp_path)
    assert not files.is_device(tmp_path / "none")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device that is full")
def test_a_full_disk_names_the_file(tmp_path):
    with pytest.raises(OSError, match="No space left on device") as caught:
        write_atomic("/dev/full", "x" * 100_000)
    assert caught.value.filename == "/dev/full"
    for named in (None, "temporary"):
        with pytest.raises(OSError, match="No space") as caught, atomic(tmp_path / "a.png") as temporary:
            raise OSError(errno.ENOSPC, "No space left on device", *([str(temporary)] if named else []))
        assert caught.value.filename == str(tmp_path / "a.png")
    assert not list(tmp_path.iterdir())


def test_a_process_that_ends_in_the_middle_can_leave_nothing(tmp_path):
    code = (
        "import os, sys; from yoto.support import files\n"
        "with files.atomic(sys.argv[1]) as temporary:\n"
        "    temporary.write_text('half'); files.discard_unfinished(); os._exit(130)"
    )
    assert subprocess.run([sys.executable, "-c", code, str(tmp_path / "a")]).returncode == 130
    assert not list(tmp_path.iterdir())
