"""A server, a browser, and pages in it."""

import os
import re
import subprocess
import sys
import threading

import pytest

from web import samples, toys
from web.tabs import PATIENCE, WIDE, Tab, executable
from yoto.web import serve, server
from yoto.web.own import Own


@pytest.fixture(scope="module")
def browser():
    found = executable()
    from playwright.sync_api import sync_playwright

    root = hasattr(os, "geteuid") and os.geteuid() == 0
    with sync_playwright() as driver:
        made = driver.chromium.launch(executable_path=found, args=["--no-sandbox"] if root else [])
        yield made
        made.close()


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    """A model of the user's."""
    return toys.digits(tmp_path_factory.mktemp("digits") / "digits.safetensors")


@pytest.fixture(scope="module")
def base(browser, digits):
    """The address of `yoto demo MODEL`, as its user starts it."""
    process = subprocess.Popen(
        [sys.executable, "-m", "yoto", "demo", str(digits), "--port", "0", "--no-browser"],
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    line = process.stderr.readline()
    try:
        yield re.match(r"yoto demo: (http://127\.0\.0\.1:\d+/)", line)[1]
    finally:
        process.terminate()
        said = process.communicate(timeout=30)[1]
    assert "Traceback" not in said


@pytest.fixture(scope="module")
def mixed(browser, tmp_path_factory):
    """The address of a page for a model with weights of sum 1 and a choice, without a task."""
    own = Own(str(toys.mixed(tmp_path_factory.mktemp("mixed") / "mixed.safetensors")))
    listening, begun = serve.bound("127.0.0.1", 0), threading.Event()
    service = serve.made(server.create({"model": own}, warm=False), begun.set)
    thread = threading.Thread(target=service.run, args=([listening],), daemon=True)
    thread.start()
    assert begun.wait(PATIENCE)
    yield serve.address(listening, "127.0.0.1")
    service.should_exit = True
    thread.join(PATIENCE)
    listening.close()


@pytest.fixture
def visit(browser, base):
    """Opens pages; at the end nothing may have gone wrong in them, and no other host have been asked."""
    tabs = []

    def go(path, *, base=base, allowed=(), wait=True, **options):
        context = browser.new_context(**{"viewport": WIDE, **options})
        tab = Tab(context.new_page(), base, allowed)
        tabs.append(tab)
        tab.page.goto(base + path)
        if wait:
            tab.until(lambda: tab.done, "the first result")
        return tab

    yield go
    for tab in tabs:
        tab.page.context.close()
    assert [tab.problems for tab in tabs] == [[]] * len(tabs)


@pytest.fixture
def small(tmp_path):
    """A small photograph as a file."""
    path = tmp_path / "small.png"
    path.write_bytes(samples.png(96, 144, seed=2))
    return path
