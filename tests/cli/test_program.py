"""Help, version, exit codes, and errors as one line."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path
from unittest.mock import Mock

import pytest

import yoto as package
from yoto.cli import program
from yoto.errors import YotoError

COMMANDS = ["train", "sweep", "compare", "models", "export", "reconstruct", "sample"]


def test_version(yoto):
    assert yoto("--version") == (0, f"yoto {package.__version__}\n", "")


@pytest.mark.parametrize("arguments", [[], ["--help"], ["-h"]])
def test_help_lists_every_command(yoto, arguments):
    code, out, err = yoto(*arguments)
    assert (code, err) == (0, "")
    assert all(f"  {command} " in out for command in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(yoto, command):
    code, out, err = yoto(command, "--help")
    assert (code, err) == (0, "")
    assert out.startswith(f"Usage: yoto {command}")


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["trian"], "yoto: No such command 'trian'. Did you mean 'train'?; see yoto --help"),
        (["--nothing"], "yoto: No such option: --nothing; see yoto --help"),
        (["train"], "yoto train: Missing argument 'RECIPE'; see yoto train --help"),
        (["sample", "--bta", "4"], "yoto sample: No such option: --bta"),
        (["train", "vae/digits", "--devices", "0"], "yoto train: Invalid value for '--devices'"),
        (["sweep"], "yoto sweep: Missing argument 'RUN|MODEL'; see yoto sweep --help"),
        (["models", "extra"], "yoto models: Got unexpected extra argument"),
    ],
)
def test_a_usage_error_is_one_line_that_points_to_the_help(yoto, arguments, expected):
    code, out, err = yoto(*arguments)
    assert (code, out) == (2, "")
    assert err.startswith(expected)
    assert err.count("\n") == 1
    assert err.rstrip().endswith("--help")


def failing(error):
    """Raises an error, out of no file that is the user's."""
    return Mock(side_effect=error)


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (YotoError("`x` should be\n1. Found 2."), 2, "yoto models: `x` should be 1. Found 2."),
        (OSError(28, "No space left on device", "a.png"), 1, "yoto models: a.png: No space left on device"),
        (KeyboardInterrupt(), 130, "yoto models: interrupted"),
        (
            ZeroDivisionError("division\nby zero"),
            1,
            "yoto: internal error: ZeroDivisionError: division by zero; YOTO_DEBUG=1 prints the traceback",
        ),
    ],
)
def test_errors_inside_a_command(yoto, monkeypatch, error, code, line):
    monkeypatch.setattr("yoto.bundle.listing", failing(error))
    outcome = yoto("models")
    assert outcome.code == code
    assert outcome.out == ""
    assert outcome.err.count("\n") <= 1
    assert outcome.err.strip() == line


@pytest.mark.parametrize("how", ["option", "environment"])
def test_debug_prints_the_traceback(yoto, monkeypatch, how):
    monkeypatch.setattr("yoto.bundle.listing", failing(ZeroDivisionError()))
    monkeypatch.setenv("YOTO_DEBUG", "1" if how == "environment" else "")
    code, _, err = yoto(*["--debug"] * (how == "option"), "models")
    assert code == 1
    assert err.startswith("Traceback")
    assert "yoto: internal error" in err


def test_the_command_in_front_of_a_message_is_the_one_that_ran(capsys):
    program.report(["--debug", "sample", "-o", "train"], "what")
    assert capsys.readouterr().err == "yoto sample: what\n"


def test_a_reader_that_leaves_is_no_error():
    process = subprocess.run(
        f"{sys.executable} -m yoto --help | true; exit ${{PIPESTATUS[0]}}",
        shell=True,
        executable="/bin/bash",
        capture_output=True,
        text=True,
    )
    assert process.stderr == ""
    assert process.returncode in (0, 1)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_knows_recipes_and_needs_no_torch(shell):
    line = "yoto train vae/"
    environment = os.environ | {
        "_YOTO_COMPLETE": f"complete_{shell}",
        "COMP_WORDS": line,
        "COMP_CWORD": "2",
        "_TYPER_COMPLETE_ARGS": line,
        "_TYPER_COMPLETE_FISH_ACTION": "get-args",
    }
    code = "import sys; from yoto.cli import app\ntry: app(prog_name='yoto')\nfinally: sys.exit('torch' in sys.modules)"
    process = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert process.returncode == 0
    assert "vae/digits" in process.stdout


@pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
def test_ctrl_c_ends_with_130_and_no_traceback():
    code = (
        "import sys, time; from yoto import bundle, cli\n"
        "def wait(): print('ready', flush=True); time.sleep(60)\n"
        "bundle.listing = wait\n"
        "sys.exit(cli.run(['models']))"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=20)
    assert process.returncode == 130
    assert "Traceback" not in err


@pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
@pytest.mark.parametrize(
    ("code", "where"),
    [
        # torch catches what ends the import of numpy while it is imported itself, and numpy refuses the next one
        ("from yoto import bundle\nfrom yoto.cli import program\nbundle.listing = swallowing\n", "yoto models"),
        ("import yoto.__main__ as program, yoto.cli\nyoto.cli.__getattr__ = waiting\n", "yoto"),
    ],
    ids=["swallowed", "while importing"],
)
def test_ctrl_c_at_the_start_is_told_as_such(code, where):
    code = (
        "import sys, time\n"
        "def waiting(*_): print('ready', flush=True); time.sleep(60)\n"
        "def swallowing():\n"
        "    try: waiting()\n"
        "    except KeyboardInterrupt: raise ImportError('cannot load module more than once per process') from None\n"
        f"{code}sys.argv = ['yoto', 'models']\nprogram.main()"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=20)
    assert (process.returncode, err) == (130, f"{where}: interrupted\n")


