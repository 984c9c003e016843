"""`yoto demo`: the checks before it serves, `--check`, and how it ends."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from dataclasses import replace
from urllib.request import urlopen

import pytest

from web.names import PAGES
from yoto import registry
from yoto.errors import YotoError


def test_check_loads_every_page_and_ends(yoto):
    code, out, err = yoto("demo", "--check")
    assert (code, out) == (0, "")
    for page in PAGES:
        assert re.search(rf"^http://127\.0\.0\.1:\d+/{page}\.html$", err, re.MULTILINE)
        assert re.search(rf"^http://127\.0\.0\.1:\d+/api/{page}\.json$", err, re.MULTILINE)
    assert "model.html" not in err


@pytest.mark.parametrize("part", ["page", "routes", "info"])
def test_a_page_that_does_not_load_is_reported_and_takes_no_other_along(yoto, monkeypatch, part):
    changed = {"page": "json:Page", "routes": "json:add"}.get(part)
    row = registry.row(registry.BUILT_IN["vae"])
    if changed is not None:
        found = registry.row
        monkeypatch.setattr(
            registry, "row", lambda value: replace(row, **{part: changed}) if "vae" in value else found(value)
        )
    else:
        monkeypatch.setattr("yoto.apps.vae.page.Autoencoders.info", refusing)
    code, out, err = yoto("demo", "--check")
    assert (code, out) == (1, "")
    assert err.startswith("yoto demo: the page 'vae' is left out: ")
    assert err.count("left out") == 1
    assert "/vae.html" not in err
    for page in PAGES:
        assert page == "vae" or f"/js/{page}.js\n" in err


def refusing(page):
    raise YotoError("The model should be there. Found none.")


def test_check_loads_the_page_of_a_model_too(yoto, model):
    code, _, err = yoto("demo", model, "--check", "--port", 0)
    assert code == 0
    assert "/model.html\n" in err
    assert "/api/model.json\n" in err


def test_a_task_of_the_users_own_is_taken(yoto, model, tmp_path):
    (tmp_path / "task_of_the_page.py").write_text(
        "from yoto.apps.vae.task import VAETask\n\n"
        "class Mine(VAETask):\n    def __init__(self, **options):\n        super().__init__(options)\n"
    )
    code, _, err = yoto("demo", model, "--task", "task_of_the_page:Mine", "--check")
    assert code == 0, err
    assert "/model.html\n" in err


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["vae/nothing"], "vae/nothing"),
        (["vae/shaps"], "Did you mean"),
        (["--port", "99999"], "Invalid value for '--port'"),
        (["--port", "x"], "Invalid value for '--port'"),
        (["--host", "203.0.113.1", "--port", "0"], "The server cannot listen on 203.0.113.1:0"),
        (["--host", "nowhere.invalid"], "The server cannot listen on nowhere.invalid, ports 8000 to"),
        (["--host", "nowhere.invalid", "--check"], "The server cannot listen on"),
        (["vae/shapes", "--static", "site"], "it takes neither MODEL nor --check"),
        (["--static", "site", "--check"], "it takes neither MODEL nor --check"),
        (["--task", "my_tasks:Mine"], "--task is for MODEL. Found none"),
        (["vae/shapes", "--task", "mine"], "--task should be MODULE:CLASS"),
        (["vae/shapes", "--task", "no_such_module:Mine", "--check"], "no_such_module"),
        (["--nothing"], "No such option"),
    ],
)
def test_bad_input_is_one_line(yoto, arguments, expected):
    code, out, err = yoto("demo", *arguments)
    assert (code, out) == (2, "")
    assert err.startswith("yoto demo: ")
    assert expected in err
    assert err.count("\n") == 1


def test_a_model_for_one_setting_has_no_page(yoto, fixed_model):
    code, _, err = yoto("demo", fixed_model, "--check")
    assert code == 2
    assert "trained for one setting" in err


def test_a_taken_port_is_said(yoto):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        for more in ([], ["--check"]):
            code, _, err = yoto("demo", "--port", port, *more)
            assert code == 2
            assert err.startswith(f"yoto demo: The server cannot listen on 127.0.0.1:{port}: ")
            assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("missing", "expected"),
    [(("fastapi",), "needs fastapi."), (("fastapi", "uvicorn"), "needs fastapi and uvicorn.")],
)
def test_without_its_packages_it_says_what_to_install(yoto, monkeypatch, missing, expected):
    monkeypatch.setattr("yoto.support.extras.find_spec", lambda name: None if name in missing else object())
    code, _, err = yoto("demo", "--check")
    assert code == 2
    assert expected in err
    assert "pip install '.[web]'" in err
    assert err.count("\n") == 1


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
@pytest.mark.parametrize(("with_request", "times"), [(False, 1), (True, 1), (True, 3)])
def test_ctrl_c_ends_it_quietly(with_request, times):
    process = subprocess.Popen(
        [sys.executable, "-m", "yoto", "demo", "--port", "0", "--no-browser"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        line = process.stderr.readline()
        url = re.match(r"yoto demo: (http://127\.0\.0\.1:\d+/) ", line)[1]
        if with_request:
            with urlopen(url, timeout=30) as response:
                assert response.status == 200
        for _ in range(times):
            process.send_signal(signal.SIGINT)
            time.sleep(0.001)  # signals that are sent at once arrive as one
        out, err = process.communicate(timeout=60)
    finally:
        process.kill()
        process.wait()
    assert process.returncode in (0, 130)
    assert out == ""
    assert "Traceback" not in err
    assert err.count("\n") <= 1