@pytest.mark.parametrize(("given", "expected"), [(None, "PASSIVE"), ("ACTIVE", "ACTIVE")])
def test_threads_wait_without_spinning_unless_the_user_says_so(yoto, monkeypatch, given, expected):
    monkeypatch.setenv("OMP_WAIT_POLICY", given or "")
    if given is None:
        monkeypatch.delenv("OMP_WAIT_POLICY")
    yoto("--version")
    assert os.environ["OMP_WAIT_POLICY"] == expected


@pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
@pytest.mark.parametrize("presses", [1, 3])
@pytest.mark.parametrize("where", ["in C", "in a thread", "in Python"])
def test_ctrl_c_ends_a_long_computation_within_a_second(tmp_path, presses, where):
    code = (
        "import sys, threading, time, numpy as np\n"
        "from concurrent.futures import ThreadPoolExecutor\n"
        "from yoto import bundle\n"
        "from yoto.cli import program\n"
        "from yoto.support.files import atomic\n"
        "many = np.ones((1500, 1500))\n"
        "def compute():\n"
        "    with atomic(sys.argv[2]) as temporary:\n"
        "        print('ready', flush=True)\n"
        "        np.linalg.matrix_power(many, 2**60) if sys.argv[1] != 'in Python' else time.sleep(60)\n"
        "def listing():\n"
        "    if sys.argv[1] != 'in a thread': compute()\n"
        "    with ThreadPoolExecutor(2) as pool: pool.submit(compute).result()\n"
        "bundle.listing = listing\n"
        "run = program.run; program.run = lambda: run(['models'])\n"
        "program.main()"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, where, str(tmp_path / "result")],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout.readline() == "ready\n"
    begin = time.monotonic()
    for _ in range(presses):
        process.send_signal(signal.SIGINT)
        time.sleep(0.05)
    _, err = process.communicate(timeout=30)
    assert time.monotonic() - begin < 3  # one second on a machine that does nothing else
    assert process.returncode == 130
    assert err.endswith(": interrupted\n")
    assert err.count("\n") == 1
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("encoding", ["cp1252", "latin-1"])
@pytest.mark.parametrize(
    ("command", "code", "text"),
    [
        ("--help", 0, "range of lambda"),
        ("reconstruct --help", 0, "at each beta"),
        ("sample -o a.png --beta 1,2 --traverse", 2, "--traverse needs one beta"),
    ],
)
def test_code_pages_without_greek_get_words(tmp_path, encoding, command, code, text):
    process = subprocess.run(
        [sys.executable, "-m", "yoto", *command.split()],
        env=os.environ | {"PYTHONIOENCODING": encoding}, cwd=tmp_path, capture_output=True,
    )  # fmt: skip
    assert process.returncode == code
    assert text in (process.stdout + process.stderr).decode(encoding)
    assert b"internal error" not in process.stderr


def test_json_loses_nothing_under_a_code_page(tmp_path):
    show = "from yoto.cli.output import print_json, spell_out; spell_out(); print_json({'β': 'λ ü'})"
    process = subprocess.run(
        [sys.executable, "-c", show], env=os.environ | {"PYTHONIOENCODING": "cp1252"}, capture_output=True, check=True
    )
    assert json.loads(process.stdout) == {"β": "λ ü"}


@pytest.mark.parametrize(
    "arguments", [["compress", "", "-o", "x.yoto"], ["compress", "x.png", "-o", ""], ["inspect", ""]]
)
def test_empty_arguments_are_refused(yoto, tmp_path, arguments):
    """The shell makes them of variables that are not set; as a path they would be the folder that one is in."""
    (tmp_path / "x.png").write_bytes(b"")
    code, _, err = yoto(*arguments)
    assert code == 2
    assert "an argument is empty" in err
    assert [path.name for path in tmp_path.iterdir()] == ["x.png"]


def test_names_that_no_file_can_have_are_bad_input(yoto):
    for arguments in (["inspect", "n" * 300], ["inspect", "x" * 5000], ["compress", "n" * 300, "-o", "x.yoto"],
                      ["sweep", "n" * 300]):  # fmt: skip
        code, _, err = yoto(*arguments)
        assert (code, len(err.splitlines())) == (2, 1)


@pytest.mark.parametrize(
    ("closed", "code", "out", "err"),
    [
        ("<&-", 2, "", "yoto inspect: standard input: The file should be a .yoto image"),
        (">&-", 1, "", "yoto inspect: Bad file descriptor\n"),
        ("2>&-", 2, "", ""),
    ],
)
def test_closed_streams(tmp_path, closed, code, out, err):
    source = Path(__file__).parents[1] / "data" / "codec" / "grey.yoto"
    place = "-" if closed in ("<&-", "2>&-") else str(source)
    line = f"exec {shlex.join([sys.executable, '-m', 'yoto', 'inspect', place])} {closed}"
    done = subprocess.run(["sh", "-c", line], capture_output=True, text=True, cwd=tmp_path, stdin=subprocess.DEVNULL)
    assert (done.returncode, done.stdout) == (code, out)
    assert done.stderr.startswith(err)
    assert len(done.stderr.splitlines()) == bool(err)


def test_json_has_names_that_are_no_text(yoto, tmp_path):
    name = os.fsdecode(b"x\xff.yoto")
    (tmp_path / name).write_bytes((Path(__file__).parents[1] / "data" / "codec" / "grey.yoto").read_bytes())
    assert json.loads(yoto("inspect", name, "--json").out)[0]["input"] == name
